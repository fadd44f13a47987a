# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the sessions in GDB have in common. GDB runs them: they are scripts of its Python."""

import os
import sys
import traceback
from typing import NamedTuple

import gdb

# Where the simulator listens.
SOCKET = os.environ["KVM_LA_SOCKET"]

# Bits 59:48 of addresses of other spaces (lvz-sim: gdb/space.rs).
HOST = 0xD01 << 48
GUEST = 0xD02 << 48
GUEST_PHYSICAL = 0xD03 << 48
PHYSICAL = 0xD04 << 48


class Wrong(Exception):
    """The machine is not as it should be."""


def check(right, text):
    """Ends the session unless it is right."""
    if not right:
        raise Wrong(text)


def do(command):
    """A command of GDB; what it prints."""
    text = gdb.execute(command, to_string=True)
    print(f"(gdb) {command}\n{text}", end="", flush=True)
    return text


def value(expression):
    """The value of an expression, as a number of 64 bits."""
    return int(gdb.parse_and_eval(expression)) & (2**64 - 1)


def pc():
    """The program counter."""
    return value("$pc")


def in_guest():
    """Whether the CPU is in guest mode."""
    return value("$guest_mode") == 1


class Place(NamedTuple):
    """Which CPU a machine is stopped at, where, and what it has executed."""

    cpu: int
    pc: int
    guest: bool
    instructions: int


def here():
    """Where it is."""
    return Place(gdb.selected_thread().num, pc(), in_guest(), value("$icount"))


def word(address):
    """An instruction in memory."""
    return value(f"*(unsigned int *){address:#x}")


class Stops:
    """A breakpoint for as long as a `with` lasts."""

    def __init__(self, address, hardware=False):
        kind = gdb.BP_HARDWARE_BREAKPOINT if hardware else gdb.BP_BREAKPOINT
        self._breakpoint = gdb.Breakpoint(f"*{address:#x}", type=kind)

    def __enter__(self):
        return self._breakpoint

    def __exit__(self, *_):
        self._breakpoint.delete()


def attach():
    """Begins to debug."""
    for setting in ("pagination off", "confirm off", "width 0", "remotetimeout 120"):
        gdb.execute(f"set {setting}")
    do(f"target remote {SOCKET}")


def session(run):
    """Runs a session to its end and says how it ended."""
    try:
        run()
    except (Wrong, gdb.error) as error:
        traceback.print_exc()
        print(f"KVM-LA-DEBUGGER failed: {error}")
    else:
        print("KVM-LA-DEBUGGER passed")
    sys.stdout.flush()
