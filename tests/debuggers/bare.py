# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A kernel alone: registers, CSRs and memory are read and written, watchpoints, steps forwards
and backwards, a debugger that goes and comes again."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb
from session import PHYSICAL, Stops, attach, check, do, here, pc, session, value

KERNEL = os.environ["KVM_LA_KERNEL"]


def jiffies():
    """The kernel's count of its ticks."""
    return value("(unsigned long)jiffies_64")


def registers():
    """Each kind of register is read, written and put back."""
    for name, other in [
        ("r23", 0x123456789ABCDEF0),
        ("pc", 0x1000),
        ("fcsr", 0x300),
        ("fcc3", 1),
        ("scr1", 0x55),
        ("csr_save3", 0x77),
        ("csr_badv", 0x155),
        ("gcsr_save2", 0x99),
        ("gcsr_tlbehi", 0x12340000),
    ]:
        before = value(f"${name}")
        do(f"set ${name} = {other:#x}")
        gdb.execute("maintenance flush register-cache", to_string=True)
        now = value(f"${name}")
        check(now & 0xFFFFFFFFFF == other & 0xFFFFFFFFFF, f"{name} is {now:#x}")
        do(f"set ${name} = {before:#x}")
    do("set $vr5.v2_int64[1] = 0x1122334455667788")
    do("set $xr5.v4_int64[3] = 7")
    gdb.execute("maintenance flush register-cache", to_string=True)
    check(value("$xr5.v4_int64[1]") == 0x1122334455667788, "xr5 has not what vr5 has")
    check(value("$xr5.v4_int64[3]") == 7, "the upper half of xr5")
    do("set $f6.d = 1.5")
    check(gdb.parse_and_eval("$f6.d") == 1.5, "f6")
    check("crmd" in do("monitor csr crmd"), "no crmd")
    check("gcsr_crmd" in do("info registers gcsr"), "no group gcsr")
    check("csr_" not in do("info registers"), "CSRs among general registers")


def memory(start):
    """By virtual and by physical address."""
    physical = (start & (2**48 - 1)) | PHYSICAL
    text = value(f"*(unsigned long *){start:#x}")
    check(value(f"*(unsigned long *){physical:#x}") == text, "not at its physical address")
    do(f"set *(unsigned long *){physical:#x} = 0x1234")
    check(value(f"*(unsigned long *){start:#x}") == 0x1234, "not written")
    do(f"set *(unsigned long *){start:#x} = {text:#x}")
    for nowhere in (0x10, 0x1FE001E0 | PHYSICAL, 0xFFFFFFFFFFFFFFF8):
        try:
            value(f"*(unsigned long *){nowhere:#x}")
        except gdb.MemoryError:
            continue
        check(False, f"{nowhere:#x} has memory")


def watchpoints():
    """jiffies_64 is written by the timer's interrupt. The stub stops before the write, forwards and
    backwards, and GDB goes one instruction on in its direction before it says so."""
    before = jiffies()
    watch = gdb.Breakpoint("*(unsigned long *)&jiffies_64", gdb.BP_WATCHPOINT)
    seen = []
    for more in (1, 2, 3):
        do("continue")
        check(jiffies() == before + more, f"jiffies_64 went from {before} to {jiffies()}")
        seen.append(here())
    for less, place in zip((2, 1, 0), reversed(seen), strict=True):
        do("reverse-continue")
        check(jiffies() == before + less, f"jiffies_64 was {before + less}, not {jiffies()}")
        now = here()
        expected = (place.cpu, place.instructions - 2)
        check((now.cpu, now.instructions) == expected, f"{now}, not before the write of {place}")
    watch.delete()


def steps():
    """What is stepped forwards and backwards is the same."""
    seen = []
    for _ in range(30):
        seen.append((pc(), value("$r4"), value("$sp"), value("$icount")))
        gdb.execute("stepi", to_string=True)
    for expected in reversed(seen):
        gdb.execute("reverse-stepi", to_string=True)
        now = (pc(), value("$r4"), value("$sp"), value("$icount"))
        check(now == expected, f"{now} is not {expected}")


def main():
    """All of it."""
    do(f"file {KERNEL}")
    attach()
    start = value("(unsigned long)&start_kernel")
    with Stops(start, hardware=True):
        do("continue")
    check(pc() == start, f"not at start_kernel: {pc():#x}")
    registers()
    memory(start)
    steps()
    with Stops(value("(unsigned long)&schedule")):
        do("continue")
    watchpoints()
    before, left = jiffies(), here()
    do("detach")
    attach()
    check(value("$icount") > left.instructions, f"it has not gone on from {left}")
    check(jiffies() >= before, f"jiffies_64 was {before}")
    do("kill")


session(main)
