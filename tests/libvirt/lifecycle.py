# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt knows of an emulator, and the life of a domain."""

import os
import pty
import re
import select
import subprocess
import time

import steady
from case import Skip, case, check
from domain import EMULATORS
from virsh import call

# Seconds that a guest is stopped: far more than any delay that it may notice.
STOP = 3


@case("validate")
def validate(run):
    """The host is one that libvirt finds no fault with."""
    status, output, errors = call(["virt-host-validate", "qemu"])
    check(status == 0, f"virt-host-validate ended with {status}: {output} {errors}")


@case("capabilities")
def capabilities(run):
    """What libvirt finds out about an emulator is the same for both, but for the
    path."""
    if run.accel != "rust":
        raise Skip("compares our launcher with QEMU: with --accel rust")
    answers = {}
    for accel, path in EMULATORS.items():
        words = ["--virttype", "kvm", "--arch", "loongarch64", "--emulatorbin", path]
        answers[accel] = run.host.virsh("domcapabilities", *words)
        check(f"<path>{path}</path>" in answers[accel], f"no path: {answers[accel][:400]}")
        answers[accel] = answers[accel].replace(path, "QEMU")
    check("<mode name='host-passthrough' supported='yes'>" in answers["rust"], answers["rust"])
    check(
        answers["rust"] == answers["upstream"],
        f"{answers['rust']} is not {answers['upstream']}",
    )


