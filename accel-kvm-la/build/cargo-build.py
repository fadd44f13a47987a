#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the static library with cargo, for Meson.

Cargo decides what is to be built again; Meson has to know when to ask. So the
dependency file that cargo writes is translated: its target becomes Meson's
output, and the output is touched only when it changed.
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cargo", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--target-dir", required=True)
    parser.add_argument("--depfile", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--offline", action="store_true")
    return parser.parse_args()


def environment():
    """This process's, without what a build around it says about the compiler
    of another language or about flags for the build machine."""
    ignored = (
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTFLAGS",
    )
    return {name: value for name, value in os.environ.items() if name not in ignored}


def build(options):
    command = [
        options.cargo,
        "rustc",
        "--locked",
        "--profile=accel",
        "--package=accel-kvm-la",
        "--lib",
        # The link at load time is for a QEMU without the library inside.
        "--no-default-features",
        # The others of the crate's types need a linker for the target.
        "--crate-type=staticlib",
        "--manifest-path=" + options.manifest,
        # Cargo looks for it where it is called, which is the build directory.
        "--config=" + os.path.join(os.path.dirname(options.manifest), ".cargo/config.toml"),
        "--target=" + options.target,
        "--target-dir=" + options.target_dir,
    ]
    if options.offline:
        command.append("--offline")
    result = subprocess.run(command, env=environment(), check=False)
    if result.returncode != 0:
        sys.exit(result.returncode)
    return os.path.join(options.target_dir, options.target, "accel")


def copy(source, target):
    if os.path.exists(target) and filecmp.cmp(source, target, shallow=False):
        # Ninja takes an older output for one to be made again.
        os.utime(target)
    else:
        shutil.copyfile(source, target)


def translate(source, target, output):
    """Cargo writes `ARCHIVE: FILE FILE...` with escaped blanks, as ninja reads."""
    with open(source, encoding="utf-8") as file:
        rules = [line for line in file.read().splitlines() if ": " in line]
    if not rules:
        sys.exit(f"{source} names no files: this version of cargo writes it differently")
    files = " ".join(rule.split(": ", 1)[1] for rule in rules)
    with open(target, "w", encoding="utf-8") as file:
        file.write(f"{output}: {files}\n")


def main():
    options = arguments()
    directory = build(options)
    copy(os.path.join(directory, "libaccel_kvm_la.a"), options.output)
    translate(
        os.path.join(directory, "libaccel_kvm_la.d"), options.depfile, options.output
    )


if __name__ == "__main__":
    main()
