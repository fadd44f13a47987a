# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A KVM host and its guest: into the guest through the world switch, to a program of the
guest, back to the host, and backwards."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb
from session import (
    GUEST,
    GUEST_PHYSICAL,
    HOST,
    PHYSICAL,
    Stops,
    Wrong,
    attach,
    check,
    do,
    here,
    in_guest,
    pc,
    session,
    value,
    word,
)

# The kernel of host and guest.
KERNEL = os.environ["KVM_LA_KERNEL"]

ERTN = 0x06483800
SYSCALL = 0x002B0000
HVCL = 0x002B8100
# Where the world switch is (both modules: in the page of the exit vector).
SWITCH_SIZE = 0x1000


def symbol(name):
    """The address of a symbol of the kernel, without a space: GDB may have found the guest's."""
    found = re.search(r"0x[0-9a-f]+", do(f"info address {name}"))
    check(found is not None, f"no symbol {name}")
    return int(found[0], 16) & ~(0xFFF << 48)


def host_boots(start):
    """The host's kernel, which has the same addresses as the guest's."""
    with Stops(start):
        do("continue")
    check(pc() == start and not in_guest(), f"not the host's start_kernel: {pc():#x}")
    check("host PLV0" in do("monitor mode"), "the monitor does not say host")
    frame = do("backtrace 1")
    check("start_kernel" in frame, f"no symbol: {frame}")


def guest_boots(start):
    """The same address, in the guest alone."""
    with Stops(start | GUEST):
        do("continue")
    check(pc() == start and in_guest(), f"not the guest's start_kernel: {pc():#x}")
    check("guest PLV0 GID" in do("monitor mode"), "the monitor does not say guest")
    name = do(f"info symbol {start | GUEST:#x}")
    check("start_kernel" in name, f"no symbol in the guest: {name}")
    # Host and guest have the same kernel: its text is the same in both spaces, in other memory.
    text = value(f"*(unsigned long *){start:#x}")
    check(value(f"*(unsigned long *){start | GUEST:#x}") == text, "the guest's text differs")
    pages = do(f"monitor translate {start | GUEST:#x}")
    gpa, pa = (int(page, 16) for page in re.findall(r"physical (0x[0-9a-f]+)", pages)[:2])
    check(gpa == start & (2**48 - 1), f"start_kernel is at the guest's {gpa:#x}")
    check(pa != gpa, "the guest has the host's memory")
    check(value(f"*(unsigned long *){pa | PHYSICAL:#x}") == text, "not at its physical address")
    check(value(f"*(unsigned long *){gpa | GUEST_PHYSICAL:#x}") == text, "not by stage 2")
    entry_of_stage_2(gpa, pa)


