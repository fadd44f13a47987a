// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Where CPUs other than the first wait, as they do in the firmware of a
//! board: for an IPI after which mailbox 0 holds an entry address (Linux
//! arch/loongarch/kernel/smp.c: `loongson_boot_secondary`).
//!
//! The loop needs no memory, and `idle` must end when an enabled interrupt is
//! pending although CRMD.IE is clear.

/// The instructions, in assembler beside them.
const CODE: [u32; 15] = [
    0x1400_002c, //     lu12i.w   $t0, 1           # ECFG.LIE: the IPI only
    0x0400_102c, //     csrwr     $t0, 0x4
    0x1400_002d, //     lu12i.w   $t1, 1           # IOCSR 0x1000: IPI status
    0x02bf_fc0e, //     addi.w    $t2, $zero, -1
    0x0380_11af, //     ori       $t3, $t1, 0x4    # IPI enable
    0x0648_19ee, //     iocsrwr.w $t2, $t3
    0x0380_81b0, //     ori       $t4, $t1, 0x20   # mailbox 0
    0x0380_31b1, //     ori       $t5, $t1, 0xc    # IPI clear
    0x0648_8000, // 1:  idle      0
    0x0648_09ac, //     iocsrrd.w $t0, $t1
    0x0648_1a2c, //     iocsrwr.w $t0, $t5
    0x0648_0e0c, //     iocsrrd.d $t0, $t4
    0x43ff_f19f, //     beqz      $t0, 1b
    0x0400_1020, //     csrwr     $zero, 0x4
    0x4c00_0180, //     jirl      $zero, $t0, 0
];

/// The loop's bytes; it can be at any address.
pub(super) fn code() -> Vec<u8> {
    CODE.iter().flat_map(|word| word.to_le_bytes()).collect()
}
