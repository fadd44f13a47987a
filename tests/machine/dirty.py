# SPDX-License-Identifier: Apache-2.0 OR MIT
"""How fast a guest writes memory, as QEMU measures and limits it."""

import os
import time

from case import case, check
from shell import APPEND, Shell

# What the guest goes round in, and writes to it a second, in MiB. A round takes
# longer than a measurement, so that every way to count finds the same.
BUFFER = 96
RATE = 64

# Samples are of QEMU's pages. The dirty log and the rings count the host's, and
# QEMU takes each for one of its own (system/physmem.c): what is measured is
# less by this, whatever the backend.
SHARE = 4096 / os.sysconf("SC_PAGESIZE")

# What a measurement may find of what was written: the kernel writes too, samples
# are few, and a second is not exactly one.
LEAST = 0.6
MOST = 1.6

# What a CPU that does nothing may write.
IDLE = 5

# A limit, what QEMU leaves alone above or below one (system/dirtylimit.c:
# DIRTYLIMIT_TOLERANCE_RANGE), and how much a guest writes so that its rate as QEMU
# counts is more than both.
LIMIT = 8
TOLERANCE = 25
FAST = int(64 / SHARE)


def writer(run, cpu, rate=RATE, **options):
    """A guest that writes at a known rate on QEMU's CPU of that number."""
    qemu = run.qemu(append=APPEND, **options)
    shell = Shell(qemu)
    place = shell.cpu_places().index(cpu)
    shell.start_beside(f"/debuggee dirty {BUFFER} {rate} {place}")
    # All of the buffer was written once, which is no part of the rate.
    qemu.expect(f"KVM-LA-DEBUGGEE dirty {BUFFER}")
    shell.run("sleep 0.1")
    return qemu, shell


def measure(qemu, **arguments):
    """One measurement of a second."""
    qemu.qmp("calc-dirty-rate", calc_time=1, **arguments)
    deadline = time.monotonic() + 60
    while True:
        time.sleep(0.2)
        answer = qemu.qmp("query-dirty-rate")
        if answer["status"] == "measured":
            return answer
        check(time.monotonic() < deadline, f"it is still {answer['status']}")


def check_rate(rate, what, share=SHARE):
    """The rate is the guest's."""
    wanted = RATE * share
    good = LEAST * wanted <= rate <= MOST * wanted
    check(good, f"{what}: {rate} MiB/s, not about {wanted}")


@case("dirty-rate")
def dirty_rate(run):
    """By samples and by the dirty log, with a guest that writes and one that
    does not."""
    qemu, shell = writer(run, run.smp - 1)
    for mode, share, arguments in (
        ("page-sampling", 1, {"sample_pages": 8192}),
        ("dirty-bitmap", SHARE, {}),
        ("dirty-bitmap", SHARE, {}),
    ):
        answer = measure(qemu, mode=mode, **arguments)
        check(answer["mode"] == mode, f"mode {answer['mode']}")
        check_rate(answer["dirty-rate"], mode, share)
    shell.run("killall debuggee")
    time.sleep(0.3)
    rate = measure(qemu, mode="dirty-bitmap")["dirty-rate"]
    check(rate <= IDLE, f"an idle guest writes {rate} MiB/s")
    qemu.quit()


@case("dirty-ring", smp=(2, 4), ci=(2,))
def dirty_ring(run):
    """By the vCPUs' dirty rings, each for itself."""
    cpu = run.smp - 1
    qemu, shell = writer(run, cpu, accel_options="dirty-ring-size=1024")
    answer = measure(qemu, mode="dirty-ring")
    rates = {entry["id"]: entry["dirty-rate"] for entry in answer["vcpu-dirty-rate"]}
    check(sorted(rates) == list(range(run.smp)), f"rates of {sorted(rates)}")
    for index, rate in rates.items():
        if index == cpu:
            check_rate(rate, f"ring of CPU {index}")
        else:
            check(rate <= IDLE, f"CPU {index} does nothing and writes {rate} MiB/s")
    shell.run("killall debuggee")
    qemu.quit()


def ring_rate(qemu, cpu):
    """What a vCPU writes by its ring, in a second."""
    rates = measure(qemu, mode="dirty-ring")["vcpu-dirty-rate"]
    (rate,) = (entry["dirty-rate"] for entry in rates if entry["id"] == cpu)
    return rate


@case("dirty-limit", smp=(2, 4))
def dirty_limit(run):
    """A limit on one vCPU holds it down, and is taken away."""
    cpu = run.smp - 1
    # A limit is for a vCPU that fills its ring: it then waits.
    qemu, shell = writer(run, cpu, FAST, accel_options="dirty-ring-size=1024")
    held = LIMIT + TOLERANCE
    free = ring_rate(qemu, cpu)
    check(free > held + 10, f"{free} MiB/s without a limit: nothing to hold down")
    qemu.qmp("set-vcpu-dirty-limit", cpu_index=cpu, dirty_rate=LIMIT)
    deadline = time.monotonic() + 30
    low = 0
    while low < 3:
        time.sleep(1)
        (limit,) = qemu.qmp("query-vcpu-dirty-limit")
        check(limit["cpu-index"] == cpu and limit["limit-rate"] == LIMIT, f"{limit}")
        low = low + 1 if limit["current-rate"] <= held else 0
        check(time.monotonic() < deadline, f"{free} MiB/s before, the limit does not hold: {limit}")
    qemu.qmp("cancel-vcpu-dirty-limit")
    again = ring_rate(qemu, cpu)
    check(again > held, f"{free} MiB/s before the limit, {again} after it")
    shell.run("killall debuggee")
    shell.run("true")
    check(qemu.complaints() == [], f"QEMU says {qemu.complaints()}")
    qemu.quit()


@case("dirty-ring-small", smp=(1, 2))
def dirty_ring_small(run):
    """The smallest ring is full again and again while much is written, without a
    measurement of the dirty rate before."""
    qemu = run.qemu(append=APPEND, accel_options="dirty-ring-size=1024")
    shell = Shell(qemu)
    # Twice a ring. More would leave the guest no block of free memory beside the
    # one that its kernel takes to compact memory, while a CPU whose ring is full
    # keeps it: the other would kill a process for want of memory.
    for cpu in range(run.smp):
        shell.start_beside(f"/debuggee dirty 32 400 {cpu}")
    for _ in range(2):
        answer = measure(qemu, mode="dirty-ring")
        for entry in answer["vcpu-dirty-rate"]:
            check(entry["dirty-rate"] > RATE * SHARE / 2, f"{entry}")
    shell.run("killall debuggee")
    check(shell.number("nproc") == run.smp, "CPUs are missing")
    qemu.quit()
