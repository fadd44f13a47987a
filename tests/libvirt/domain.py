# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt domain with a guest that is watched and told what to do."""

import collections
import errno
import os
import re
import threading
import time
import tty

from qemu import PARAMETERS, PATIENCE, SERVES, Timeout
from shell import APPEND, Shell
from verdict import check
from virsh import VirshError

EMULATORS = {
    "rust": "/usr/local/bin/qemu-kvm-la",
    "upstream": "/usr/bin/qemu-system-loongarch64",
}

# Where kernels and consoles are: QEMU runs as a user that must get there.
FOLDER = "/srv/guests"

# What a guest needs from its start to its first line, with firmware and without.
BOOT = {"direct": 30, "firmware": 60}

# What our backend says with KVM_LA_LOG tells whether it serves, wherever the domain has been.
COMMANDLINE = "<qemu:commandline><qemu:env name='KVM_LA_LOG' value='info'/>{}</qemu:commandline>"

TEMPLATE = """\
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  {memory}
  <vcpu current='{cpus}'>{maximum}</vcpu>
  {tuning}
  {os}
  {features}
  <cpu mode='maximum'>{topology}</cpu>
  <on_crash>preserve</on_crash>
  <devices>
    <emulator>{emulator}</emulator>
    <serial type='file'><source path='{log}.kernel' append='on'/><target port='0'/></serial>
    <serial type='pty'><log file='{log}.console' append='on'/><target port='1'/></serial>
    <memballoon model='none'/>
    {devices}
  </devices>
  {commandline}
</domain>
"""

DIRECT = """\
<os>
    <type arch='loongarch64'>hvm</type>
    <kernel>{folder}/guest.kernel</kernel>
    <initrd>{folder}/guest.initrd</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>"""

FIRMWARE = """\
<os firmware='efi'>
    <type arch='loongarch64'>hvm</type>
    <kernel>{folder}/distribution.kernel</kernel>
    <initrd>{folder}/distribution.initrd</initrd>
    <cmdline>{cmdline} pcie_ports=native</cmdline>
  </os>"""


