# SPDX-License-Identifier: GPL-2.0-or-later
"""What must fail: it fails in the words that it has under QEMU's own backend."""

import os
import re
import shutil

from case import Skip, case, check
from domain import EMULATORS
from hotplug import PORTS, device
from saving import disk


def both(run, **options):
    """Two domains that differ in the emulator only."""
    if run.accel != "rust":
        raise Skip("compares our launcher with QEMU: with --accel rust")
    return [
        run.domain(suffix=f"-{accel}", accel=accel, **options) for accel in EMULATORS
    ]


def alike(what, domains, answers, words):
    """Checks that two refusals are the same but for names, and have some words."""
    plain = []
    for domain, said in zip(domains, answers, strict=True):
        answer = said.replace(domain.name, "NAME").replace(EMULATORS[domain.accel], "QEMU")
        # Dates of QEMU's log and numbers of processes.
        answer = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "DATE", answer)
        # libvirt notices QEMU's end in one place or another.
        answer = answer.replace("process exited while connecting to monitor", "QEMU ended")
        answer = answer.replace("QEMU unexpectedly closed the monitor (vm='NAME')", "QEMU ended")
        # What the backend says of itself, and the way out that it names.
        answer = re.sub(r"Leave out [^|]*\| ", "", answer)
        answer = re.sub(r"accel-kvm-la: info: [^|]*\|? ?", "", answer)
        plain.append(re.sub(r"pid \d+", "pid N", answer))
    check(plain[0] == plain[1], f"{what}: {plain[0]!r} is not {plain[1]!r}")
    check(words in plain[0], f"{what}: {plain[0]!r} does not say {words!r}")


@case("refused-while-running")
def refused_while_running(run):
    """Commands that a running domain refuses, which then runs on."""
    domains = both(run, devices=PORTS)
    missing = device(run, "missing", disk("/srv/guests/not-there.qcow2", "vdx"))
    shells = [domain.start().shell() for domain in domains]
    for command, words in (
        (["inject-nmi"], "NMI"),
        (["dompmsuspend", "mem"], "agent"),
        (["shutdown", "--mode", "agent"], "agent"),
        (["dump", run.path("core"), "--memory-only", "--live"], "unsupported flags"),
        (["detach-disk", "vdx"], "disk"),
        (["attach-device", missing, "--live"], "not-there"),
        (["setvcpus", "2", "--live"], "greater than max"),
        (["setmem", "64M", "--live"], "balloon"),
        (["screenshot", run.path("picture")], "no screens"),
        (["start"], "already active"),
        (["migrate", "--live", "--p2p", "qemu+unix:///system?socket=/run/nowhere"], "nowhere"),
    ):
        answers = [domain.refused(command[0], *command[1:]) for domain in domains]
        alike(" ".join(command), domains, answers, words)
    for domain, shell in zip(domains, shells, strict=True):
        check(domain.state() == "running (booted)", domain.state())
        shell.run("true")


@case("refused-unplug")
def refused_unplug(run):
    """A vCPU that was plugged into a guest that does not hear of it stays."""
    domains = both(run, maximum=2)
    answers = []
    for domain in domains:
        shell = domain.start().shell()
        domain.virsh("setvcpus", "2", "--live")
        answers.append(domain.refused("setvcpus", "1", "--live"))
        shell.run("true")
        domain.expect_served(2)
    alike("setvcpus 1", domains, answers, "timed out")


@case("refused-start")
def refused_start(run):
    """Descriptions that libvirt or QEMU does not take."""
    domains = both(run)
    too_much = "<memory unit='TiB'>1024</memory>"
    for what, old, new, words in (
        ("memory", "<memory unit='MiB'>192</memory>", too_much, "memory"),
        ("machine", "arch='loongarch64'>", "arch='loongarch64' machine='pc'>", "machine"),
        ("host-model", "<cpu mode='maximum'>", "<cpu mode='host-model'>", "host-model"),
        ("vcpus", "<vcpu current='1'>1<", "<vcpu current='1'>300<", "256"),
        ("usb", "<memballoon model='none'/>", "<input type='keyboard' bus='usb'/>", "USB"),
        (
            "lasx",
            "<cpu mode='maximum'></cpu>",
            "<cpu mode='custom'><model>la464</model><feature policy='require' name='lasx'/></cpu>",
            "lasx",
        ),
    ):
        answers = []
        for domain in domains:
            path = domain.xml()
            with open(path) as file:
                text = file.read()
            check(old in text, f"{what}: no {old} in {text}")
            with open(path, "w") as file:
                file.write(text.replace(old, new))
            answers.append(run.host.refused("create", path))
        alike(what, domains, answers, words)


@case("unreadable-launcher")
def unreadable_launcher(run):
    """A launcher without its library, and one that libvirt's user may not read, are
    named in one line."""
    if run.accel != "rust":
        raise Skip("is about our launcher: with --accel rust")
    launcher = EMULATORS["rust"]
    library = os.path.join(os.path.dirname(launcher), "libaccel_kvm_la.so")
    domain = run.domain()
    for name, mode, files, words in (
        ("alone", 0o755, [launcher], "no libaccel_kvm_la.so"),
        ("private", 0o700, [launcher, library], "ermission denied"),
    ):
        folder = run.path(name)
        os.mkdir(folder, mode)
        for file in files:
            shutil.copy(file, folder)
        emulator = os.path.join(folder, os.path.basename(launcher))
        answer = run.host.refused("create", domain.xml(emulator=emulator))
        # "Failed to create domain from FILE", and why.
        why = answer.split(" | ")
        check(len(why) == 2 and emulator in why[1] and words in why[1], answer)
