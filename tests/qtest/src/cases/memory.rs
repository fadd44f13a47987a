// SPDX-License-Identifier: GPL-2.0-or-later

//! Memory that guest and QEMU share, and accesses that exit to QEMU's devices.

use anyhow::Result;

use super::{Case, SCRATCH, Setting, ensure_same};
use crate::agent::FREE;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "ram",
        run: ram,
    },
    Case {
        name: "flash",
        run: flash,
    },
    Case {
        name: "device",
        run: device,
    },
    Case {
        name: "nothing",
        run: nothing,
    },
    Case {
        name: "iocsr",
        run: iocsr,
    },
    Case {
        name: "serial",
        run: serial,
    },
];

/// All widths of an access.
const WIDTHS: [u8; 4] = [1, 2, 4, 8];

/// A value whose bytes are all different, cut to `width` bytes.
fn pattern(width: u8) -> u64 {
    0xf1e2_d3c4_b5a6_9788 >> (64 - 8 * u32::from(width))
}

/// What QEMU writes to RAM the guest reads, and the other way round.
fn ram(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    let bytes: Vec<u8> = (0..=255).collect();
    machine.qtest.write_bytes(FREE, &bytes)?;
    for width in WIDTHS {
        for at in [0, 8, 0x70, 0xf8] {
            let whole = machine.qtest.read(width, FREE + at)?;
            ensure_same!(
                machine.load(width, FREE + at)?,
                whole,
                "{width} bytes at {at:#x}"
            );
        }
        let at = FREE + 0x1000 + u64::from(width) * 16;
        machine.store(width, at, pattern(width))?;
        let mut wanted = [0; 16];
        let size = usize::from(width);
        wanted[..size].copy_from_slice(&pattern(width).to_le_bytes()[..size]);
        ensure_same!(
            machine.qtest.read_bytes(at, 16)?,
            wanted,
            "a store of {width} bytes"
        );
    }
    machine.quit(1)
}

/// The firmware's flash is memory when it is read, and a device when it is written:
/// a chip of 8 bits side by side by four that answers commands (CFI).
fn flash(setting: &Setting) -> Result<()> {
    const FLASH: u64 = 0x1c00_0000;
    let mut machine = setting.machine("1")?;
    for width in WIDTHS {
        let seen = machine.qtest.read(width, FLASH + 0x100)?;
        ensure_same!(
            machine.load(width, FLASH + 0x100)?,
            seen,
            "{width} bytes of flash"
        );
    }
    let array = machine.load(4, FLASH)?;
    // To the mode in which reads give the status, and back.
    machine.store(4, FLASH, 0x0070_0070)?;
    let status = machine.load(4, FLASH)?;
    ensure_same!(status, 0x0080_0080, "the status of flash");
    ensure_same!(
        machine.qtest.read(4, FLASH)?,
        status,
        "the status by QEMU's bus"
    );
    machine.store(4, FLASH, 0x00ff_00ff)?;
    ensure_same!(machine.load(4, FLASH)?, array, "flash afterwards");
    machine.quit(1)
}

/// A register of a device is the same for both.
fn device(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    for value in [0x5a, 0xa5, 0, 0xff] {
        machine.store(1, SCRATCH, value)?;
        ensure_same!(
            machine.qtest.read(1, SCRATCH)?,
            value,
            "what the guest wrote"
        );
        machine.qtest.write(1, SCRATCH, value ^ 0x33)?;
        ensure_same!(machine.load(1, SCRATCH)?, value ^ 0x33, "what QEMU wrote");
    }
    // The selector and the data of fw_cfg: its signature.
    const FW_CFG: u64 = 0x1e02_0000;
    machine.store(2, FW_CFG + 8, 0)?;
    let mut signature = [0; 4];
    for byte in &mut signature {
        *byte = machine.load(1, FW_CFG)? as u8;
    }
    ensure_same!(signature, *b"QEMU", "fw_cfg's signature");
    machine.quit(1)
}

/// Where the board has nothing, reads give what QEMU's bus gives and writes vanish.
fn nothing(setting: &Setting) -> Result<()> {
    const NOTHING: u64 = 0x1f00_0000;
    let mut machine = setting.machine("1")?;
    for width in WIDTHS {
        machine.store(width, NOTHING, pattern(width))?;
        let seen = machine.qtest.read(width, NOTHING)?;
        ensure_same!(
            machine.load(width, NOTHING)?,
            seen,
            "{width} bytes of nothing"
        );
    }
    machine.quit(1)
}

/// IOCSRs by which a guest knows its CPU; narrower accesses than of four bytes the
/// board does not take, and they read zero (QEMU hw/loongarch/virt.c:
/// virt_iocsr_misc_ops).
fn iocsr(setting: &Setting) -> Result<()> {
    let mut machine = setting.machine("1")?;
    let vendor = machine.iocsr(8, 0x10)?;
    ensure_same!(vendor.to_le_bytes(), *b"Loongson", "the vendor");
    ensure_same!(
        machine.iocsr(4, 0x10)?.to_le_bytes(),
        *b"Loon\0\0\0\0",
        "half of it"
    );
    for width in [1, 2] {
        ensure_same!(machine.iocsr(width, 0x10)?, 0, "{width} bytes of it");
    }
    let name = machine.iocsr(8, 0x20)?;
    anyhow::ensure!(
        name.to_le_bytes().starts_with(b"3A5000"),
        "the CPU's name is {name:#x}"
    );
    machine.quit(1)
}

/// What the guest sends by its UART arrives (QEMU's own test of this is
/// tests/qtest/boot-serial-test.c).
fn serial(setting: &Setting) -> Result<()> {
    const TRANSMIT: u64 = 0x1fe0_01e0;
    const TEXT: &[u8] = b"seen from outside\n";
    let mut machine = setting.machine("1")?;
    for &byte in TEXT {
        machine.store(1, TRANSMIT, byte.into())?;
    }
    machine.until("the text", |machine| Ok(machine.serial()? == TEXT))?;
    machine.quit(1)
}
