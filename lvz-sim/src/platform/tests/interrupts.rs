// SPDX-License-Identifier: Apache-2.0 OR MIT

//! IPI, EIOINTC, PCH-PIC and message-signalled interrupts.

use super::*;
use la_arch::avec::{CPU_SHIFT, VECTOR_SHIFT};

const LINE: CpuLines = CpuLines { hwi: 2, ipi: false };

fn send(cpu: u64, low: u64, data: u32) -> u64 {
    u64::from(data) << 32 | 1 << 31 | cpu << 16 | low
}

#[test]
fn chip_identification() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.iocsr(0, iocsr::VERSION, 4), 0x11);
    let features = rig.iocsr(0, iocsr::FEATURES, 4);
    assert_eq!(
        features & u64::from(iocsr::FEATURE_VM),
        0,
        "this is no virtual machine"
    );
    assert_eq!(features & 0x1c, 0x1c);
    let name = rig.iocsr(0, iocsr::VENDOR, 8).to_le_bytes();
    assert_eq!(&name, b"Loongson");
    let name = rig.iocsr(0, iocsr::CPU_NAME, 8).to_le_bytes();
    assert_eq!(&name, b"3A5000\0\0");
    // Reserved bits do not stick.
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, u64::MAX);
    assert_eq!(
        rig.iocsr(0, iocsr::MISC_FUNC, 8),
        1 << 10 | 1 << 21 | 3 << 48
    );
}

/// A secondary CPU is started as arch/loongarch/kernel/smp.c does.
#[test]
fn mailbox_boot() {
    let mut rig = Rig::new(16);
    for cpu in 1..16 {
        let entry = 0x0000_0012_3456_7890u64 + cpu;
        rig.set_iocsr(cpu as usize, IPI + ipi::ENABLE, 4, 0xffff_ffff);
        rig.set_iocsr(
            0,
            IPI + ipi::MAIL_SEND,
            8,
            send(cpu, 1 << 2, (entry >> 32) as u32),
        );
        rig.set_iocsr(0, IPI + ipi::MAIL_SEND, 8, send(cpu, 0, entry as u32));
        assert!(!rig.platform.lines(cpu as usize).ipi);
        rig.set_iocsr(0, IPI + ipi::IPI_SEND, 4, 1 << 31 | cpu << 16);
        assert!(rig.platform.lines(cpu as usize).ipi);
        let cpu = cpu as usize;
        assert_eq!(rig.iocsr(cpu, IPI + ipi::MAILBOX, 8), entry);
        let status = rig.iocsr(cpu, IPI + ipi::STATUS, 4);
        assert_eq!(status, 1);
        rig.set_iocsr(cpu, IPI + ipi::CLEAR, 4, status);
        assert!(!rig.platform.lines(cpu).ipi);
    }
    assert!(!rig.platform.lines(0).ipi);
    // There is no CPU 16, nor 1023.
    rig.set_iocsr(0, IPI + ipi::IPI_SEND, 4, 16 << 16);
    rig.set_iocsr(0, IPI + ipi::MAIL_SEND, 8, send(1023, 0, 1));
    rig.set_iocsr(0, IPI + ipi::ANY_SEND, 8, send(1023, 0x1008, 1));
}

#[test]
fn ipi_follows_status_and_enable() {
    let mut rig = Rig::new(2);
    rig.set_iocsr(0, IPI + ipi::IPI_SEND, 4, 1 << 16 | 5);
    assert_eq!(rig.iocsr(1, IPI + ipi::STATUS, 4), 1 << 5);
    assert!(!rig.platform.lines(1).ipi);
    rig.set_iocsr(1, IPI + ipi::ENABLE, 4, 1 << 5);
    assert!(rig.platform.lines(1).ipi);
    rig.set_iocsr(1, IPI + ipi::ENABLE, 4, 0);
    assert!(!rig.platform.lines(1).ipi);
    rig.set_iocsr(1, IPI + ipi::ENABLE, 4, u64::MAX);
    rig.set_iocsr(1, IPI + ipi::SET, 4, 0x8000_0000);
    assert_eq!(rig.iocsr(1, IPI + ipi::STATUS, 4), 0x8000_0020);
    rig.set_iocsr(1, IPI + ipi::CLEAR, 4, 0x20);
    assert!(rig.platform.lines(1).ipi);
    rig.set_iocsr(1, IPI + ipi::CLEAR, 4, 0x8000_0000);
    assert!(!rig.platform.lines(1).ipi);
    // SET and CLEAR read as zero.
    assert_eq!(rig.iocsr(1, IPI + ipi::SET, 4), 0);
    assert_eq!(rig.iocsr(1, IPI + ipi::CLEAR, 4), 0);
}

