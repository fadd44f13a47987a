#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-user-static 1:7.2+dfsg-7+deb12u18+b3 (Debian 12, amd64), qemu-loongarch64.
#
# Guess: fldgt.d loads from the address in rj, after checking that it is above the bound in rk
# (the manual, Volume 1, 3.2.7). With rj at the first of two numbers, 11 and 22, and a bound of
# 8, the program loads 11 and ends with it.
# Seen: the address is rj + rk, as if the bound were an index. The program ends with 22.
#
# Output seen:
#   status 22
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
    0x180000C4,  # pcaddi $a0, 6: the address of the first number
    0x03802005,  # ori $a1, $zero, 8: the bound
    0x38749480,  # fldgt.d $fa0, $a0, $a1
    0x0114B804,  # movfr2gr.d $a0, $fa0
    0x0381740B,  # ori $a7, $zero, 93 (exit)
    0x002B0000,  # syscall 0
    11, 0,  # the first number
    22, 0,  # the second, 8 bytes behind it
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
[ "$status" = 22 ] || {
    echo "qemu-loongarch64 answers otherwise than on the day this was written" >&2
    exit 1
}
