# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A machine that is stopped and continued, and whose state is saved on its disk."""

import contextlib
import time

import qemu as driver
import steady
from case import Skip, case, check

# Seconds that a guest is stopped: far more than any delay that it may notice.
STOP = 5

DISK_MIB = 64


def add_disk(run, path):
    """Words of QEMU's command line for a disk that can hold snapshots; the
    image is made if it is not there."""
    try:
        open(path, "rb").close()
    except FileNotFoundError:
        make_disk(run, path)
    return [
        "-blockdev",
        f"driver=qcow2,node-name=disk,file.driver=file,file.filename={path},discard=unmap",
        "-device",
        "virtio-blk-pci,drive=disk,id=disk0",
    ]


def make_disk(run, path):
    """An empty qcow2 image, made by QEMU itself."""
    maker = driver.Qemu(None, command_line=["-machine", "none"])
    try:
        size = DISK_MIB << 20
        jobs = [
            {"driver": "file", "filename": path, "size": 0},
            {"driver": "qcow2", "file": "image", "size": size},
        ]
        for i, options in enumerate(jobs):
            if i == 1:
                maker.qmp("blockdev-add", driver="file", node_name="image", filename=path)
            maker.qmp("blockdev-create", job_id=f"make{i}", options=options)
            while True:
                job = maker.qmp("query-jobs")[0]
                if job["status"] == "concluded":
                    break
                time.sleep(0.01)
            check("error" not in job, f"no disk: {job.get('error')}")
            maker.qmp("job-dismiss", id=f"make{i}")
        maker.quit()
    finally:
        maker.close()


def stop(qemu):
    """Stops a guest; its last line. It says nothing from then on."""
    qemu.qmp("stop")
    check(qemu.status() == "paused", f"it is {qemu.status()}, not paused")
    before = qemu.kernel(), qemu.console()
    time.sleep(0.2)
    check((qemu.kernel(), qemu.console()) == before, "a stopped guest prints")
    if not qemu.console().endswith("\n"):
        # In the middle of a line, which another console would get the rest of.
        qemu.qmp("cont")
        time.sleep(0.02)
        return stop(qemu)
    return steady.last(qemu)


def stop_with_input(qemu, text):
    """Stops a guest that gets input: by the port just before, by the console
    while it is stopped; its last line."""
    steady.send_port(qemu, text)
    before = stop(qemu)
    steady.send(qemu, text)
    time.sleep(0.5)
    return before


@case("stop-cont", ci=(2,), smp=(1, 2, 4), irqchip=("on", "off"))
def stop_cont(run):
    """What a stopped guest misses, it does not notice."""
    qemu = run.qemu()
    steady.boot(qemu)
    for _ in range(3):
        before = stop(qemu)
        time.sleep(STOP)
        at = steady.position(qemu)
        qemu.qmp("cont")
        steady.goes_on(qemu, before, after=at)
    qemu.quit()


@case("stop-cont-quick")
def stop_cont_quick(run):
    """A guest that is stopped and continued all the time goes on."""
    qemu = run.qemu()
    before = steady.boot(qemu)
    for _ in range(100):
        qemu.qmp("stop")
        qemu.qmp("query-cpus-fast")
        qemu.qmp("cont")
        time.sleep(0.003)
    steady.goes_on(qemu, before, after=before.end)
    qemu.quit()


@case("stop-input", smp=(1, 2, 4), irqchip=("on", "off"))
def stop_input(run):
    """What comes in when a guest is stopped, it gets when it goes on: a level
    of the UART and a message of virtio-serial wait for it."""
    qemu = run.qemu()
    steady.boot(qemu)
    qemu.expect("KVM-LA-STEADY port is open")
    for i in range(3):
        before = stop_with_input(qemu, f"word-{i}")
        time.sleep(STOP)
        at = steady.position(qemu)
        qemu.qmp("cont")
        steady.received(qemu, f"word-{i}", at)
        steady.received_port(qemu, f"word-{i}")
        steady.goes_on(qemu, before, after=at)
    qemu.quit()


@case("savevm", ci=(2,), smp=(1, 2, 4), irqchip=("on", "off"))
def savevm(run):
    """A snapshot is the machine that it was, as often as it is loaded: into the
    running machine, into the stopped one, into a new QEMU."""
    disk = run.path("disk.qcow2")
    words = add_disk(run, disk)
    qemu = run.qemu(*words)
    steady.boot(qemu, 5)
    before = stop(qemu)
    check(before.disk > 0, "the guest does not use its disk")
    run_hmp(qemu, "savevm one")
    check("one" in qemu.hmp("info snapshots"), "no snapshot is listed")
    at = steady.position(qemu)
    qemu.qmp("cont")
    steady.goes_on(qemu, before, after=at)
    # While it runs.
    at = load(qemu, "one")
    check(qemu.status() == "running", f"it is {qemu.status()}, not running")
    steady.goes_on(qemu, before, after=at)
    # Stopped, long after.
    stop(qemu)
    time.sleep(STOP)
    at = load(qemu, "one")
    check(qemu.status() == "paused", f"it is {qemu.status()}, not paused")
    time.sleep(STOP)
    at = steady.position(qemu)
    qemu.qmp("cont")
    end = steady.goes_on(qemu, before, after=at)
    check(end.disk > before.disk, "the guest's disk stands still")
    qemu.quit()
    # By a new QEMU.
    again = run.qemu(*words, "-loadvm", "one")
    steady.goes_on(again, before, after=0)
    steady.send(again, "hello")
    steady.received(again, "hello")
    run_hmp(again, "delvm one")
    again.quit()


