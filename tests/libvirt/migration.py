# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains that move between two libvirts of one machine, there and back."""

import time

import steady
from case import case, check
from domain import EMULATORS

# Ports of this machine: both hosts are on it.
URI = "tcp://127.0.0.1"


def there_and_back(accel):
    """The case that moves a domain to an emulator and back."""

    def moves(run):
        """A guest that works goes to the other host and comes back."""
        # Both backends keep these.
        domain = run.steady(cpus=2, flags=4).start()
        before = steady.boot(domain)
        home = run.host
        away = run.second_host()
        for target, other in ((away, accel), (home, run.accel)):
            domain.migrate(target, other, "--migrateuri", URI)
            check(domain.state().startswith("running (migrated"), domain.state())
            before = steady.goes_on(domain, before, after=before.end, cut=True)
            domain.check_backend()
        gone(domain, away, "it has come back")

    return moves


def gone(domain, host, why):
    """Waits until a host does not know a domain."""
    deadline = time.monotonic() + 15
    while domain.name in host.virsh("list", "--all", "--name").split():
        state = host.virsh("domstate", "--reason", domain.name).strip()
        check(time.monotonic() < deadline, f"{why}, but there it is {state}; {host.tail()}")
        time.sleep(0.2)


for ACCEL in EMULATORS:
    case(f"migrate,destination={ACCEL}")(there_and_back(ACCEL))


@case("migrate-postcopy")
def postcopy(run):
    """The guest goes on before its memory has come."""
    domain = run.steady(cpus=2, flags=4).start()
    before = steady.boot(domain)
    away = run.second_host()
    options = ["--migrateuri", URI, "--postcopy", "--postcopy-after-precopy"]
    domain.migrate(away, run.accel, *options)
    steady.goes_on(domain, before, after=before.end, cut=True)


@case("migrate-fails")
def fails(run):
    """A move that the destination cannot take leaves the guest where it is."""
    domain = run.steady(flags=4).start()
    steady.boot(domain)
    away = run.second_host()
    at = steady.position(domain)
    # A port that QEMU's user may not listen on.
    words = ["--live", "--p2p", "--migrateuri", f"{URI}:1", away.address]
    answer = domain.refused("migrate", *words)
    check("Failed to bind" in answer or "ermission denied" in answer, answer)
    check(domain.state().startswith("running"), domain.state())
    steady.goes_on(domain, steady.last(domain), after=max(at, steady.last(domain).end))
    gone(domain, away, answer)
    domain.migrate(away, run.accel, "--migrateuri", URI)
    steady.goes_on(domain, steady.last(domain))
