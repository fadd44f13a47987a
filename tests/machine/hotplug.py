# SPDX-License-Identifier: Apache-2.0 OR MIT
"""CPUs that come and go.

QEMU's board tells the guest by its ACPI tables, which only firmware hands over; a
guest that was started without firmware has a device tree, in which nothing comes
or goes. There the cases play the part of ACPI themselves, with the registers that
its tables would name (QEMU: docs/specs/acpi_cpu_hotplug.rst)."""

import os
import re

import registers
from case import case, check
from qemu import QmpError
from shell import APPEND, Shell

# Copies in memory, as of the guest's kernel.
FIRMWARE = "/share/firmware.fd"
KERNEL = "/share/distribution.kernel"

# CPUs that can be plugged.
MORE = 3
TOPOLOGY = f"cpus=1,maxcpus={1 + MORE}"

# Registers of the CPU hotplug block, and what is written to them.
SELECT = 0
FLAGS = 4
EJECT = 1 << 3

# What /workload computes from this (xtask/src/workload.rs) is the same on every
# CPU and in every round.
SEED = 7


def slots(qemu):
    """Where CPUs can be plugged, by number: what device_add wants to know."""
    found = [
        dict(slot["props"], driver=slot["type"])
        for slot in qemu.qmp("query-hotpluggable-cpus")
        if "qom-path" not in slot
    ]
    return sorted(found, key=lambda slot: (slot["socket-id"], slot["core-id"]))


def plug(qemu, number, slot):
    """Plugs a CPU."""
    slot = {name.replace("-", "_"): value for name, value in slot.items()}
    qemu.qmp("device_add", id=f"cpu{number}", **slot)


def refused(function, *arguments, **named):
    """Whether QEMU refuses it."""
    try:
        function(*arguments, **named)
    except QmpError:
        return True
    return False


def cpus(qemu):
    """How many CPUs QEMU has."""
    return len(qemu.qmp("query-cpus-fast"))


def vcpu_files(qemu):
    """How many vCPU descriptors of KVM are open."""
    folder = f"/proc/{qemu.process.pid}/fd"
    links = [os.readlink(os.path.join(folder, name)) for name in os.listdir(folder)]
    return sum("kvm-vcpu:" in link for link in links)


def registers_of(qemu, number):
    """`info registers` of one CPU."""
    return re.split(r"^CPU#\d+\n", registers.of_all(qemu), flags=re.M)[number + 1]


def eject(qemu, shell, number):
    """The guest gives a CPU away, as ACPI's _EJ0 does."""
    regions = qemu.hmp("info mtree")
    found = re.search(r"([0-9a-f]{16})-\w+ .*(acpi-cpu-hotplug|cpuhp)", regions)
    check(found is not None, f"no registers for CPU hotplug: {regions}")
    base = int(found[1], 16)
    shell.run(f"devmem {base + SELECT:#x} 32 {number}")
    shell.run(f"devmem {base + FLAGS:#x} 8 {EJECT}")
    event = qemu.event("DEVICE_DELETED")
    check(event["data"].get("device") == f"cpu{number}", f"{event}")


@case("plug-idle", smp=(1,), ci=(1,), irqchip=("on", "off"))
def plug_idle(run):
    """CPUs that the guest never uses: plugged, taken out, plugged again. A CPU
    that comes back has nothing of its former life."""
    qemu = run.qemu(smp=TOPOLOGY, append=APPEND)
    shell = Shell(qemu)
    plugged = 0
    fresh = {}
    for _ in range(2 if run.tier == "ci" else 5):
        free = slots(qemu)
        check(len(free) == MORE, f"{free}")
        for number, slot in enumerate(free, 1):
            plug(qemu, number, slot)
            plugged += 1
            check(cpus(qemu) == 1 + number, f"{cpus(qemu)} CPUs")
            text = registers_of(qemu, number)
            first = fresh.setdefault(number, text)
            check(first == text, registers.difference(first, text))
        check(vcpu_files(qemu) == 1 + MORE, f"{vcpu_files(qemu)} vCPUs in KVM")
        check(shell.number("nproc") == 1, "the guest uses a CPU that it cannot know")
        check(refused(plug, qemu, 9, free[0]), "a place that is taken is free")
        for number in range(MORE, 0, -1):
            qemu.qmp("device_del", id=f"cpu{number}")
            check(cpus(qemu) == 1 + number, "a CPU went before the guest gave it away")
            eject(qemu, shell, number)
            check(cpus(qemu) == number, f"{cpus(qemu)} CPUs")
        # KVM's part stays for the next one.
        check(vcpu_files(qemu) == 1 + MORE, f"{vcpu_files(qemu)} vCPUs in KVM")
    (first,) = [
        cpu["qom-path"] for cpu in qemu.qmp("query-cpus-fast") if cpu["cpu-index"] == 0
    ]
    check(refused(qemu.qmp, "device_del", id=first), "the first CPU can be taken out")
    # A reset with a CPU that was plugged.
    plug(qemu, 1, slots(qemu)[0])
    plugged += 1
    at = len(qemu.console())
    qemu.qmp("system_reset")
    shell = Shell(qemu, at)
    check(cpus(qemu) == 2, "a CPU went at a reset")
    shell.run("true")
    qemu.expect_served(1 + plugged)
    qemu.quit()


