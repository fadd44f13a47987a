# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices that come to a running guest and go again."""

import re
import time

from case import case, check
from qemu import Timeout
from saving import disk
from virsh import VirshError

# Places for them: libvirt keeps one free by itself.
PORTS = "<controller type='pci' index='0' model='pcie-root'/>"
PORTS += "<controller type='pci' model='pcie-root-port'/>" * 4

NETWORK = "<interface type='user'><model type='virtio'/></interface>"
RANDOM = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"


def appears(shell, what, command, seconds=20):
    """Waits until a command ends well in the guest."""
    deadline = time.monotonic() + seconds
    while shell.status(f"{command} >/dev/null 2>&1"):
        if time.monotonic() >= deadline:
            said = shell.run("dmesg | tail -n 12").replace("\n", " | ")
            raise Timeout(f"in {seconds} s the guest has no {what}; its kernel: {said}")
        time.sleep(0.2)


def goes(shell, what, command, seconds=20):
    """Waits until a command does not end well any more."""
    appears(shell, f"end of {what}", f"! {command}", seconds)


def leaves(domain, xml, word, seconds=20):
    """Detaches a device and waits until libvirt has it no more. libvirt itself waits
    five seconds, as long as the guest blinks with the slot's light."""
    try:
        domain.virsh("detach-device", xml, "--live")
    except VirshError as error:
        check("is in the process of unplug" in str(error), str(error))
    deadline = time.monotonic() + seconds
    while word in domain.virsh("dumpxml"):
        check(time.monotonic() < deadline, f"{word} is still there")
        time.sleep(0.2)


def device(run, name, text):
    """A device's description in a file."""
    path = run.path(f"{name}.xml")
    with open(path, "w") as file:
        file.write(text)
    return path


def disks(shell):
    """The guest's names of its disks."""
    return set(re.findall(r"/sys/block/(vd[a-z]+)", shell.run("ls -d /sys/block/vd* || true")))


def plug_all(run, domain, shell):
    """A disk, a network card and a source of entropy come, are used, and go; then
    once more."""
    image = run.disk("plugged.qcow2")
    for text in (disk(image, "vdz"), NETWORK, RANDOM):
        word = text.split()[0].lstrip("<")
        path = device(run, word, text)
        for _ in range(2):
            before = disks(shell)
            domain.virsh("attach-device", path, "--live")
            if word == "disk":
                more = f"[ $(ls -d /sys/block/vd* | wc -l) -gt {len(before)} ]"
                appears(shell, "disk", more)
                (name,) = disks(shell) - before
                shell.run(f"echo plugged | dd of=/dev/{name} conv=fsync 2>/dev/null")
                shell.run(f"dd if=/dev/{name} bs=4096 count=1 2>/dev/null | grep -q plugged")
                leaves(domain, path, image)
                goes(shell, "the disk", f"[ -e /sys/block/{name} ]")
            elif word == "interface":
                appears(shell, "network card", "[ -e /sys/class/net/eth0 ]")
                shell.run("ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up")
                # The gateway in QEMU.
                appears(shell, "answer", "ping -c 1 -W 2 10.0.2.2")
                leaves(domain, path, "<interface")
                goes(shell, "the network card", "[ -e /sys/class/net/eth0 ]")
            else:
                available = "grep -q virtio_rng /sys/class/misc/hw_random/rng_available"
                appears(shell, "source of entropy", available)
                shell.run("[ $(head -c 64 /dev/hwrng | wc -c) = 64 ]")
                leaves(domain, path, "<rng")
                goes(shell, "the source of entropy", available)


@case("plug-devices")
def plug_devices(run):
    """Into a guest without firmware, which handles the ports itself."""
    domain = run.domain(devices=PORTS, cpus=2).start()
    shell = domain.shell()
    plug_all(run, domain, shell)
    check(domain.state() == "running (booted)", domain.state())
