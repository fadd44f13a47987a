# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A debugger on the guest."""

import re
import struct

import steady
import stepping
from case import Skip, case, check
from gdb import PC, Gdb
from shell import APPEND, Shell

# Signals, as GDB counts them.
SIGINT = 2
SIGTRAP = 5

# $a0: a function's first argument.
ARGUMENT = 4

# What a process ends with that a SIGTRAP ends, in a shell.
TRAPPED = 128 + SIGTRAP


def start(run, **options):
    """A guest that takes commands, and a way in for a debugger."""
    path = run.path("gdb")
    qemu = run.qemu(append=APPEND, extra=Gdb.arguments(path), **options)
    return qemu, Shell(qemu), path


def symbol(shell, name):
    """The address of a function of the guest's kernel."""
    output = shell.run(f"grep ' {name}$' /proc/kallsyms")
    address = int(output.split()[0], 16)
    check(address != 0, f"the kernel hides where {name} is")
    return address


def subject(shell, cpu):
    """Starts the program that is stepped through: where it is, and its counter."""
    shell.start_beside(f"/debuggee step {cpu}")
    shell.run("sleep 0.1")
    found = re.search(
        r"KVM-LA-DEBUGGEE subject (0x\w+) counter (0x\w+)", shell.qemu.console()
    )
    check(found is not None, f"no subject: {shell.qemu.tail()}")
    shell.run("pidof debuggee")
    return int(found[1], 16), int(found[2], 16)


def enter(gdb, thread, address):
    """Stops the process that `subject` started while it is on its CPU, whose page
    tables are used then; elsewhere its addresses are another process's."""
    for _ in range(50):
        gdb.check(f"Hc{thread}")
        gdb.select(thread)
        pc = gdb.register(PC)
        if address <= pc < address + stepping.SUBJECT_SIZE:
            return
        gdb.go()
        gdb.runs(0.01)
        gdb.interrupt()
        gdb.stop()
    check(False, f"the process is never on its CPU: pc {pc:#x}, subject at {address:#x}")


class Subject:
    """A debugger that has the program stepped through at the beginning of a call,
    on the last CPU."""

    def __init__(self, run):
        self.qemu, self.shell, path = start(run)
        cpu = run.smp - 1
        self.address, self.counter = subject(self.shell, cpu)
        self.gdb = Gdb(path)
        self.thread = self.gdb.threads()[cpu]
        enter(self.gdb, self.thread, self.address)
        self.go_to(self.address)

    def stopped(self):
        """Waits for a stop by a breakpoint or a step, which is this thread's; the
        offset in the program."""
        signal, thread = self.gdb.stop()
        check(
            signal == SIGTRAP and thread == self.thread,
            f"signal {signal} of thread {thread}, not of {self.thread}",
        )
        self.gdb.check(f"Hc{thread}")
        self.gdb.select(thread)
        return self.gdb.register(PC) - self.address

    def go_to(self, address):
        """Lets the machine run up to an address; the breakpoint is gone then."""
        self.gdb.insert(address)
        self.gdb.go()
        offset = self.stopped()
        check(self.address + offset == address, f"it stopped at {offset:#x}, not {address:#x}")
        self.gdb.remove(address)

    def calls(self):
        """How often the program was called."""
        return struct.unpack("<Q", self.gdb.read(self.counter, 8))[0]

    def leave(self):
        """Detaches: the program was not harmed, and works until it is ended."""
        self.gdb.detach()
        self.shell.run("sleep 0.1; pidof debuggee")
        check("wrong" not in self.qemu.console(), f"it complains: {self.qemu.tail()}")
        self.shell.run("killall debuggee")
        self.qemu.quit()


def monitor_registers(qemu, cpu):
    """General registers and pc as the monitor shows them."""
    text = qemu.hmp("info registers -a")
    part = re.split(r"^CPU#\d+\n", text, flags=re.M)[cpu + 1]
    pc = int(re.search(r"PC=([0-9a-f]+)", part)[1], 16)
    names = re.findall(r"GPR(\d+): \w+ ([0-9a-f]+)|\br(\d+)[ =]([0-9a-f]+)", part)
    values = {int(a or c): int(b or d, 16) for a, b, c, d in names}
    return pc, values, part


