# SPDX-License-Identifier: GPL-2.0-or-later
"""perf with the CPU's performance counters, in the host and in a guest: what a program
executes is known to the instruction, and so is what perf must say of it. It needs a CPU
with counters (lvz-sim --cpu la664)."""

import os
import re
import signal
import struct
import subprocess
import time

from case import Skip, case, check
from userland import USERLAND, enter_userland
from virsh import call

# How often the program's loop of two instructions is run.
ROUNDS = 3_000_000

# What lvz-sim counts of the program at its privilege level: each round decrements and
# branches back, which is wrong the last time; four instructions are around the loop,
# and the system call that ends it raises an exception, so it has not been executed.
EXACT = {
    "instructions:u": 2 * ROUNDS + 4,
    "branches:u": ROUNDS,
    "branch-misses:u": 1,
    "cache-references:u": 0,
}

# Cycles are more by that system call and by the faults of the program's start.
FAULTS = range(1, 20)

# Instructions from one sample to the next.
PERIOD = 20_000

ELF_BASE = 0x120000000


def program():
    """An ELF file: registers a0 (4) and a7 (11), exit(0) at the end."""
    words = [
        0x14000000 | (ROUNDS >> 12) << 5 | 4,  # lu12i.w a0, ROUNDS >> 12
        0x03800000 | (ROUNDS & 0xFFF) << 10 | 4 << 5 | 4,  # ori a0, a0, ROUNDS & 0xfff
        0x02C00000 | 0xFFF << 10 | 4 << 5 | 4,  # addi.d a0, a0, -1
        0x44000000 | 0xFFFF << 10 | 4 << 5 | 0x1F,  # bnez a0, -1
        0x03800000 | 94 << 10 | 11,  # ori a7, zero, exit_group
        0x03800000 | 4,  # ori a0, zero, 0
        0x002B0000,  # syscall
    ]
    code = struct.pack(f"<{len(words)}I", *words)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        2,  # ET_EXEC
        258,  # EM_LOONGARCH
        1,
        ELF_BASE + 120,
        64,
        0,
        0x43,  # double-float ABI, object file version 1
        64,
        56,
        1,
        0,
        0,
        0,
    )
    segment = struct.pack(
        "<IIQQQQQQ", 1, 5, 0, ELF_BASE, ELF_BASE, 120 + len(code), 120 + len(code), 0x10000
    )
    return header + segment + code


# Linux's driver enables and disables the counters' interrupt on the CPU alone that asks
# for the first event or gives the last one back: then others may have none.
PERF = "taskset -c 0 perf"


def stat_command(path):
    """The events that are exact, and others, four at a time as there are counters."""
    exact = " ".join(f"-e {event}" for event in EXACT)
    return (
        f"{PERF} stat -x, {exact} {path} 2>&1"
        f" && {PERF} stat -x, -e cycles:u -e dTLB-load-misses:u -e iTLB-load-misses:u {path} 2>&1"
    )


def record_command(path, data):
    """Samples of a program, a line each with the address. The kernel would lower their
    rate where one of them takes long."""
    return (
        "echo 0 >/proc/sys/kernel/perf_cpu_time_max_percent"
        f" && {PERF} record -q -o {data} -c {PERIOD} -e instructions:u {path} 2>&1"
        f" && perf script -i {data} -F ip 2>&1"
    )


def has_walker():
    """Whether the CPU walks page tables itself. Then the simulator's events of TLB misses, which
    count refills by software, may have none."""
    with open("/proc/cpuinfo") as cpuinfo:
        return re.search(r"^Features.*\bptw\b", cpuinfo.read(), re.M) is not None


