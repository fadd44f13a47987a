# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A kernel alone in LLDB: registers, memory, breakpoints forwards and backwards, steps, a
watchpoint, and an LLDB that goes and comes again."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import lldb
from lldb_session import Stops, check, session


def steps(it):
    """Each is one instruction of the CPU."""
    for _ in range(4):
        before, count = it.pc(), it.register("icount")
        it.step()
        check(it.pc() != before, "no step")
        check(it.register("icount") == count + 1, "not one instruction")


def watchpoint(it):
    """jiffies_64 is written by the timer's interrupt; LLDB has executed the write when it stops."""
    jiffies = it.symbol("jiffies_64")
    before = it.memory(jiffies, 8)
    number = it.watch_writes(jiffies, 8)
    for more in (1, 2):
        it.forward()
        check(it.thread.GetStopReason() == lldb.eStopReasonWatchpoint, "no watchpoint")
        now = it.memory(jiffies, 8)
        check(now == before + more, f"jiffies_64 went from {before} to {now}")
    it.target.DeleteWatchpoint(number)


def back(it, at):
    """To each hit of a breakpoint, the last one first."""
    seen = []
    with Stops(it, at):
        for _ in range(4):
            it.forward()
            check(it.pc() == at, f"pc is {it.pc():#x}, not {at:#x}")
            seen.append(it.place())
        for expected in reversed(seen[:-1]):
            it.back()
            check(it.place() == expected, f"{it.place()} is not {expected}")


def run(it):
    """All of it."""
    check(it.process.GetNumThreads() == 2, f"{it.process.GetNumThreads()} CPUs")
    start = it.symbol("start_kernel")
    with Stops(it, start):
        it.forward()
        check(it.thread.GetStopReason() == lldb.eStopReasonBreakpoint, "no breakpoint")
    check(it.pc() == start, f"pc is {it.pc():#x}, not {start:#x}")
    check("start_kernel" in (it.frame.GetFunctionName() or ""), "no symbol")
    check(it.memory(start, 4) != 0, "no memory at start_kernel")
    steps(it)
    check("0x" in it.do("register read csr_crmd"), "no CSR")
    it.do("register write r23 0x123456789abcdef0")
    check("0x123456789abcdef0" in it.do("register read r23"), "r23 was not written")
    back(it, it.symbol("schedule"))
    watchpoint(it)
    check("CSRs of the host" in it.monitor("help"), "no monitor")
    count = it.register("icount")
    it.do("process detach")
    it.attach()
    check(it.register("icount") > count, f"it has not gone on from {count}")
    it.do("process kill")


def __lldb_init_module(debugger, _):
    session(debugger, run)