@case("savevm-running")
def savevm_running(run):
    """A machine that is saved while it runs does not notice, nor what is loaded."""
    qemu = run.qemu(*add_disk(run, run.path("disk.qcow2")))
    before = steady.boot(qemu)
    for i in range(3):
        run_hmp(qemu, f"savevm s{i}")
        between = steady.lines(qemu, before.end)
        steady.goes_on(qemu, before, after=before.end)
        at = load(qemu, f"s{i}")
        found = steady.expect(qemu, 3, at)
        low = between[-1].number if between else before.number
        check(
            low - 1 <= found[0].number <= low + 3,
            f"line {low} was printed before savevm ended, {found[0].number} after loadvm",
        )
        before = steady.goes_on(qemu, found[0], after=found[0].end)
    qemu.quit()


@contextlib.contextmanager
def known_to_fail(condition, what, words=""):
    """A failure that others' faults explain, see docs/machine-tests.md, is none: the
    case is skipped with it. Such a failure says these words."""
    try:
        yield
    except (AssertionError, driver.Timeout) as error:
        if condition and words in str(error):
            raise Skip(f"{what}: {error}") from None
        raise


def loses_lines(run):
    """Whether QEMU's C backend loses lines of waiting interrupts: the Rust module
    raises them again after a load, and so does QEMU's own EIOINTC when the device
    raises its line next."""
    return run.accel == "upstream" and run.kvm == "upstream" and run.irqchip == "on"


def boot_with_input(run):
    """A guest with a disk that is stopped with input waiting, and saved so; its
    last line."""
    qemu = run.qemu(*add_disk(run, run.path("disk.qcow2")))
    steady.boot(qemu)
    qemu.expect("KVM-LA-STEADY port is open")
    before = stop_with_input(qemu, "waiting")
    run_hmp(qemu, "savevm one")
    return qemu, before


@case("savevm-input", irqchip=("on", "off"))
def savevm_input(run):
    """Interrupts that wait when a machine is saved wait when it is loaded."""
    qemu, before = boot_with_input(run)
    saved = qemu.console()
    at = steady.position(qemu)
    qemu.qmp("cont")
    steady.received(qemu, "waiting", at)
    steady.received_port(qemu, "waiting")
    # That it is taken back is seen by a line that it prints again.
    steady.expect(qemu, 1, at)
    # What waits comes before the first line that is loaded.
    loading = steady.position(qemu)
    at = load(qemu, "one")
    steady.received(qemu, "waiting", loading)
    steady.received_port(qemu, "waiting", saved, loading)
    steady.goes_on(qemu, before, after=at)
    qemu.quit()
    again = run.qemu(*add_disk(run, run.path("disk.qcow2")), "-loadvm", "one")
    steady.received(again, "waiting")
    steady.received_port(again, "waiting", saved)
    steady.goes_on(again, before, after=0)
    again.quit()


@case("loadvm-input", irqchip=("on", "off"))
def loadvm_input(run):
    """A machine whose interrupts wait is loaded over itself: the lines that QEMU's
    reset lowers are not those that wait afterwards."""
    qemu, before = boot_with_input(run)
    saved = qemu.console()
    at = load(qemu, "one")
    qemu.qmp("cont")
    with known_to_fail(loses_lines(run), "QEMU's C backend loses the line"):
        steady.received(qemu, "waiting", at)
        steady.received_port(qemu, "waiting", saved, at)
        steady.goes_on(qemu, before, after=at)
        # Nor is the UART's next interrupt lost.
        steady.send(qemu, "more")
        steady.received(qemu, "more", at)
    qemu.quit()


@case("savevm-other-accel", smp=(1, 2), irqchip=("on", "off"))
def savevm_other_accel(run):
    """What one backend saved goes on under the other, and the other way."""
    words = add_disk(run, run.path("disk.qcow2"))
    before, saved = None, ""
    accels = [run.accel, run.other_accel(), run.accel]
    for i, accel in enumerate(accels):
        if i == 0:
            qemu = run.qemu(*words, accel=accel)
            steady.boot(qemu)
            qemu.expect("KVM-LA-STEADY port is open")
        else:
            qemu = run.qemu(*words, "-loadvm", f"s{i - 1}", accel=accel)
            steady.received(qemu, f"word-{i - 1}")
            steady.received_port(qemu, f"word-{i - 1}", saved)
            steady.goes_on(qemu, before, after=0)
        before = stop_with_input(qemu, f"word-{i}")
        saved = qemu.console()
        run_hmp(qemu, f"savevm s{i}")
        qemu.quit()


@case("condition-flags", smp=(1,))
def condition_flags(run):
    """All eight condition flags are saved and loaded."""
    run.flags = 8
    qemu = run.qemu(*add_disk(run, run.path("disk.qcow2")))
    steady.boot(qemu)
    with known_to_fail(run.accel == "upstream", "QEMU's C backend loses some", " fcc"):
        for _ in range(5):
            before = stop(qemu)
            run_hmp(qemu, "savevm one")
            at = load(qemu, "one")
            qemu.qmp("cont")
            steady.goes_on(qemu, before, after=at)
    qemu.quit()


def run_hmp(qemu, line):
    """A line of the monitor that prints nothing if all is well."""
    said = qemu.hmp(line, timeout=300).strip()
    check(not said, f"{line}: {said}")


def load(qemu, name):
    """Loads a snapshot; the position of the console at which the guest goes on."""
    running = qemu.status() == "running"
    at = steady.position(qemu)
    run_hmp(qemu, f"loadvm {name}")
    # Up to then it may have printed.
    return steady.went_back(qemu, at) if running else steady.position(qemu)
