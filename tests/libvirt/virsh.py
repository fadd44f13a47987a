# SPDX-License-Identifier: GPL-2.0-or-later
"""virsh, and the daemons that it talks to."""

import glob
import os
import signal
import subprocess
import time

from qemu import Timeout

# Logs of consoles, which are read as they grow, stay one file each. By default virtlogd begins
# a new one every 2 MiB.
VIRTLOGD_CONF = "max_size = 0\n"

LIBVIRTD_CONF = """\
auth_unix_rw = "none"
"""


class VirshError(Exception):
    """virsh refused, and what it said."""


def said(text):
    """What virsh printed of an error, in one line without its prefix."""
    lines = [line.removeprefix("error: ") for line in text.strip().splitlines()]
    return " | ".join(line for line in lines if line)


def call(words, timeout=60, **options):
    """Runs a program; its status and what it printed to either stream."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise Timeout(f"{' '.join(words)}: no end in {timeout} s") from None
    return done.returncode, done.stdout, done.stderr


def run(words):
    """Runs a program that must end well."""
    status, _, errors = call(words)
    if status:
        raise VirshError(f"{' '.join(words)}: {said(errors)}")


def read(path, position=0):
    """What a file has from a position on; nothing if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(position)
            return file.read()
    except FileNotFoundError:
        return b""


class Connection:
    """virsh as a client of the libvirtd at `uri`, on a machine: that of the cases if no
    other is named."""

    def __init__(self, uri, address=None, machine="own"):
        self.uri = uri
        self.machine = machine
        # At which another libvirtd reaches it.
        self.address = address or uri

    def virsh(self, *words, timeout=60):
        """What a command of virsh printed, which must end well."""
        status, output, errors = call(["virsh", "-q", "-c", self.uri, *words], timeout)
        if status:
            raise VirshError(f"virsh {' '.join(words)}: {said(errors)}")
        return output

    def refused(self, *words, timeout=60):
        """What virsh said of a command that must fail."""
        status, output, errors = call(["virsh", "-q", "-c", self.uri, *words], timeout)
        if status == 0:
            raise AssertionError(f"virsh {' '.join(words)} did not fail: {output.strip()}")
        return said(errors)


class Host(Connection):
    """A libvirtd with its log daemon. The first one has the places that libvirt
    has by itself; a second one, a host of another name, sees its own folders there:
    it lives in a mount namespace. `options` are further words for libvirtd,
    `configuration` further lines of its file."""

    FOLDERS = (
        "/run/libvirt",
        "/etc/libvirt",
        "/var/log/libvirt",
        "/var/cache/libvirt",
        "/var/lib/libvirt/qemu",
    )

    def __init__(self, name=None, options=(), configuration="", address=None):
        self.name = name
        self._options = options
        self._daemons = {}
        self._prefix = []
        # Where its sockets are for others too.
        self.sockets = f"/run/{name or 'first-host'}"
        socket = f"qemu+unix:///system?socket={self.sockets}/libvirt-sock"
        super().__init__("qemu:///system" if name is None else socket, address or socket)
        os.makedirs(self.sockets)
        if name is None:
            self._write("/etc/libvirt/libvirtd.conf", LIBVIRTD_CONF + configuration)
            self._write("/etc/libvirt/virtlogd.conf", VIRTLOGD_CONF)
            os.makedirs("/run/libvirt", exist_ok=True)
            run(["mount", "--bind", "/run/libvirt", self.sockets])
        else:
            self.base = f"/srv/{name}"
            number = sum(name.encode())
            self._separate(
                LIBVIRTD_CONF
                + f'unix_sock_dir = "{self.sockets}"\n'
                + f'host_uuid = "{number:08x}-0000-4000-8000-000000000001"\n'
            )
        self.start()

    @staticmethod
    def _write(path, text):
        with open(path, "w") as file:
            file.write(text)

    def _separate(self, configuration):
        """Makes the namespaces; a process that sleeps holds them."""
        binds = [f"hostname {self.name}"]
        for number, folder in enumerate(self.FOLDERS):
            own = f"{self.base}/{number}"
            os.makedirs(own)
            os.makedirs(folder, exist_ok=True)
            if folder == "/etc/libvirt":
                run(["cp", "-a", "/etc/libvirt/.", own])
                # Domains of its own only.
                for definition in glob.glob(f"{own}/qemu/*.xml"):
                    os.remove(definition)
                self._write(f"{own}/libvirtd.conf", configuration)
                self._write(f"{own}/virtlogd.conf", VIRTLOGD_CONF)
            binds.append(f"mount --bind {own} {folder}")
        binds += ["echo ready", "exec sleep infinity"]
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--uts", "sh", "-ec", "\n".join(binds)],
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._holder.stdout.readline() != "ready\n":
            raise VirshError(f"the host {self.name} has no namespaces")
        self._prefix = ["nsenter", f"--target={self._holder.pid}", "--mount", "--uts"]

    def start(self):
        """Starts what does not run and waits until virsh has a connection."""
        for program in ("virtlogd", "libvirtd"):
            if program not in self._daemons:
                words = [*self._prefix, program]
                if program == "libvirtd":
                    words += self._options
                if self.name is not None:
                    words += ["--pid-file", f"{self.sockets}/{program}.pid"]
                self._daemons[program] = subprocess.Popen(
                    words, stdin=subprocess.DEVNULL, stdout=self._log(), stderr=self._log()
                )
        deadline = time.monotonic() + 30
        while True:
            status, _, errors = call(["virsh", "-c", self.uri, "list"])
            if status == 0:
                return
            if time.monotonic() >= deadline:
                raise VirshError(f"libvirtd does not answer: {said(errors)}; {self.tail()}")
            time.sleep(0.1)

    def _log(self):
        return open(f"/tmp/daemons-{self.name or 'first'}.log", "ab")

    def tail(self, lines=15):
        """The end of what the daemons printed, for messages."""
        with open(self._log().name, "rb") as file:
            text = file.read().decode("utf-8", "replace")
        return " | ".join(text.splitlines()[-lines:])

    def stop(self, program="libvirtd"):
        """Ends a daemon, as a service manager does."""
        process = self._daemons.pop(program)
        process.send_signal(signal.SIGTERM)
        status = process.wait(30)
        if status != 0:
            raise VirshError(f"{program} ended with {status}; {self.tail()}")

    def close(self):
        """Ends all of it, and of a second host what still runs there."""
        if self.name is not None:
            for domain in self.virsh("list", "--name").split():
                self.virsh("destroy", domain)
        for program in reversed(list(self._daemons)):
            self.stop(program)
        if self.name is None:
            run(["umount", self.sockets])
        else:
            self._holder.kill()
            self._holder.wait()

    def read(self, path, position=0):
        """What a file of this libvirt has from a position on; nothing if there is none."""
        for number, folder in enumerate(self.FOLDERS):
            if self.name is not None and path.startswith(folder + "/"):
                path = f"{self.base}/{number}{path.removeprefix(folder)}"
        return read(path, position)