#[test]
fn sends_protect_masked_bytes() {
    let mut rig = Rig::new(2);
    rig.set_iocsr(1, IPI + ipi::MAILBOX + 8, 8, 0x1111_2222_3333_4444);
    // Bytes 0 and 3 of the low half of mailbox 1 stay.
    let command = send(1, 2 << 2, 0xaabb_ccdd) | 0b1001 << 27;
    rig.set_iocsr(0, IPI + ipi::MAIL_SEND, 8, command);
    assert_eq!(
        rig.iocsr(1, IPI + ipi::MAILBOX + 8, 8),
        0x1111_2222_33bb_cc44
    );
    let command = send(1, IPI + ipi::MAILBOX + 12, 0xaabb_ccdd) | 0b0111 << 27;
    rig.set_iocsr(0, IPI + ipi::ANY_SEND, 8, command);
    assert_eq!(
        rig.iocsr(1, IPI + ipi::MAILBOX + 8, 8),
        0xaa11_2222_33bb_cc44
    );
    // A send to a send register goes nowhere.
    let command = send(1, IPI + ipi::ANY_SEND, 0xffff_ffff);
    rig.set_iocsr(0, IPI + ipi::ANY_SEND, 8, command);
}

#[test]
fn accesses_narrower_than_the_register() {
    let mut rig = Rig::new(1);
    rig.set_iocsr(0, IPI + ipi::MAILBOX, 8, 0x8877_6655_4433_2211);
    assert_eq!(rig.iocsr(0, IPI + ipi::MAILBOX + 3, 1), 0x44);
    assert_eq!(rig.iocsr(0, IPI + ipi::MAILBOX + 2, 2), 0x4433);
    assert_eq!(rig.iocsr(0, IPI + ipi::MAILBOX + 2, 4), 0x6655_4433);
    assert_eq!(rig.iocsr(0, IPI + ipi::MAILBOX + 4, 4), 0x8877_6655);
    rig.set_iocsr(0, EIOINTC + eiointc::COREMAP + 5, 1, 0x1234);
    assert_eq!(rig.iocsr(0, EIOINTC + eiointc::COREMAP + 4, 4), 0x3400);
}

/// Every CPU of a large machine can get a device's interrupt, routed as
/// drivers/irqchip/irq-loongson-eiointc.c: `eiointc_set_irq_route` does.
#[test]
fn eiointc_routes_to_each_cpu() {
    let mut rig = Rig::new(16);
    rig.set_up_interrupts();
    let vector = 100u32;
    for cpu in 0..16usize {
        let byte = vector % 4;
        let keep = !(1u64 << byte) & 0xf;
        for node in 0..4 {
            let target = if node == 0 { cpu / 4 } else { node };
            let route = (1 << (cpu % 4) | target << 4) as u32;
            let register = EIOINTC + eiointc::COREMAP + u64::from(vector & !3);
            let command = send(4 * node as u64, register, route << (8 * byte)) | keep << 27;
            rig.set_iocsr(0, IPI + ipi::ANY_SEND, 8, command);
        }
        rig.write(PCH_MSI_BASE, 4, vector.into());
        for other in 0..16 {
            let expected = if other == cpu {
                LINE
            } else {
                CpuLines::default()
            };
            assert_eq!(rig.platform.lines(other), expected, "{other} for {cpu}");
        }
        let register = EIOINTC + eiointc::COREISR + u64::from(vector / 64 * 8);
        let pending = rig.iocsr(cpu, register, 8);
        assert_eq!(pending, 1 << (vector % 64));
        rig.set_iocsr(cpu, register, 8, pending);
        assert_eq!(rig.platform.lines(cpu), CpuLines::default());
        assert_eq!(
            rig.iocsr(cpu, EIOINTC + eiointc::ISR + u64::from(vector / 32 * 4), 4),
            0
        );
    }
}