@case("gdb-attach", ci=(2,), irqchip=("on", "off"))
def attach(run):
    """Stops, looks at all CPUs, changes a register, detaches: the guest is not harmed."""
    path = run.path("gdb")
    qemu = run.qemu(extra=Gdb.arguments(path))
    seen = qemu.expect("KVM-LA-STEADY 2 ")
    gdb = Gdb(path)
    check(gdb.reason.startswith("T"), f"it is not stopped: {gdb.reason}")
    check(qemu.status() == "paused", f"it is {qemu.status()}")
    threads = gdb.threads()
    check(len(threads) == run.smp, f"threads {threads}")
    for cpu, thread in enumerate(threads):
        gdb.select(thread)
        registers = gdb.registers()
        pc, values, text = monitor_registers(qemu, cpu)
        check(registers[PC] == pc, f"pc {registers[PC]:#x}, the monitor has {pc:#x}")
        check(len(values) == 32, f"the monitor shows {len(values)} registers: {text}")
        for number, value in values.items():
            check(registers[number] == value, f"CPU {cpu}: register {number} differs")
            alone = gdb.single_register(number)
            check(alone == value, f"CPU {cpu}: register {number} alone is {alone:#x}")
        # Written and put back, it must come back; a CPU that runs on with it
        # would notice.
        gdb.set_register(23, 0x1234_5678_9ABC_DEF0)
        check(gdb.register(23) == 0x1234_5678_9ABC_DEF0, "a register was not written")
        gdb.set_register(23, values[23])
    for _ in range(5):
        gdb.go()
        check(gdb.runs(0.2), "it stopped by itself")
        gdb.interrupt()
        signal, _ = gdb.stop()
        check(signal == SIGINT, f"signal {signal} at an interrupt")
    gdb.detach()
    check(qemu.status() == "running", f"it is {qemu.status()} after the debugger left")
    seen = qemu.expect("KVM-LA-STEADY ", after=len(qemu.console()))
    seen = qemu.expect("KVM-LA-STEADY ", after=seen)
    steady.sound(qemu)
    qemu.quit()


@case("gdb-memory", smp=(1,))
def memory(run):
    """Reads and writes the guest's memory by its own addresses."""
    qemu, shell, path = start(run)
    address = symbol(shell, "version_proc_show")
    gdb = Gdb(path)
    data = gdb.read(address, 256)
    shown = qemu.hmp(f"x/64xw {address:#x}")
    words = [int(word, 16) for word in re.findall(r" 0x([0-9a-f]{8})", shown)]
    check(struct.pack("<64I", *words) == data, f"the monitor shows other memory: {shown}")
    gdb.write(address + 4, b"\x12\x34\x56\x78")
    check(gdb.read(address, 12) == data[:4] + b"\x12\x34\x56\x78" + data[8:12], "no write")
    gdb.write(address + 4, data[4:8])
    check(gdb.read(address, 256) == data, "it was not put back")
    answer = gdb.ask("m10,4")
    check(answer.startswith("E"), f"address 0x10 has memory: {answer}")
    answer = gdb.ask("Z0,10,4")
    check(answer.startswith("E"), f"a breakpoint where no memory is: {answer}")
    gdb.detach()
    check("Linux" in shell.run("cat /proc/version"), "the guest is hurt")
    qemu.quit()


