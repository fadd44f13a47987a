# SPDX-License-Identifier: GPL-2.0-or-later
"""Domains whose state is kept: in files, in snapshots, on disks."""

import os
import time

import steady
from case import case, check
from virsh import call

DISK = """\
<disk type='file' device='disk'>
  <driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='{name}' bus='virtio'/>
</disk>"""


def disk(path, name="vda"):
    """A disk's description."""
    return DISK.format(path=path, name=name)


@case("save-restore")
def save_restore(run):
    """A domain in a file goes on out of it as if nothing had been."""
    domain = run.steady(cpus=2, devices=disk(run.disk())).start()
    before = steady.boot(domain)
    path = run.path("saved")
    domain.virsh("save", path)
    check(domain.state() == "shut off (saved)", domain.state())
    time.sleep(3)
    before = steady.last(domain)
    run.host.virsh("restore", path)
    check(domain.state() == "running (restored)", domain.state())
    steady.goes_on(domain, before, after=before.end, cut=True)
    domain.check_backend()


@case("managedsave")
def managedsave(run):
    """libvirt keeps the file itself; the next start is from there."""
    domain = run.steady(devices=disk(run.disk())).start()
    steady.boot(domain)
    domain.virsh("managedsave")
    time.sleep(1)
    before = steady.last(domain)
    check(domain.state() == "shut off (saved)", domain.state())
    domain.virsh("start")
    steady.goes_on(domain, before, after=before.end, cut=True)
    # Used up: one that is removed is no more.
    domain.virsh("managedsave")
    domain.virsh("managedsave-remove")
    at = steady.position(domain)
    domain.virsh("start")
    domain.expect("KVM-LA-STEADY begin", 60, at)


@case("snapshot-internal")
def snapshot_internal(run):
    """Snapshots in the disk's image: taken, taken back to, deleted."""
    domain = run.steady(devices=disk(run.disk())).start()
    steady.boot(domain, 5)
    domain.virsh("snapshot-create-as", "one")
    first = steady.expect(domain, 3, steady.position(domain))[-1]
    domain.virsh("snapshot-create-as", "two")
    check(domain.virsh("snapshot-list", "--name").split() == ["one", "two"], "not listed")
    at = steady.position(domain)
    domain.virsh("snapshot-revert", "one")
    back = steady.went_back(domain, at)
    check(steady.lines(domain, back)[0].number < first.number, "it did not go back")
    steady.keeps_time(domain)
    check(domain.state().startswith("running"), domain.state())
    for name in ("one", "two"):
        domain.virsh("snapshot-delete", name)
    check(domain.virsh("snapshot-list", "--name").split() == [], "still listed")
    status, output, errors = call(["qemu-img", "snapshot", "-U", "-l", run.path("disk.qcow2")])
    check(status == 0 and output.strip() == "", f"still in the image: {output}{errors}")
    steady.sound(domain)


@case("snapshot-external")
def snapshot_external(run):
    """Snapshots in files of their own: of the disk, which is then merged back, and
    of disk and memory, which the domain is taken back to."""
    base = run.disk()
    domain = run.domain(devices=disk(base)).start()
    shell = domain.shell()
    shell.run("echo before | dd of=/dev/vda conv=fsync 2>/dev/null")
    overlay = run.path("overlay.qcow2")
    domain.virsh("snapshot-create-as", "disk", "--disk-only", "--diskspec", f"vda,file={overlay}")
    check(overlay in domain.virsh("domblklist"), domain.virsh("domblklist"))
    shell.run("echo behind | dd of=/dev/vda bs=4096 seek=1 conv=fsync 2>/dev/null")
    domain.virsh("blockcommit", "vda", "--active", "--pivot", "--wait")
    check(base in domain.virsh("domblklist"), domain.virsh("domblklist"))
    domain.virsh("snapshot-delete", "disk", "--metadata")
    for place, word in ((0, "before"), (1, "behind")):
        shell.run(f"dd if=/dev/vda bs=4096 skip={place} count=1 2>/dev/null | grep -q {word}")
    # With memory.
    shell.run("word=kept")
    memory = run.path("memory")
    domain.virsh(
        "snapshot-create-as",
        "whole",
        "--memspec",
        f"file={memory},snapshot=external",
        "--diskspec",
        f"vda,file={run.path('second.qcow2')}",
    )
    check(os.path.getsize(memory) > 0, "no memory is saved")
    shell.run("word=lost")
    domain.virsh("snapshot-revert", "whole")
    check(domain.state().startswith("running"), domain.state())
    shell.run("[ $word = kept ]")
    domain.virsh("snapshot-delete", "whole", timeout=120)


@case("blockcopy")
def blockcopy(run):
    """A running domain's disk is moved to another file."""
    domain = run.domain(devices=disk(run.disk())).start()
    shell = domain.shell()
    shell.run("echo moved | dd of=/dev/vda conv=fsync 2>/dev/null")
    target = run.path("copy.qcow2")
    domain.virsh("blockcopy", "vda", target, "--transient-job", "--pivot", "--wait")
    check(target in domain.virsh("domblklist"), domain.virsh("domblklist"))
    shell.run("dd if=/dev/vda bs=4096 count=1 iflag=direct 2>/dev/null | grep -q moved")