#[test]
fn eiointc_pins_from_bitmap_or_number() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    rig.write(PCH_MSI_BASE, 4, 64);
    for (value, pin) in [(1, 0), (2, 1), (4, 2), (8, 3), (0, 0)] {
        rig.set_iocsr(0, EIOINTC + eiointc::IPMAP + 2, 1, value);
        assert_eq!(rig.platform.lines(0).hwi, 1 << pin);
    }
    let misc = iocsr::EXT_IOI_EN | iocsr::INT_ENCODE;
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, misc);
    for pin in 0..8 {
        rig.set_iocsr(0, EIOINTC + eiointc::IPMAP + 2, 1, pin);
        assert_eq!(rig.platform.lines(0).hwi, 1 << pin);
    }
}

#[test]
fn eiointc_latches_while_disabled() {
    let mut rig = Rig::new(2);
    rig.set_up_interrupts();
    let enable = EIOINTC + eiointc::ENABLE + 4 * 2;
    rig.set_iocsr(0, enable, 4, 0);
    rig.write(PCH_MSI_BASE, 4, 70);
    assert_eq!(rig.platform.lines(0), CpuLines::default());
    assert_eq!(rig.iocsr(0, EIOINTC + eiointc::ISR + 8, 4), 1 << 6);
    rig.set_iocsr(0, enable, 4, 1 << 6);
    assert_eq!(rig.platform.lines(0), LINE);
    // A new route takes a pending vector along.
    rig.set_iocsr(0, EIOINTC + eiointc::COREMAP + 70, 1, 2);
    assert_eq!(rig.platform.lines(0), CpuLines::default());
    assert_eq!(rig.platform.lines(1), LINE);
    // Only the core that has it can clear it.
    rig.set_iocsr(0, EIOINTC + eiointc::COREISR + 8, 4, u64::MAX);
    assert_eq!(rig.platform.lines(1), LINE);
    rig.set_iocsr(1, EIOINTC + eiointc::COREISR + 8, 4, u64::MAX);
    assert_eq!(rig.platform.lines(1), CpuLines::default());
    // Nothing passes while the controller is off.
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, 0);
    rig.write(PCH_MSI_BASE, 4, 70);
    assert_eq!(rig.platform.lines(1), CpuLines::default());
}

/// The UART is the level source here.
fn uart_level(rig: &mut Rig, level: bool) {
    rig.write(UART_BASE + 1, 1, if level { 2 } else { 0 });
}

#[test]
fn pch_pic_identifies_itself() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.read(PCH_PIC_BASE, 4), 7 << 24);
    // Linux: vec_count = (readl(base + 4) >> 16 & 0xff) + 1.
    assert_eq!(rig.read(PCH_PIC_BASE + 4, 4) >> 16 & 0xff, 63);
    assert_eq!(rig.read(PCH_PIC_BASE + pch_pic::MASK, 8), u64::MAX);
}

#[test]
fn pch_pic_level() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    let core_isr = EIOINTC + eiointc::COREISR;
    uart_level(&mut rig, true);
    assert_eq!(rig.platform.lines(0), LINE);
    assert_eq!(rig.iocsr(0, core_isr, 8), pin(Device::Uart(0)));
    assert_eq!(
        rig.read(PCH_PIC_BASE + pch_pic::ISR, 8),
        pin(Device::Uart(0))
    );
    // Acknowledged at the EIOINTC, it waits for the mask to open again.
    rig.set_iocsr(0, core_isr, 8, pin(Device::Uart(0)));
    assert_eq!(rig.platform.lines(0), CpuLines::default());
    rig.write(PCH_PIC_BASE + pch_pic::MASK, 4, pin(Device::Uart(0)));
    rig.write(PCH_PIC_BASE + pch_pic::MASK, 4, 0);
    assert_eq!(rig.platform.lines(0), LINE);
    // The level's end takes the vector back.
    uart_level(&mut rig, false);
    assert_eq!(rig.platform.lines(0), CpuLines::default());
    // A masked pin is requested but not sent.
    rig.write(PCH_PIC_BASE + pch_pic::MASK, 4, pin(Device::Uart(0)));
    uart_level(&mut rig, true);
    assert_eq!(rig.platform.lines(0), CpuLines::default());
    assert_eq!(
        rig.read(PCH_PIC_BASE + pch_pic::IRR, 8),
        pin(Device::Uart(0))
    );
    rig.write(PCH_PIC_BASE + pch_pic::MASK, 4, 0);
    assert_eq!(rig.platform.lines(0), LINE);
}