def check_counts(output):
    """What `perf stat -x,` printed: value, unit, event, time, share of the time."""
    counts = {}
    for value, event, share in re.findall(r"^(\d+),,([\w-]+:u),\d+,([\d.]+),", output, re.M):
        check(float(share) == 100, f"{event} was counted {share} % of the time")
        counts[event] = int(value)
    print(f"perf stat: {counts}", flush=True)
    for event, want in EXACT.items():
        got = counts.get(event)
        check(got == want, f"{event} {got}, the program has {want}: {output}")
    faults = counts.get("cycles:u", 0) - EXACT["instructions:u"]
    check(faults in FAULTS, f"{faults} cycles more than instructions: {output}")
    misses = counts.get("iTLB-load-misses:u")
    least = 0 if has_walker() else 1
    check(misses is not None and least <= misses <= faults, f"{misses} TLB misses of fetches")


def check_samples(output):
    """One sample each PERIOD instructions, all in the loop."""
    addresses = [int(line, 16) for line in re.findall(r"^ *([0-9a-f]{9})\s*$", output, re.M)]
    want = EXACT["instructions:u"] // PERIOD
    print(f"perf record: {len(addresses)} samples of {want}", flush=True)
    check(len(addresses) == want, f"{len(addresses)} samples, not {want}: {output[:400]}")
    loop = {ELF_BASE + 120 + 8, ELF_BASE + 120 + 12}
    check(set(addresses) <= loop, f"samples outside the loop: {sorted(set(addresses))}")


def require_counters():
    """Not all CPUs have counters; if this one has, the kernel must have found them."""
    if not os.path.exists("/sys/bus/event_source/devices/cpu"):
        raise Skip("the CPU has no performance counters")


@case("counters,host")
def in_host(run):
    """perf stat and perf record of a program in the host."""
    require_counters()
    path = run.path("loop")
    with open(path, "wb") as file:
        file.write(program())
    os.chmod(path, 0o755)
    for command, judge in (
        (stat_command(path), check_counts),
        (record_command(path, run.path("data")), check_samples),
    ):
        status, output, errors = call(["sh", "-c", command], 120)
        check(status == 0, f"perf ended with {status}: {output} {errors}")
        judge(output)


@case("counters,guest")
def in_guest(run):
    """The same in a guest, whose counters are the host's, lent; while the host counts
    the guest, neither disturbs the other."""
    require_counters()
    domain = run.domain(memory="<memory unit='MiB'>512</memory>", devices=USERLAND).start()
    shell = domain.shell()
    check("PMU enabled, 4 64-bit counters" in shell.run("dmesg"), "the guest has no counters")
    enter_userland(shell)
    octal = "".join(f"\\0{byte:03o}" for byte in program())
    shell.run(f"printf '%b' '{octal}' >/new/tmp/loop && chmod +x /new/tmp/loop")

    def judge():
        for command, judged in (
            (stat_command("/tmp/loop"), check_counts),
            (record_command("/tmp/loop", "/tmp/data"), check_samples),
        ):
            judged(shell.run(f"chroot /new sh -c '{command}'", 120))

    judge()
    # All of the host's counters count on all CPUs meanwhile.
    path = run.path("host")
    words = ["perf", "stat", "-a", "-x", ",", "-o", path]
    for event in ("cycles", "instructions", "branches", "dTLB-load-misses"):
        words += ["-e", event]
    host = subprocess.Popen(words)
    try:
        time.sleep(1)
        judge()
    finally:
        host.send_signal(signal.SIGINT)
        host.wait(60)
    with open(path) as file:
        found = re.findall(r"^(\d+),,([\w-]+),", file.read(), re.M)
    print(f"the host meanwhile: {found}", flush=True)
    never = {"dTLB-load-misses"} if has_walker() else set()
    check(
        len(found) == 4 and all(int(value) > 0 or event in never for value, event in found),
        f"it counted {found}",
    )


@case("counters,off")
def off(run):
    """A guest whose CPU is to have none has none; one that must have them has them."""
    require_counters()
    for value in ("off", "on"):
        cpu = f"<qemu:arg value='-cpu'/><qemu:arg value='max,pmu={value}'/>"
        domain = run.domain(f"-{value}", arguments=cpu)
        said = domain.start().shell().run("dmesg")
        check(("PMU enabled" in said) == (value == "on"), f"pmu={value}: {said}")
        domain.virsh("destroy")
