# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A guest that starts another kernel by itself: KVM is told nothing, and every CPU
comes to the new kernel in the state in which the old one left it."""

import gzip
import re
import struct
from compression import zstd

from case import case, check
from hotplug import FIRMWARE, KERNEL, SEED
from initrd import with_files
from qemu import INITRD, PARAMETERS
from shell import APPEND, Shell

KEXEC = "/usr/sbin/kexec"


def unpacked(path, target):
    """Writes the kernel that is packed in an EFI zboot file (Linux:
    drivers/firmware/efi/libstub/zboot-header.S): Debian's kexec knows no zstd."""
    with open(path, "rb") as file:
        image = file.read()
    check(image[4:8] == b"zimg", f"{path} is no EFI zboot file")
    at, size = struct.unpack_from("<II", image, 8)
    method = image[24:56].rstrip(b"\0").decode()
    unpack = {"gzip": gzip.decompress, "zstd": zstd.decompress}[method]
    with open(target, "wb") as file:
        file.write(unpack(image[at : at + size]))


@case("kexec", smp=(1, 2), irqchip=("on", "off"))
def kexec(run):
    """The distribution's kernel, started by firmware, starts itself again: all CPUs
    come up, compute what they did before, and no reset was asked for."""
    unpacked(KERNEL, run.path("kernel"))
    with_files(
        run.path("initrd"),
        {"/boot/kernel": run.path("kernel"), "/boot/initrd": INITRD},
        programs=[KEXEC],
    )
    qemu = run.qemu(
        append=APPEND,
        memory=768,
        extra=["-bios", FIRMWARE, "-kernel", KERNEL, "-initrd", run.path("initrd")],
    )
    shell = Shell(qemu, timeout=240)
    digests = [digest(run, shell)]
    line = f"{PARAMETERS} {APPEND} kvm-la.second"
    shell.run(f"{KEXEC} -c -l /boot/kernel --initrd=/boot/initrd --command-line='{line}'", 120)
    at = len(qemu.console())
    shell.start(f"{KEXEC} -e")
    shell = Shell(qemu, at, timeout=240)
    check("kvm-la.second" in shell.run("cat /proc/cmdline"), "it is not the second kernel")
    digests.append(digest(run, shell))
    check(digests[0] == digests[1], f"the digests are {digests}")
    check(qemu.events("RESET") == 0, "the guest was reset")
    found = shell.run("dmesg | grep -E 'BUG:|Oops|WARNING:|rcu: INFO' || true")
    check(found.strip() == "", f"the kernel complains: {found}")
    qemu.quit()


def digest(run, shell):
    """What the guest computes on all its CPUs at the same time."""
    check(shell.number("nproc") == run.smp, "not all CPUs are up")
    both = f"for i in $(seq {run.smp}); do /workload {SEED} & done; wait"
    found = re.findall(r"^[0-9a-f]{16}$", shell.run(both, 120), re.M)
    check(len(found) == run.smp and len(set(found)) == 1, f"the digests are {found}")
    return found[0]