#[test]
fn pch_pic_edge() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    let core_isr = EIOINTC + eiointc::COREISR;
    rig.write(PCH_PIC_BASE + pch_pic::EDGE, 4, pin(Device::Uart(0)));
    uart_level(&mut rig, true);
    uart_level(&mut rig, false);
    // The edge is kept.
    assert_eq!(rig.platform.lines(0), LINE);
    rig.set_iocsr(0, core_isr, 8, pin(Device::Uart(0)));
    rig.write(PCH_PIC_BASE + pch_pic::CLEAR, 4, pin(Device::Uart(0)));
    assert_eq!(rig.platform.lines(0), CpuLines::default());
    assert_eq!(rig.read(PCH_PIC_BASE + pch_pic::IRR, 8), 0);
    // The next edge counts again, its level does not.
    uart_level(&mut rig, true);
    assert_eq!(rig.platform.lines(0), LINE);
    rig.set_iocsr(0, core_isr, 8, pin(Device::Uart(0)));
    rig.write(PCH_PIC_BASE + pch_pic::CLEAR, 4, pin(Device::Uart(0)));
    rig.write(PCH_PIC_BASE + pch_pic::MASK, 4, pin(Device::Uart(0)));
    rig.write(PCH_PIC_BASE + pch_pic::MASK, 4, 0);
    assert_eq!(rig.platform.lines(0), CpuLines::default());
}

#[test]
fn pch_pic_polarity_and_vectors() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    // All lines are low: an inverted pin is active.
    rig.write(
        PCH_PIC_BASE + pch_pic::HTMSI_VECTOR + pin(Device::Rtc).ilog2() as u64,
        1,
        200,
    );
    rig.write(PCH_PIC_BASE + pch_pic::POLARITY, 4, pin(Device::Rtc));
    assert_eq!(rig.platform.lines(0), LINE);
    assert_eq!(
        rig.iocsr(0, EIOINTC + eiointc::COREISR + 24, 8),
        1 << (200 - 192)
    );
    rig.write(PCH_PIC_BASE + pch_pic::POLARITY, 4, 0);
    assert_eq!(rig.platform.lines(0), CpuLines::default());
}

#[test]
fn interrupts_that_reach_no_cpu_are_a_finding() {
    use crate::finding::{Findings, Rule};
    use crate::platform::eiointc::Undelivered;
    use crate::platform::lint::Source;

    let mut rig = Rig::new(1);
    rig.platform.lint(Findings::quiet());
    rig.set_up_interrupts();
    let vector = pin_number(Device::Uart(0)) as u8;
    uart_level(&mut rig, true);
    assert_eq!(rig.platform.linted(), []);
    uart_level(&mut rig, false);
    // Disabled: held back on purpose.
    rig.set_iocsr(0, EIOINTC + eiointc::ENABLE, 4, 0);
    uart_level(&mut rig, true);
    assert_eq!(rig.platform.linted(), []);
    uart_level(&mut rig, false);
    rig.set_iocsr(0, EIOINTC + eiointc::ENABLE, 4, u64::MAX);
    // To a core that is not there.
    rig.set_iocsr(0, EIOINTC + eiointc::COREMAP + u64::from(vector), 1, 4);
    uart_level(&mut rig, true);
    let source = Source::Vector(vector);
    assert_eq!(rig.platform.linted(), [(source, Undelivered::NoCore)]);
    uart_level(&mut rig, false);
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, 0);
    uart_level(&mut rig, true);
    let found = rig.platform.linted();
    assert_eq!(found.len(), 2);
    assert!(found.contains(&(source, Undelivered::Off)));
    let findings = rig.platform.findings();
    let rules: Vec<_> = findings.map(|f| (f.rule, f.place)).collect();
    assert_eq!(rules, [(Rule::Undelivered, None); 2]);
    // As direct boot leaves it.
    let mut rig = Rig::new(5);
    rig.platform.hand_over();
    for cpu in 0..5 {
        let misc = rig.iocsr(cpu, iocsr::MISC_FUNC, 8);
        assert_eq!(misc, iocsr::EXT_IOI_EN, "{cpu}");
    }
}

