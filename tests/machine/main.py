# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs the cases of one host: main.py KVM ACCEL GROUP TIER [ONLY].

TIER is ci, full or everything; ONLY are parts of the names of the cases, with
commas between."""

import importlib
import os
import shutil
import sys

import case
import qemu
from verdict import MARKER


def main():
    kvm, accel, group, tier = sys.argv[1:5]
    only = sys.argv[5] if len(sys.argv) > 5 else ""
    here = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(here)):
        stem, ending = os.path.splitext(name)
        if ending == ".py" and stem not in ("main", "case", "qemu", "verdict"):
            importlib.import_module(stem)
    shutil.copy("/share/guest.kernel", qemu.KERNEL)
    shutil.copy("/share/guest.initrd", qemu.INITRD)
    case.run_all(kvm, accel, group, only, tier == "everything", tier == "ci")
    print(f"{MARKER} all ended", flush=True)


main()
