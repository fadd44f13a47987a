# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Marks in a run of lvz-sim, which lists them with the machine's other ioctls and
what it had executed until then. A mark is an ioctl that no file knows.

As a program it runs the command of its arguments between marks 0 and 1, and ends as
that does."""

import fcntl
import os
import sys

# xtask/src/bench/marks.rs has the same number.
MARK = 0x4B4C

NOWHERE = os.open("/dev/null", os.O_RDONLY)


def mark(number):
    try:
        fcntl.ioctl(NOWHERE, MARK, number)
    except OSError:
        return
    raise SystemExit("/dev/null knows the mark")


def main():
    command = sys.argv[1:]
    mark(0)
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status = os.waitpid(process, 0)
    mark(1)
    raise SystemExit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
