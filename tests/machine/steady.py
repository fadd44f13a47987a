# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the steady workload in a guest says of itself, see tests/guest/steady."""

import itertools
import re
import time

from qemu import PATIENCE, Timeout
from verdict import check

LINE = re.compile(
    r"KVM-LA-STEADY (\d+) time=(\d+) rounds=(\d+) passes=(\d+) ticks=(\d+)"
    r" disk=(\d+) gap=(\d+) late=(\d+)\n"
)

# What a guest and its kernel must not print.
BAD = re.compile(
    r".*(KVM-LA-STEADY WRONG|BUG:|Oops|WARNING:|rcu: INFO|soft lockup|hung_task"
    r"|blocked for more|Kernel panic|clocksource: .*unstable|nobody cared).*"
)


class Progress:
    """One line."""

    def __init__(self, match):
        (
            self.number,
            self.time,
            self.rounds,
            self.passes,
            self.ticks,
            self.disk,
            self.gap,
            self.late,
        ) = map(int, match.groups())
        # Where the line is on the console.
        self.begin, self.end = match.span()


def lines(qemu, after=0):
    """The lines that a guest printed behind a position of its console."""
    return [Progress(match) for match in LINE.finditer(qemu.console(), after)]


def position(qemu):
    """The console's end."""
    return len(qemu.console())


def sound(qemu):
    """Raises if the guest or its kernel has complained since this was asked last: all that they
    have printed is more with each move."""
    for stream in ("console", "kernel"):
        text = qemu.text(stream)
        bad = BAD.search(text, qemu.sound_until[stream])
        check(not bad, f"the guest says: {bad and bad.group().strip()}")
        # The line behind that may not be whole yet.
        qemu.sound_until[stream] = text.rfind("\n") + 1


def expect(qemu, count, after=0, timeout=PATIENCE):
    """Waits for `count` lines behind a position; these lines."""
    deadline = time.monotonic() + timeout
    while True:
        found = lines(qemu, after)
        sound(qemu)
        if len(found) >= count:
            return found
        qemu.check_alive()
        if time.monotonic() >= deadline:
            raise Timeout(f"{len(found)} of {count} lines in {timeout} s; {qemu.tail()}")
        time.sleep(0.02)


def boot(qemu, count=3):
    """Waits until a guest that was started works; its last line."""
    qemu.expect(f"KVM-LA-STEADY begin cpus={qemu.cpus}")
    return expect(qemu, count)[-1]


def last(qemu):
    """The last line of a guest that is stopped."""
    text = qemu.console()
    begin = len(text)
    while begin >= 0:
        begin = text.rfind("KVM-LA-STEADY ", 0, begin)
        if begin >= 0 and (match := LINE.match(text, begin)):
            return Progress(match)
    raise Timeout(f"the guest has printed no line yet; {qemu.tail()}")


def consecutive(before, behind, cut=False):
    """Lines that follow another are the next ones and the guest saw nothing of
    what happened between. With `cut` the first may be missing: a part of it went
    to another console."""
    # The last line that had all ticks before it.
    counted = before
    for line, following in itertools.zip_longest(behind, behind[1:]):
        between = line.number - before.number
        check(
            between == 1 or (cut and between == 2),
            f"line {line.number} follows line {before.number}",
        )
        cut = False
        passed = line.time - before.time
        # None, if lines that were due while the machine stood still come at once.
        check(
            0 <= passed < 900 + between * 50,
            f"{passed} ms of the guest's time between lines {before.number} and {line.number}",
        )
        check(line.gap < 900_000, f"a CPU missed {line.gap} us before line {line.number}")
        check(line.late < 900_000, f"the timer was {line.late} us late before line {line.number}")
        if following is not None:
            late = before.late + line.late + following.late
            if ticks_fit(counted, line, late):
                counted = line
            else:
                # The timer's reader has not run yet: it is late, or the machine stood still.
                # The next line has what this one lacks.
                check(
                    ticks_fit(counted, following, late),
                    f"{line.ticks - counted.ticks} ticks in {line.time - counted.time} ms"
                    f" before line {line.number}",
                )
        before = line
    return before


def ticks_fit(before, line, late):
    """Whether there was a tick for every 10 ms between two lines, but for what a reader that
    came `late` by so many microseconds had not counted."""
    passed, ticks = line.time - before.time, line.ticks - before.ticks
    return abs(ticks - passed / 10) <= 5 + late / 10_000


def went_back(qemu, after):
    """Waits until a guest prints a line that does not follow the one before it,
    as it was taken back; the position of that line's beginning."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        number = 0
        for line in lines(qemu):
            if line.number <= number and line.end > after:
                return line.begin
            number = line.number
        time.sleep(0.02)
    raise Timeout(f"the guest was not taken back; {qemu.tail()}")


def goes_on(qemu, before, count=6, after=None, cut=False):
    """The lines behind a position, the console's end if none is given, are those
    that follow `before`; the work goes on, at the rate of the host's clock."""
    after = position(qemu) if after is None else after
    found = expect(qemu, count, after)
    end = consecutive(before, found, cut)
    first = found[0]
    check(end.rounds > first.rounds, f"no CPU works: {end.rounds} rounds")
    check(end.passes > first.passes, f"nothing passes between CPUs: {end.passes} passes")
    keeps_time(qemu)
    sound(qemu)
    return last(qemu)


def keeps_time(qemu, count=6):
    """The guest's time goes by as the host's does."""
    first = expect(qemu, 1, position(qemu))[-1]
    started = time.monotonic()
    end = expect(qemu, count, first.end)[-1]
    host = time.monotonic() - started
    guest = (end.time - first.time) / 1000
    check(
        abs(host - guest) < 0.15 + 0.2 * host,
        f"{guest:.3f} s in the guest, {host:.3f} s on the host",
    )


def send(qemu, text):
    """Sends text to the console. A stopped machine takes it too: the UART's
    interrupt, a level, then waits for the guest."""
    qemu.send(f"{text}\n")
    deadline = time.monotonic() + PATIENCE
    while qemu.untaken("console"):
        check(time.monotonic() < deadline, "QEMU does not take what was sent to the console")
        time.sleep(0.01)


def send_port(qemu, text):
    """Sends text to the port of a running machine and returns as soon as QEMU has
    taken it: its interrupt, a message, was sent just now. The ports of a stopped
    machine take nothing."""
    qemu.send(f"{text}\n", "port")
    deadline = time.monotonic() + PATIENCE
    while qemu.untaken("port"):
        check(time.monotonic() < deadline, "QEMU does not take what was sent to the port")


def received(qemu, text, after=0):
    """Waits until the guest has got it by the console."""
    qemu.expect(f"KVM-LA-STEADY console {text}\n", after=after)
    sound(qemu)


def received_port(qemu, text, before="", after=0):
    """Waits until the guest has got it by the port, if it did not say so
    before, on another console."""
    said = f"KVM-LA-STEADY port {text}\n"
    if said not in before:
        qemu.expect(said, after=after)
    sound(qemu)
