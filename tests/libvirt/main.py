# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the cases of one host: main.py MODULES KVM ACCEL [ONLY].

MODULES have the cases, in the order of a run; ONLY are parts of the names of the
cases. Either has commas between."""

import importlib
import os
import shutil
import sys

import case
from domain import FOLDER
from verdict import MARKER
from virsh import Host


def main():
    modules, kvm, accel = sys.argv[1:4]
    only = sys.argv[4] if len(sys.argv) > 4 else ""
    for module in modules.split(","):
        importlib.import_module(module)
    os.makedirs(FOLDER)
    for name in os.listdir("/share/guests"):
        # A copy in memory: the shared folder is slow, and libvirt changes owners.
        shutil.copy(f"/share/guests/{name}", FOLDER)
    host = Host()
    case.run_all(host, kvm, accel, only)
    host.close()
    print(f"{MARKER} all ended", flush=True)


main()
