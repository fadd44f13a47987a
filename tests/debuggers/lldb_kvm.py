# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A KVM host and its guest in LLDB: through the world switch by steps, a watchpoint on the guest's
memory that the host hits, a program of the guest, and back to the host."""

import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lldb
from lldb_session import GUEST, GUEST_PHYSICAL, HOST, PHYSICAL, Stops, check, session

ERTN = 0x06483800
SYSCALL = 0x002B0000
HVCL = 0x002B8100
# Where the world switch is (both modules: in the page of the exit vector).
SWITCH_SIZE = 0x1000


def boots(it, start):
    """Host and guest have the same kernel; each stops where it alone begins."""
    with Stops(it, start | HOST):
        it.forward()
    check(it.pc() == start and not it.in_guest(), f"not the host's start_kernel: {it.pc():#x}")
    with Stops(it, start | GUEST):
        it.forward()
    check(it.pc() == start and it.in_guest(), f"not the guest's start_kernel: {it.pc():#x}")
    check("guest PLV0 GID" in it.monitor("mode"), "the monitor does not say guest")
    # What the host has executed at start_kernel's address is free memory of its by now.
    check(it.memory(start, 8) == it.memory(start | GUEST, 8), "not the guest's text")
    check(it.memory(start | HOST, 8) != it.memory(start | GUEST, 8), "not the host's memory")


def world_switch(it, start):
    """Out of the guest by exits, back to each and to where the guest began, and in by `ertn`."""
    began = it.place()
    exits = it.register("csr_eentry")
    seen = []
    with Stops(it, exits | HOST), Stops(it, start | GUEST):
        for _ in range(3):
            it.forward()
            check(it.pc() == exits and not it.in_guest(), f"no exit: {it.pc():#x}")
            seen.append(it.place())
        for expected in [*reversed(seen[:-1]), began]:
            it.back()
            check(it.place() == expected, f"{it.place()} is not {expected}")
        it.forward()
    check(it.place() == seen[0], f"{it.place()} is not {seen[0]}, forwards again")
    where = range(exits, exits + SWITCH_SIZE, 4)
    entries = [at for at in where if it.memory(at | HOST, 4) == ERTN]
    check(entries != [], "no ertn in the world switch")
    stops = [Stops(it, at | HOST) for at in entries]
    it.forward()
    for stop in stops:
        stop.__exit__()
    check(it.pc() in entries and not it.in_guest(), f"not at the entry: {it.pc():#x}")
    to = it.register("csr_era")
    it.step()
    check(it.in_guest() and it.pc() == to, f"it did not enter at {to:#x}: {it.pc():#x}")
    return exits


def steal_time(it, exits):
    """The guest tells the host by a hypercall where it wants to read its steal time. A step goes
    from the hypercall into the host, which writes there: into the guest's memory."""
    begin = it.symbol("pv_enable_steal_time")
    calls = [at for at in range(begin, begin + 0x100, 4) if it.memory(at | GUEST, 4) == HVCL]
    check(calls != [], "no hypercall in pv_enable_steal_time")
    with Stops(it, calls[0] | GUEST):
        it.forward()
    check(it.in_guest() and it.pc() == calls[0], f"not at the hypercall: {it.pc():#x}")
    version = (it.register("r6") & ~0x3F) + 8
    where = it.monitor(f"translate {version | GUEST_PHYSICAL:#x}")
    pa = int(re.search(r"physical (0x[0-9a-f]+)", where)[1], 16)
    before = it.memory(pa | PHYSICAL, 4)
    number = it.watch_writes(pa | PHYSICAL, 4)
    it.step()
    check(it.pc() == exits and not it.in_guest(), f"no step to the host: {it.pc():#x}")
    it.forward()
    check(it.thread.GetStopReason() == lldb.eStopReasonWatchpoint, "no watchpoint")
    check(not it.in_guest(), f"what wrote the guest's memory is the guest: {it.pc():#x}")
    it.target.DeleteWatchpoint(number)
    after = it.memory(version | GUEST_PHYSICAL, 4)
    check(after != before, f"the guest does not see what was written: {after}")


def user_program(it, calls, exits):
    """A program of the guest, found from its system call; a step goes from it into its kernel."""
    with Stops(it, calls | GUEST):
        it.forward()
    check(it.in_guest() and it.pc() == calls, f"no system call: {it.pc():#x}")
    caller, entry = it.register("gcsr_era"), it.register("gcsr_eentry")
    with Stops(it, caller | GUEST):
        it.back()
    check(it.in_guest() and it.pc() == caller, f"not at the program's call: {it.pc():#x}")
    check(it.register("gcsr_crmd") & 3 == 3, "the program is not at PLV3")
    check("guest PLV3" in it.monitor("mode"), "the monitor does not say PLV3")
    check(it.memory(it.pc(), 4) == SYSCALL, "no syscall there")
    it.step()
    check(it.in_guest() and it.register("gcsr_crmd") & 3 == 0, "the call does not lead to PLV0")
    check(entry <= it.pc() < entry + 0x10000, f"not the guest's vectors: {it.pc():#x}")
    with Stops(it, exits | HOST):
        it.forward()
    check(not it.in_guest() and it.pc() == exits, f"not back in the host: {it.pc():#x}")


def run(it):
    """The whole way."""
    start, calls = it.symbol("start_kernel"), it.symbol("handle_syscall")
    check(it.process.GetNumThreads() == 2, f"{it.process.GetNumThreads()} CPUs")
    boots(it, start)
    exits = world_switch(it, start)
    steal_time(it, exits)
    user_program(it, calls, exits)
    it.do("process detach")
    it.attach()
    it.do("process kill")


def __lldb_init_module(debugger, _):
    session(debugger, run)
