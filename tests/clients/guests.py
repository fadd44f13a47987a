# SPDX-License-Identifier: GPL-2.0-or-later
"""What looks at a guest or serves it from outside, and what a guest says of where
it runs."""

import os
import re

from case import case, check
from domain import EMULATORS
from userland import USERLAND, enter_userland
from virsh import call

SHARED = """\
<memory unit='MiB'>192</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"""

FILESYSTEM = """\
<filesystem type='mount' accessmode='passthrough'>
  <driver type='virtiofs'/><source dir='{path}'/><target dir='shared'/>
</filesystem>"""


@case("virtiofsd")
def virtiofs(run):
    """A folder of the host in the guest, by virtiofsd in its own sandbox."""
    folder = run.path("shared")
    os.mkdir(folder)
    with open(f"{folder}/from-host", "w") as file:
        file.write("of the host\n")
    domain = run.domain(memory=SHARED, devices=FILESYSTEM.format(path=folder)).start()
    shell = domain.shell()
    shell.run("mkdir /mnt && mount -t virtiofs shared /mnt")
    check("of the host" in shell.run("cat /mnt/from-host"), "the guest reads something else")
    shell.run("seq 1 20000 >/mnt/from-guest && sync")
    with open(f"{folder}/from-guest") as file:
        check(file.read().split() == [str(i) for i in range(1, 20001)], "not what it wrote")
    shell.run("mkdir /mnt/d && mv /mnt/from-guest /mnt/d/moved && rm /mnt/from-host")
    check(os.listdir(folder) == ["d"] and os.listdir(f"{folder}/d") == ["moved"], "not moved")
    shell.run("umount /mnt")


@case("virtiofsd-dax")
def virtiofs_dax(run):
    """QEMU 11.1 has no window for DAX: its device takes no size of one. When it does,
    this case fails, and a guest that maps files is due."""
    for emulator in EMULATORS.values():
        words = [emulator, "-machine", "none", "-device", "vhost-user-fs-pci,help"]
        status, output, errors = call(words)
        check(status == 0 and "queue-size" in output, f"{emulator}: {output} {errors}")
        check("cache-size" not in output, f"{emulator} has a window for DAX")


@case("gdb")
def gdb(run):
    """gdb-multiarch attaches to QEMU's stub, reads registers and code of all CPUs,
    goes away, and the guest goes on."""
    domain = run.domain(cpus=2).start()
    shell = domain.shell()
    domain.virsh("qemu-monitor-command", "--hmp", "gdbserver tcp:127.0.0.1:1234")
    words = ["gdb-multiarch", "--batch", "--nx"]
    for command in (
        "target remote 127.0.0.1:1234",
        "info threads",
        "info registers pc orig_a0 badv",
        "x/3i $pc",
        "detach",
    ):
        words += ["-ex", command]
    status, output, errors = call(words, 120)
    check(status == 0, f"gdb ended with {status}: {output} {errors}")
    check(len(re.findall(r"Thread 1\.\d", output)) >= 2, f"not two CPUs: {output}")
    check(re.search(r"^pc +0x9\w+", output, re.M), f"no pc in the kernel: {output}")
    check(len(re.findall(r"^(?:=>)? +0x\w+.*:\t\w+", output, re.M)) == 3, f"no code: {output}")
    shell.run("true")


@case("detect-virt")
def detect_virt(run):
    """What systemd and lscpu find: nothing in a guest without firmware, whose only
    sign would be DMI."""
    domain = run.domain(devices=USERLAND).start()
    shell = domain.shell()
    enter_userland(shell)
    found = shell.run("chroot /new systemd-detect-virt || true").strip()
    check(found == "none", f"systemd-detect-virt says {found}")
    cpu = shell.run("chroot /new lscpu")
    check(re.search(r"^Architecture: +loongarch64$", cpu, re.M), cpu)
    check(re.search(r"^Model name: +Loongson-3A5000$", cpu, re.M), cpu)
    check("Hypervisor vendor" not in cpu, cpu)


@case("detect-virt-firmware")
def detect_virt_firmware(run):
    """With firmware there is DMI, which names KVM."""
    domain = run.domain(
        kind="firmware", memory="<memory unit='MiB'>512</memory>", devices=USERLAND
    ).start()
    shell = domain.shell()
    enter_userland(shell)
    found = shell.run("chroot /new systemd-detect-virt").strip()
    check(found == "kvm", f"systemd-detect-virt says {found}")
    vendor = shell.run("cat /sys/class/dmi/id/sys_vendor").strip()
    check(vendor == "QEMU", f"the machine is of {vendor}")