@case("define-start")
def define_start(run):
    """A domain is made known, started, looked at, ended and forgotten. QEMU is the
    unprivileged user's, in libvirt's sandbox, with a /dev of its own."""
    domain = run.domain(cpus=2).define()
    check(domain.state() == "shut off (unknown)", domain.state())
    domain.virsh("start")
    shell = domain.shell()
    check(shell.number("nproc") == 2, "the guest has not two CPUs")
    check(domain.state() == "running (booted)", domain.state())
    info = domain.virsh("dominfo")
    check(re.search(r"^State:\s+running$", info, re.M), info)
    check(re.search(r"^CPU\(s\):\s+2$", info, re.M), info)
    check(domain.virsh("vcpuinfo").count("State:          running") == 2, "vcpuinfo")
    with open(f"/proc/{domain.pid()}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    check(status["Uid"].split() == ["64055"] * 4, f"QEMU's user is {status['Uid']}")
    for name, wanted in (("CapEff", "0" * 16), ("NoNewPrivs", "1"), ("Seccomp", "2")):
        check(status[name] == wanted, f"{name} of QEMU is {status[name]}")
    devices = os.listdir(f"/proc/{domain.pid()}/root/dev")
    check("kvm" in devices and "vda" not in devices, f"QEMU's /dev: {devices}")
    domain.check_backend()
    domain.virsh("destroy")
    check(domain.state() == "shut off (destroyed)", domain.state())
    domain.virsh("undefine")
    check("failed to get domain" in domain.refused("domstate"), "it is still known")


@case("create")
def create(run):
    """A domain that is never defined is gone at its end."""
    domain = run.domain()
    run.host.virsh("create", domain.xml())
    domain.shell().run("true")
    check("persistent" in run.host.virsh("dominfo", domain.name).lower(), "no dominfo")
    domain.send("poweroff -f\n")
    deadline = time.monotonic() + 30
    while domain.name in run.host.virsh("list", "--all", "--name").split():
        check(time.monotonic() < deadline, "a transient domain stays")
        time.sleep(0.2)


@case("console")
def console(run):
    """`virsh console` shows what the guest prints and hands on what is typed."""
    domain = run.domain().start()
    domain.shell()
    ours, theirs = pty.openpty()
    words = ["virsh", "-c", run.host.uri, "console", domain.name, "--devname", "serial1"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        read(ours, b"Escape character")
        time.sleep(1)
        os.write(ours, b"echo said $((6 * 7))\n")
        read(ours, b"said 42")
        # Ctrl-] lets go of it.
        os.write(ours, b"\x1d")
        check(process.wait(20) == 0, f"virsh ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def read(descriptor, wanted):
    """Reads from a terminal until it has shown a text."""
    text = b""
    while wanted not in text:
        ready, _, _ = select.select([descriptor], [], [], 20)
        check(ready, f"no {wanted} but {text}")
        text += os.read(descriptor, 4096)


@case("suspend-resume")
def suspend_resume(run):
    """What a suspended guest misses, it does not notice."""
    domain = run.steady(cpus=2).start()
    steady.boot(domain)
    for _ in range(2):
        before = suspend(domain)
        time.sleep(STOP)
        at = steady.position(domain)
        domain.virsh("resume")
        check(domain.state() == "running (unpaused)", domain.state())
        steady.goes_on(domain, before, after=at)


def suspend(domain):
    """Suspends a domain with a steady guest; the guest's last line."""
    domain.virsh("suspend")
    check(domain.state() == "paused (user)", domain.state())
    # What QEMU wrote last comes through libvirt's log daemon.
    time.sleep(0.5)
    before = domain.kernel(), domain.console()
    time.sleep(0.5)
    check((domain.kernel(), domain.console()) == before, "a suspended guest prints")
    if not domain.console().endswith("\n"):
        # In the middle of a line: nothing to begin with.
        domain.virsh("resume")
        time.sleep(0.02)
        return suspend(domain)
    return steady.last(domain)


@case("reset")
def reset(run):
    """The guest starts anew under the same QEMU."""
    domain = run.domain().start()
    domain.shell().run("true")
    pid = domain.pid()
    for _ in range(2):
        at = len(domain.console())
        domain.virsh("reset")
        domain.shell(at).run("true")
    check(domain.pid() == pid, "another QEMU runs it")
    domain.check_backend()


@case("guest-reboots")
def guest_reboots(run):
    """A guest that reboots itself runs on, one that powers itself off is shut off."""
    domain = run.domain().start()
    domain.shell()
    at = len(domain.console())
    domain.send("reboot -f\n")
    domain.shell(at).run("true")
    check(domain.state().startswith("running"), domain.state())
    domain.send("poweroff -f\n")
    domain.wait_for("shut off (shutdown)")
    # And once more.
    at = len(domain.console())
    domain.virsh("start")
    domain.shell(at).run("true")


@case("autostart")
def autostart(run):
    """A domain that is marked runs when libvirt starts after the host's boot."""
    domain = run.domain().define()
    domain.virsh("autostart")
    run.host.stop()
    check(domain.name not in os.listdir("/run/libvirt/qemu"), "it runs")
    # What tells libvirt that it is not the first start since the host's.
    os.remove("/run/libvirt/qemu/autostarted")
    run.host.start()
    domain.shell().run("true")
    domain.virsh("autostart", "--disable")


@case("libvirtd-restart")
def libvirtd_restart(run):
    """libvirtd ends and starts again under a running domain, which notices nothing;
    libvirt finds it again and commands it."""
    domain = run.steady().start()
    before = steady.boot(domain)
    pid = domain.pid()
    run.host.stop()
    time.sleep(1)
    run.host.start()
    check(domain.state() == "running (booted)", domain.state())
    check(domain.pid() == pid, "another QEMU runs it")
    steady.goes_on(domain, before, after=before.end)
    before = suspend(domain)
    at = steady.position(domain)
    domain.virsh("resume")
    steady.goes_on(domain, before, after=at)


@case("events")
def events(run):
    """Clients that listen get the events of a domain."""
    domain = run.domain().define()
    words = ["virsh", "-c", run.host.uri, "event", "--loop", "--event", "lifecycle"]
    listener = subprocess.Popen(
        ["stdbuf", "-oL", *words], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        time.sleep(1)
        domain.virsh("start")
        domain.virsh("suspend")
        domain.virsh("resume")
        domain.virsh("destroy")
        time.sleep(1)
    finally:
        listener.terminate()
        events = listener.communicate()[0]
    told = re.findall(r"event 'lifecycle' for domain '([^']*)': (.*)", events)
    told = [what.strip() for name, what in told if name == domain.name]
    wanted = ["Resumed Unpaused", "Started Booted", "Suspended Paused", "Resumed Unpaused"]
    # A QEMU that is ended says so if it comes to it.
    if "Shutdown Finished after host request" in told:
        wanted.append("Shutdown Finished after host request")
    check(told == [*wanted, "Stopped Destroyed"], f"{told}")
