# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Disks that come and go on a running controller, as management software adds them.

The bus is the controller's own, so that the guest needs no firmware for it: only a
driver, which the distribution's kernel has as a module."""

import os

from case import case, check
from hotplug import FIRMWARE, KERNEL
from initrd import with_files
from shell import APPEND, Shell

MODULES = "/share/modules"

# Bytes of a disk.
SIZE = 1 << 20

# Where the guest's kernel shows SCSI disks.
DISKS = "/sys/bus/scsi/devices/*/block/*"


def wait_for(shell, condition):
    """Waits until a condition holds in the guest."""
    shell.run(f"for i in $(seq 100); do {condition} && break; sleep 0.1; done; {condition}")


@case("disk-plug", smp=(1,))
def disk_plug(run):
    """Disks of virtio-scsi: plugged into the running guest, read and written, given
    back, and plugged again elsewhere."""
    modules = sorted(os.listdir(MODULES))
    with_files(
        run.path("initrd"),
        {f"/modules/{name}": os.path.join(MODULES, name) for name in modules},
    )
    qemu = run.qemu(
        "-device",
        "virtio-scsi-pci,id=scsi",
        append=APPEND,
        memory=512,
        extra=["-bios", FIRMWARE, "-kernel", KERNEL, "-initrd", run.path("initrd")],
    )
    shell = Shell(qemu, timeout=240)
    shell.run("for module in /modules/*; do insmod $module || break; done", 120)
    check(shell.status(f"ls -d {DISKS}") != 0, "there is a disk already")
    for lun in (0, 5):
        image = run.path(f"disk{lun}")
        with open(image, "wb") as file:
            file.write(b"written by the host\n".ljust(SIZE, b"\0"))
        qemu.qmp(
            "blockdev-add",
            driver="file",
            node_name=f"file{lun}",
            filename=image,
        )
        qemu.qmp(
            "device_add",
            driver="scsi-hd",
            id=f"disk{lun}",
            bus="scsi.0",
            lun=lun,
            drive=f"file{lun}",
        )
        wait_for(shell, f"ls -d {DISKS}")
        shell.run(f"disk=/dev/$(basename {DISKS})")
        check("written by the host" in shell.run("head -n 1 $disk"), "the disk is another")
        check(shell.number("blockdev --getsize64 $disk") == SIZE, "its size is another")
        shell.run("echo written by the guest | dd of=$disk conv=fsync")
        with open(image, "rb") as file:
            check(file.readline() == b"written by the guest\n", "the host has not got it")
        qemu.qmp("device_del", id=f"disk{lun}")
        qemu.event("DEVICE_DELETED")
        qemu.qmp("blockdev-del", node_name=f"file{lun}")
        wait_for(shell, f"! ls -d {DISKS}")
    found = shell.run("dmesg | grep -E 'BUG:|Oops|WARNING:|rcu: INFO' || true")
    check(found.strip() == "", f"the kernel complains: {found}")
    qemu.quit()