def entry_of_stage_2(gpa, pa):
    """The TLB entry that makes `pa` of the guest's `gpa`, and no other."""
    gid = re.search(r"guest PLV0 GID (\d+)", do("monitor mode"))[1]
    text = do(f"monitor tlb stage2 gid={gid} va={gpa:#x}")
    check("index" in text.splitlines()[0], f"no heading: {text}")
    lines = text.splitlines()[1:]
    check(len(lines) == 1, f"not one entry: {text}")
    found = re.match(r"[SM]TLB +\d+ +stage2 +(\d+) 0x\w+ \d 2\^ *(\d+) +(0x\w+) (.*)", lines[0])
    check(found is not None, f"not an entry of stage 2: {text}")
    size = 1 << int(found[2])
    pair = gpa & -(2 * size)
    check((found[1], int(found[3], 16)) == (gid, pair), f"not of {gpa:#x} and GID {gid}: {text}")
    page = found[4].split(", ")[gpa // size % 2]
    check(int(page.split()[0], 16) == pa & -size, f"not at {pa:#x}: {text}")
    none = do(f"monitor tlb stage2 gid={int(gid) ^ 1} va={gpa:#x}")
    check("no entries" in none, f"entries of another GID: {none}")


def world_switch():
    """Out of the guest by an exit and in again by `ertn`; where that is."""
    exits = value("$csr_eentry")
    with Stops(exits | HOST, hardware=True):
        do("continue")
        check(pc() == exits and not in_guest(), f"no exit: {pc():#x}")
    cause = value("$csr_estat") >> 16 & 0x3F
    left = value("$csr_era")
    do("stepi 20")
    check(not in_guest() and exits < pc() < exits + SWITCH_SIZE, "it left the world switch")
    do("reverse-stepi 20")
    check(pc() == exits, f"not back at the exit: {pc():#x}")
    do("reverse-stepi")
    check(in_guest(), "what was before the exit is not the guest")
    check(pc() == left, f"the guest left at {left:#x}, cause {cause:#x}, not {pc():#x}")
    entries = [at for at in range(exits, exits + SWITCH_SIZE, 4) if word(at | HOST) == ERTN]
    check(entries != [], "no ertn in the world switch")
    stops = [Stops(at | HOST) for at in entries]
    do("continue")
    for stop in stops:
        stop.__exit__()
    check(pc() in entries and not in_guest(), f"not at the entry: {pc():#x}")
    check("ertn" in do("x/i $pc"), "GDB does not know ertn")
    entry = pc()
    to = value("$csr_era")
    do("stepi")
    check(in_guest() and pc() == to, f"it did not enter at {to:#x}: {pc():#x}")
    return exits, entry


def steal_time():
    """The guest tells the host by a hypercall where it wants to read its steal time: the host
    writes it there, into the guest's memory, which is watched."""
    begin = symbol("pv_enable_steal_time")
    calls = [at for at in range(begin, begin + 0x100, 4) if word(at | GUEST) == HVCL]
    check(calls != [], "no hypercall in pv_enable_steal_time")
    with Stops(calls[0] | GUEST):
        do("continue")
    check(in_guest() and pc() == calls[0], f"not at the hypercall: {pc():#x}")
    version = (value("$r6") & ~0x3F) + 8
    where = do(f"monitor translate {version | GUEST_PHYSICAL:#x}")
    pa = int(re.search(r"physical (0x[0-9a-f]+)", where)[1], 16)
    before = value(f"*(unsigned int *){pa | PHYSICAL:#x}")
    watch = gdb.Breakpoint(f"*(unsigned int *){pa | PHYSICAL:#x}", gdb.BP_WATCHPOINT)
    do("continue")
    check(not in_guest(), f"what wrote the guest's memory is the guest: {pc():#x}")
    after = value(f"*(unsigned int *){version | GUEST_PHYSICAL:#x}")
    check(after != before, f"the guest does not see what was written: {after}")
    watch.delete()


def user_program(calls, exits):
    """A program of the guest, found from the system call that it makes; and on to the host."""
    with Stops(calls | GUEST):
        do("continue")
    check(in_guest() and pc() == calls, f"no system call: {pc():#x}")
    check(value("$gcsr_crmd") & 3 == 0, "the guest's kernel is not at PLV0")
    caller = value("$gcsr_era")
    for _ in range(64):
        do("reverse-stepi")
        if value("$gcsr_crmd") & 3 == 3:
            break
    check(in_guest() and pc() == caller, f"not at the program's call {caller:#x}: {pc():#x}")
    check(value("*(unsigned int *)$pc") == SYSCALL, "no syscall there")
    check("guest PLV3" in do("monitor mode"), "the monitor does not say PLV3")
    do("reverse-stepi")
    check(value("$gcsr_crmd") & 3 == 3, "before its call it was not in the program")
    do("stepi")
    check(pc() == caller and value("$gcsr_crmd") & 3 == 3, f"not at its call: {pc():#x}")
    # From there GDB steps to what is behind the call: by then the kernel has been there.
    with Stops(calls | GUEST):
        do("stepi")
    check(pc() == calls and value("$gcsr_crmd") & 3 == 0, "the call does not lead to its kernel")
    with Stops(exits | HOST):
        do("continue")
    check(not in_guest() and pc() == exits, f"not back in the host: {pc():#x}")


def back_over_exits(writes, exits):
    """Hits of a breakpoint in the guest, between which it left to the host: each is gone back to,
    to the instruction. `writes` is what its kernel writes to its console by, which KVM emulates."""
    with Stops(writes | GUEST):
        do("continue")
        with Stops(exits | HOST):
            seen = [here(), *until_both(writes, exits)]
        hits = [place for place in seen if place.guest]
        for expected in reversed(hits[:-1]):
            do("reverse-continue")
            check(here() == expected, f"{here()} is not {expected}")
        # And the same way again, with the exits.
        with Stops(exits | HOST):
            for expected in seen[1:]:
                do("continue")
                check(here() == expected, f"{here()} is not {expected}, the second time")


def until_both(writes, exits):
    """Runs on over hits of the guest's breakpoint and exits, to a hit; where it stopped."""
    seen = []
    for _ in range(100):
        do("continue")
        seen.append(here())
        expected = writes if seen[-1].guest else exits
        check(seen[-1].pc == expected, f"stopped at {seen[-1]}")
        hits = sum(place.guest for place in seen)
        if seen[-1].guest and hits >= 3 and len(seen) - hits >= 3:
            return seen
    raise Wrong("no exits between the guest's writes")


def main():
    """The whole way."""
    do(f"file {KERNEL}")
    attach()
    start, calls = symbol("start_kernel"), symbol("handle_syscall")
    writes = symbol("mem_serial_out")
    do(f"add-symbol-file {KERNEL} -o {GUEST:#x}")
    threads = do("info threads")
    check(threads.count("PLV") == 2, f"not two CPUs: {threads}")
    host_boots(start)
    guest_boots(start)
    exits, _ = world_switch()
    steal_time()
    back_over_exits(writes, exits)
    user_program(calls, exits)
    do("kill")


session(main)
