# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What QEMU shows of a machine: the same under both backends."""

import json
import os
import re
import time

from case import case, check

# Fields of answers that differ from process to process.
OWN = ("thread-id",)

# The part of the memory that is dumped: the kernel's beginning.
DUMPED = (2 << 20, 4 << 20)


def of_all(qemu):
    """`info registers` of every CPU."""
    return qemu.hmp("info registers -a")


def steady_part(text):
    """Registers without the timer's count, which goes on while the machine is
    stopped, as the kernels have it."""
    return re.sub(r"(TVAL +)[0-9a-f]+", r"\1-", text)


def difference(one, other):
    """The first line in which two texts differ, or place in which two dumps do."""
    if isinstance(one, bytes):
        for at in range(0, min(len(one), len(other)), 16):
            if one[at : at + 16] != other[at : at + 16]:
                a, b = one[at : at + 16].hex(), other[at : at + 16].hex()
                return f"at {at:#x} of {len(one)}: {a} became {b}"
        return f"{len(one)} bytes became {len(other)}"
    for a, b in zip(one.splitlines(), other.splitlines(), strict=False):
        if a != b:
            return f"{a.strip()!r} became {b.strip()!r}"
    return f"{len(one)} characters became {len(other)}"


def save(run, accel):
    """Saves a machine at work; the file, and its registers."""
    qemu = run.qemu(accel=accel)
    qemu.expect("KVM-LA-STEADY 3 ")
    qemu.qmp("stop")
    text = of_all(qemu)
    path = run.path(f"saved-{accel}")
    qemu.qmp("migrate", uri=f"file:{path}")
    status = None
    deadline = time.monotonic() + 60
    while status != "completed":
        check(time.monotonic() < deadline, f"saving is {status}")
        time.sleep(0.05)
        answer = qemu.qmp("query-migrate")
        status = answer.get("status")
        check(status != "failed", f"saving failed: {answer}")
    qemu.quit()
    return path, text


def load(run, accel, path):
    """The saved machine, stopped, under a backend."""
    qemu = run.qemu(accel=accel, incoming="defer", paused=True)
    qemu.qmp("migrate-incoming", uri=f"file:{path}")
    deadline = time.monotonic() + 60
    while qemu.status() == "inmigrate":
        check(time.monotonic() < deadline, "loading does not end")
        time.sleep(0.05)
    return qemu


def plain(value):
    """An answer without what differs from process to process."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items() if name not in OWN}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def dump(qemu, path):
    """What `dump-guest-memory` says of the CPUs and a part of the memory."""
    begin, length = DUMPED
    protocol = f"file:{path}"
    qemu.qmp("dump-guest-memory", paging=False, protocol=protocol, begin=begin, length=length)
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    return data


def monitor(qemu, cpu, line):
    """Runs a line of the human monitor about a CPU."""
    return qemu.qmp("human-monitor-command", command_line=line, cpu_index=cpu)


def seen(run, qemu):
    """All that QEMU shows of a stopped machine, by what was asked."""
    answers = {"info registers -a": steady_part(of_all(qemu))}
    for cpu in range(run.smp):
        text = monitor(qemu, cpu, "info registers")
        pc = re.search(r"PC=([0-9a-f]+)", text)
        check(pc is not None, f"no pc of CPU {cpu}: {text}")
        for line in ("info registers", f"x/8i 0x{pc[1]}", f"x/8xg 0x{pc[1]}", "info cpus"):
            text = monitor(qemu, cpu, line)
            text = re.sub(r"thread_id=\d+", "", text)
            answers[f"CPU {cpu}: {line}"] = steady_part(text)
    answers["xp/64xb 0x200000"] = qemu.hmp("xp/64xb 0x200000")
    for command in ("query-cpus-fast", "query-hotpluggable-cpus", "query-cpu-definitions"):
        answers[command] = json.dumps(plain(qemu.qmp(command)), sort_keys=True)
    for model in ("la464", "max", "host"):
        for kind in ("static", "full"):
            command = f"query-cpu-model-expansion {kind} {model}"
            answers[command] = json.dumps(
                qemu.qmp("query-cpu-model-expansion", type=kind, model={"name": model}),
                sort_keys=True,
            )
    answers["dump-guest-memory"] = dump(qemu, run.path("dump"))
    return answers


@case("info-registers", ci=(2,))
def info_registers(run):
    """Both backends show the same of one saved machine, and what was there when
    it was saved."""
    another = run.other_accel()
    path, text = save(run, run.accel)
    ours = load(run, run.accel, path)
    mine = seen(run, ours)
    loaded = mine["info registers -a"]
    check(loaded == steady_part(text), difference(steady_part(text), loaded))
    ours.quit()
    theirs = load(run, another, path)
    other = seen(run, theirs)
    theirs.quit()
    check(mine.keys() == other.keys(), "not the same questions")
    for question, answer in mine.items():
        check(
            answer == other[question],
            f"{question}: {difference(answer, other[question])}",
        )