@case("gdb-breakpoint-kernel")
def kernel_breakpoint(run):
    """A breakpoint in the kernel, hit, taken out, put in again."""
    qemu, shell, path = start(run)
    address = symbol(shell, "version_proc_show")
    gdb = Gdb(path)
    original = gdb.word(address)
    gdb.insert(address)
    gdb.go()
    for turn in range(3):
        command = shell.start("cat /proc/version")
        signal, thread = gdb.stop()
        check(signal == SIGTRAP, f"signal {signal} at a breakpoint")
        gdb.select(thread)
        # Before anything else is asked for.
        alone = gdb.single_register(ARGUMENT)
        registers = gdb.registers()
        check(registers[PC] == address, f"it stopped at {registers[PC]:#x}")
        check(alone == registers[ARGUMENT] != 0, f"{registers[ARGUMENT]:#x} alone is {alone:#x}")
        check(qemu.status() == "debug", f"it is {qemu.status()}")
        # Over it as GDB goes: out, one step, in again.
        gdb.remove(address)
        check(gdb.word(address) == original, "the instruction was not put back")
        behind = stepping.after(gdb, address)
        gdb.insert(behind)
        gdb.go()
        check(gdb.stop()[0] == SIGTRAP, "no stop behind the breakpoint")
        gdb.select(thread)
        check(gdb.register(PC) == behind, f"not behind it: {gdb.register(PC):#x}")
        gdb.remove(behind)
        gdb.insert(address)
        gdb.go()
        status, output = shell.finish(command)
        check(status == 0 and "Linux version" in output, f"turn {turn}: {output}")
    # Without a breakpoint the same does not stop.
    gdb.interrupt()
    check(gdb.stop()[0] == SIGINT, "no stop at an interrupt")
    gdb.remove(address)
    check(gdb.ask(f"z0,{address:x},4").startswith("E"), "it was removed twice")
    gdb.go()
    shell.run("cat /proc/version")
    check(gdb.runs(0.1), "it stopped without a breakpoint")
    # What is left in the guest when the debugger goes.
    gdb.interrupt()
    gdb.stop()
    gdb.insert(address)
    gdb.detach()
    check("Linux" in shell.run("cat /proc/version"), "a breakpoint was left")
    qemu.quit()


@case("gdb-breakpoint-user", ci=(2,), group="user")
def user_breakpoint(run):
    """A breakpoint in a process on the last CPU; its counter counts the hits."""
    debugged = Subject(run)
    before = debugged.calls()
    hits = 40
    for hit in range(hits):
        # Over it, as the next one is put in: to another of the same call.
        debugged.go_to(debugged.address + stepping.SUBJECT_STORE)
        debugged.go_to(debugged.address)
        now = debugged.calls()
        check(now == before + hit + 1, f"the subject ran {now - before} times, not {hit + 1}")
    debugged.leave()


@case("gdb-step", group="user")
def software_steps(run):
    """Steps as GDB makes them, through branches, a call, an atomic pair and a
    system call."""
    debugged = Subject(run)
    gdb = debugged.gdb
    steps = [0]
    for _ in stepping.SUBJECT_STEPS[1:]:
        behind = stepping.after(gdb, gdb.register(PC))
        debugged.go_to(behind)
        steps.append(behind - debugged.address)
    check(steps == stepping.SUBJECT_STEPS, f"the steps are {[hex(step) for step in steps]}")
    debugged.leave()


@case("gdb-step-stub", ci=(1,), group="user")
def stub_steps(run):
    """Steps by QEMU's gdb stub, as LLDB and QEMU's own tools do. KVM has
    none; the Rust backend makes them, the C backend lets the guest run."""
    debugged = Subject(run)
    gdb, thread, address = debugged.gdb, debugged.thread, debugged.address
    if run.accel == "upstream":
        gdb.go(f"s:{thread}")
        check(gdb.runs(0.3), "the C backend steps: docs/machine-tests.md says otherwise")
        gdb.interrupt()
        gdb.stop()
        debugged.leave()
        return
    code = gdb.read(address, stepping.SUBJECT_SIZE)
    first = debugged.calls()
    calls = 4
    for call in range(calls):
        steps = [gdb.register(PC) - address]
        while len(steps) < len(stepping.SUBJECT_STEPS):
            gdb.go(f"s:{thread}")
            steps.append(debugged.stopped())
        check(
            steps == stepping.SUBJECT_STEPS,
            f"call {call}: the steps are {[hex(step) for step in steps]}",
        )
        now = debugged.calls()
        check(now == first + call + 1, f"{now - first} calls, not {call + 1}")
        for _ in range(40):
            # Through the caller, whose code is the compiler's.
            gdb.go(f"s:{thread}")
            if debugged.stopped() == 0:
                break
    check(gdb.read(address, stepping.SUBJECT_SIZE) == code, "breakpoints were left")
    # The others run meanwhile, and a step goes to a breakpoint.
    others = "".join(f";c:{other}" for other in gdb.threads() if other != thread)
    gdb.insert(address + stepping.SUBJECT_STORE)
    for step in stepping.SUBJECT_STEPS[1:11]:
        gdb.go(f"s:{thread}{others}")
        offset = debugged.stopped()
        check(offset == step, f"it stopped at {offset:#x}, not {step:#x}")
    gdb.remove(address + stepping.SUBJECT_STORE)
    # Where nothing is, nothing is stepped.
    gdb.set_register(PC, 0x10)
    gdb.go(f"s:{thread}")
    gdb.stop()
    check(gdb.register(PC) == 0x10, f"a step from nowhere to {gdb.register(PC):#x}")
    check("cannot step" in debugged.qemu.errors(), "QEMU did not say why")
    gdb.set_register(PC, address + stepping.SUBJECT_STORE)
    debugged.leave()


