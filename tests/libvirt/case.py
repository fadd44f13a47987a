# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases: functions that get a Run and raise if something is wrong."""

import os
import shutil
import tempfile

from domain import FOLDER, Domain
from verdict import Skip, check  # noqa: F401 # for the cases too
from virsh import Host, call

CASES = []


def case(name):
    """Declares a case."""

    def declare(function):
        CASES.append((name, function))
        return function

    return declare


class Run:
    """One run of a case: its host, whose stacks, and what it uses."""

    def __init__(self, host, accel, name):
        self.host = host
        self.accel = accel
        # For domains and hosts.
        self.name = name.replace(",", "-").replace("=", "-")
        self.dir = tempfile.mkdtemp(prefix=f"{self.name}-", dir=FOLDER)
        os.chmod(self.dir, 0o755)
        # QEMU's C backend loses condition flags 4 to 7, see docs/machine-tests.md.
        self.flags = 8 if accel == "rust" else 4
        self._domains = []
        self._hosts = []

    @property
    def other_accel(self):
        """The backend that this run is not about."""
        return "upstream" if self.accel == "rust" else "rust"

    def domain(self, suffix="", accel=None, **options):
        """A domain, not defined yet, that ends with the case at the latest."""
        name = f"{self.name}{suffix}"
        domain = Domain(self.host, name, accel or self.accel, **options)
        self._domains.append(domain)
        return domain

    def steady(self, suffix="", flags=None, **options):
        """A domain whose guest runs the steady workload."""
        append = f"kvm-la.steady kvm-la.flags={flags or self.flags}"
        return self.domain(suffix, append=append, **options)

    def second_host(self):
        """Another libvirtd; it ends with the case."""
        host = Host(f"{self.name}-host")
        self._hosts.append(host)
        return host

    def path(self, name):
        """A file that goes with the case."""
        return os.path.join(self.dir, name)

    def disk(self, name="disk.qcow2", size="64M", format="qcow2"):
        """An empty image."""
        path = self.path(name)
        status, _, errors = call(["qemu-img", "create", "-q", "-f", format, path, size])
        check(status == 0, f"qemu-img: {errors}")
        return path

    def finish(self):
        """Checks what holds for every domain that still runs at the end."""
        for domain in self._domains:
            if domain.name in domain.host.virsh("list", "--name").split():
                domain.check_backend()

    def close(self):
        """Leaves nothing behind."""
        for domain in self._domains:
            domain.close()
        for host in self._hosts:
            host.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def story(self):
        """What helps with a failure."""
        lines = []
        for domain in self._domains:
            lines += domain.story()
        return lines + [f"daemons: {self.host.tail()}"]


def chosen(kvm, accel, only):
    """The cases whose whole names have all parts of `only`: whole name, name, function."""
    for name, function in CASES:
        full = f"kvm={kvm},accel={accel},{name}"
        if all(part in full for part in only.split(",")):
            yield full, name, function
