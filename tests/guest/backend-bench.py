# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What bench `backend` has a QEMU do, on a KVM host: phases with marks around
them (marks.py). The argument is QEMU's program.

Everything between a phase's two marks counts, this program too: it does little, and
the same for each QEMU."""

import os
import subprocess
import sys
import time

from marks import mark

QEMU = sys.argv[1]
STATE = b"/tmp/state"

phases = []


def begin(name):
    phases.append(name)
    mark(2 * len(phases) - 2)


def end():
    mark(2 * len(phases) - 1)


class Qemu:
    def __init__(self, kernel, *arguments):
        self.process = subprocess.Popen(
            [QEMU, "-accel", "kvm", "-machine", "virt", "-cpu", "max", "-m", "64M"]
            + ["-smp", "cpus=1,maxcpus=2", "-nodefaults", "-display", "none"]
            + ["-serial", "none", "-qmp", "stdio", "-kernel", f"/share/exits-{kernel}.elf"]
            + list(arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self.to, self.answers = self.process.stdin.fileno(), self.process.stdout.fileno()
        self.said = b""
        self.command(b'"qmp_capabilities"')

    def command(self, command, *words):
        """Runs a command and waits until the answer and lines with these words
        have come."""
        os.write(self.to, b'{"execute":' + command + b"}\n")
        missing = {b'"return":', *words}
        while missing:
            while b"\n" not in self.said:
                data = os.read(self.answers, 65536)
                if not data:
                    raise SystemExit(f"QEMU ended in {command}")
                self.said += data
            line, self.said = self.said.split(b"\n", 1)
            if b'"error":' in line:
                raise SystemExit(f"{command}: {line}")
            missing = {word for word in missing if word not in line}

    def stop(self):
        self.command(b'"stop"', b'"STOP"')

    def go_on(self):
        self.command(b'"cont"', b'"RESUME"')
        # Until the vCPU's thread has entered the guest.
        time.sleep(0.05)

    def look(self):
        self.command(
            b'"human-monitor-command","arguments":{"command-line":"info registers"}'
        )

    def reset(self):
        # The event comes before the vCPUs are written.
        self.command(b'"system_reset"', b'"RESET"')
        self.command(b'"query-name"')

    def report_migration(self):
        self.command(
            b'"migrate-set-capabilities","arguments":'
            b'{"capabilities":[{"capability":"events","state":true}]}'
        )

    def quit(self):
        self.command(b'"quit"')
        if self.process.wait() != 0:
            raise SystemExit("QEMU ended badly")


def phase(name, work, *arguments):
    begin(name)
    work(*arguments)
    end()


begin("start")
qemu = Qemu("idle", "-S")
end()
phase("first-run", qemu.go_on)
# What the marks and a command cost that has nothing to do.
phase("nothing", qemu.command, b'"query-name"')
# A tick of the host comes in between now and then: the cheapest counts.
for _ in range(3):
    phase("stop", qemu.stop)
    phase("read", qemu.look)
    phase("resume-after-read", qemu.go_on)
    qemu.stop()
    phase("resume", qemu.go_on)
qemu.stop()
qemu.look()
phase("reset", qemu.reset)
qemu.go_on()
qemu.report_migration()
phase(
    "migrate-out",
    qemu.command,
    b'"migrate","arguments":{"uri":"file:' + STATE + b'"}',
    b'"completed"',
)
qemu.quit()

qemu = Qemu("idle", "-S", "-incoming", "defer")
qemu.report_migration()
phase(
    "migrate-in",
    qemu.command,
    b'"migrate-incoming","arguments":{"uri":"file:' + STATE + b'"}',
    b'"completed"',
)
qemu.go_on()
phase(
    "plug",
    qemu.command,
    b'"device_add","arguments":{"driver":"max-loongarch-cpu","socket-id":0,'
    b'"core-id":1,"thread-id":0}',
)
qemu.quit()
os.remove(STATE)

# Its sites are told apart by the simulator.
begin("exits")
status = subprocess.call(
    [QEMU, "-accel", "kvm", "-machine", "virt", "-cpu", "max", "-m", "64M"]
    + ["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"]
    + ["-kernel", "/share/exits-user.elf"],
    stdin=subprocess.DEVNULL,
)
end()
if status != 0:
    raise SystemExit("QEMU ended badly")

for number, name in enumerate(phases):
    print(f"KVM-LA-BACKEND phase {number} {name}")
