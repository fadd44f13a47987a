#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT

"""Runs an image set on an emulator or a board and prints one row of what passed.

The programs print over the UART at 0x1fe001e0 and power the machine off by the register
at 0x100e001c, as QEMU's `virt` board has them; they need no hook beside these. The set is
the directory of this file: manifest.json and images/. Python 3.9 and its library suffice.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import selectors
import shlex
import signal
import subprocess
import sys
import termios
import threading
import time
import tty

# What one program may print; the longest prints 20 KiB.
OUTPUT_LIMIT = 1 << 20
# What the EFI program may print; where no check fails it prints 60 KiB.
EFI_LIMIT = 8 << 20
# How long a line may be silent behind a program's end before the next one starts.
SETTLE = 0.2
# How long a process's messages may come behind its end, in seconds. A process that it has
# started in a session of its own holds their pipe open for as long as that one runs.
MESSAGES = 1.0

# Numbers are registers, which have at most 16 digits.
LINE = re.compile(r"(?:(ok) (\S+)|(FAIL) (\S+) (.+)|(val) (\S+) (0x[0-9a-f]{1,16}))")
END = re.compile(r"end 0x([0-9a-f]{1,16}) 0x([0-9a-f]{1,16})")
UNEXPECTED = "unexpected-exception"
# What the EFI program prints around each program, and at its own end.
EFI_PROGRAM = re.compile(r"program (\S+( \S+=\S+)?)")
EFI_SKIPPED = re.compile(r"skipped (\S+( \S+=\S+)?): (.+)")
EFI_END = "conformance end"
ESCAPE = re.compile(r"\x1b\[[0-9;=]*[A-Za-z]")

VERDICTS = {
    "passed": "every check passed and the machine powered off",
    "failed": "it reached its end, and a check failed",
    "exception": "an exception that the program does not expect ended it",
    "timed out": "it did not reach its end in time",
    "no power-off": "it reached its end, and the machine went on",
    "bad exit": "it reached its end, and the emulator ended with another status than 0",
    "crashed": "the emulator ended with another status than 0 before the program's end",
    "cut short": "the emulator ended before the program's end",
    "garbled": "it reached its end, and not every line of it came through",
    "flooded": f"it printed more than {OUTPUT_LIMIT} bytes",
    "skipped": "the machine lacks what it needs",
}


class Refused(Exception):
    """Something that keeps the set from being run, in one line."""


@dataclasses.dataclass
class Console:
    """What a program's run left."""

    text: str
    # "power-off", "exit" with a status, "time-out", "flood", or "board": a line only.
    end: str
    status: str = ""
    seconds: float = 0.0
    said: str = ""


@dataclasses.dataclass
class Transcript:
    """The lines of a program, out of all that came."""

    passed: list = dataclasses.field(default_factory=list)
    failed: dict = dataclasses.field(default_factory=dict)
    values: dict = dataclasses.field(default_factory=dict)
    counts: tuple = ()
    exception: str = ""


def transcript(text):
    """Reads what a machine printed; lines of others, as of firmware, are left out."""
    found = Transcript()
    for line in text.replace("\r", "").split("\n"):
        if end := END.fullmatch(line):
            found.counts = (int(end[1], 16), int(end[2], 16))
        elif match := LINE.fullmatch(line):
            if match[1]:
                found.passed.append(match[2])
            elif match[3] and match[4] == UNEXPECTED:
                found.exception = match[5]
            elif match[3]:
                found.failed[match[4]] = match[5]
            else:
                found.values[match[7]] = int(match[8], 16)
    return found


@dataclasses.dataclass
class Result:
    """How a program ended."""

    name: str
    verdict: str
    why: str = ""
    passed: int = 0
    reached: int = 0
    expected: int = 0
    failures: dict = dataclasses.field(default_factory=dict)
    ok: frozenset = frozenset()
    seconds: float = 0.0


def judge(name, alternatives, console):
    """The verdict on a run of a program that has one of these lists of checks."""
    found = transcript(console.text)
    printed = [*found.passed, *found.failed]
    checks = next(
        (checks for checks in alternatives if sorted(checks) == sorted(printed)),
        alternatives[0],
    )
    wanted = collections.Counter(checks)
    passed = collections.Counter(found.passed) & wanted
    failed = {name: text for name, text in found.failed.items() if name in wanted}
    result = Result(
        name,
        "",
        passed=sum(passed.values()),
        expected=len(checks),
        failures=failed,
        ok=frozenset(passed) - set(failed),
        seconds=round(console.seconds, 2),
    )
    result.reached = result.passed + len(failed)
    result.verdict, result.why = verdict(found, result, console)
    return result


