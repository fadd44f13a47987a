# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the cases of one host: main.py [--list] MODULES KVM ACCEL [ONLY].

MODULES have the cases, in the order of a run; ONLY are parts of the names of the
cases. Either has commas between. With --list their names are printed, anywhere."""

import importlib
import os
import shutil
import sys

import case
from domain import FOLDER
from verdict import MARKER, run_one
from virsh import Host


def main():
    words = sys.argv[1:]
    listed = words[0] == "--list"
    modules, kvm, accel, *only = words[listed:]
    for module in modules.split(","):
        importlib.import_module(module)
    cases = case.chosen(kvm, accel, only[0] if only else "")
    if listed:
        for full, _, _ in cases:
            print(full)
        return
    os.makedirs(FOLDER)
    for name in os.listdir("/share/guests"):
        # A copy in memory: the shared folder is slow, and libvirt changes owners.
        shutil.copy(f"/share/guests/{name}", FOLDER)
    host = Host()
    for full, name, function in cases:
        run_one(full, function, case.Run(host, accel, name))
    host.close()
    print(f"{MARKER} all ended", flush=True)


main()