@case("plug-paused", smp=(1,), irqchip=("on", "off"))
def plug_paused(run):
    """CPUs that are plugged before the machine starts, by what
    query-hotpluggable-cpus answers, as Incus does: the firmware's tables have them
    and the guest works on all."""
    qemu = run.qemu(
        smp=TOPOLOGY,
        append=APPEND,
        memory=512,
        extra=["-bios", FIRMWARE, "-kernel", KERNEL],
        paused=True,
    )
    for number, slot in enumerate(slots(qemu), 1):
        plug(qemu, number, slot)
    check(slots(qemu) == [], "a place is free that was taken")
    check(cpus(qemu) == 1 + MORE, f"{cpus(qemu)} CPUs")
    qemu.qmp("cont")
    shell = Shell(qemu, timeout=240)
    check(shell.number("nproc") == 1 + MORE, "the guest does not use all of them")
    here = "for i in $(seq 0 3); do taskset $((1 << i)) cat /proc/self/stat; done"
    places = [line.split()[38] for line in shell.run(here).split("\n") if " (cat) " in line]
    check(places == ["0", "1", "2", "3"], f"it works on {places}")
    qemu.expect_served(1 + MORE)
    qemu.quit()


@case("plug-used", smp=(1,))
def plug_used(run):
    """CPUs that the guest brings online, works with and gives away, told by ACPI:
    with firmware and the distribution's kernel."""
    qemu = run.qemu(
        smp=TOPOLOGY,
        append=APPEND,
        memory=512,
        extra=["-bios", FIRMWARE, "-kernel", KERNEL],
    )
    shell = Shell(qemu, timeout=120)
    plugged = 0
    digest = None
    for _ in range(2):
        for number, slot in enumerate(slots(qemu), 1):
            plug(qemu, number, slot)
            plugged += 1
            there = f"/sys/devices/system/cpu/cpu{number}/online"
            shell.run(f"for i in $(seq 50); do [ -e {there} ] && break; sleep 0.1; done")
            shell.run(f"[ $(cat {there}) = 1 ] || echo 1 >{there}")
            check(shell.number("nproc") == 1 + number, "the guest does not use it")
        found = re.findall(r"^[0-9a-f]{16}$", shell.run(f"/workload {SEED}", 120), re.M)
        digest = digest or found
        check(found == digest, f"the digest is {found}, was {digest}")
        for number in range(MORE, 0, -1):
            qemu.qmp("device_del", id=f"cpu{number}")
            event = qemu.event("DEVICE_DELETED")
            check(event["data"].get("device") == f"cpu{number}", f"{event}")
            check(cpus(qemu) == number, f"{cpus(qemu)} CPUs")
            check(shell.number("nproc") == number, "the guest has not noticed")
        check(vcpu_files(qemu) == 1 + MORE, f"{vcpu_files(qemu)} vCPUs in KVM")
    found = shell.run("dmesg | grep -E 'BUG:|Oops|WARNING:|rcu: INFO' || true")
    check(found.strip() == "", f"the kernel complains: {found}")
    qemu.expect_served(1 + plugged)
    qemu.quit()
