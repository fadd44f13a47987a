# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A guest with all that only newer CPUs have (`--cpu la664`): whole registers of LASX,
binary translation with its stack mode, performance counters, message interrupts. The
guest keeps patterns in them and counts its own instructions, and must not notice that it
is moved. Its kernel is the distribution's, which has perf."""

import os
import subprocess

import steady
from case import Skip, case, check, rounds
from messages import FIRMWARE, KERNEL, WINDOW, has_messages, target
from migration import FAST, arrived, live, moved, wait_for

# What steady calls the units, and the line of /proc/cpuinfo of a host that has them.
UNITS = {"lasx": "lasx", "lbt": "lbt_x86"}

# Message interrupts by QEMU's controller.
WITH_MESSAGES = ["-machine", "dmsi=on", "-cpu", "max,msgint=on"]

# The modules of KVM, by whose name they are.
MODULES = {"rust": "/share/kvm-rust.ko", "upstream": "/share/kvm-upstream.ko"}


def boot(run, *extra, accel=None):
    """A guest that works with all units of the host."""
    with open("/proc/cpuinfo") as cpuinfo:
        words = cpuinfo.read().split()
    missing = [unit for unit, word in UNITS.items() if word not in words]
    if missing:
        raise Skip(f"the host's CPU has no {' and no '.join(missing)}")
    qemu = start(run, *extra, accel=accel)
    qemu.expect("KVM-LA-STEADY begin", timeout=240)
    steady.boot(qemu)
    qemu.expect("KVM-LA-STEADY port is open")
    begin = qemu.console().split("KVM-LA-STEADY begin ")[1].splitlines()[0]
    check(
        begin == f"cpus={run.smp} lasx lbt counters",
        f"the guest keeps state in '{begin}'",
    )
    qemu.qmp("migrate-set-parameters", max_bandwidth=FAST)
    return qemu


def start(run, *extra, **options):
    """A QEMU for it."""
    words = [*extra, "-bios", FIRMWARE, "-kernel", KERNEL]
    return run.qemu(memory=512, extra=words, **options)


def move_live(run, qemu, accel, *extra):
    """Moves it to another QEMU while it works; that one. A line of the port, whose interrupt is
    a message if the guest has such, comes in just before."""
    address = f"unix:{run.path('socket')}"
    destination = start(run, *extra, incoming=address, accel=accel)
    destination.qmp("migrate-set-parameters", max_bandwidth=FAST)
    steady.send_port(qemu, "moves")
    before = live(qemu, destination, address)
    said = qemu.console()
    moved(qemu, destination, before)
    steady.received_port(destination, "moves", said)
    qemu.quit()
    return destination


@case("units", smp=(1, 2))
def units(run):
    """All of that is kept from backend to backend and back."""
    other = run.other_accel()
    qemu = boot(run)
    for accel in (other, run.accel, run.accel):
        qemu = move_live(run, qemu, accel)
    qemu.quit()


@case("units-messages", smp=(1, 2), irqchip=("off",))
def units_messages(run):
    """The same with message interrupts, which Linux uses for the port, by QEMU's controller."""
    qemu = boot_messages(run)
    for _ in range(3):
        qemu = move_live(run, qemu, run.accel, *WITH_MESSAGES)
    qemu.quit()


@case("units-between-modules", smp=(1, 2), group="modules")
def between_modules(run):
    """It is put aside, the module is exchanged for the other, and there it goes on: 4
    times, 50 with --all. A host of its own, as a failure leaves either module there."""
    load(run.kvm)
    exchange(run, boot(run))


@case("units-messages-between-modules", smp=(1, 2), irqchip=("off",), group="modules")
def messages_between_modules(run):
    """The same with message interrupts."""
    load(run.kvm)
    exchange(run, boot_messages(run), *WITH_MESSAGES)


def boot_messages(run):
    """A guest that gets the port's interrupts as messages too."""
    if not has_messages():
        raise Skip("the host has no message interrupts")
    if run.accel != "rust":
        raise Skip("QEMU's own backend does not give KVM the registers of messages")
    qemu = boot(run, *WITH_MESSAGES)
    check(target(qemu) in WINDOW, f"messages go to {target(qemu):#x}")
    return qemu


def exchange(run, qemu, *words):
    """Exchanges the module under the guest again and again. `words`: more options of QEMU."""
    path = run.path("saved")
    module = run.kvm
    for _ in rounds(50 if run.tier == "everything" else 4):
        steady.send_port(qemu, "moves")
        qemu.qmp("migrate", uri=f"file:{path}")
        wait_for(qemu, "completed")
        before, said = steady.last(qemu), qemu.console()
        qemu.quit()
        module = "upstream" if module == "rust" else "rust"
        load(module)
        qemu = start(run, *words, incoming=f"file:{path}")
        qemu.qmp("migrate-set-parameters", max_bandwidth=FAST)
        arrived(qemu)
        os.remove(path)
        steady.consecutive(before, steady.expect(qemu, 3), cut=True)
        steady.received_port(qemu, "moves", said)
    last = steady.last(qemu)
    steady.goes_on(qemu, last, after=last.end)
    qemu.quit()


def load(module):
    """Makes one of the modules the host's KVM."""
    for words in (["rmmod", "kvm"], ["insmod", MODULES[module]]):
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        check(ended.returncode == 0, f"{' '.join(words)}: {ended.stderr}")
