# SPDX-License-Identifier: GPL-2.0-or-later
"""Tracepoints of kvm.ko, as tools read them. No guest runs but the one that is
traced: what the tools count is then compared with what the simulator counted of the
whole run (xtask/src/test/libvirt.rs)."""

import collections
import re
import signal
import subprocess
import time

from case import case, check
from virsh import call

EVENTS = ("kvm_enter", "kvm_reenter", "kvm_exit", "kvm_exit_gspr")


def say(tool, name, count):
    """A count for the workstation."""
    print(f"KVM-LA-COUNT {tool} {name.lower().replace(' ', '-')} {count}", flush=True)


@case("counted")
def counted(run):
    """perf and trace-cmd watch the same guest from its first instruction on."""
    perf = run.path("perf.data")
    traced = run.path("trace.dat")
    # What `perf kvm stat record` makes of itself.
    words = ["perf", "record", "-a", "-R", "-m", "4096", "-c", "1", "-o", perf]
    for event in EVENTS:
        words += ["-e", f"kvm:{event}"]
    recorders = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True),
        subprocess.Popen(
            ["trace-cmd", "record", "-q", "-b", "8192", "-e", "kvm:kvm_exit", "-o", traced],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ),
    ]
    try:
        time.sleep(3)
        domain = run.domain(cpus=2).start()
        domain.shell().run("true")
        domain.send("poweroff -f\n")
        domain.wait_for("shut off (shutdown)")
        time.sleep(1)
    finally:
        for recorder in recorders:
            recorder.send_signal(signal.SIGINT)
    for recorder in recorders:
        said = recorder.communicate(timeout=120)[0]
        check("lost" not in said.lower(), f"{recorder.args[0]}: {said}")
    report_perf(perf)
    report_trace(traced)


def report_perf(path):
    """The exits by reason, as `perf kvm stat report` has them."""
    status, output, errors = call(["perf", "kvm", "-i", path, "stat", "report"], 300)
    check(status == 0, f"perf ended with {status}: {errors}")
    rows = re.findall(r"^ *([A-Z][A-Za-z ]*?) +(\d+) +[\d.]+% +[\d.]+%", output + errors, re.M)
    check(rows, f"no table: {output} {errors}")
    for name, count in rows:
        say("perf", name, count)


def report_trace(path):
    """The exits by exception code, as trace-cmd has recorded them."""
    status, output, errors = call(["trace-cmd", "report", "-R", "-i", path], 300)
    check(status == 0, f"trace-cmd ended with {status}: {errors}")
    check("EVENTS DROPPED" not in output, "trace-cmd lost events")
    reasons = re.findall(r"kvm_exit: .*reason=(\w+)", output)
    check(reasons, f"no events: {output[:400]} {errors[:400]}")
    for reason, count in sorted(collections.Counter(reasons).items()):
        say("trace-cmd", str(int(reason, 0)), count)