/// A driver that never clears a UART's causes still gets each of them at an
/// edge-triggered pin.
#[test]
fn each_character_is_an_edge() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    let vector = pin_number(Device::Uart(0));
    rig.write(PCH_PIC_BASE + pch_pic::EDGE, 8, 1 << vector);
    let isr = EIOINTC + eiointc::COREISR;
    let acknowledge = |rig: &mut Rig| {
        rig.set_iocsr(0, isr, 4, u64::MAX);
        assert_eq!(rig.platform.lines(0), CpuLines::default());
    };
    // Transmitter and receiver interrupts: the line is active from now on.
    rig.write(UART_BASE + 1, 1, 3);
    assert_eq!(rig.iocsr(0, isr, 4), 1 << vector);
    acknowledge(&mut rig);
    rig.write(UART_BASE, 1, b'x'.into());
    assert_eq!(rig.iocsr(0, isr, 4), 1 << vector);
    acknowledge(&mut rig);
    rig.serial.type_in(b"y");
    rig.platform.advance(1);
    assert_eq!(rig.iocsr(0, isr, 4), 1 << vector);
    acknowledge(&mut rig);
    // A level-triggered pin says nothing new.
    rig.write(PCH_PIC_BASE + pch_pic::EDGE, 8, 0);
    rig.set_iocsr(0, isr, 4, u64::MAX);
    rig.write(UART_BASE, 1, b'z'.into());
    assert_eq!(rig.platform.lines(0), CpuLines::default());
}

/// What IOCSR has is memory too, with every core's own registers side by side.
#[test]
fn chip_registers_are_iocsr() {
    let mut rig = Rig::new(6);
    let chip = |node: u64| 0x1fe0_0000 | node << 44;
    assert_eq!(
        rig.read(chip(0) + iocsr::CPU_NAME, 8).to_le_bytes(),
        *b"3A5000\0\0"
    );
    rig.write(chip(1) + iocsr::MISC_FUNC, 8, iocsr::EXT_IOI_EN);
    assert_eq!(rig.iocsr(0, iocsr::MISC_FUNC, 8), 0);
    assert_eq!(rig.iocsr(5, iocsr::MISC_FUNC, 8), iocsr::EXT_IOI_EN);
    // The mailbox of core 1 of node 1, and its status.
    rig.write(chip(1) + IPI + 0x100 + ipi::MAILBOX, 8, 0x1234);
    assert_eq!(rig.iocsr(5, IPI + ipi::MAILBOX, 8), 0x1234);
    rig.write(chip(1) + IPI + 0x100 + ipi::ENABLE, 4, 1);
    rig.write(chip(0) + IPI + ipi::IPI_SEND, 4, 5 << 16);
    assert!(rig.platform.lines(5).ipi);
    assert_eq!(rig.read(chip(1) + IPI + 0x100 + ipi::STATUS, 4), 1);
    // Core status, here of core 1 of node 0.
    rig.set_up_interrupts();
    rig.set_iocsr(0, EIOINTC + eiointc::COREMAP + 70, 1, 2);
    rig.write(PCH_MSI_BASE, 4, 70);
    let status = chip(0) + EIOINTC + eiointc::COREISR + 0x100 + 8;
    assert_eq!(rig.read(status, 4), 1 << 6);
    rig.write(status, 4, 1 << 6);
    assert_eq!(rig.platform.lines(1), CpuLines::default());
    // Cores that are not there, the UARTs between, a node that is not there.
    assert_eq!(rig.read(chip(1) + IPI + 0x300 + ipi::STATUS, 4), 0);
    assert_eq!(rig.read(UART_BASE + 5, 1), 0x60);
    assert_eq!(rig.platform.mmio_read(0, chip(2), 4), None);
}

/// Address of a message.
fn message(cpu: u64, vector: u64) -> u64 {
    place(Device::Avec).base | cpu << CPU_SHIFT | vector << VECTOR_SHIFT
}

