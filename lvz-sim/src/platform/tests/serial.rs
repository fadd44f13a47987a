// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The UART, as Linux's 8250 driver uses it.

use super::*;
use crate::platform::console::LineConsole;
use crate::platform::console::leaving::LeavingConsole;

const IER: u64 = UART_BASE + 1;
const IIR: u64 = UART_BASE + 2;
const FCR: u64 = UART_BASE + 2;
const LCR: u64 = UART_BASE + 3;
const MCR: u64 = UART_BASE + 4;
const LSR: u64 = UART_BASE + 5;
const MSR: u64 = UART_BASE + 6;
const SCR: u64 = UART_BASE + 7;

#[test]
fn output_is_byte_exact() {
    let mut rig = Rig::new(1);
    let bytes: Vec<u8> = (0..=255).collect();
    for &byte in &bytes {
        assert_eq!(rig.read(LSR, 1) & 0x60, 0x60);
        rig.write(UART_BASE, 1, byte.into());
    }
    assert_eq!(rig.serial.take_output(), bytes);
    // The divisor is behind the data register while DLAB is set.
    rig.write(LCR, 1, 0x83);
    rig.write(UART_BASE, 1, 0x36);
    rig.write(IER, 1, 0x01);
    assert_eq!(rig.read(UART_BASE, 1), 0x36);
    assert_eq!(rig.read(IER, 1), 0x01);
    rig.write(LCR, 1, 0x03);
    assert_eq!(rig.read(IER, 1), 0);
    assert!(rig.serial.take_output().is_empty());
}

#[test]
fn a_user_is_heard_while_the_uart_takes_nothing() {
    const LOOPBACK: u64 = 1 << 4;
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let config = PlatformConfig {
        serial: [Box::new(LeavingConsole::default()), Box::new(NullConsole)],
        ..PlatformConfig::default()
    };
    let mut platform = Platform::new(config, ram).unwrap();
    assert!(platform.mmio_write(0, MCR, 1, LOOPBACK));
    assert!(!platform.quit_requested());
    platform.advance(1);
    assert!(platform.quit_requested());
}

/// `serial8250_THRE_test` of Linux: enabling the interrupt of an empty
/// transmitter raises it, each time.
#[test]
fn transmit_interrupt() {
    let mut rig = Rig::new(1);
    for _ in 0..2 {
        rig.write(IER, 1, 0);
        rig.write(IER, 1, 2);
        assert_eq!(rig.read(IIR, 1) & 0xf, 2);
        // Reading it was the acknowledgement.
        assert_eq!(rig.read(IIR, 1) & 0xf, 1);
    }
    rig.write(UART_BASE, 1, b'x'.into());
    assert_eq!(rig.read(IIR, 1) & 0xf, 2);
}

#[test]
fn input_fills_the_fifo() {
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    rig.write(FCR, 1, 0x81);
    rig.write(IER, 1, 1);
    assert_eq!(rig.read(IIR, 1), 0xc1);
    rig.serial.type_in(b"0123456789abcdefghij");
    rig.platform.advance(1);
    assert_ne!(rig.platform.lines(0).hwi, 0);
    // 16 fit: above the trigger level of 8.
    assert_eq!(rig.read(IIR, 1), 0xc4);
    let mut read = Vec::new();
    while rig.read(LSR, 1) & 1 != 0 {
        read.push(rig.read(UART_BASE, 1) as u8);
    }
    assert_eq!(read, b"0123456789abcdefghij");
    assert_eq!(rig.read(IIR, 1), 0xc1);
    assert_eq!(rig.platform.lines(0).hwi, 0);
    // Below the trigger level it is a time-out, which reading IIR keeps.
    rig.serial.type_in(b"k");
    rig.platform.advance(2);
    assert_eq!(rig.read(IIR, 1), 0xcc);
    assert_eq!(rig.read(IIR, 1), 0xcc);
    rig.write(FCR, 1, 0x83);
    assert_eq!(rig.read(IIR, 1), 0xc1);
    assert_eq!(rig.read(LSR, 1) & 1, 0);
}

