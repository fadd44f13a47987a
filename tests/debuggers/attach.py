# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A debugger that comes to a kernel which has been running, leaves it, and comes again."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gdb
from session import PHYSICAL, attach, check, do, session, value

KERNEL = os.environ["KVM_LA_KERNEL"]


def ticks():
    """jiffies_64, wherever the kernel is: until it has set its windows up, the address by which it
    was linked leads nowhere."""
    where = value("(unsigned long)&jiffies_64") & (2**48 - 1) | PHYSICAL
    return value(f"*(unsigned long *){where:#x}")


def comes_again():
    """Until the kernel has ticked between two debuggers; nothing else had it run."""
    for _ in range(240):
        executed, ticked = value("$icount"), ticks()
        check(executed > 0, "it has not been running")
        do("detach")
        time.sleep(0.25)
        attach()
        check(value("$icount") > executed, f"it has not gone on from {executed}")
        if 0 < ticked < ticks():
            return
    check(False, "the kernel does not tick")


def stops_and_goes_back():
    """A debugger that came late stops it as one that was there from the beginning, and goes back
    to where it was when it came."""
    came, before = value("$icount"), ticks()
    watch = gdb.Breakpoint("*(unsigned long *)&jiffies_64", gdb.BP_WATCHPOINT)
    do("continue")
    check(ticks() > before, "no watchpoint")
    watch.delete()
    do("reverse-continue")
    do("thread 1")
    check(value("$icount") == came, f"not back at instruction {came}: {value('$icount')}")
    check(ticks() == before, f"jiffies_64 was {before}, not {ticks()}")


def main():
    """All of it."""
    do(f"file {KERNEL}")
    attach()
    comes_again()
    stops_and_goes_back()
    do("kill")


session(main)