def verdict(found, result, console):
    """One of VERDICTS, and what to know of it."""
    if console.end == "flood":
        return "flooded", VERDICTS["flooded"]
    if found.exception:
        return "exception", found.exception
    if not found.counts:
        if console.end == "time-out":
            return "timed out", f"after {result.seconds} s, {result.reached} checks"
        if console.status:
            return "crashed", f"{console.status} {console.said}".strip()
        return "cut short", f"after {result.reached} of {result.expected} checks"
    whole = (result.expected, len(result.failures))
    if (result.reached, len(result.failures)) != whole or found.counts != whole:
        return "garbled", (
            f"{result.reached} of {result.expected} checks came, "
            f"and it counted {found.counts[0]} with {found.counts[1]} failed"
        )
    if result.failures:
        return "failed", f"{len(result.failures)} of {result.expected} checks"
    if console.end == "time-out":
        return "no power-off", VERDICTS["no power-off"]
    if console.status:
        return "bad exit", f"{console.status} {console.said}".strip()
    return "passed", ""


class Command:
    """A command of the user's, in which {} and {cpus} stand for what it runs."""

    def __init__(self, option, command):
        self.words = shlex.split(command)
        if not any("{}" in word for word in self.words):
            raise Refused(f"{option}: it has to hold {{}}, which stands for what it runs")
        self.several = any("{cpus}" in word for word in self.words)

    def filled(self, what, cpus):
        replaced = (word.replace("{}", str(what)) for word in self.words)
        return [word.replace("{cpus}", str(cpus)) for word in replaced]

    @contextlib.contextmanager
    def started(self, what, cpus=1):
        """The process, which is gone in the end with all that it started."""
        words = self.filled(what, cpus)
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Refused(f"cannot start {words[0]}: {error.strerror}") from error
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()


class Emulator:
    """A command that runs an image and prints its UART."""

    at_once = True

    def __init__(self, command, timeout):
        self.command = Command("--emulator", command)
        self.several = self.command.several
        self.timeout = timeout

    def run(self, image, cpus):
        begun = time.monotonic()
        last = collections.deque(maxlen=1)
        with self.command.started(image, cpus) as process:
            messages = draining(process.stderr, last)
            output, end = read(process.stdout, begun + self.timeout)
            if end == "closed":
                end = wait(process, begun + self.timeout)
        messages.join(MESSAGES)
        code = process.returncode
        status = ""
        if end == "exit" and code > 0:
            status = f"status {code}"
        elif end == "exit" and code < 0:
            status = f"signal {signal_name(-code)}"
        said = last[0] if last else ""
        return Console(decoded(output), end, status, time.monotonic() - begun, said)


def signal_name(number):
    """Real-time signals have no names but those of the first and the last."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def draining(stream, last):
    """A thread that reads a process's messages, for which this program does not wait to end."""
    messages = threading.Thread(target=drain, args=(stream, last), daemon=True)
    messages.start()
    return messages


def drain(stream, last):
    """Reads a process's messages to their end and keeps the last one."""
    with stream:
        while line := stream.readline(4096):
            if text := line.decode(errors="replace").strip():
                last.append(text)


def read(stream, deadline, enough=lambda output: False):
    """What a stream gives until its end, a time, a limit, or `enough`; and why it ended."""
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return output, "time-out"
            try:
                more = os.read(stream.fileno(), 65536)
            except OSError:
                # A terminal whose other side is gone.
                more = b""
            if not more:
                return output, "closed"
            output += more
            if len(output) > OUTPUT_LIMIT:
                return output, "flood"
            if enough(output):
                return output, "enough"


def wait(process, deadline):
    """Waits for the end of a process that has closed its output."""
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "time-out"
    return "exit"


def decoded(output):
    return bytes(output).decode("ascii", errors="replace")


