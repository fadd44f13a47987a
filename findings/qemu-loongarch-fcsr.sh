#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# qemu-user-static 1:7.2+dfsg-7+deb12u18+b3 (Debian 12, amd64), qemu-loongarch64.
#
# Guess: bits of FCSR0 that the manual does not define (Volume 1, 3.1.3 defines 4:0, 9:8,
# 20:16 and 28:24) are written in vain and read as zero.
# Seen: movgr2fcsr keeps all 32 bits. A program that writes bits 7:5 and reads them back,
# and ends with what it read, ends with 7 instead of 0.
#
# Output seen:
#   status 7
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
    0x03838004,  # ori $a0, $zero, 0xe0
    0x0114C080,  # movgr2fcsr $fcsr0, $a0
    0x0114C804,  # movfcsr2gr $a0, $fcsr0
    0x00449484,  # srli.w $a0, $a0, 5
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
[ "$status" = 7 ] || {
    echo "qemu-loongarch64 answers otherwise than on the day this was written" >&2
    exit 1
}
