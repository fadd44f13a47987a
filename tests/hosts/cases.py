# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts in one Ethernet, and a guest that moves between them while it works."""

import itertools
import os
import re
import time

import migration
import steady
from far import carrier, ping
from qemu import PATIENCE, Qemu
from remote import RemoteQemu
from verdict import check, rounds

# A migration listens at a port of its own each time: the last one's connection may
# still be there.
PORTS = itertools.count(6000)


class Run:
    """What a case works with; its QEMUs on both hosts end with it."""

    def __init__(self, far, accel, far_accel, rounds):
        self.far = far
        self.rounds = rounds
        self._accels = {"near": accel, "far": far_accel}
        # QEMU's C backend loses condition flags 4 to 7, see docs/machine-tests.md.
        self._flags = 8 if accel == far_accel == "rust" else 4
        self._qemus = []

    def qemu(self, where, **options):
        """A QEMU on one of the hosts."""
        accel = self._accels[where]
        options = {"smp": 1, "append": f"kvm-la.flags={self._flags}", "memory": 128, **options}
        if where == "near":
            machine = Qemu(accel, **options)
        else:
            machine = RemoteQemu(self.far, accel, **options)
        self._qemus.append(machine)
        return machine

    def boot(self, where="near", **options):
        """A guest that works."""
        return migration.boot(self, where=where, **options)

    def destination(self, where, **options):
        """A QEMU that waits for a guest, and the address at which it does."""
        port = next(PORTS)
        host = os.environ[where.upper()]
        machine = self.qemu(where, incoming=f"tcp:{host}:{port}", **options)
        machine.qmp("migrate-set-parameters", max_bandwidth=migration.FAST)
        return machine, f"tcp:{host}:{port}"

    def finish(self):
        """Checks what holds for every QEMU at its end."""
        for machine in self._qemus:
            if not machine.closed:
                machine.check_backend()

    def close(self):
        """Leaves nothing behind."""
        for machine in self._qemus:
            machine.close()

    def story(self):
        """What helps with a failure."""
        lines = []
        for i, machine in enumerate(self._qemus):
            if not machine.closed:
                lines.append(f"QEMU {i} ({machine.accel}): {machine.status()}")
                lines += [f"  stderr: {line}" for line in machine.errors().splitlines()[-10:]]
                for stream in ("kernel", "console"):
                    text = machine.text(stream).splitlines()
                    lines += [f"  {stream}: {line}" for line in text[-20:]]
        return lines


def hosts_ping(run):
    """Each host reaches the other: frames of all sizes, none lost or changed."""
    for size in (0, 56, 1472, 8000):
        for said in (
            ping("-c", "5", "-i", "0.05", "-s", str(size), os.environ["FAR"]),
            run.far.ask("ping", None, "-c", "5", "-i", "0.05", "-s", str(size), os.environ["NEAR"]),
        ):
            check(re.search(r" 5 packets received, 0% packet loss", said), f"size {size}: {said}")


def live(run):
    """A guest that works moves to the far host and back, again and again."""
    source = run.boot()
    for _ in rounds(run.rounds):
        for where in ("far", "near"):
            destination, address = run.destination(where)
            before = migration.live(source, destination, address)
            migration.moved(source, destination, before)
            source.quit()
            source = destination
    source.quit()


def live_smp(run):
    """The same with two CPUs."""
    source = run.boot(smp=2)
    for where in ("far", "near"):
        destination, address = run.destination(where, smp=2)
        before = migration.live(source, destination, address)
        migration.moved(source, destination, before)
        source.quit()
        source = destination
    source.quit()


def slow_move(run, source):
    """Begins a move to the far host that lasts; the QEMU there."""
    source.qmp("migrate-set-parameters", max_bandwidth=migration.SLOWLY)
    destination, address = run.destination("far")
    source.qmp("migrate", uri=address)
    migration.wait_for(source, "active")
    time.sleep(0.5)
    return destination


def destination_dies(run):
    """The QEMU at the far host ends in the middle of a move: the guest goes on where
    it is, and can be moved afterwards."""
    source = run.boot()
    before = steady.last(source)
    slow_move(run, source).close()
    migration.wait_for(source, "failed")
    check(source.status() == "running", f"the source is {source.status()}")
    steady.goes_on(source, before, after=before.end)
    source.qmp("migrate-set-parameters", max_bandwidth=migration.FAST)
    destination, address = run.destination("far")
    before = migration.live(source, destination, address)
    migration.moved(source, destination, before)
    source.quit()
    destination.quit()


def host_dies(run):
    """The far host goes away in the middle of a move: the guest goes on, and the move,
    which waits for it, can be given up."""
    source = run.boot()
    before = steady.last(source)
    slow_move(run, source)
    run.far.leave()
    deadline = time.monotonic() + PATIENCE
    while carrier():
        check(time.monotonic() < deadline, "the link is still up")
        time.sleep(0.05)
    check(source.status() == "running", f"the source is {source.status()}")
    steady.goes_on(source, before, after=before.end)
    source.qmp("migrate_cancel")
    migration.wait_for(source, "cancelled", "failed")
    before = steady.last(source)
    steady.goes_on(source, before, after=before.end)
    source.quit()


CASES = {
    "ping": hosts_ping,
    "live": live,
    "live-smp=2": live_smp,
    "destination-dies": destination_dies,
    "host-dies": host_dies,
}
