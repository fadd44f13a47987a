# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A machine that is moved: into a file and out of it, to a second QEMU while it
runs, and not quite."""

import os
import time

import steady
from case import Skip, case, check
from qemu import PATIENCE, QmpError, Timeout
from state import STOP, known_to_fail, loses_lines, stop, stop_with_input

# Bytes a second that a migration may take when it is to last.
SLOWLY = 1 << 20

# Without a limit that matters.
FAST = 1 << 34


def capabilities(qemu, **wanted):
    """Sets capabilities of migration; underscores stand for dashes."""
    qemu.qmp(
        "migrate-set-capabilities",
        capabilities=[
            {"capability": name.replace("_", "-"), "state": state}
            for name, state in wanted.items()
        ],
    )


def wait_for(qemu, *wanted, timeout=PATIENCE):
    """Waits until a migration is in one of these states; what QEMU knows of it."""
    deadline = time.monotonic() + timeout
    while True:
        info = qemu.qmp("query-migrate")
        status = info.get("status", "none")
        if status in wanted:
            return info
        if status in ("failed", "cancelled", "completed"):
            raise AssertionError(f"the migration {status}: {info.get('error-desc')}")
        if time.monotonic() >= deadline:
            raise Timeout(f"the migration is {status}, not {wanted}, in {timeout} s")
        time.sleep(0.02)


def moved(source, destination, before, cut=True):
    """What holds when a machine has been moved: the source is done with it, and it
    goes on at the destination."""
    # QEMU says first that the migration has completed, then what that makes of the source.
    becomes(source, "postmigrate", after="finish-migrate")
    arrived(destination)
    return steady.goes_on(destination, before, after=0, cut=cut)


def arrived(destination):
    """Waits until a destination runs."""
    becomes(destination, "running", after="inmigrate")


def becomes(qemu, wanted, after):
    """Waits until a machine is no longer in the state `after`: then it is as wanted."""
    deadline = time.monotonic() + PATIENCE
    while (status := qemu.status()) == after:
        if time.monotonic() >= deadline:
            raise Timeout(f"it is still {after}")
        time.sleep(0.02)
    check(status == wanted, f"it is {status}, not {wanted}")


def boot(run, **options):
    """A guest that works."""
    qemu = run.qemu(**options)
    steady.boot(qemu)
    qemu.expect("KVM-LA-STEADY port is open")
    qemu.qmp("migrate-set-parameters", max_bandwidth=FAST)
    return qemu


def live(source, destination, address):
    """Moves a running guest; the last line that the source has."""
    source.qmp("migrate", uri=address)
    wait_for(source, "completed")
    return steady.last(source)


@case("file", smp=(1, 2, 4), irqchip=("on", "off"))
def to_file(run):
    """A machine in a file goes on out of it, and again, whatever had stopped it."""
    path = run.path("saved")
    qemu = boot(run)
    for stopped in (False, True):
        if stopped:
            before = stop(qemu)
            time.sleep(STOP)
        qemu.qmp("migrate", uri=f"file:{path}")
        wait_for(qemu, "completed")
        before = steady.last(qemu)
        qemu.quit()
        first = run.qemu(incoming=f"file:{path}")
        if stopped:
            wait_for(first, "completed")
            check(first.status() == "paused", f"it is {first.status()}, not paused")
            first.qmp("cont")
        else:
            arrived(first)
        steady.goes_on(first, before, after=0, cut=True)
        first.quit()
        # Once more out of the same file.
        qemu = run.qemu(incoming=f"file:{path}")
        if stopped:
            wait_for(qemu, "completed")
            qemu.qmp("cont")
        else:
            arrived(qemu)
        steady.goes_on(qemu, before, after=0, cut=True)
        os.remove(path)
    qemu.quit()


@case("file-looked", irqchip=("on", "off"))
def to_file_looked(run):
    """What is saved is what waits then, not what waited when the registers were last
    looked at. Nothing else may wait: neither port nor disk is used."""
    path = run.path("saved")
    qemu = boot(run)
    before = stop(qemu)
    qemu.hmp("info registers -a")
    steady.send(qemu, "waiting")
    time.sleep(0.5)
    qemu.qmp("migrate", uri=f"file:{path}")
    wait_for(qemu, "completed")
    qemu.quit()
    again = run.qemu(incoming=f"file:{path}")
    wait_for(again, "completed")
    again.qmp("cont")
    with known_to_fail(loses_lines(run), "QEMU's C backend does not save the line"):
        steady.received(again, "waiting")
        steady.goes_on(again, before, after=0)
    again.quit()


@case("exec", smp=(1,))
def by_program(run):
    """As management software does it: through a program."""
    path = run.path("saved")
    qemu = boot(run)
    qemu.qmp("migrate", uri=f"exec:cat >{path}")
    wait_for(qemu, "completed")
    again = run.qemu(incoming=f"exec:cat {path}")
    moved(qemu, again, steady.last(qemu))
    again.quit()
    qemu.quit()


@case("live", ci=(2,), smp=(1, 2, 4), irqchip=("on", "off"))
def live_migration(run):
    """A guest that works is moved, and moved back."""
    address = f"unix:{run.path('socket')}"
    source = boot(run)
    for _ in range(3):
        destination = run.qemu(incoming=address)
        destination.qmp("migrate-set-parameters", max_bandwidth=FAST)
        before = live(source, destination, address)
        moved(source, destination, before)
        source.quit()
        source = destination
    steady.send(source, "hello")
    steady.send_port(source, "hello")
    steady.received(source, "hello")
    steady.received_port(source, "hello")
    source.quit()


@case("live-input", smp=(1, 2), irqchip=("on", "off"))
def live_input(run):
    """An interrupt that waits in the moment of the move waits at the destination: the
    source is stopped, gets input by the console, and then hands over."""
    address = f"unix:{run.path('socket')}"
    source = boot(run)
    destination = run.qemu(incoming=address)
    for qemu in (source, destination):
        capabilities(qemu, pause_before_switchover=True)
    source.qmp("migrate", uri=address)
    wait_for(source, "pre-switchover")
    before = steady.last(source)
    steady.send(source, "waiting")
    time.sleep(0.5)
    source.qmp("migrate-continue", state="pre-switchover")
    wait_for(source, "completed")
    arrived(destination)
    steady.received(destination, "waiting")
    moved(source, destination, before)
    destination.quit()
    source.quit()


@case("live-stopped", smp=(2,))
def live_stopped(run):
    """A stopped guest is moved with what waits for it, and stays stopped."""
    address = f"unix:{run.path('socket')}"
    source = boot(run)
    destination = run.qemu(incoming=address)
    before = stop_with_input(source, "waiting")
    said = source.console()
    time.sleep(STOP)
    source.qmp("migrate", uri=address)
    wait_for(source, "completed")
    wait_for(destination, "completed")
    check(destination.status() == "paused", f"it is {destination.status()}, not paused")
    check(not destination.kernel() + destination.console(), "a stopped guest prints")
    time.sleep(STOP)
    destination.qmp("cont")
    steady.received(destination, "waiting")
    steady.received_port(destination, "waiting", said)
    steady.goes_on(destination, before, after=0)
    destination.quit()
    source.quit()


@case("live-cancel", smp=(1, 2), irqchip=("on", "off"))
def live_cancel(run):
    """A move that is given up half way, by the user or by the destination's end,
    leaves the guest where it is; the next one takes it away."""
    address = f"unix:{run.path('socket')}"
    source = boot(run)
    for by_user in (True, False):
        before = steady.last(source)
        source.qmp("migrate-set-parameters", max_bandwidth=SLOWLY)
        destination = run.qemu(incoming=address)
        source.qmp("migrate", uri=address)
        wait_for(source, "active")
        time.sleep(0.5)
        if by_user:
            source.qmp("migrate_cancel")
            wait_for(source, "cancelled")
        destination.close()
        if not by_user:
            wait_for(source, "failed")
        check(source.status() == "running", f"the source is {source.status()}")
        steady.goes_on(source, before, after=before.end)
    source.qmp("migrate-set-parameters", max_bandwidth=FAST)
    destination = run.qemu(incoming=address)
    before = live(source, destination, address)
    moved(source, destination, before)
    destination.quit()
    source.quit()


@case("live-back", smp=(2,))
def live_back(run):
    """A guest whose source goes on although it was moved: as after a destination
    that ended before it ran."""
    address = f"unix:{run.path('socket')}"
    source = boot(run)
    destination = run.qemu(incoming=address, paused=True)
    before = live(source, destination, address)
    destination.quit()
    time.sleep(STOP)
    at = steady.position(source)
    source.qmp("cont")
    steady.goes_on(source, before, after=at)
    source.quit()


@case("live-other-accel", ci=(2,), smp=(1, 2, 4), irqchip=("on", "off"))
def live_other_accel(run):
    """A guest that works is moved to the other backend and back."""
    address = f"unix:{run.path('socket')}"
    other = run.other_accel()
    source = boot(run)
    for accel in (other, run.accel):
        destination = run.qemu(incoming=address, accel=accel)
        destination.qmp("migrate-set-parameters", max_bandwidth=FAST)
        before = live(source, destination, address)
        moved(source, destination, before)
        source.quit()
        source = destination
    source.quit()


@case("multifd", smp=(2,))
def multifd(run):
    """By several streams at once."""
    address = f"unix:{run.path('socket')}"
    source = boot(run)
    destination = run.qemu(incoming="defer")
    for qemu in (source, destination):
        capabilities(qemu, multifd=True)
        qemu.qmp("migrate-set-parameters", multifd_channels=2)
    destination.qmp("migrate-incoming", uri=address)
    before = live(source, destination, address)
    moved(source, destination, before)
    destination.quit()
    source.quit()


@case("mapped-ram", smp=(2,))
def mapped_ram(run):
    """Into a file in which every page has its place."""
    path = run.path("saved")
    source = boot(run)
    destination = run.qemu(incoming="defer")
    for qemu in (source, destination):
        capabilities(qemu, mapped_ram=True)
    source.qmp("migrate", uri=f"file:{path}")
    wait_for(source, "completed")
    destination.qmp("migrate-incoming", uri=f"file:{path}")
    moved(source, destination, steady.last(source))
    destination.quit()
    source.quit()


@case("postcopy", smp=(1, 2))
def postcopy(run):
    """The guest goes on before its memory has come."""
    address = f"unix:{run.path('socket')}"
    source = boot(run)
    destination = run.qemu(incoming="defer")
    for qemu in (source, destination):
        capabilities(qemu, postcopy_ram=True)
    destination.qmp("migrate-incoming", uri=address)
    source.qmp("migrate-set-parameters", max_bandwidth=SLOWLY)
    source.qmp("migrate", uri=address)
    wait_for(source, "active")
    source.qmp("migrate-set-parameters", max_bandwidth=FAST)
    source.qmp("migrate-start-postcopy")
    wait_for(source, "completed")
    moved(source, destination, steady.last(source))
    destination.quit()
    source.quit()


@case("live-dirty-ring", smp=(2,))
def dirty_ring(run):
    """Written pages found by rings instead of bitmaps."""
    address = f"unix:{run.path('socket')}"
    source = boot(run, accel_options="dirty-ring-size=1024")
    destination = run.qemu(incoming=address, accel_options="dirty-ring-size=1024")
    before = live(source, destination, address)
    moved(source, destination, before)
    destination.quit()
    source.quit()


@case("bad-stream", smp=(1,))
def bad_stream(run):
    """A file that is no machine, or half of one, is refused in words."""
    path = run.path("saved")
    qemu = boot(run)
    qemu.qmp("migrate", uri=f"file:{path}")
    wait_for(qemu, "completed")
    qemu.quit()
    with open(path, "rb") as file:
        whole = file.read()
    for what, data in (
        ("half", whole[: len(whole) // 2]),
        ("none", b"not a machine" * 100),
    ):
        with open(path, "wb") as file:
            file.write(data)
        other = run.qemu(incoming="defer")
        try:
            other.qmp("migrate-incoming", uri=f"file:{path}", exit_on_error=False)
            deadline = time.monotonic() + PATIENCE
            while other.qmp("query-migrate").get("status") != "failed":
                check(time.monotonic() < deadline, f"{what} of a stream is taken")
                time.sleep(0.02)
        except QmpError as error:
            check("stream" in error.desc, f"{what}: {error.desc}")
        check(other.status() == "inmigrate", f"{what}: it is {other.status()}")
        other.quit()


# --- from one module to the other: between two hosts, by the shared folder


def saved(kvm, accel, smp):
    """Where a guest is kept."""
    return f"/share/saved/kvm={kvm},accel={accel},smp={smp}"


@case("save-for-other-kvm", smp=(1, 2))
def save_for_other_kvm(run):
    """A guest is put aside for a host with the other module."""
    path = saved(run.kvm, run.accel, run.smp)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Whichever backend it will run under.
    run.flags = 4
    qemu = boot(run)
    stop_with_input(qemu, "waiting")
    qemu.qmp("migrate", uri=f"file:{path}")
    wait_for(qemu, "completed")
    with open(path + ".console", "w") as file:
        file.write(qemu.console())
    qemu.quit()


def from_other_kvm(accel):
    """The case that takes what a backend saved on the other module."""

    def resume(run):
        """A guest that was saved on one module goes on on the other."""
        path = saved("upstream" if run.kvm == "rust" else "rust", accel, run.smp)
        if not os.path.exists(path + ".console"):
            raise Skip("save-for-other-kvm, which fails or was not asked for, did not save it")
        with open(path + ".console") as file:
            said = file.read()
        before = steady.Progress(list(steady.LINE.finditer(said))[-1])
        qemu = run.qemu(incoming=f"file:{path}")
        wait_for(qemu, "completed")
        qemu.qmp("cont")
        steady.received(qemu, "waiting")
        steady.received_port(qemu, "waiting", said)
        steady.goes_on(qemu, before, after=0)
        qemu.quit()

    return resume


for ACCEL in ("rust", "upstream"):
    case(f"from-other-kvm,saved-by={ACCEL}", smp=(1, 2), group="resume")(
        from_other_kvm(ACCEL)
    )
