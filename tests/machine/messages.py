# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Message interrupts: a device's message goes to a vCPU's own registers.

Linux finds the controller (AVECINTC) by ACPI alone, so the guests have firmware. On a
host whose CPU has them (`--cpu la664`)."""

import fcntl
import os
import re
import struct

from case import Skip, case, check
from shell import APPEND, Shell

# Copies in memory, as of the guest's kernel.
FIRMWARE = "/share/firmware.fd"
KERNEL = "/share/distribution.kernel"

# A port that sends messages: its own events, hotplug among them.
PORT = ["-device", "pcie-root-port,id=door,chassis=1"]


# The controller's window of addresses (QEMU: VIRT_DINTC_BASE).
WINDOW = range(0x2FE0_0000, 0x2FF0_0000)

# KVM_CREATE_VM, KVM_HAS_DEVICE_ATTR, and KVM_LOONGARCH_VM_FEAT_MSGINT of group 0.
CREATE_VM = 0xAE01
HAS_DEVICE_ATTR = 0x4018AEE3
FEATURE = struct.pack("=IIQQ", 0, 0, 9, 0)


def has_messages():
    """Whether KVM offers them to guests."""
    with open("/dev/kvm", "rb+", buffering=0) as kvm:
        vm = fcntl.ioctl(kvm, CREATE_VM, 0)
        try:
            fcntl.ioctl(vm, HAS_DEVICE_ATTR, FEATURE)
        except OSError:
            return False
        finally:
            os.close(vm)
    return True


def messages(shell):
    """How many messages of ports the guest has had, on all CPUs."""
    text = shell.run("grep -E 'MSI.*(PME|pciehp)' /proc/interrupts")
    rows = re.findall(r"^ *\d+:((?: +\d+)+) ", text, re.M)
    return sum(int(count) for row in rows for count in row.split())


def target(qemu):
    """The address to which the port sends its first message: its MSI-X table is at the
    beginning of BAR 0 (QEMU: pcie-root-port)."""
    found = re.search(r"1b36:000c.*?BAR0: 32 bit memory at (0x[0-9a-f]+)", qemu.hmp("info pci"), re.S)
    check(found is not None, f"no port with a BAR: {qemu.hmp('info pci')}")
    word = qemu.hmp(f"xp /1wx {found[1]}")
    return int(word.split()[1], 16)


@case("messages", smp=(1, 2), irqchip=("off",))
def by_qemu(run):
    """With QEMU's controllers: a port announces devices by messages."""
    if not has_messages():
        raise Skip("the host has no message interrupts")
    qemu = run.qemu(
        append=APPEND,
        memory=512,
        extra=["-machine", "dmsi=on", "-cpu", "max,msgint=on"]
        + ["-bios", FIRMWARE, "-kernel", KERNEL, *PORT],
    )
    shell = Shell(qemu, timeout=240)
    check(target(qemu) in WINDOW, f"messages go to {target(qemu):#x}")
    for number in range(4):
        before = messages(shell)
        qemu.qmp("device_add", driver="virtio-rng-pci", bus="door", id=f"rng{number}")
        there = "ls /sys/bus/pci/devices | grep -c :01:"
        shell.run(f"for i in $(seq 100); do [ $({there}) = 1 ] && break; sleep 0.1; done")
        check(shell.number(there) == 1, "the guest has not noticed the device")
        check(messages(shell) > before, f"{before} messages before, {messages(shell)} after")
        qemu.qmp("device_del", id=f"rng{number}")
        qemu.event("DEVICE_DELETED")
    qemu.quit()
