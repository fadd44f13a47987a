#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-user-static 1:7.2+dfsg-7+deb12u18+b3 (Debian 12, amd64), qemu-loongarch64.
#
# Guess: with the underflow exception enabled (FCSR0 bit 1), a result that is tiny and not zero
# traps, whether it is exact or not (the manual, Volume 1, 3.1.4; IEEE 754 of 1985 asks the same
# of a trapped underflow). The smallest normal double times 0.5 is such a result, so the program
# ends by SIGFPE: status 136.
# Seen: the exact denormal is no exception, and the program goes on to its end. An inexact one (the
# same with the next larger double) does end it by SIGFPE.
#
# Output seen:
#   status 0
set -eu
version='1:7.2+dfsg-7+deb12u18+b3'
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download "qemu-user-static=$version" >/dev/null 2>&1 || {
    echo "apt cannot download qemu-user-static $version: run apt-get update, on Debian 12 for amd64" >&2
    exit 1
}
dpkg-deb -x qemu-user-static_*.deb .
# A program of its instructions alone, as an ELF file with one segment.
python3 - program <<'EOF'
import struct
import sys

CODE = [
    0x03800804,  # ori $a0, $zero, 2: enable underflow
    0x0114C080,  # movgr2fcsr $fcsr0, $a0
    0x03000405,  # lu52i.d $a1, $zero, 1: the smallest normal double
    0x0114A8A0,  # movgr2fr.d $fa0, $a1
    0x030FF805,  # lu52i.d $a1, $zero, 0x3fe: 0.5
    0x0114A8A1,  # movgr2fr.d $fa1, $a1
    0x01050402,  # fmul.d $fa2, $fa0, $fa1
    0x03800004,  # ori $a0, $zero, 0
    0x0381740B,  # ori $a7, $zero, 93 (exit)
    0x002B0000,  # syscall 0
]
code = struct.pack(f"<{len(CODE)}I", *CODE)
base, offset = 0x120000000, 0x78
header = struct.pack(
    "<4s5B7xHHIQQQIHHHHHH",
    b"\x7fELF", 2, 1, 1, 0, 0,
    2, 258, 1, base + offset, 64, 0, 0x43, 64, 56, 1, 0, 0, 0,
)
segment = struct.pack(
    "<IIQQQQQQ", 1, 5, 0, base, base, offset + len(code), offset + len(code), 0x10000
)
with open(sys.argv[1], "wb") as file:
    file.write(header + segment + code)
EOF
chmod +x program
status=0
./usr/bin/qemu-loongarch64-static ./program 2>/dev/null || status=$?
echo "status $status"
[ "$status" = 0 ] || {
    echo "qemu-loongarch64 answers otherwise than on the day this was written" >&2
    exit 1
}
