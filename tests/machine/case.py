# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Cases: functions that get a Run and raise if something is wrong."""

import os
import re
import shutil
import tempfile

from qemu import Qemu
from verdict import Skip, check, rounds  # noqa: F401 # for the cases too

CASES = []


def case(name, smp=(1, 2), ci=(), irqchip=("on",), group="mix"):
    """Declares a case. It runs for each number of CPUs in `smp` and each of
    `irqchip`; with 4 CPUs, or with the interrupt controllers in QEMU, only when
    everything is run. `ci` has the numbers of CPUs with which CI runs it. A
    group is what runs together on a host."""

    def declare(function):
        CASES.append((name, function, tuple(smp), tuple(ci), tuple(irqchip), group))
        return function

    return declare


class Run:
    """One run of a case: what it is to be run with, and what it uses. The tier
    is ci, full or everything, for cases that do the same more or less often."""

    def __init__(self, kvm, accel, smp, irqchip, tier="full"):
        self.kvm = kvm
        self.tier = tier
        self.accel = accel
        self.smp = smp
        self.irqchip = irqchip
        # QEMU's C backend loses condition flags 4 to 7, see docs/machine-tests.md.
        self.flags = 8 if accel == "rust" else 4
        self.dir = tempfile.mkdtemp(prefix="case-")
        self._qemus = []

    def other_accel(self):
        """The backend that this run is not about, for a guest that both run."""
        self.flags = 4
        return "upstream" if self.accel == "rust" else "rust"

    def qemu(self, *args, accel=None, smp=None, append="", accel_options="", **options):
        """A QEMU as this run wants it; it ends with the case at the latest."""
        words = [accel_options] if accel_options else []
        if self.irqchip == "off":
            words.append("kernel-irqchip=off")
        qemu = Qemu(
            accel or self.accel,
            *args,
            smp=str(smp or self.smp),
            append=f"kvm-la.flags={self.flags} {append}",
            accel_options=",".join(words),
            **options,
        )
        self._qemus.append(qemu)
        return qemu

    def path(self, name):
        """A file that goes with the case."""
        return os.path.join(self.dir, name)

    def finish(self):
        """Checks what holds for every QEMU at its end."""
        for qemu in self._qemus:
            if not qemu.closed:
                qemu.check_backend()

    def close(self):
        """Leaves nothing behind."""
        for qemu in self._qemus:
            qemu.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def story(self):
        """What helps with a failure."""
        lines = []
        for i, qemu in enumerate(self._qemus):
            if qemu.closed:
                continue
            lines.append(f"QEMU {i} ({qemu.accel}): {' '.join(qemu.command)}")
            try:
                lines.append(f"  status: {qemu.status()}")
                for line in qemu.hmp("info registers -a").splitlines():
                    if re.search("CPU#|PC|pc|CRMD|ESTAT|ERA", line):
                        lines.append(f"  {line}")
            except Exception as error:
                lines.append(f"  the monitor says nothing: {error}")
            lines += [f"  stderr: {line}" for line in qemu.errors().splitlines()[-10:]]
            for stream in ("kernel", "console"):
                text = qemu.text(stream).splitlines()
                lines += [f"  {stream}: {line}" for line in text[-30:]]
            if qemu.process.poll() is None:
                lines.append(f"  status: {qemu.status()}")
                registers = qemu.hmp("info registers -a").splitlines()
                lines += [f"  {line}" for line in registers]
                lines += [f"  {line}" for line in qemu.hmp("info pic").splitlines()[:60]]
        return lines


def chosen(kvm, accel, group, only, tier):
    """The cases of a group that a run of this tier has, whose whole names have all parts of
    `only`: whole name, function, number of CPUs, irqchip."""
    everything, ci = tier == "everything", tier == "ci"
    for name, function, sizes, ci_sizes, irqchips, of_group in CASES:
        if of_group != group:
            continue
        for irqchip in irqchips:
            for smp in sizes:
                if ci and (smp not in ci_sizes or irqchip == "off"):
                    continue
                if not everything and not ci and (smp > 2 or irqchip == "off"):
                    continue
                full = f"kvm={kvm},accel={accel},smp={smp}"
                full += ",kernel-irqchip=off" if irqchip == "off" else ""
                full += f",{name}"
                if all(part in full for part in only.split(",")):
                    yield full, function, smp, irqchip
