# SPDX-License-Identifier: GPL-2.0-or-later
"""The far host: has QEMUs, and does with them what the near host asks for: far.py
ACCEL. A request and its answer are a line of JSON each."""

import json
import os
import select
import shutil
import socket
import subprocess
import sys

import certificates
import qemu
import virsh
from domain import FOLDER

PORT = 5000

# The hosts' names, and where the libvirt of each is reached.
PARTS = {part: f"qemu+tls://{part}/system" for part in ("near", "far")}

# A machine's and a libvirt's own number; no two have the same.
NUMBERS = {"near": 1, "far": 2}


class Agent:
    """What the near host can ask for: an operation, a QEMU's number, arguments."""

    def __init__(self, accel):
        self.accel = accel
        self.qemus = []
        self.libvirt = None

    def start(self, _number, **options):
        """A new QEMU; its number."""
        self.qemus.append(qemu.Qemu(self.accel, **options))
        return len(self.qemus) - 1

    def call(self, number, method, *args, **options):
        """A method of a QEMU."""
        return getattr(self.qemus[number], method)(*args, **options)

    def text(self, number, stream, position):
        """What a guest has written to a stream, from a position on."""
        return self.qemus[number].text(stream)[position:]

    def ping(self, _number, *words):
        """Runs ping; what it printed."""
        return ping(*words)

    def manage(self, _number, files):
        """Starts libvirt, with the host's certificates."""
        self.libvirt = be_managed("far", files)

    def make_disk(self, _number, path, size):
        """Makes an empty image."""
        make_disk(path, size)

    def read(self, _number, path, position):
        """What a file has from a position on; each character is a byte."""
        return virsh.read(path, position).decode("latin-1")

    def leave(self, _number):
        """Ends this host as a failure of its power would."""
        print("KVM-LA-HOST leaves", flush=True)
        subprocess.run(["/bin/busybox", "poweroff", "-f"], check=False)

    def close(self):
        """Ends all QEMUs and libvirt."""
        for machine in self.qemus:
            machine.close()
        if self.libvirt is not None:
            self.libvirt.close()


def ping(*words):
    """Runs ping; what it printed."""
    command = ["/bin/busybox", "ping", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def be_managed(part, files):
    """Makes this host one that libvirt manages, also from the other one; its libvirt."""
    number = NUMBERS[part]
    subprocess.run(["sh", "/share/prepare", f"{number:032x}"], check=True)
    os.makedirs(FOLDER)
    shutil.copy(qemu.KERNEL, FOLDER)
    shutil.copy(qemu.INITRD, FOLDER)
    subprocess.run(["hostname", part], check=True)
    with open("/etc/hosts", "w") as file:
        file.write("127.0.0.1 localhost\n")
        file.writelines(f"{os.environ[name.upper()]} {name}\n" for name in PARTS)
    certificates.install(files)
    return virsh.Host(
        options=["--listen"],
        configuration=f'listen_tls = 1\nhost_uuid = "{number:08x}-0000-4000-8000-000000000001"\n',
        address=PARTS[part],
    )


def make_disk(path, size):
    """Makes an empty image."""
    virsh.run(["qemu-img", "create", "-q", "-f", "qcow2", path, size])


def carrier():
    """Whether there is a host at the other end of the Ethernet."""
    with open("/sys/class/net/eth0/carrier", encoding="ascii") as file:
        return file.read().strip() == "1"


def readable(connection):
    """Waits until there is something to read; false if the near host is gone."""
    while not select.select([connection], [], [], 0.5)[0]:
        if not carrier():
            return False
    return True


def requests(connection):
    """The lines that come."""
    data = b""
    while readable(connection):
        more = connection.recv(65536)
        if not more:
            return
        *lines, data = (data + more).split(b"\n")
        yield from lines


def main():
    # A guest that starts here has the same kernel and files as the near host's.
    shutil.copy("/share/guest.kernel", qemu.KERNEL)
    shutil.copy("/share/guest.initrd", qemu.INITRD)
    agent = Agent(sys.argv[1])
    listener = socket.create_server((os.environ["FAR"], PORT))
    if not readable(listener):
        sys.exit("the near host is gone")
    connection = listener.accept()[0]
    for line in requests(connection):
        operation, number, args, options = json.loads(line)
        try:
            answer = {"return": getattr(agent, operation)(number, *args, **options)}
        except Exception as error:  # the near host judges it
            answer = {"error": f"{type(error).__name__}: {error}"}
        connection.sendall(json.dumps(answer).encode() + b"\n")
    agent.close()


if __name__ == "__main__":
    main()