@case("gdb-step-others", smp=(2,), ci=(2,))
def steps_beside_others(run):
    """A step of a CPU over its `idle`, while the other one wakes up behind the same instruction,
    where the step's breakpoint is. It may be told to have stopped there, and is not harmed."""
    if run.accel == "upstream":
        raise Skip("the C backend does not step")
    qemu, shell, path = start(run)
    gdb = Gdb(path)
    idle = find_idle(gdb)
    stops = set()
    for _ in range(20):
        thread = stop_at(gdb, idle)
        others = "".join(f";c:{other}" for other in gdb.threads() if other != thread)
        gdb.go(f"s:{thread}{others}")
        signal, stopped = gdb.stop()
        check(signal == SIGTRAP, f"signal {signal} at a step")
        gdb.select(stopped)
        if gdb.register(PC) == idle + 4:
            stops.add(stopped == thread)
    check(False in stops, "the other CPU was never there")
    for _ in range(10):
        gdb.go()
        # Unless it is at the end of a step that QEMU has not forgotten, its own or the other's.
        if gdb.runs(0.2):
            break
    else:
        check(False, "the machine stops again and again")
    gdb.interrupt()
    gdb.stop()
    gdb.detach()
    check("Linux" in shell.run("cat /proc/version"), "the guest is hurt")
    shell.cpu_places()
    steady.sound(qemu)
    qemu.quit()


def stop_at(gdb, address):
    """Lets the machine run until a CPU is there; its thread. The breakpoint is gone then. Of a CPU
    that was to step when another one stopped QEMU does not forget the step."""
    gdb.insert(address)
    for _ in range(100):
        gdb.go()
        _, thread = gdb.stop()
        gdb.select(thread)
        if gdb.register(PC) == address:
            gdb.remove(address)
            return thread
    check(False, f"no CPU comes to {address:#x}")


def find_idle(gdb):
    """The address of the `idle` behind which a CPU waits."""
    for _ in range(50):
        for thread in gdb.threads():
            gdb.select(thread)
            pc = gdb.register(PC)
            for at in (pc, pc - 4):
                if gdb.word(at) == stepping.IDLE:
                    return at
        gdb.go()
        gdb.runs(0.01)
        gdb.interrupt()
        gdb.stop()
    check(False, "no CPU is ever idle")


