# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits, places and figures of a running domain."""

import os
import re
import struct

from case import case, check

# EM_LOONGARCH and ET_CORE.
MACHINE, CORE = 258, 4


@case("vcpupin")
def vcpupin(run):
    """A vCPU's thread runs on the CPU that it is pinned to."""
    domain = run.domain(cpus=2).start()
    shell = domain.shell()
    for vcpu, cpus in (("0", "1"), ("1", "0"), ("1", "0-1")):
        domain.virsh("vcpupin", vcpu, cpus)
        place = re.search(rf"^ *{vcpu} +(\S+)$", domain.virsh("vcpupin"), re.M)
        check(place and place[1] == cpus, domain.virsh("vcpupin"))
        check(allowed(domain, f"CPU {vcpu}/KVM") == cpus, f"vCPU {vcpu} is not on {cpus}")
    domain.virsh("emulatorpin", "1")
    check(allowed(domain, None) == "1", "QEMU's thread is not on 1")
    shell.run("true")


def allowed(domain, thread):
    """The CPUs that a thread of QEMU may use, by its name; the first one's for None."""
    folder = f"/proc/{domain.pid()}/task"
    for task in os.listdir(folder):
        with open(f"{folder}/{task}/status") as file:
            text = file.read()
        name = re.search(r"^Name:\t(.*)$", text, re.M)[1]
        if name == thread or (thread is None and int(task) == domain.pid()):
            return re.search(r"^Cpus_allowed_list:\t(.*)$", text, re.M)[1]
    raise AssertionError(f"QEMU has no thread {thread}")


def group(domain):
    """The domain's control group."""
    with open(f"/proc/{domain.pid()}/cgroup") as file:
        place = file.read().strip().removeprefix("0::")
    # QEMU's threads are in groups below.
    return "/sys/fs/cgroup" + re.match(r".*\.libvirt-qemu", place)[0]


@case("schedinfo")
def schedinfo(run):
    """Shares and bandwidth of CPU time reach the control group."""
    domain = run.domain().start()
    shell = domain.shell()
    domain.virsh("schedinfo", "--live", "cpu_shares=512", "vcpu_quota=50000", "vcpu_period=100000")
    shown = dict(re.findall(r"^(\w+)\s*: (-?\d+)$", domain.virsh("schedinfo"), re.M))
    for name, value in (("cpu_shares", "512"), ("vcpu_quota", "50000"), ("vcpu_period", "100000")):
        check(shown.get(name) == value, f"{name} is {shown.get(name)}")
    found = [
        os.path.join(folder, "cpu.max")
        for folder, _, names in os.walk(group(domain))
        if "cpu.max" in names and "vcpu0" in folder
    ]
    check(found, f"no control group of a vCPU in {group(domain)}")
    with open(found[0]) as file:
        check(file.read().split() == ["50000", "100000"], "cpu.max is something else")
    shell.run("true")


@case("memtune")
def memtune(run):
    """A limit of memory reaches the control group."""
    domain = run.domain().start()
    shell = domain.shell()
    domain.virsh("memtune", "--live", "--hard-limit", "1048576", "--soft-limit", "524288")
    shown = dict(re.findall(r"^(\w+)\s*: (\w+)$", domain.virsh("memtune"), re.M))
    check(shown.get("hard_limit") == "1048576", f"{shown}")
    limits = []
    for folder, _, names in os.walk(group(domain)):
        if "memory.max" in names:
            with open(os.path.join(folder, "memory.max")) as file:
                limits.append(file.read().strip())
    check(str(1 << 30) in limits, f"memory.max are {limits}")
    shell.run("true")


@case("blkiotune")
def blkiotune(run):
    """A weight of I/O reaches the control group."""
    domain = run.domain().start()
    domain.shell()
    domain.virsh("blkiotune", "--live", "--weight", "300")
    shown = dict(re.findall(r"^(\w+)\s*: (\w+)$", domain.virsh("blkiotune"), re.M))
    check(shown.get("weight") == "300", f"{shown}")


@case("domstats")
def domstats(run):
    """What KVM counts of a vCPU is among the figures, and grows."""
    domain = run.domain(cpus=2).start()
    shell = domain.shell()
    before = figures(domain)
    shell.run("for i in $(seq 20); do cat /proc/cpuinfo >/dev/null; done")
    after = figures(domain)
    check(after["state.state"] == "1" and after["vcpu.current"] == "2", f"{after}")
    for name in ("cpu.time", "vcpu.0.time", "vcpu.0.int_exits.sum", "vcpu.0.idle_exits.sum"):
        check(name in after, f"no {name} in {sorted(after)}")
        check(int(after[name]) > int(before[name]), f"{name}: {before[name]}, {after[name]}")


def figures(domain):
    """`virsh domstats` of a domain."""
    return dict(re.findall(r"^\s+([\w.]+)=(.*)$", domain.virsh("domstats"), re.M))


@case("dump")
def dump(run):
    """The guest's memory in a file: as an ELF core, compressed for kdump, whole."""
    domain = run.domain().start()
    shell = domain.shell()
    path = run.path("core")
    domain.virsh("dump", path, "--memory-only")
    with open(path, "rb") as file:
        header = file.read(64)
    check(header[:4] == b"\x7fELF", f"no ELF file: {header[:4]}")
    kind, machine = struct.unpack("<HH", header[16:20])
    check((kind, machine) == (CORE, MACHINE), f"type {kind}, machine {machine}")
    check(os.path.getsize(path) > 192 << 20, "the core is smaller than the guest's memory")
    os.remove(path)
    domain.virsh("dump", path, "--memory-only", "--format", "kdump-zlib")
    with open(path, "rb") as file:
        # As it is written to what cannot be sought in.
        head = file.read(12)
    check(head == b"makedumpfile", f"no file for kdump: {head}")
    os.remove(path)
    domain.virsh("dump", path)
    with open(path, "rb") as file:
        # QEMU's migration stream (QEMU_VM_FILE_MAGIC).
        head = file.read(4)
    check(head == b"QEVM", f"no stream of QEMU: {head}")
    check(domain.state().startswith("running"), domain.state())
    shell.run("true")
    domain.virsh("dump", path, "--memory-only", "--crash")
    check(domain.state() == "shut off (crashed)", domain.state())


@case("crash")
def crash(run):
    """libvirt notices that a guest panics, and keeps it to be looked at."""
    domain = run.domain(devices="<panic model='pvpanic'/>").start()
    domain.shell()
    domain.send("echo c >/proc/sysrq-trigger\n")
    domain.wait_for("crashed (panicked)")
    path = run.path("core")
    domain.virsh("dump", path, "--memory-only")
    check(os.path.getsize(path) > 192 << 20, "no memory of the crashed guest")
    check(domain.state() == "crashed (panicked)", domain.state())
    domain.virsh("destroy")
    at = len(domain.console())
    domain.virsh("start")
    domain.shell(at).run("true")


@case("watchdog")
def watchdog(run):
    """A guest that does not feed its watchdog is reset."""
    domain = run.domain(devices="<watchdog model='i6300esb' action='reset'/>").start()
    shell = domain.shell()
    at = len(domain.console())
    # Opened, told of two seconds, and left alone.
    shell.run("watchdog -t 1 -T 2 /dev/watchdog0 && sleep 1 && killall -STOP watchdog")
    domain.shell(at).run("true")
    check(domain.state().startswith("running"), domain.state())
