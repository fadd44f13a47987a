# SPDX-License-Identifier: Apache-2.0 OR MIT

# What makes the EFI program a PE32+ file (PE Format, Microsoft; UEFI 2.10, 2.1.1), and
# its entry.

.equ MACHINE_LOONGARCH64, 0x6264
# Executable, without line numbers and debug information.
.equ CHARACTERISTICS, 0x2 | 0x4 | 0x200
.equ PE32_PLUS, 0x20b
.equ EFI_APPLICATION, 10
.equ TEXT_FLAGS, 0x60000020
.equ DATA_FLAGS, 0xc0000040
.equ ALIGNMENT, 4096

    .section .header, "a"
dos:
    .ascii  "MZ"
    .org    0x3c
    .long   pe - dos
pe: .ascii  "PE\0\0"
    .short  MACHINE_LOONGARCH64
    .short  2                           # sections
    .long   0, 0, 0                     # time, symbols
    .short  sections - optional
    .short  CHARACTERISTICS
optional:
    .short  PE32_PLUS
    .byte   0, 0                        # linker
    .long   text_end - text_start       # code
    .long   data_end - text_end         # data
    .long   0                           # without contents
    .long   efi_start - dos
    .long   text_start - dos
    .quad   0                           # address
    .long   ALIGNMENT, ALIGNMENT        # in memory, in the file
    .short  0, 0, 1, 0, 1, 0            # versions: system, image, subsystem
    .long   0
    .long   data_end - dos              # size of the whole
    .long   text_start - dos            # of the headers
    .long   0                           # checksum
    .short  EFI_APPLICATION
    .short  0
    .quad   0, 0, 0, 0                  # stack and heap
    .long   0
    .long   6                           # directories, all empty
    .quad   0, 0, 0, 0, 0, 0
sections:
    .ascii  ".text\0\0\0"
    .long   text_end - text_start, text_start - dos
    .long   text_end - text_start, text_start - dos
    .long   0, 0
    .short  0, 0
    .long   TEXT_FLAGS
    .ascii  ".data\0\0\0"
    .long   data_end - text_end, text_end - dos
    .long   data_end - text_end, text_end - dos
    .long   0, 0
    .short  0, 0
    .long   DATA_FLAGS
