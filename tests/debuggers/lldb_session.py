# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the sessions in LLDB have in common. LLDB runs them: they are scripts of its Python."""

import os
import traceback

import lldb

SOCKET = os.environ["KVM_LA_SOCKET"]
KERNEL = os.environ["KVM_LA_KERNEL"]

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


class Stops:
    """A breakpoint for as long as a `with` lasts."""

    def __init__(self, of, address):
        self._target = of.target
        self._breakpoint = self._target.BreakpointCreateByAddress(address)

    def __enter__(self):
        return self._breakpoint

    def __exit__(self, *_):
        self._target.BreakpointDelete(self._breakpoint.GetID())


class Session:
    """LLDB, and the machine that it debugs."""

    def __init__(self, debugger):
        self._debugger = debugger
        debugger.SetAsync(False)
        self.do("settings set plugin.process.gdb-remote.packet-timeout 120")
        self.do(f"target create --arch loongarch64 {KERNEL}")
        self.target = debugger.GetSelectedTarget()
        self.attach()

    def do(self, command):
        """A command of LLDB; what it prints."""
        result = lldb.SBCommandReturnObject()
        self._debugger.GetCommandInterpreter().HandleCommand(command, result)
        text = (result.GetOutput() or "") + (result.GetError() or "")
        print(f"(lldb) {command}\n{text}", end="", flush=True)
        check(result.Succeeded(), f"{command}: {text}")
        return text

    def attach(self):
        """Begins to debug."""
        self.do(f"process connect --plugin gdb-remote unix-connect://{SOCKET}")

    @property
    def process(self):
        """The machine."""
        return self.target.GetProcess()

    @property
    def thread(self):
        """The CPU that is looked at."""
        return self.process.GetSelectedThread()

    @property
    def frame(self):
        """Where it is."""
        return self.thread.GetFrameAtIndex(0)

    def register(self, name):
        """The value of a register."""
        found = self.frame.FindRegister(name)
        check(found.IsValid(), f"no register {name}")
        return found.GetValueAsUnsigned()

    def pc(self):
        """The program counter."""
        return self.frame.GetPC()

    def in_guest(self):
        """Whether the CPU is in guest mode."""
        return self.register("guest_mode") == 1

    def place(self):
        """Which CPU it is, where, and how many instructions it has executed."""
        return (
            self.thread.GetIndexID(),
            self.pc(),
            self.register("guest_mode"),
            self.register("icount"),
        )

    def symbol(self, name):
        """The address of a symbol of the kernel."""
        found = self.target.FindSymbols(name)
        check(found.GetSize() > 0, f"no symbol {name}")
        return found[0].GetSymbol().GetStartAddress().GetFileAddress()

    def memory(self, address, size):
        """A number of `size` bytes in memory."""
        error = lldb.SBError()
        value = self.process.ReadUnsignedFromMemory(address, size, error)
        check(error.Success(), f"{address:#x}: {error}")
        return value

    def forward(self):
        """Runs on until something stops the machine."""
        self.do("process continue --forward")

    def back(self):
        """Runs back until something stops the machine."""
        self.do("process continue --reverse")

    def step(self):
        """One instruction of the CPU."""
        self.thread.StepInstruction(False)

    def monitor(self, command):
        """What a command of the simulator's answers."""
        return self.do(f"process plugin packet monitor {command}")

    def watch_writes(self, address, size):
        """A watchpoint; it is deleted by its number."""
        error = lldb.SBError()
        watchpoint = self.target.WatchAddress(address, size, False, True, error)
        check(error.Success(), f"no watchpoint: {error}")
        return watchpoint.GetID()


def session(debugger, run):
    """Runs a session to its end and says how it ended."""
    try:
        run(Session(debugger))
    except Wrong as error:
        traceback.print_exc()
        print(f"KVM-LA-DEBUGGER failed: {error}", flush=True)
    else:
        print("KVM-LA-DEBUGGER passed", flush=True)
