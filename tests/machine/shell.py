# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Commands in the guest, through its init's serial port."""

import itertools
import re

from verdict import check

# What guest-init says when it reads commands.
READY = "KVM-LA-GUEST commands"

# The kernel parameter for it.
APPEND = "kvm-la.commands"


class Shell:
    """A guest that was started with APPEND."""

    _numbers = itertools.count(1)

    def __init__(self, qemu, after=0, timeout=60):
        self.qemu = qemu
        self.position = qemu.expect(READY, timeout, after)

    def start(self, command):
        """Begins a command; what `finish` wants to know."""
        number = next(Shell._numbers)
        self.qemu.send(f"{command}; echo KVM-LA-DONE {number} $?\n")
        return number

    def finish(self, number, timeout=60):
        """Waits for a command; its status and what was printed meanwhile."""
        before = self.position
        marker = f"KVM-LA-DONE {number} "
        at = self.qemu.expect(marker, timeout, before)
        self.position = self.qemu.expect("\n", 10, at)
        text = self.qemu.console()
        return int(text[at : self.position]), text[before : at - len(marker)]

    def run(self, command, timeout=60):
        """What a command printed, which must end well."""
        status, output = self.finish(self.start(command), timeout)
        check(status == 0, f"in the guest {command!r} ended with {status}: {output}")
        return output

    def number(self, command):
        """The only number that a command printed."""
        lines = [line for line in self.run(command).split("\n") if line.isdigit()]
        check(len(lines) == 1, f"{command!r} printed {lines}")
        return int(lines[0])

    def cpu_places(self):
        """QEMU's numbers of the CPUs that the guest calls 0, 1, ...: it counts them as
        the device tree has them, where QEMU's last one is the first behind the boot
        CPU."""
        found = re.findall(r"^global_id\s*: (\d+)$", self.run("cat /proc/cpuinfo"), re.M)
        return [int(number) for number in found]

    def start_beside(self, command):
        """Starts a command that goes on while others run."""
        self.run(f"({command}; echo KVM-LA-ENDED $?) & true")

    def status(self, command, timeout=60):
        """How a command ended."""
        return self.finish(self.start(command), timeout)[0]
