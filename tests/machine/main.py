# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs the cases of one host: main.py [--list] KVM ACCEL GROUP TIER [ONLY].

TIER is ci, full or everything; ONLY are parts of the names of the cases, with
commas between. With --list their names are printed, anywhere."""

import importlib
import os
import shutil
import sys

import case
import qemu
from verdict import MARKER, run_one


def main():
    words = sys.argv[1:]
    listed = words[0] == "--list"
    kvm, accel, group, tier, *only = words[listed:]
    here = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(here)):
        stem, ending = os.path.splitext(name)
        if ending == ".py" and stem not in ("main", "case", "qemu", "verdict"):
            importlib.import_module(stem)
    cases = case.chosen(kvm, accel, group, only[0] if only else "", tier)
    if listed:
        for full, _, _, _ in cases:
            print(full)
        return
    shutil.copy("/share/guest.kernel", qemu.KERNEL)
    shutil.copy("/share/guest.initrd", qemu.INITRD)
    for full, function, smp, irqchip in cases:
        run_one(full, function, case.Run(kvm, accel, smp, irqchip, tier))
    print(f"{MARKER} all ended", flush=True)


main()
