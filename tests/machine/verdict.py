# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is printed of a case that runs in a machine: lines "KVM-LA-CASE NAME ...", then
the same with "ok (N s)", "skipped: REASON" or "FAILED (N s) REASON", which the
workstation reads (xtask/src/test/in_machine.rs). Between them are lines
"KVM-LA-CASE progress: TEXT"."""

import time
import traceback

MARKER = "KVM-LA-CASE"


class Skip(Exception):
    """The case cannot be run here, and why."""


def check(condition, text):
    """Raises unless the condition holds. An assert would not say what."""
    if not condition:
        raise AssertionError(text)


def rounds(count):
    """The numbers of a case's rounds; says after each how far the case is."""
    for number in range(1, count + 1):
        yield number
        print(f"{MARKER} progress: {number} of {count} rounds", flush=True)


def run_one(name, function, run):
    """Runs a case, a function that gets `run`; whether it passed. At its end `run`
    is asked to `finish`, to `close`, and after a failure for its `story`, lines."""
    print(f"{MARKER} {name} ...", flush=True)
    started = time.monotonic()
    verdict = "ok"
    story = []
    try:
        function(run)
        run.finish()
    except Skip as reason:
        verdict = f"skipped: {reason}"
    except BaseException as error:  # a case must not end the others
        verdict = f"FAILED {type(error).__name__}: {error}".replace("\n", " | ")
        story = traceback.format_exc().splitlines()
        try:
            story += run.story()
        except Exception as other:
            story.append(f"no story: {other!r}")
    run.close()
    for line in story:
        print("| " + line)
    seconds = time.monotonic() - started
    if verdict == "ok":
        verdict += f" ({seconds:.1f} s)"
    print(f"{MARKER} {name} {verdict}", flush=True)
    return not verdict.startswith("FAILED")