class Board:
    """A board on a serial line, on which a command starts an image."""

    at_once = False
    # A board has the CPUs that it has.
    several = True

    def __init__(self, line, command, timeout):
        self.line = line
        self.command = Command("--start", command)
        self.timeout = timeout

    def run(self, image, cpus):
        begun = time.monotonic()
        termios.tcflush(self.line, termios.TCIFLUSH)
        words = self.command.filled(image, cpus)
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, check=False)
        except OSError as error:
            raise Refused(f"cannot start {words[0]}: {error.strerror}") from error
        if done.returncode != 0:
            raise Refused(f"{words[0]} ended with status {done.returncode} for {image}")

        def ended(output):
            lines = decoded(output).replace("\r", "").split("\n")[:-1]
            return any(END.fullmatch(line) or UNEXPECTED in line for line in lines)

        output, end = read(self.line, begun + self.timeout, ended)
        if end == "enough":
            end = "board"
            time.sleep(SETTLE)
        seconds = time.monotonic() - begun
        return Console(decoded(output), end, seconds=seconds)


def serial(path, speed):
    """The line to a board, raw."""
    try:
        line = open(path, "r+b", buffering=0)  # noqa: SIM115 - until this program's end
        tty.setraw(line)
        mode = termios.tcgetattr(line)
    except (OSError, termios.error) as error:
        raise Refused(f"cannot use {path} as a serial line: {error}") from error
    rate = getattr(termios, f"B{speed}", None)
    if rate is None:
        raise Refused(f"--speed {speed}: no speed of a serial line")
    mode[4] = mode[5] = rate
    # Modem lines mean nothing on three wires.
    mode[2] |= termios.CLOCAL | termios.CREAD
    termios.tcsetattr(line, termios.TCSANOW, mode)
    return line


class Set:
    """The images and their manifest."""

    def __init__(self, directory):
        self.directory = directory
        path = directory / "manifest.json"
        try:
            manifest = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise Refused(f"cannot read {path}: {error}") from error
        if manifest.get("format") != 1:
            raise Refused(f"{path}: a set of another format than this program's")
        self.version = manifest["version"]
        self.probe = manifest["probe"]
        self.programs = manifest["programs"]
        self.readings = manifest["readings"]
        self.left_out = manifest["left_out"]

    def path(self, image):
        return self.directory / image

    def chosen(self, names):
        """The programs of which a part of the name is given, or all."""
        if not names:
            return self.programs
        for name in names:
            if not any(name in program["name"] for program in self.programs):
                raise Refused(f"no program's name contains {name}")
        return [
            program
            for program in self.programs
            if any(name in program["name"] for name in names)
        ]


def features(images, machine):
    """What the machine has, as the probe shows it."""
    console = machine.run(images.path(images.probe), 1)
    found = transcript(console.text)
    if not found.counts:
        result = judge("probe", [[]], console)
        raise Refused(
            f"the program that looks at the machine did not come to its end: "
            f"{result.verdict} {result.why}".strip()
        )
    return {name: value != 0 for name, value in found.values.items()}


def lacking(program, found, several):
    """Why the machine cannot run a program, if it cannot."""
    for need in program["needs"]:
        if not found.get(need):
            return f"no {need}"
    for extra in program["without"]:
        if found.get(extra):
            return f"it is for a machine without {extra}"
    if program["cpus"] > 1 and not several:
        return "the command has no {cpus}"
    return ""


def run_all(images, machine, programs, jobs):
    """Runs the programs and the other readings of those that ask for one."""
    found = features(images, machine)
    tasks, results = [], []
    for program in programs:
        why = lacking(program, found, machine.several)
        if why:
            results.append(Result(program["name"], "skipped", why))
            continue
        name, cpus = program["name"], program["cpus"]
        tasks.append((name, program["image"], program["checks"], cpus))
        tasks.extend(
            (f"{name} {other['reading']}", other["image"], [other["tells"]], cpus)
            for other in images.readings
            if other["program"] == name
        )

    def one(task):
        name, image, checks, cpus = task
        return judge(name, checks, machine.run(images.path(image), cpus))

    with concurrent.futures.ThreadPoolExecutor(jobs if machine.at_once else 1) as pool:
        waiting = [pool.submit(one, task) for task in tasks]
        try:
            for done, future in enumerate(concurrent.futures.as_completed(waiting), 1):
                result = future.result()
                progress(f"{done} of {len(tasks)}: {result.name}")
                results.append(result)
        except BaseException:
            for future in waiting:
                future.cancel()
            raise
    progress("")
    return found, results


