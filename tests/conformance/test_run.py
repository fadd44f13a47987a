# SPDX-License-Identifier: Apache-2.0 OR MIT

"""The runner of an image set, with machines that fail in every way.

An emulator here is a shell, and an image its script.
"""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import pty
import subprocess
import sys
import tempfile
import threading
import time
import tty
import unittest

PROGRAM = pathlib.Path(__file__).with_name("run.py")
PROBE = "echo val lvz 0x1; echo val walker 0x0; echo end 0x0 0x0"
GOOD = "echo ok a; echo ok b; echo end 0x2 0x0"


def runner():
    """The program as a module."""
    loader = importlib.machinery.SourceFileLoader("runner", str(PROGRAM))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("runner", loader))
    sys.modules["runner"] = module
    loader.exec_module(module)
    return module


class Runs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = pathlib.Path(scratch.name)
        (self.dir / "run.py").write_bytes(PROGRAM.read_bytes())
        self.manifest = {
            "format": 1,
            "version": "0",
            "probe": "probe",
            "programs": [],
            "readings": [],
            "left_out": [],
        }
        self.image("probe", PROBE)

    def image(self, name, script):
        (self.dir / name).write_text(script + "\n")
        return name

    def program(self, name, script, checks=(("a", "b"),), group="base", **more):
        entry = {"name": name, "group": group, "summary": "", "cpus": 1, "needs": [], "without": []}
        entry |= {"checks": [list(names) for names in checks], "not_on_a_board": None}
        entry |= {"image": self.image(name.replace("/", "-"), script)} | more
        self.manifest["programs"].append(entry)

    def start(self, *arguments):
        """Runs it; the status, the JSON, and what it said of errors."""
        (self.dir / "manifest.json").write_text(json.dumps(self.manifest))
        done = subprocess.run(
            [sys.executable, "-B", self.dir / "run.py", "--json", self.dir / "json", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        result = self.dir / "json"
        seen = json.loads(result.read_text()) if result.exists() else None
        self.output = done.stdout
        return done.returncode, seen, done.stderr

    def verdict(self, script, timeout="20", checks=(("a", "b"),)):
        self.program("base/x", script, checks)
        status, seen, _ = self.start("--emulator", "sh {}", "--timeout", timeout)
        program = seen["programs"][0]
        self.assertEqual(status, 0 if program["verdict"] == "passed" else 1)
        return program["verdict"], program["passed"], program["reached"]

    def test_passed(self):
        self.assertEqual(self.verdict(GOOD), ("passed", 2, 2))

    def test_passed_among_lines_of_others(self):
        script = "echo firmware; echo ok a; echo '[ 0.1] noise'; echo ok b; echo end 0x2 0x0"
        self.assertEqual(self.verdict(script), ("passed", 2, 2))

    def test_passed_with_the_checks_of_another_cpu(self):
        script = "echo ok a; echo ok c; echo end 0x2 0x0"
        self.assertEqual(self.verdict(script, checks=(("a", "b"), ("a", "c")))[0], "passed")

    def test_failed(self):
        script = "echo ok a; echo FAIL b got=0x1 want=0x2; echo end 0x2 0x1"
        self.assertEqual(self.verdict(script), ("failed", 1, 2))

    def test_exception(self):
        script = "echo ok a; echo FAIL unexpected-exception estat=0x1"
        self.assertEqual(self.verdict(script), ("exception", 1, 1))

    def test_time_out(self):
        self.assertEqual(self.verdict("echo ok a; sleep 60", "1"), ("timed out", 1, 1))

    def test_time_out_with_silence(self):
        self.assertEqual(self.verdict("sleep 60", "1"), ("timed out", 0, 0))

    def test_time_out_of_what_it_has_started(self):
        self.assertEqual(self.verdict("sleep 60 & echo ok a; sleep 60", "1")[0], "timed out")

    def test_no_power_off(self):
        self.assertEqual(self.verdict(GOOD + "; sleep 60", "1"), ("no power-off", 2, 2))

    def test_bad_exit(self):
        self.assertEqual(self.verdict(GOOD + "; exit 3"), ("bad exit", 2, 2))

    def test_crashed_by_a_signal(self):
        self.assertEqual(self.verdict("echo ok a; kill -SEGV $$"), ("crashed", 1, 1))

    def test_crashed_by_a_signal_without_a_name(self):
        self.assertEqual(self.verdict("echo ok a; kill -40 $$"), ("crashed", 1, 1))

    def test_crashed_with_a_status(self):
        self.assertEqual(self.verdict("echo ok a; echo why >&2; exit 1")[0], "crashed")

    def test_cut_short(self):
        self.assertEqual(self.verdict("echo ok a; printf 'ok '"), ("cut short", 1, 1))

    def test_garbled_line(self):
        script = r"echo ok a; printf 'ok \377\200\n'; echo end 0x2 0x0"
        self.assertEqual(self.verdict(script), ("garbled", 1, 1))

    def test_garbled_counts(self):
        self.assertEqual(self.verdict("echo ok a; echo ok b; echo end 0x9 0x0")[0], "garbled")

    def test_a_count_of_too_many_digits_is_no_end(self):
        digits = "printf 'end 0x'; yes | tr -d '\\n' | tr y f | head -c 9000; echo ' 0x0'"
        self.assertEqual(self.verdict(f"echo ok a; {digits}")[0], "cut short")

    def test_garbled_by_a_check_too_few(self):
        self.assertEqual(self.verdict("echo ok a; echo end 0x1 0x0"), ("garbled", 1, 1))

    def test_a_check_of_another_program_counts_nothing(self):
        script = "echo ok a; echo ok z; echo end 0x2 0x0"
        self.assertEqual(self.verdict(script), ("garbled", 1, 1))

    def test_flooded(self):
        self.assertEqual(self.verdict("yes | head -c 9000000"), ("flooded", 0, 0))

    def test_what_holds_the_errors_open_is_not_waited_for(self):
        script = f"setsid sleep 30 >/dev/null & {GOOD}"
        begun = time.monotonic()
        self.assertEqual(self.verdict(script)[0], "passed")
        self.assertLess(time.monotonic() - begun, 25)

    def test_flooded_errors_do_not_stop_it(self):
        self.assertEqual(self.verdict(f"yes | head -c 9000000 >&2; {GOOD}")[0], "passed")

    def test_skipped(self):
        self.program("base/x", GOOD)
        self.program("base/walker", GOOD, needs=["walker"])
        self.program("lvz/plain", GOOD, group="lvz", needs=["lvz"], without=["lvz"])
        self.program("base/two", GOOD, cpus=2)
        status, seen, _ = self.start("--emulator", "sh {}")
        why = {program["name"]: program["why"] for program in seen["programs"]}
        self.assertEqual(status, 0)
        self.assertEqual(why["base/walker"], "no walker")
        self.assertEqual(why["lvz/plain"], "it is for a machine without lvz")
        self.assertEqual(why["base/two"], "the command has no {cpus}")
        self.assertEqual((seen["base"]["programs"], seen["base"]["skipped"]), (1, 2))

    def test_readings(self):
        good, other = GOOD, "echo FAIL a got=0x1 want=0x2; echo ok b; echo end 0x2 0x1"
        for name, default, variant in (
            ("one", good, other),
            ("two", other, good),
            ("three", other, other),
            ("four", "echo ok b", "echo ok b"),
        ):
            program = f"lvz/readings_{name}"
            self.program(program, default, group="readings")
            image = self.image(f"{name}-other", variant)
            self.manifest["readings"].append(
                {"reading": f"{name}=x", "program": program, "image": image, "tells": ["a"]}
            )
        self.program("base/x", GOOD)
        status, seen, _ = self.start("--emulator", "sh {}")
        wanted = {"one=x": "default", "two=x": "other", "three=x": "neither"}
        self.assertEqual(seen["readings"], wanted | {"four=x": "not reached"})
        # What a machine's reading is says nothing of right and wrong.
        self.assertEqual(status, 0)
        self.assertIn("1 default, 1 other, 1 neither, 1 not reached", self.output)

    def test_what_cannot_be_run_is_one_line(self):
        self.program("base/x", GOOD)
        for arguments, text in (
            (["--emulator", "sh"], "has to hold {}"),
            (["--emulator", "/nowhere/emulator {}"], "cannot start /nowhere/emulator"),
            (["--emulator", "false {}"], "did not come to its end: crashed"),
            (["--emulator", "sh {}", "nothing"], "no program's name contains nothing"),
            (["--log", "/nowhere/log"], "cannot read /nowhere/log"),
            (["--serial", "/dev/null"], "cannot use /dev/null as a serial line"),
            (["--emulator", "sh {}", "--json", "/nowhere/json"], "cannot write /nowhere/json"),
        ):
            status, _, said = self.start(*arguments)
            self.assertEqual(status, 2, arguments)
            self.assertIn(text, said)
            self.assertEqual(said.count("\n"), 1)

    def test_manifest_of_another_format(self):
        self.manifest["format"] = 2
        status, _, said = self.start("--emulator", "sh {}")
        self.assertEqual(status, 2)
        self.assertIn("another format", said)

    EFI = (
        "BdsDxe: loading\r\nconformance begin\r\nprogram probe\r\nval lvz 0x0\r\nend 0x0 0x0\r\n"
        "program base/x\r\n\x1b[2Jok a\r\nok b\r\nend 0x2 0x0\r\nskipped lvz/y: no lvz\r\n"
    )

    def efi(self, *arguments):
        self.program("base/x", GOOD)
        self.program("lvz/y", GOOD, group="lvz", needs=["lvz"])
        self.program("base/smp", GOOD, cpus=2, not_on_a_board="another CPU")
        status, seen, said = self.start(*arguments)
        self.assertEqual(said, "")
        return status, {program["name"]: program for program in seen["programs"]}

    def test_log(self):
        log = self.dir / "log"
        log.write_text(self.EFI + "conformance end\r\n", newline="")
        status, programs = self.efi("--log", str(log))
        self.assertEqual(status, 0)
        self.assertEqual(programs["base/x"]["verdict"], "passed")
        self.assertEqual(programs["lvz/y"]["why"], "no lvz")
        self.assertEqual(programs["base/smp"]["why"], "another CPU")

    def test_log_of_a_machine_that_stopped(self):
        log = self.dir / "log"
        log.write_text(self.EFI.replace("ok b\r\nend 0x2 0x0\r\nskipped lvz/y: no lvz\r\n", ""))
        status, programs = self.efi("--log", str(log))
        self.assertEqual(status, 1)
        self.assertEqual(programs["base/x"]["verdict"], "timed out")
        self.assertEqual(programs["lvz/y"]["why"], "not in the log")
        self.assertIn("stopped      in base/x", self.output)

    def test_efi_command(self):
        (self.dir / "esp").mkdir()
        (self.dir / "esp/console").write_text(self.EFI + "conformance end\r\n", newline="")
        status, programs = self.efi("--efi", "sh -c 'cat {}/console; sleep 60'")
        self.assertEqual(status, 0)
        self.assertEqual(programs["base/x"]["verdict"], "passed")

    def test_efi_command_that_fails_says_why(self):
        (self.dir / "esp").mkdir()
        status, seen, said = self.start("--efi", "sh -c 'echo no firmware >&2' {}")
        self.assertEqual((status, seen), (2, None))
        self.assertIn("EFI program: no firmware", said)

    def line(self):
        """A serial line: its end that the runner opens, and the other."""
        board, runners = pty.openpty()
        self.addCleanup(os.close, board)
        self.addCleanup(os.close, runners)
        tty.setraw(runners)
        return os.ttyname(runners), board

    def test_serial_line_of_the_efi_program(self):
        name, board = self.line()
        text = (self.EFI + "conformance end\r\n").encode()
        timer = threading.Timer(2, os.write, (board, text))
        timer.start()
        self.addCleanup(timer.join)
        status, programs = self.efi("--serial", name)
        self.assertEqual(status, 0)
        self.assertEqual(programs["base/x"]["verdict"], "passed")

    def test_serial_line_with_a_command_that_starts_images(self):
        name, board = self.line()
        self.program("base/x", GOOD)
        self.program("base/hangs", "echo ok a")
        fifo = self.dir / "fifo"
        os.mkfifo(fifo)

        def answer():
            for _ in range(3):
                script = fifo.read_text()
                shell = subprocess.run(["sh", "-c", script], check=False, capture_output=True)
                os.write(board, shell.stdout.replace(b"\n", b"\r\n"))

        thread = threading.Thread(target=answer)
        thread.start()
        start = f"sh -c 'cat {{}} > {fifo}'"
        status, seen, said = self.start("--serial", name, "--start", start, "--timeout", "3")
        thread.join()
        self.assertEqual(said, "")
        verdicts = {program["name"]: program["verdict"] for program in seen["programs"]}
        self.assertEqual(verdicts, {"base/x": "passed", "base/hangs": "timed out"})
        self.assertEqual(status, 1)


class Lines(unittest.TestCase):
    def test_every_verdict_is_explained(self):
        module = runner()
        source = PROGRAM.read_text()
        for verdict in module.VERDICTS:
            self.assertGreater(source.count(f'"{verdict}"'), 1, verdict)


if __name__ == "__main__":
    unittest.main()
