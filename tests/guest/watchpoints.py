# SPDX-License-Identifier: GPL-2.0-or-later
"""Hardware watchpoints, breakpoints and single steps as a debugger asks Linux for them.

The kernel must have found as many registers as the first argument says.
"""

import ctypes
import mmap
import os
import signal
import struct
import subprocess
import sys

# ptrace requests and register sets (uapi/linux/ptrace.h, uapi/linux/elf.h).
TRACEME, CONT, KILL, SINGLESTEP = 0, 7, 8, 9
GETREGSET, SETREGSET, GETSIGINFO = 0x4204, 0x4205, 0x4202
PRSTATUS, HW_BREAK, HW_WATCH = 1, 0xA05, 0xA06
TRAP_HWBKPT = 4
# Kinds of watchpoints, in bits 9:8 of their control, and the size in bits 11:10.
LOAD, STORE = 1 << 8, 1 << 9
SIZE8, SIZE4 = 0 << 10, 1 << 10
# Bits of privilege levels, of which Linux wants one to switch it on.
ENABLED = 0x10
PC = 33 * 8

libc = ctypes.CDLL(None, use_errno=True)


class Iovec(ctypes.Structure):
    """struct iovec."""

    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def ptrace(request, pid, address=0, data=0):
    """The system call."""
    arguments = [ctypes.c_long(value) for value in (request, pid, address, data)]
    if libc.ptrace(*arguments) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


def regset(request, pid, kind, content):
    """Reads or writes a register set."""
    buffer = ctypes.create_string_buffer(bytes(content), len(content))
    vector = Iovec(ctypes.addressof(buffer), len(content))
    ptrace(request, pid, kind, ctypes.addressof(vector))
    return buffer.raw[: vector.size]


def watch(pid, kind, address, control):
    """Sets the first watchpoint."""
    regset(SETREGSET, pid, kind, struct.pack("<QQQII", 0, address, 0, control, 0))


def unwatch(pid, kind):
    """Takes it away again."""
    watch(pid, kind, 0, 0)


def counter(pid):
    """The program counter."""
    return struct.unpack_from("<Q", regset(GETREGSET, pid, PRSTATUS, bytes(45 * 8)), PC)[0]


def stopped(pid, wanted):
    """Waits for a stop by a signal."""
    _, status = os.waitpid(pid, 0)
    got = os.WSTOPSIG(status) if os.WIFSTOPPED(status) else f"status {status:#x}"
    assert got == wanted, f"stopped by {got}, not {wanted}"


def reason(pid):
    """si_code of the signal that stopped it."""
    info = ctypes.create_string_buffer(128)
    ptrace(GETSIGINFO, pid, 0, ctypes.addressof(info))
    return struct.unpack_from("<i", info.raw, 8)[0]


def code():
    """A page with a function: stores its second argument at the first, loads it, returns."""
    words = [0x29C00085, 0x28C00086, 0x02C00400, 0x02C00400, 0x4C000020]
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(struct.pack(f"<{len(words)}I", *words))
    return page


def child(function, target):
    """Stops, calls the function twice, ends with what it left."""
    ptrace(TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64)(function)
    call(ctypes.addressof(target), 40)
    call(ctypes.addressof(target), 2)
    os._exit(target.value)


def start(function, target):
    """A child that has stopped itself."""
    pid = os.fork()
    if pid == 0:
        child(function, target)
    stopped(pid, signal.SIGSTOP)
    return pid


def end(pid):
    """It must come to its end unharmed."""
    ptrace(CONT, pid)
    _, status = os.waitpid(pid, 0)
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 2, f"ended with {status:#x}"


def hit(pid, function, offset):
    """Goes on to the instruction at an offset of the function."""
    ptrace(CONT, pid)
    stopped(pid, signal.SIGTRAP)
    assert reason(pid) == TRAP_HWBKPT, f"si_code {reason(pid)}"
    at = counter(pid) - function
    assert at == offset, f"stopped at offset {at}, not {offset}"


def main():
    """All of it, or an exception."""
    wanted = int(sys.argv[1])
    log = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
    line = f"Found {wanted} breakpoint and {wanted} watchpoint registers"
    assert line in log, f"the kernel did not say: {line}"
    page = code()
    function = ctypes.addressof(ctypes.c_char.from_buffer(page))
    target = ctypes.c_uint64.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
    address = ctypes.addressof(target)

    # A store, then not again: it was taken away.
    pid = start(function, target)
    watch(pid, HW_WATCH, address, STORE | SIZE8 | ENABLED)
    hit(pid, function, 0)
    unwatch(pid, HW_WATCH)
    end(pid)

    # A load of the upper half alone; the store before does not count.
    pid = start(function, target)
    watch(pid, HW_WATCH, address + 4, LOAD | SIZE4 | ENABLED)
    hit(pid, function, 4)
    unwatch(pid, HW_WATCH)
    end(pid)

    # A fetch, and from there single steps.
    pid = start(function, target)
    watch(pid, HW_BREAK, function + 4, ENABLED)
    hit(pid, function, 4)
    unwatch(pid, HW_BREAK)
    for offset in (8, 12, 16):
        ptrace(SINGLESTEP, pid)
        stopped(pid, signal.SIGTRAP)
        at = counter(pid) - function
        assert at == offset, f"a step came to offset {at}, not {offset}"
    end(pid)


main()