def progress(text):
    """The line that says how far it is, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def from_log(images, text, programs, said=""):
    """The features and the results in the log of the EFI program, or what its emulator said."""
    parts, skipped, name, ended = {}, {}, None, False
    # Firmware's console may put escapes for a terminal around a line.
    for line in ESCAPE.sub("", text.replace("\r", "")).split("\n"):
        if start := EFI_PROGRAM.fullmatch(line):
            name = start[1]
            parts[name] = ""
        elif skip := EFI_SKIPPED.fullmatch(line):
            skipped[skip[1]] = skip[3]
            name = None
        elif line == EFI_END:
            ended = True
            break
        elif name is not None:
            parts[name] += line + "\n"
    if "probe" not in parts:
        why = said or "it does not begin"
        raise Refused(f"this is not the output of the EFI program: {why}")
    if not ended:
        print(f"{'stopped':12} in {name}: no program ran after it")
    found = {feature: value != 0 for feature, value in transcript(parts["probe"]).values.items()}
    results = []

    def add(title, program, alternatives):
        if title in parts:
            # What does not come to its end has stopped the machine.
            end = "board" if ended or title != name else "time-out"
            results.append(judge(title, alternatives, Console(parts[title], end)))
            return
        why = skipped.get(title) or program["not_on_a_board"] or "not in the log"
        results.append(Result(title, "skipped", why))

    for program in programs:
        add(program["name"], program, program["checks"])
        for other in images.readings:
            if other["program"] == program["name"]:
                add(f"{program['name']} {other['reading']}", program, [other["tells"]])
    return found, results


def readings(images, results):
    """Which reading of each open question the machine follows."""
    by_name = {result.name: result for result in results}
    found = {}
    for other in images.readings:
        default = by_name.get(other["program"])
        variant = by_name.get(f"{other['program']} {other['reading']}")
        tells = set(other["tells"])
        if default is None or default.verdict == "skipped":
            continue
        if tells <= default.ok:
            found[other["reading"]] = "default"
        elif variant is not None and tells <= variant.ok:
            found[other["reading"]] = "other"
        elif tells <= default.ok | set(default.failures):
            found[other["reading"]] = "neither"
        else:
            found[other["reading"]] = "not reached"
    return found


def group_of(result, programs):
    return next(
        (program["group"] for program in programs if program["name"] == result.name), None
    )


def totals(results, programs, group):
    """Programs and checks of a group."""
    of_group = [result for result in results if group_of(result, programs) == group]
    run = [result for result in of_group if result.verdict != "skipped"]
    return {
        "passed": sum(result.verdict == "passed" for result in run),
        "programs": len(run),
        "skipped": len(of_group) - len(run),
        "checks_passed": sum(result.passed for result in run),
        "checks_reached": sum(result.reached for result in run),
        "checks": sum(result.expected for result in run),
    }


def cell(total):
    """A group's two columns."""
    if not total["programs"]:
        return "none | none"
    programs = f"{total['passed']} of {total['programs']}"
    checks = f"{total['checks_passed']} of {total['checks_reached']}"
    return f"{programs} | {checks}"


def row(name, base, lvz, fits):
    """The machine's row of the table in docs/conformance.md."""
    count = collections.Counter(fits.values())
    text = ", ".join(
        f"{count[kind]} {kind}"
        for kind in ("default", "other", "neither", "not reached")
        if count[kind]
    )
    return f"| {name} | {cell(base)} | {cell(lvz)} | {text or 'none'} |"


