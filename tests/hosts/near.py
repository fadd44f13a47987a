# SPDX-License-Identifier: GPL-2.0-or-later
"""The near host: runs the cases. near.py PAIR ACCEL FAR_ACCEL GROUP ROUNDS [ONLY]. PAIR
begins the cases' names, ROUNDS is how often a guest goes there and back, ONLY are
parts of the names of the cases, with commas between."""

import shutil
import sys

import cases
import qemu
from remote import Far
from verdict import MARKER, run_one


def main():
    pair, accel, far_accel, group, rounds = sys.argv[1:6]
    only = sys.argv[6] if len(sys.argv) > 6 else ""
    shutil.copy("/share/guest.kernel", qemu.KERNEL)
    shutil.copy("/share/guest.initrd", qemu.INITRD)
    far = Far()
    for name, function in cases.GROUPS[group]:
        full = f"{pair},{name}"
        if all(part in full for part in only.split(",")):
            run_one(full, function, cases.Run(far, accel, far_accel, int(rounds)))
    print(f"{MARKER} all ended", flush=True)


main()