@case("gdb-step-kernel", ci=(1,))
def kernel_steps(run):
    """Many steps through the kernel, from a system call's beginning; interrupts
    and page faults are part of them."""
    if run.accel == "upstream":
        raise Skip("the C backend does not step")
    qemu, shell, path = start(run)
    address = symbol(shell, "version_proc_show")
    gdb = Gdb(path)
    gdb.insert(address)
    gdb.go()
    command = shell.start("cat /proc/version")
    _, thread = gdb.stop()
    gdb.check(f"Hc{thread}")
    gdb.select(thread)
    gdb.remove(address)
    before = gdb.register(PC)
    steps = 0
    # To the return to user space, where breakpoints may not work.
    while steps < 300 and gdb.word(before) != stepping.ERTN:
        gdb.go(f"s:{thread}")
        signal, _ = gdb.stop()
        check(signal == SIGTRAP, f"signal {signal} at a step")
        now = gdb.register(PC)
        check(now != before, f"a step stays at {now:#x}")
        before = now
        steps += 1
    check(steps > 50, f"only {steps} steps")
    gdb.detach()
    status, output = shell.finish(command)
    check(status == 0 and "Linux version" in output, f"{output}")
    qemu.quit()


@case("gdb-hardware", smp=(1,))
def hardware(run):
    """There are no hardware breakpoints and watchpoints, and QEMU says so."""
    qemu, shell, path = start(run)
    address = symbol(shell, "version_proc_show")
    gdb = Gdb(path)
    for kind in (1, 2, 3, 4):
        answer = gdb.ask(f"Z{kind},{address:x},4")
        check(answer == "", f"Z{kind} is answered with {answer!r}")
    gdb.go()
    check("Linux" in shell.run("cat /proc/version"), "the guest is hurt")
    qemu.quit()


@case("gdb-guest-break")
def guest_break(run):
    """Breakpoint instructions of the guest's own are the guest's, with and
    without a debugger."""
    qemu, shell, path = start(run)
    check(shell.status("/debuggee break") == TRAPPED, "no SIGTRAP")
    gdb = Gdb(path)
    address = symbol_while_running(gdb, shell, "version_proc_show")
    gdb.insert(address)
    gdb.go()
    check(shell.status("/debuggee break") == TRAPPED, "no SIGTRAP under a debugger")
    check(gdb.runs(0.1), "the debugger was told of the guest's own instruction")
    gdb.interrupt()
    gdb.stop()
    gdb.detach()
    qemu.quit()


def symbol_while_running(gdb, shell, name):
    """The address of a function while a debugger is attached."""
    gdb.go()
    address = symbol(shell, name)
    gdb.interrupt()
    gdb.stop()
    return address


@case("gdb-threads", smp=(2, 4))
def threads(run):
    """One CPU held while the others go on, and a breakpoint that all can hit."""
    qemu, shell, path = start(run)
    gdb = Gdb(path)
    names = gdb.threads()
    check(len(names) == run.smp, f"threads {names}")
    check(gdb.ask(f"T{names[-1]}") == "OK", "the last thread is not alive")
    check(gdb.ask("T63").startswith("E"), "thread 0x63 is alive")
    gdb.go()
    address = symbol(shell, "version_proc_show")
    places = shell.cpu_places()
    check(sorted(places) == list(range(run.smp)), f"the guest has the CPUs {places}")
    gdb.interrupt()
    gdb.stop()
    gdb.insert(address)
    seen = set()
    for cpu, place in enumerate(places):
        gdb.go()
        command = shell.start(f"taskset {1 << cpu:x} cat /proc/version")
        _, thread = gdb.stop()
        seen.add(thread)
        gdb.select(thread)
        check(gdb.register(PC) == address, f"it stopped at {gdb.register(PC):#x}")
        check(thread == names[place], f"CPU {place} is thread {thread}")
        for other in names:
            gdb.select(other)
            check(other == thread or gdb.register(PC) != address, f"{other} stopped too")
        gdb.remove(address)
        gdb.go()
        shell.finish(command)
        gdb.interrupt()
        gdb.stop()
        gdb.insert(address)
    check(len(seen) == run.smp, f"stops of {seen}")
    gdb.remove(address)
    # Only the first CPU goes on.
    gdb.select(names[-1])
    held = gdb.registers()
    gdb.go(f"c:{names[0]}")
    check(gdb.runs(0.2), "it stopped by itself")
    gdb.interrupt()
    gdb.stop()
    gdb.select(names[-1])
    check(gdb.registers() == held, "a CPU that was held went on")
    gdb.detach()
    shell.run("true")
    qemu.quit()