#[test]
fn messages_reach_the_cpu_that_the_address_names() {
    let mut rig = Rig::with(PlatformConfig {
        cpus: 5,
        avec: true,
        ..PlatformConfig::default()
    });
    assert_ne!(
        rig.iocsr(0, iocsr::FEATURES, 4) & u64::from(iocsr::FEATURE_AVEC),
        0
    );
    rig.write(message(0, 3), 4, 0);
    assert_eq!(rig.platform.take_messages(0), None, "before it is enabled");
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, iocsr::AVEC_EN);
    assert_eq!(rig.iocsr(3, iocsr::MISC_FUNC, 8), iocsr::AVEC_EN);
    rig.write(message(2, 255), 4, 0xffff_ffff);
    rig.write(message(2, 0), 8, 0);
    rig.write(message(2, 64) + 8, 4, 0);
    rig.write(message(2, 255), 1, 0);
    assert_eq!(rig.read(message(2, 255), 4), 0);
    assert_eq!(rig.platform.take_messages(1), None);
    assert_eq!(rig.platform.take_messages(2), Some([1, 1, 0, 1 << 63]));
    assert_eq!(rig.platform.take_messages(2), None, "they are taken once");
    // The other node, and no CPU.
    rig.write(message(4, 9), 4, 0);
    assert_eq!(rig.platform.take_messages(4), None);
    rig.set_iocsr(4, iocsr::MISC_FUNC, 8, iocsr::AVEC_EN);
    rig.write(message(4, 9), 4, 0);
    rig.write(message(5, 9), 4, 0);
    rig.write(message(255, 255), 4, 0);
    assert_eq!(rig.platform.take_messages(4), Some([1 << 9, 0, 0, 0]));
    assert_eq!(rig.platform.take_messages(5), None);
    // A reset forgets them.
    rig.write(message(4, 9), 4, 0);
    rig.platform.reset();
    assert_eq!(rig.platform.take_messages(4), None);
    assert_eq!(rig.iocsr(0, iocsr::MISC_FUNC, 8), 0);
}

#[test]
fn messages_that_are_lost_are_a_finding() {
    use crate::finding::Findings;

    let mut rig = Rig::with(PlatformConfig {
        cpus: 3,
        avec: true,
        ..PlatformConfig::default()
    });
    rig.platform.lint(Findings::quiet());
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, iocsr::AVEC_EN);
    rig.write(message(2, 3), 4, 0);
    assert_eq!(rig.platform.findings().count(), 0);
    // A node that is not there, a core that is not there, then one that is, switched off.
    rig.write(message(4, 3), 4, 0);
    rig.write(message(3, 3), 4, 0);
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, 0);
    for _ in 0..2 {
        rig.write(message(2, 3), 4, 0);
    }
    let lines: Vec<String> = rig.platform.findings().map(ToString::to_string).collect();
    let parts = [
        ["a message to cpu4, vector 3", "names a node that"],
        ["a message to cpu3, vector 3", "names a core that"],
        ["a message to cpu2, vector 3", "AVEC_EN is clear"],
    ];
    assert_eq!(lines.len(), parts.len(), "{lines:?}");
    for (line, [source, reason]) in lines.iter().zip(parts) {
        assert!(line.contains(source) && line.contains(reason), "{line}");
    }
}

#[test]
fn without_message_interrupts_there_is_no_window() {
    let mut rig = Rig::new(1);
    assert!(!rig.platform.mmio_write(0, message(0, 3), 4, 0));
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, iocsr::AVEC_EN);
    assert_eq!(rig.iocsr(0, iocsr::MISC_FUNC, 8), 0);
    let features = rig.iocsr(0, iocsr::FEATURES, 4);
    assert_eq!(features & u64::from(iocsr::FEATURE_AVEC), 0);
}

#[test]
fn messages_on_their_way_are_saved() {
    let avec = |cpus| {
        Rig::with(PlatformConfig {
            cpus,
            avec: true,
            ..PlatformConfig::default()
        })
    };
    let mut rig = avec(2);
    rig.set_iocsr(0, iocsr::MISC_FUNC, 8, iocsr::AVEC_EN);
    rig.write(message(1, 130), 4, 0);
    let state = rig.platform.save().unwrap();
    let mut other = avec(2);
    other.platform.restore(&state).unwrap();
    assert_eq!(other.platform.take_messages(1), Some([0, 0, 4, 0]));
    // Into a machine without them it does not go.
    assert!(Rig::new(2).platform.restore(&state).is_err());
}
