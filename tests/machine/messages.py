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
    """How many messages of the device the guest has had, on all CPUs."""
    row = shell.run("grep virtio0-virtqueues /proc/interrupts")
    counts = re.search(r"^ *\d+:((?: +\d+)+) ", row, re.M)
    check(counts is not None, f"no interrupt of the device: {row}")
    return sum(int(count) for count in counts[1].split())


def target(qemu):
    """The address to which the device sends its first message: its MSI-X table is at the
    beginning of BAR 1 (QEMU: virtio-pci)."""
    devices = qemu.hmp("info pci")
    found = re.search(r"1af4:10[04]3.*?BAR1: 32 bit memory at (0x[0-9a-f]+)", devices, re.S)
    check(found is not None, f"no device with a table: {devices}")
    word = qemu.hmp(f"xp /1wx {found[1]}")
    return int(word.split()[1], 16)


@case("messages", smp=(1, 2), irqchip=("off",))
def by_qemu(run):
    """With QEMU's controllers: what comes to a device's port is announced by messages,
    to each CPU in turn."""
    if not has_messages():
        raise Skip("the host has no message interrupts")
    if run.accel != "rust":
        raise Skip("QEMU's own backend does not give KVM the registers of messages")
    qemu = run.qemu(
        append=APPEND,
        memory=512,
        extra=["-machine", "dmsi=on", "-cpu", "max,msgint=on"]
        + ["-bios", FIRMWARE, "-kernel", KERNEL],
    )
    shell = Shell(qemu, timeout=240)
    check(target(qemu) in WINDOW, f"messages go to {target(qemu):#x}")
    shell.run("exec 5</dev/vport0p1")
    for number in range(20):
        cpu = number % run.smp
        goes_to = f"do echo {1 << cpu:x} >${{i%/*}}/smp_affinity"
        shell.run(f"for i in /proc/irq/*/virtio0-virtqueues; {goes_to}; done")
        before = messages(shell)
        qemu.send(f"line{number}\n", "port")
        text = shell.run("read -r line <&5; echo got $line")
        check(f"got line{number}" in text, f"line {number}: {text}")
        check(messages(shell) > before, f"{before} messages before, {messages(shell)} after")
    qemu.quit()
