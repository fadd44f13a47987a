#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-user-static 1:7.2+dfsg-7+deb12u18+b3 (Debian 12, amd64), qemu-loongarch64.
#
# Guess: asrtle.d compares signed numbers (the manual, Volume 1, 2.2.10): -1 is less than 1, the
# assertion holds, and the program ends with 0.
# Seen: the comparison is of unsigned numbers. The assertion fails, and the program ends by a
# signal.
#
# Output seen:
#   status 159
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
    0x02BFFC04,  # addi.w $a0, $zero, -1
    0x03800405,  # ori $a1, $zero, 1
    0x00011480,  # asrtle.d $a0, $a1
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
[ "$status" = 159 ] || {
    echo "qemu-loongarch64 answers otherwise than on the day this was written" >&2
    exit 1
}
