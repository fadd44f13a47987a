# SPDX-License-Identifier: GPL-2.0-or-later
"""The near host: runs cases. near.py PAIR ACCEL FAR_ACCEL ROUNDS CASE... PAIR begins the
cases' names in the report, ROUNDS is how often a guest goes there and back."""

import shutil
import sys

import cases
import managed
import qemu
from remote import Far
from verdict import MARKER, run_one


def main():
    pair, accel, far_accel, rounds = sys.argv[1:5]
    shutil.copy("/share/guest.kernel", qemu.KERNEL)
    shutil.copy("/share/guest.initrd", qemu.INITRD)
    far = Far()
    site = managed.Site(far)
    for name in sys.argv[5:]:
        if name in managed.CASES:
            accels = {"near": accel, "far": far_accel}
            run = managed.Run(site, name, accels, int(rounds))
            function = managed.CASES[name]
        else:
            run = cases.Run(far, accel, far_accel, int(rounds))
            function = cases.CASES[name]
        run_one(f"{pair},{name}", function, run)
    site.close()
    print(f"{MARKER} all ended", flush=True)


main()
