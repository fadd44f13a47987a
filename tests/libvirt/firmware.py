# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with firmware, which hear of ACPI, and the distribution's kernel."""

import json
import time

import steady
from case import case, check
from hotplug import PORTS, appears, device, goes, plug_all
from userland import USERLAND, enter_userland

# QEMU puts memory modules directly behind RAM, of which 256 MiB are elsewhere. The guest's
# kernel adds only memory that begins at a multiple of its blocks, which are 512 MiB.
MEMORY = """\
<maxMemory slots='4' unit='MiB'>4096</maxMemory>
  <memory unit='MiB'>768</memory>"""

# Memory modules belong to a node.
NODE = "<numa><cell id='0' cpus='0-3' memory='768' unit='MiB'/></numa>"

# One block.
MODULE_MIB = 512
MODULE = f"""\
<memory model='dimm'>
  <target><size unit='MiB'>{MODULE_MIB}</size><node>0</node></target>
</memory>"""

CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


@case("firmware-cpus")
def cpus(run):
    """vCPUs come, work and go."""
    domain = run.domain(kind="firmware", memory=MEMORY, topology=NODE, maximum=4).start()
    shell = domain.shell()
    for count in (3, 1, 2):
        domain.virsh("setvcpus", str(count), "--live")
        files = "/sys/devices/system/cpu/cpu[1-9]/online"
        online = f"for f in {files}; do [ -e $f ] && echo 1 >$f; done"
        appears(shell, f"{count} CPUs", f"sh -c '{online}; [ $(nproc) = {count} ]'")
        found = domain.virsh("vcpucount", "--live", "--active").strip()
        check(found == str(count), f"libvirt knows {found} CPUs")
    # One at the start, two plugged, one more.
    domain.expect_served(4)


@case("firmware-memory")
def memory(run):
    """A memory module comes, is used, and goes."""
    domain = run.domain(
        kind="firmware",
        memory=MEMORY,
        topology=NODE,
        cpus=1,
        maximum=4,
        append="kvm-la.commands memhp_default_state=online_movable",
    ).start()
    shell = domain.shell()
    total = "awk '/MemTotal/ { print $2 }' /proc/meminfo"
    before = shell.number(total)
    path = device(run, "module", MODULE)
    domain.virsh("attach-device", path, "--live")
    more = before + (MODULE_MIB << 10) * 9 // 10
    appears(shell, "more memory", f"[ $({total}) -gt {more} ]")
    # More than it had.
    shell.run("mkdir -p /big && mount -t tmpfs -o size=90% tmpfs /big", 60)
    shell.run("dd if=/dev/zero of=/big/file bs=1M count=900 2>/dev/null && rm /big/file", 120)
    domain.virsh("detach-device", path, "--live")
    goes(shell, "the module", f"[ $({total}) -gt {more} ]", 60)
    deadline = time.monotonic() + 20
    while "model='dimm'" in domain.virsh("dumpxml"):
        check(time.monotonic() < deadline, "libvirt still has the module")
        time.sleep(0.2)


@case("firmware-devices")
def devices(run):
    """Disk, network card and source of entropy, as the guest's kernel handles the
    ports itself (pcie_ports=native)."""
    domain = run.domain(
        kind="firmware", memory="<memory unit='MiB'>512</memory>", devices=PORTS
    ).start()
    plug_all(run, domain, domain.shell())


@case("firmware-acpi")
def acpi(run):
    """The power button is heard, also by a guest that was saved meanwhile, which
    powers off."""
    domain = run.domain(kind="firmware", memory="<memory unit='MiB'>512</memory>").start()
    shell = domain.shell()
    path = run.path("saved")
    shell.run("word=kept")
    domain.virsh("save", path)
    run.host.virsh("restore", path)
    shell.run("[ $word = kept ]")
    on_button(shell, "poweroff -f")
    domain.virsh("shutdown", "--mode", "acpi")
    domain.wait_for("shut off (shutdown)")


def on_button(shell, command):
    """What the guest does when its button is pressed: its first process knows none."""
    shell.run(
        "for e in /dev/input/event*; do "
        f"(dd if=$e of=/dev/null bs=24 count=1 2>/dev/null && {command}) & done"
    )


@case("firmware-agent")
def agent(run):
    """The guest agent answers, is given commands, and shuts the guest down."""
    domain = run.domain(
        kind="firmware",
        memory="<memory unit='MiB'>512</memory>",
        devices=CHANNEL + USERLAND,
    ).start()
    shell = domain.shell()
    enter_userland(shell)
    shell.run("port=$(grep -l guest_agent /sys/class/virtio-ports/*/name | cut -d / -f 5)")
    shell.run("chroot /new /usr/sbin/qemu-ga -d -m virtio-serial -p /dev/$port")
    deadline = time.monotonic() + 30
    while "state='connected'" not in domain.virsh("dumpxml"):
        check(time.monotonic() < deadline, "the agent is not connected")
        time.sleep(0.2)
    answer = json.loads(domain.virsh("qemu-agent-command", '{"execute": "guest-info"}'))
    check(answer["return"]["version"], f"{answer}")
    check("kvm-guest" in domain.virsh("domhostname"), "no name")
    check(domain.virsh("guestvcpus").count("vcpus") > 0, "no CPUs")
    now = int(domain.virsh("domtime").split()[-1])
    check(abs(now - time.time()) < 60, f"the guest's time is {now}")
    # The agent sets the guest's clock; after that QEMU has no such timer on this board.
    said = domain.refused("domtime", "--sync")
    check("reinjection" in said, said)
    domain.virsh("domfsfreeze")
    domain.virsh("domfsthaw")
    domain.virsh("shutdown", "--mode", "agent")
    domain.wait_for("shut off (shutdown)")


@case("firmware-steady")
def migrates(run):
    """A guest that works with firmware is saved and goes on."""
    append = f"kvm-la.steady kvm-la.flags={run.flags}"
    domain = run.domain(
        kind="firmware", memory="<memory unit='MiB'>512</memory>", append=append, cpus=2
    ).start()
    domain.expect("KVM-LA-STEADY begin", 240)
    before = steady.expect(domain, 3)[-1]
    domain.virsh("managedsave")
    time.sleep(1)
    before = steady.last(domain)
    domain.virsh("start")
    steady.goes_on(domain, before, after=before.end, cut=True)