class Domain:
    """A domain that `start` defines and starts. `kind` is "direct" or "firmware";
    `devices`, `tuning` and `features` are further elements of its description."""

    def __init__(
        self,
        host,
        name,
        accel,
        kind="direct",
        cpus=1,
        maximum=None,
        append=APPEND,
        memory="<memory unit='MiB'>192</memory>",
        devices="",
        tuning="",
        features="",
        topology="",
        arguments="",
    ):
        # Where it was, and last where it is.
        self._hosts = [host]
        self.name = name
        self.accel = accel
        self.kind = kind
        self.cpus = cpus
        self.log = f"{FOLDER}/{name}"
        self._texts = collections.defaultdict(str)
        # How much of each text `steady.sound` has looked at.
        self.sound_until = collections.Counter()
        # How much of each text came from which machine.
        self._read = collections.Counter()
        self._pty = None
        self._served = cpus
        cmdline = f"{PARAMETERS} {append}".strip()
        if kind == "firmware":
            features += "<acpi/>"
        self.fields = {
            "name": name,
            "memory": memory,
            "cpus": cpus,
            "maximum": maximum or cpus,
            "tuning": tuning,
            "os": (DIRECT if kind == "direct" else FIRMWARE).format(
                folder=FOLDER, cmdline=cmdline
            ),
            "features": f"<features>{features}</features>" if features else "",
            "topology": topology,
            "emulator": EMULATORS[accel],
            "log": self.log,
            "devices": devices,
            "commandline": COMMANDLINE.format(arguments),
        }

    @property
    def host(self):
        """Where it is."""
        return self._hosts[-1]

    # --- its description and its life

    def xml(self, **fields):
        """The description, with other values for some fields, in a file."""
        path = f"{FOLDER}/{self.name}.xml"
        with open(path, "w") as file:
            file.write(TEMPLATE.format(**{**self.fields, **fields}))
        return path

    def virsh(self, command, *words, timeout=60):
        """A command of virsh about this domain."""
        return self.host.virsh(command, self.name, *words, timeout=timeout)

    def refused(self, command, *words, timeout=60):
        """What virsh said of a command about this domain that must fail."""
        return self.host.refused(command, self.name, *words, timeout=timeout)

    def define(self):
        """Makes it known to libvirt."""
        self.host.virsh("define", self.xml())
        return self

    def start(self):
        """Defines and starts it."""
        self.define()
        self.virsh("start")
        return self

    def migrate(self, target, accel, *options, timeout=120):
        """Moves it, running, to another libvirt and an emulator there."""
        path = f"{self.log}.{accel}.xml"
        with open(path, "w") as file:
            text = self.virsh("dumpxml", "--migratable")
            file.write(text.replace(EMULATORS[self.accel], EMULATORS[accel]))
        words = ["--live", "--p2p", "--xml", path, *options, target.address]
        self.virsh("migrate", *words, timeout=timeout)
        self.accel = accel
        if target in self._hosts:
            self._hosts.remove(target)
        self._hosts.append(target)

    def state(self):
        """Its state and the reason, as `domstate --reason` has them."""
        return self.virsh("domstate", "--reason").strip()

    def wait_for(self, state, timeout=PATIENCE):
        """Waits for a state."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.state()
            if found == state:
                return
            if time.monotonic() >= deadline:
                raise Timeout(f"the domain is {found}, not {state}, in {timeout} s; {self.tail()}")
            time.sleep(0.1)

    def shell(self, after=0):
        """The guest's shell, once it has one."""
        return Shell(self, after, BOOT[self.kind])

    def close(self):
        """Leaves nothing of it."""
        undefine = ["undefine", "--nvram", "--managed-save", "--snapshots-metadata"]
        for host in self._hosts:
            for command, *options in (["destroy"], undefine):
                try:
                    host.virsh(command, self.name, *options)
                except VirshError:
                    pass
        self._let_go()

    # --- the guest's serial ports, as steady.py and shell.py want them

    def text(self, stream):
        """All that the guest has written to a port so far, over all its boots."""
        # Where it was before has the older text.
        for host in self._hosts:
            place = stream, host.machine
            more = host.read(f"{self.log}.{stream}", self._read[place])
            if more:
                self._read[place] += len(more)
                self._texts[stream] += more.decode("latin-1").replace("\r", "")
        return self._texts[stream]

    def kernel(self):
        """All that the guest's kernel printed so far."""
        return self.text("kernel")

    def console(self):
        """All that the guest's init and programs printed so far."""
        return self.text("console")

    def expect(self, text, timeout=PATIENCE, after=0):
        """Waits until the guest's init printed a text; the position behind it."""
        deadline = time.monotonic() + timeout
        while True:
            at = self.console().find(text, after)
            if at >= 0:
                return at + len(text)
            self.check_alive()
            if time.monotonic() >= deadline:
                raise Timeout(f"no {text!r} in {timeout} s; {self.tail()}")
            time.sleep(0.05)

    def tail(self, lines=8):
        """The end of what the guest printed, for messages."""
        return "; ".join(
            f"the end of the {stream}: " + " | ".join(text.rstrip("\n").split("\n")[-lines:])
            for stream, text in (("kernel", self.kernel()), ("console", self.console()))
        )

    def check_alive(self):
        """Nothing: a domain that has ended says nothing more, which is noticed."""

    def send(self, text):
        """Sends text to the guest."""
        path = re.search(r"<serial type='pty'>\s*<source path='(.*?)'", self.virsh("dumpxml"))[1]
        if self._pty is None or self._pty[0] != path:
            self._let_go()
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(descriptor)
            self._pty = (path, descriptor)
            threading.Thread(target=self._drain, args=(descriptor,), daemon=True).start()
        os.write(self._pty[1], text.encode())

    @staticmethod
    def _drain(descriptor):
        """Reads away what the guest prints, which is in the log too: QEMU would
        wait for a terminal that is full."""
        try:
            while os.read(descriptor, 4096):
                pass
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EBADF):
                raise

    def _let_go(self):
        if self._pty is not None:
            os.close(self._pty[1])
            self._pty = None

    # --- what runs it

    def errors(self):
        """What QEMU printed in its last life."""
        text = self.host.read(f"/var/log/libvirt/qemu/{self.name}.log").decode("utf-8", "replace")
        # Each life begins with the date and what libvirt starts.
        return re.split(r"^\S+ \S+: starting up.*$", text, flags=re.M)[-1]

    def pid(self):
        """QEMU's process."""
        return int(self.host.read(f"/run/libvirt/qemu/{self.name}.pid"))

    def expect_served(self, cpus):
        """From now on the right backend has started this many CPUs."""
        self._served = cpus

    def check_backend(self):
        """Raises unless the backend that was asked for ran every CPU."""
        served = self.errors().count(SERVES)
        wanted = self._served if self.accel == "rust" else 0
        check(
            served == wanted,
            f"the Rust backend ran {served} CPUs, not {wanted}; QEMU printed {self.errors()!r}",
        )

    def story(self):
        """What helps with a failure."""
        lines = [f"domain {self.name} ({self.accel})"]
        try:
            lines.append(f"  state: {self.state()}")
            lines += [f"  QEMU: {line}" for line in self.errors().splitlines()[-12:]]
        except Exception as error:
            lines.append(f"  {error}")
        for stream in ("kernel", "console"):
            lines += [f"  {stream}: {line}" for line in self.text(stream).splitlines()[-25:]]
        return lines