#[test]
fn loopback_and_modem_lines() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.read(MSR, 1), 0xb0);
    rig.write(MCR, 1, 0x1a);
    // RTS and OUT2 come back as CTS and DCD.
    assert_eq!(rig.read(MSR, 1) & 0xf0, 0x90);
    rig.write(UART_BASE, 1, 0x5a);
    assert_eq!(rig.read(LSR, 1) & 1, 1);
    rig.write(UART_BASE, 1, 0x5b);
    assert_eq!(rig.read(LSR, 1) & 2, 2, "overrun without a FIFO");
    assert_eq!(rig.read(LSR, 1) & 2, 0);
    assert_eq!(rig.read(UART_BASE, 1), 0x5a);
    assert!(rig.serial.take_output().is_empty());
    rig.write(SCR, 1, 0x77);
    assert_eq!(rig.read(SCR, 1), 0x77);
}

#[test]
fn each_port_has_its_own_registers_streams_and_pin() {
    let second = UART_BASE + UART_SIZE;
    let mut rig = Rig::new(1);
    rig.set_up_interrupts();
    rig.write(UART_BASE, 1, b'a'.into());
    rig.write(second, 1, b'b'.into());
    assert_eq!(rig.serial.take_output(), b"a");
    assert_eq!(rig.serial1.take_output(), b"b");

    rig.write(second + 1, 1, 1);
    rig.serial1.type_in(b"c");
    rig.platform.advance(1);
    assert_eq!(rig.read(UART_BASE + 5, 1) & 1, 0);
    assert_eq!(rig.read(second + 5, 1) & 1, 1);
    let pins = rig.read(PCH_PIC_BASE + pch_pic::IRR, 8);
    assert_eq!(pins, pin(Device::Uart(1)));
    assert_eq!(rig.read(second, 1), u64::from(b'c'));
    assert_eq!(rig.platform.mmio_read(0, second + UART_SIZE, 1), None);
}

#[test]
fn a_port_that_is_passed_on_by_lines() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut config = PlatformConfig::default();
    config.serial[1] = Box::new(LineConsole::new(Box::new(file.reopen().unwrap())));
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    let mut platform = Platform::new(config, ram).unwrap();
    for byte in *b"line\nres" {
        platform.mmio_write(0, UART_BASE + UART_SIZE, 1, byte.into());
    }
    let written = || std::fs::read(file.path()).unwrap();
    assert_eq!(written(), b"line\n");
    platform.advance(1);
    assert_eq!(written(), b"line\n");
    assert!(!platform.interactive());
    drop(platform);
    assert_eq!(written(), b"line\nres");
}

/// A user that types nothing and then leaves.
struct User(bool);

impl HostConsole for User {
    fn write(&mut self, _bytes: &[u8]) {}

    fn read(&mut self, _buffer: &mut [u8]) -> usize {
        self.0 = true;
        0
    }

    fn interactive(&self) -> bool {
        true
    }

    fn quit(&self) -> bool {
        self.0
    }
}

#[test]
fn interactive_consoles_are_polled() {
    let ram = GuestRam::from_ranges(&[(GuestAddress(0), 1 << 20)]).unwrap();
    for on_uart in [true, false] {
        let mut config = PlatformConfig::default();
        if on_uart {
            config.serial[1] = Box::new(User(false));
        } else {
            config.console = Some(Box::new(User(false)));
        }
        let mut platform = Platform::new(config, ram.clone()).unwrap();
        assert_eq!(platform.next_event(), Some(1_000_000));
        assert!(!platform.quit_requested());
        platform.advance(1_000_000);
        assert_eq!(platform.next_event(), Some(2_000_000));
        assert!(platform.quit_requested());
    }
    assert_eq!(Rig::new(1).platform.next_event(), None);
}
