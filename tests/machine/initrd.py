# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Programs of the host for a guest: a second archive behind the guest's initrd."""

import os
import re
import stat
import subprocess

import qemu


def _entry(name, mode, data, number):
    """A file in the format newc of cpio (Linux: buffer-format.rst)."""
    header = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    entry = b"070701" + b"".join(b"%08x" % field for field in header)
    for part in (name.encode() + b"\0", data):
        entry += part
        entry += b"\0" * (-len(entry) % 4)
    return entry


def _libraries(program):
    """The shared libraries of a program and its loader."""
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True)
    return re.findall(r"(/\S+)", told.stdout)


def with_files(path, files, programs=()):
    """Writes an initrd: the guest's, and copies of the host's files, whose names in
    the guest are the keys, and of programs with their libraries, under their own."""
    files = dict(files)
    for program in programs:
        files.update({name: name for name in [program, *_libraries(program)]})
    folders = set()
    for name in files:
        while (name := os.path.dirname(name)) not in ("", "/"):
            folders.add(name)
    entries = [(folder, stat.S_IFDIR | 0o755, b"") for folder in sorted(folders)]
    for name, source in files.items():
        with open(source, "rb") as file:
            entries.append((name, stat.S_IFREG | 0o755, file.read()))
    entries.append(("TRAILER!!!", 0, b""))
    with open(qemu.INITRD, "rb") as first, open(path, "wb") as initrd:
        initrd.write(first.read())
        # Each archive begins at a word.
        initrd.write(b"\0" * (-initrd.tell() % 4))
        for number, (name, mode, data) in enumerate(entries):
            initrd.write(_entry(name.lstrip("/"), mode, data, number))
