# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The same machine in LLDB: registers, memory, a breakpoint, steps, a watchpoint."""

import os
import traceback

import lldb

SOCKET = os.environ["KVM_LA_SOCKET"]
KERNEL = os.environ["KVM_LA_KERNEL"]


class Wrong(Exception):
    """The machine is not as it should be."""


def check(right, text):
    """Ends the session unless it is right."""
    if not right:
        raise Wrong(text)


def do(debugger, command):
    """A command of LLDB; what it prints."""
    result = lldb.SBCommandReturnObject()
    debugger.GetCommandInterpreter().HandleCommand(command, result)
    text = (result.GetOutput() or "") + (result.GetError() or "")
    print(f"(lldb) {command}\n{text}", end="", flush=True)
    check(result.Succeeded(), f"{command}: {text}")
    return text


def run(debugger):
    """The session."""
    debugger.SetAsync(False)
    do(debugger, f"target create --arch loongarch64 {KERNEL}")
    do(debugger, f"process connect --plugin gdb-remote unix-connect://{SOCKET}")
    target = debugger.GetSelectedTarget()
    process = target.GetProcess()
    check(process.GetNumThreads() == 2, f"{process.GetNumThreads()} CPUs")
    start = target.FindSymbols("start_kernel")[0].GetSymbol().GetStartAddress()
    start = start.GetFileAddress()
    breakpoint = target.BreakpointCreateByAddress(start)
    process.Continue()
    thread = process.GetSelectedThread()
    check(thread.GetStopReason() == lldb.eStopReasonBreakpoint, "not stopped by a breakpoint")
    frame = thread.GetFrameAtIndex(0)
    check(frame.GetPC() == start, f"pc is {frame.GetPC():#x}, not {start:#x}")
    target.BreakpointDelete(breakpoint.GetID())
    check("start_kernel" in (frame.GetFunctionName() or ""), "no symbol")
    error = lldb.SBError()
    word = process.ReadUnsignedFromMemory(start, 4, error)
    check(error.Success() and word != 0, "no memory at start_kernel")
    for _ in range(4):
        before = thread.GetFrameAtIndex(0).GetPC()
        thread.StepInstruction(False)
        check(thread.GetFrameAtIndex(0).GetPC() != before, "no step")
    crmd = do(debugger, "register read csr_crmd")
    check("0x" in crmd, f"no CSR: {crmd}")
    do(debugger, "register write r23 0x123456789abcdef0")
    check("0x123456789abcdef0" in do(debugger, "register read r23"), "r23 was not written")
    jiffies = target.FindSymbols("jiffies_64")[0].GetSymbol().GetStartAddress()
    jiffies = jiffies.GetFileAddress()
    watchpoint = target.WatchAddress(jiffies, 8, False, True, error)
    check(error.Success(), f"no watchpoint: {error}")
    before = process.ReadUnsignedFromMemory(jiffies, 8, error)
    process.Continue()
    thread = process.GetSelectedThread()
    check(thread.GetStopReason() == lldb.eStopReasonWatchpoint, "not stopped by a watchpoint")
    target.DeleteWatchpoint(watchpoint.GetID())
    now = process.ReadUnsignedFromMemory(jiffies, 8, error)
    check(now in (before, before + 1), f"jiffies_64 went from {before} to {now}")
    check("CSRs of the host" in do(debugger, "process plugin packet monitor help"), "no monitor")
    process.Kill()


def __lldb_init_module(debugger, _):
    try:
        run(debugger)
    except Wrong as error:
        traceback.print_exc()
        print(f"KVM-LA-DEBUGGER failed: {error}", flush=True)
    else:
        print("KVM-LA-DEBUGGER passed", flush=True)