HEAD = (
    "| machine | base: programs | checks of those reached "
    "| LVZ: programs | checks of those reached | readings |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def report(arguments, images, programs, found, results):
    """Prints what was seen, and writes the JSON; whether all passed."""
    order = {program["name"]: index for index, program in enumerate(images.programs)}
    results.sort(key=lambda result: (order.get(result.name.split(" ")[0], 0), result.name))
    judged = [result for result in results if group_of(result, programs) in ("base", "lvz")]
    for result in judged:
        if result.verdict == "passed" and not arguments.verbose:
            continue
        why = f": {result.why}" if result.why else ""
        print(f"{result.verdict:12} {result.name}{why}")
        if result.verdict != "skipped":
            for name, text in result.failures.items():
                print(f"{'':12}   {name} {text}")
    fits = readings(images, results)
    for reading, which in fits.items():
        if which != "default":
            print(f"{'reading':12} {reading}: {which}")
    base, lvz = (totals(results, programs, group) for group in ("base", "lvz"))
    print()
    print(HEAD)
    print(row(arguments.name, base, lvz, fits))
    if arguments.json:
        document = {
            "machine": arguments.name,
            "set": images.version,
            "features": found,
            "base": base,
            "lvz": lvz,
            "readings": fits,
            "programs": [
                {
                    field: value
                    for field, value in dataclasses.asdict(result).items()
                    if field != "ok"
                }
                for result in judged
            ],
            "left_out": images.left_out,
        }
        text = json.dumps(document, indent=2) + "\n"
        try:
            # Whole or not at all.
            partial = arguments.json.with_name(arguments.json.name + ".new")
            partial.write_text(text)
            partial.replace(arguments.json)
        except OSError as error:
            raise Refused(f"cannot write {arguments.json}: {error}") from error
    return all(result.verdict in ("passed", "skipped") for result in judged)


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Status: 0 all passed, 1 something did not, 2 it could not be run.",
    )
    machine = parser.add_mutually_exclusive_group(required=True)
    machine.add_argument(
        "--emulator",
        metavar="COMMAND",
        help="a command with {} for the image and, if it can have several CPUs, {cpus} for "
        "their number; it prints the UART on its standard output and ends with power-off",
    )
    machine.add_argument(
        "--serial", metavar="DEVICE", help="a serial line to a board; see --start"
    )
    machine.add_argument(
        "--efi",
        metavar="COMMAND",
        help="a command that boots a disk with the files of the directory {}, which holds the "
        "EFI program, and prints the console",
    )
    machine.add_argument(
        "--log", type=pathlib.Path, metavar="FILE", help="what the EFI program printed"
    )
    parser.add_argument(
        "--start",
        metavar="COMMAND",
        help="with --serial: a command that starts the image {} on the board; without it the "
        "line is read as the EFI program's",
    )
    parser.add_argument("--speed", type=int, default=115200, help="of the line [115200]")
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="SECONDS", help="for one program [60]"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at a time")
    parser.add_argument("--name", help="of the machine, for the row")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="the whole result")
    parser.add_argument("--verbose", action="store_true", help="programs that passed too")
    parser.add_argument("programs", nargs="*", help="parts of names; all if there are none")
    arguments = parser.parse_args()
    if arguments.start and not arguments.serial:
        parser.error("--start is for --serial")
    if arguments.timeout <= 0 or arguments.jobs <= 0:
        parser.error("--timeout and --jobs are more than 0")
    if not arguments.name:
        words = shlex.split(arguments.emulator or arguments.efi or "board")
        arguments.name = pathlib.Path(words[0] if words else "").name
    return arguments


def main():
    arguments = parse()
    images = Set(pathlib.Path(__file__).resolve().parent)
    programs = images.chosen(arguments.programs)
    found = {}
    if arguments.emulator:
        machine = Emulator(arguments.emulator, arguments.timeout)
        found, results = run_all(images, machine, programs, arguments.jobs)
    elif arguments.start:
        line = serial(arguments.serial, arguments.speed)
        machine = Board(line, arguments.start, arguments.timeout)
        found, results = run_all(images, machine, programs, 1)
    else:
        text, said = efi_log(images, arguments)
        found, results = from_log(images, text, programs, said)
    return 0 if report(arguments, images, programs, found, results) else 1


def efi_log(images, arguments):
    """What the EFI program prints or has printed, and the emulator's last message."""
    if arguments.serial:
        return live(serial(arguments.serial, arguments.speed), arguments.timeout), ""
    if arguments.log:
        try:
            return decoded(arguments.log.read_bytes()), ""
        except OSError as error:
            raise Refused(f"cannot read {arguments.log}: {error.strerror}") from error
    command = Command("--efi", arguments.efi)
    last = collections.deque(maxlen=1)
    with command.started(images.path("esp")) as process:
        messages = draining(process.stderr, last)
        text = live(process.stdout, arguments.timeout)
    messages.join(MESSAGES)
    return text, last[0] if last else ""


def live(stream, timeout):
    """What the EFI program prints, until its end, a silence, or too much of it."""
    text = ""
    while EFI_END not in text and len(text) < EFI_LIMIT:
        output, end = read(stream, time.monotonic() + timeout, lambda output: True)
        text += decoded(output)
        progress(text.rstrip().rsplit("\n", 1)[-1][:70])
        if end != "enough":
            break
    progress("")
    return text


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refusal:
        print(f"conformance: {refusal}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
