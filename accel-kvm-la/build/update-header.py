#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes include/accel-kvm-la.h again from the Rust source, with cbindgen."""

import argparse
import os
import subprocess
import sys

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cargo", required=True)
parser.add_argument("--manifest", required=True)
options = parser.parse_args()
command = [
    options.cargo,
    "test",
    "--locked",
    "--package=accel-kvm-la",
    "--test=header",
    "--manifest-path=" + options.manifest,
]
environment = dict(os.environ, KVM_LA_UPDATE_HEADER="1")
sys.exit(subprocess.run(command, env=environment, check=False).returncode)
