# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A machine that is reset, by QEMU and by its guest."""

import os
import random
import re
import time

import registers
import steady
from case import case, check
from shell import APPEND, READY, Shell
from state import known_to_fail

# What the kernel prints first.
KERNEL = "Linux version"

# The workload's progress (tests/guest/steady).
STEADY = "KVM-LA-STEADY "

# How often a reset is tried, by tier.
RESETS = {"ci": 10, "full": 40, "everything": 200}

# After that many resets nothing is new for QEMU any more.
SETTLED = 5

# A mapping that is as large is the guest's memory.
GUEST_MEMORY = 192 << 10

# What QEMU's own memory may grow by, in KiB, in all later resets.
GROWTH = 4096


def descriptors(qemu):
    """QEMU's open files."""
    folder = f"/proc/{qemu.process.pid}/fd"
    links = []
    for name in os.listdir(folder):
        try:
            links.append(os.readlink(os.path.join(folder, name)))
        except FileNotFoundError:
            pass
    return sorted(links)


def resident(qemu):
    """QEMU's own memory in KiB: resident, and not the guest's."""
    total = 0
    size = 0
    with open(f"/proc/{qemu.process.pid}/smaps", encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[0] == "Size:":
                size = int(words[1])
            elif words[0] == "Rss:" and size < GUEST_MEMORY:
                total += int(words[1])
    return total


# What QEMU's reset gives a value (target/loongarch/cpu.c,
# loongarch_cpu_reset_hold), as `info registers` calls it; the manual leaves the
# others open.
RESET_CSRS = ("CRMD", "EUEN", "MISC", "ECFG", "EENTRY", "TLBRENTRY")


def system_registers(qemu):
    """Of each CPU the pc and the registers that a reset sets."""
    kept = []
    for line in registers.of_all(qemu).splitlines():
        if re.match(r" *(CPU#|PC=)", line):
            kept.append(line.split()[0])
        elif re.match(r" *CSR", line):
            pairs = re.findall(r"([A-Z][A-Z0-9]*) +([0-9a-f]+)", line.split(":", 1)[1])
            kept += [f"{name}={value}" for name, value in pairs if name in RESET_CSRS]
    return "\n".join(kept)


def boots_again(run, qemu, at):
    """Waits for the kernel's first line behind a position; the position behind it."""
    # docs/qtest.md, reset-pending.
    forgets = run.accel == "upstream" and (run.kvm == "upstream" or run.irqchip == "off")
    with known_to_fail(forgets, "a forgotten interrupt leaves its line up"):
        return qemu.expect(KERNEL, after=at, stream="kernel")


@case("reset-loop", smp=(1, 2, 4), ci=(1,), irqchip=("on", "off"))
def reset_loop(run):
    """Resets at random moments of a guest's life; it boots again each time, and
    QEMU keeps nothing of those before."""
    count = RESETS[run.tier]
    dice = random.Random(run.smp)
    qemu = run.qemu()
    files = used = None
    # Positions behind the last reset.
    kernel = console = 0
    for number in range(count):
        # Early in the kernel's life, later in it, and with all CPUs at work.
        moment = dice.choice(["early", "early", "late", "steady"])
        if number == SETTLED:
            # With its devices in use, as at the end.
            moment = "steady"
        boots_again(run, qemu, kernel)
        if moment == "late":
            time.sleep(dice.uniform(0, 0.6))
        elif moment == "steady":
            qemu.expect(STEADY, after=console)
            time.sleep(dice.uniform(0, 0.1))
            if number == SETTLED:
                files, used = descriptors(qemu), resident(qemu)
        else:
            time.sleep(dice.uniform(0, 0.05))
        qemu.qmp("system_reset")
        event = qemu.event("RESET")
        check(event["data"]["reason"] == "host-qmp-system-reset", f"{event}")
        check(qemu.status() == "running", f"it is {qemu.status()} after reset {number}")
        kernel, console = len(qemu.kernel()), len(qemu.console())
    boots_again(run, qemu, kernel)
    for _ in range(2):
        console = qemu.expect(STEADY, after=console)
    if files is not None:
        now = descriptors(qemu)
        more = [file for file in set(now) if now.count(file) > files.count(file)]
        check(not more, f"{len(files)} files became {len(now)}, more {more}")
        grown = resident(qemu) - used
        check(grown < GROWTH, f"QEMU grew by {grown} KiB in {count - SETTLED} resets")
    steady.sound(qemu)
    check(qemu.complaints() == [], f"QEMU says {qemu.complaints()}")
    qemu.quit()


@case("reset-paused", smp=(1, 2, 4), ci=(1,), irqchip=("on", "off"))
def reset_paused(run):
    """A reset makes of a stopped machine what it was before it was started: pc
    and the CSRs that have a value at reset, of all CPUs. Then it boots."""
    qemu = run.qemu(paused=True)
    fresh = system_registers(qemu)
    qemu.qmp("cont")
    qemu.expect(STEADY)
    qemu.qmp("stop")
    used = system_registers(qemu)
    check(used != fresh, "a guest that ran has the registers of a new one")
    qemu.qmp("system_reset")
    check(qemu.event("RESET") is not None, "no event")
    check(qemu.status() == "prelaunch", f"it is {qemu.status()}")
    again = system_registers(qemu)
    check(again == fresh, "after a reset: " + registers.difference(fresh, again))
    printed = qemu.kernel(), qemu.console()
    time.sleep(0.3)
    check((qemu.kernel(), qemu.console()) == printed, "a paused guest prints")
    qemu.qmp("cont")
    qemu.expect(STEADY, after=len(printed[1]))
    qemu.quit()


@case("reset-idle", smp=(1, 4))
def reset_idle(run):
    """A reset finds all CPUs asleep, and one on which a CPU was taken off."""
    qemu = run.qemu(append=APPEND)
    shell = Shell(qemu)
    for turn in range(3):
        if run.smp > 1 and turn == 2:
            shell.run("echo 0 >/sys/devices/system/cpu/cpu1/online")
        time.sleep(0.3)
        at = len(qemu.console())
        qemu.qmp("system_reset")
        shell = Shell(qemu, at)
        check(shell.number("nproc") == run.smp, "CPUs are missing after a reset")
    qemu.quit()


@case("reboot", smp=(1, 4))
def reboot(run):
    """The guest reboots by itself while its CPUs are at work."""
    qemu = run.qemu(append=APPEND)
    shell = Shell(qemu)
    for _ in range(2 if run.tier == "ci" else 5):
        check(shell.number("nproc") == run.smp, "CPUs are missing")
        for cpu in range(run.smp):
            shell.start_beside(f"/debuggee step {cpu} >/dev/null")
        at = len(qemu.console())
        qemu.send("reboot -f\n")
        event = qemu.event("RESET")
        check(event["data"]["guest"], f"not the guest's reset: {event}")
        shell = Shell(qemu, at)
    qemu.quit()


@case("power-off", smp=(1, 4))
def power_off(run):
    """The guest powers off while its CPUs are at work; QEMU ends."""
    qemu = run.qemu(append=APPEND)
    shell = Shell(qemu)
    for cpu in range(run.smp):
        shell.start_beside(f"/debuggee step {cpu} >/dev/null")
    qemu.send("poweroff -f\n")
    status = qemu.wait()
    check(status == 0, f"QEMU ended with {status}: {qemu.complaints()}")
    check(READY in qemu.console(), "the guest was not there")
