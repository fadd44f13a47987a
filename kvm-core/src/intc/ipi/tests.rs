// SPDX-License-Identifier: GPL-2.0

//! Tests of the inter-processor interrupts.

use super::super::testing::{vcpu, Sink};
use super::super::Vcpus;
use super::*;
use proptest::prelude::*;

/// vCPU ids and CPU numbers differ on purpose.
const TOPOLOGY: [(u8, u32); 4] = [(0, 3), (1, 0), (7, 1), (255, 900)];

struct Machine {
    cores: Vec<Core>,
    sink: Sink,
}

impl Machine {
    fn new() -> Self {
        Self {
            cores: vec![Core::new(); 256],
            sink: Sink::new(&TOPOLOGY),
        }
    }

    /// What the caller does with a write, forwards included.
    fn write(&mut self, id: u8, offset: u64, size: u32, value: u64) {
        let core = &mut self.cores[usize::from(id)];
        match core.write(vcpu(id), offset, size, value, &mut self.sink) {
            None => {}
            Some(Forward::Ipi { cpuid, bits }) => {
                if let Some(target) = self.sink.by_cpuid(cpuid) {
                    self.cores[target.index()].raise(target, bits, &mut self.sink);
                }
            }
            Some(Forward::Mail(mail)) => {
                if let Some(target) = self.sink.by_cpuid(mail.cpuid) {
                    self.cores[target.index()].deliver_mail(mail);
                }
            }
            Some(Forward::Any(any)) => {
                if let Some(target) = self.sink.by_cpuid(any.cpuid) {
                    for write in any.writes() {
                        if let Some(offset) = write.address.checked_sub(0x1000) {
                            if offset < 0x160 {
                                self.write(target.get(), offset, write.size, write.value);
                            }
                        }
                    }
                }
            }
        }
    }

    fn read(&self, id: u8, offset: u64, size: u32) -> u64 {
        self.cores[usize::from(id)].read(offset, size)
    }
}

#[test]
fn ipi_reaches_the_vcpu_with_the_cpu_number() {
    let mut m = Machine::new();
    m.write(7, 0x4, 4, 0xffff_ffff);
    m.write(0, 0x40, 4, 1 << 16 | 5);
    assert!(m.sink.is_high(7, Interrupt::IPI));
    assert_eq!(m.sink.high.len(), 1);
    assert_eq!(m.read(7, 0, 4), 1 << 5);
    m.write(7, 0xc, 4, 1 << 5);
    assert!(m.sink.high.is_empty());
    assert_eq!(m.read(7, 0, 4), 0);
}

#[test]
fn disabled_messages_wait() {
    let mut m = Machine::new();
    m.write(1, 0x8, 4, 0b110);
    assert!(m.sink.calls.is_empty());
    assert_eq!(m.read(1, 0, 4), 0b110);
    m.write(1, 0x4, 4, 0b100);
    assert!(m.sink.is_high(1, Interrupt::IPI));
    m.write(1, 0xc, 4, 0b100);
    assert!(m.sink.high.is_empty());
    m.write(1, 0x4, 4, 0b10);
    assert!(m.sink.is_high(1, Interrupt::IPI));
}

#[test]
fn unknown_targets_are_dropped() {
    let mut m = Machine::new();
    for offset in [0x40, 0x48, 0x158] {
        m.write(0, offset, 8, 0xffff_ffff_03ff_0000);
        m.write(0, offset, 8, 2 << 16);
    }
    assert!(m.sink.calls.is_empty());
    assert!(m.cores.iter().all(|core| *core == Core::new()));
}

#[test]
fn mail_keeps_masked_bytes() {
    let mut m = Machine::new();
    m.write(1, 0x38, 8, 0x1122_3344_5566_7788);
    // Half 7 is the upper half of mailbox 3; keep bytes 0 and 2.
    m.write(0, 0x48, 8, 0xaabb_ccdd << 32 | 0b0101 << 27 | 7 << 2);
    assert_eq!(m.read(1, 0x38, 8), 0xaa22_cc44_5566_7788);
    m.write(0, 0x48, 8, 0x0102_0304 << 32 | 6 << 2);
    assert_eq!(m.read(1, 0x38, 8), 0xaa22_cc44_0102_0304);
    assert_eq!(m.read(1, 0x3a, 2), 0x0102);
}

#[test]
fn any_send_writes_only_what_is_not_kept() {
    let any = |keep: u64| {
        let value = 0x4433_2211 << 32 | keep << 27 | 1 << 16 | 0x1c04;
        let mut sink = Sink::default();
        match Core::new().write(vcpu(0), 0x158, 8, value, &mut sink) {
            Some(Forward::Any(any)) => {
                assert_eq!(any.cpuid, 1);
                any.writes()
                    .map(|w| (w.address, w.size, w.value))
                    .collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(any(0), [(0x1c04, 4, 0x4433_2211)]);
    assert_eq!(any(0b1011), [(0x1c06, 1, 0x33)]);
    assert_eq!(any(0b0110), [(0x1c04, 1, 0x11), (0x1c07, 1, 0x44)]);
    assert_eq!(any(0b1111), []);
}

#[test]
fn any_send_can_send_an_ipi_but_nests_no_deeper() {
    let mut m = Machine::new();
    m.write(0, 0x4, 4, u64::MAX);
    // CPU 0 (vCPU 1) is made to send vector 9 to CPU 3 (vCPU 0).
    m.write(7, 0x158, 8, (3 << 16 | 9) << 32 | 0x1040);
    assert_eq!(m.read(0, 0, 4), 1 << 9);
    for target in [0x1048u64, 0x1158] {
        let before = m.cores.clone();
        m.write(7, 0x158, 8, 0x1158 << 32 | target);
        assert_eq!(m.cores, before);
    }
}

#[test]
fn attributes_follow_upstream() {
    let decode = |attr| Register::decode(uapi::IPI_GRP_REGS, attr);
    assert_eq!(decode(3 << 16), Ok((vcpu(3), Register::Status)));
    assert_eq!(decode(255 << 16 | 4), Ok((vcpu(255), Register::Enable)));
    let (_, mailbox) = decode(0x38).unwrap();
    assert_eq!(mailbox, Register::Mailbox(MailboxIndex(3)));
    assert_eq!((mailbox.size(), Register::Clear.size()), (8, 4));
    assert_eq!(decode(256 << 16), Err(IntcError::Vcpu));
    // Bits 25:16 count, no others.
    assert_eq!(decode(1 << 26 | 8), Ok((vcpu(0), Register::Set)));
    for bad in [1, 0x10, 0x18, 0x24, 0x40, 0x48, 0xff] {
        assert_eq!(decode(bad), Err(IntcError::Attribute), "{bad:#x}");
    }
    assert_eq!(Register::decode(0, 0), Err(IntcError::Group));
}

const ATTRS: [u64; 8] = [0, 4, 8, 0xc, 0x20, 0x28, 0x30, 0x38];

/// One vCPU without code in common: bytes and bits.
#[derive(Clone, Default)]
struct Naive {
    status: [bool; 32],
    enable: [bool; 32],
    mail: [u8; 32],
}

impl Naive {
    fn write_byte(&mut self, at: u64, byte: u8) {
        let bit = |i: usize| byte & (1 << i) != 0;
        let first = (at % 4) as usize * 8;
        for i in 0..8 {
            match at {
                4..=7 => self.enable[first + i] = bit(i),
                8..=11 => self.status[first + i] |= bit(i),
                12..=15 => self.status[first + i] &= !bit(i),
                _ => {}
            }
        }
        if (0x20..0x40).contains(&at) {
            self.mail[at as usize - 0x20] = byte;
        }
    }

    fn line(&self) -> bool {
        (0..32).any(|i| self.status[i] && self.enable[i])
    }
}

fn naive_send(cores: &mut [Naive], offset: u64, size: u32, value: u64) {
    let cpu = (value >> 16) % 1024;
    let Some(&(id, _)) = TOPOLOGY.iter().find(|t| u64::from(t.1) == cpu) else {
        return;
    };
    let data = (value >> 32).to_le_bytes();
    let kept = |byte: u64| value >> (27 + byte) & 1 == 1;
    match (offset, size) {
        (0x40, 4 | 8) => cores[usize::from(id)].status[(value % 32) as usize] = true,
        (0x48, 8) => {
            let half = value / 4 % 8;
            for byte in (0..4).filter(|&byte| !kept(byte)) {
                cores[usize::from(id)].write_byte(0x20 + half * 4 + byte, data[byte as usize]);
            }
        }
        (0x158, 8) => {
            let at = value % 0x10000;
            let whole = (0..4).all(|byte| !kept(byte));
            if at == 0x1040 && whole {
                naive_send(cores, 0x40, 4, value >> 32);
            } else if !whole || at.is_multiple_of(4) {
                for byte in (0..4).filter(|&byte| !kept(byte)) {
                    if let Some(at) = (at + byte).checked_sub(0x1000) {
                        cores[usize::from(id)].write_byte(at, data[byte as usize]);
                    }
                }
            }
        }
        _ => {}
    }
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        0u64..0x48,
        Just(0x40u64),
        Just(0x48u64),
        Just(0x158u64),
        any::<u64>()
    ]
}

fn value() -> impl Strategy<Value = u64> {
    let send = (any::<u32>(), 0u64..16, 0u64..5, 0x1000u64..0x1048)
        .prop_map(|(data, keep, cpu, low)| u64::from(data) << 32 | keep << 27 | cpu << 16 | low);
    prop_oneof![any::<u64>(), send, (0u32..64).prop_map(|bit| 1 << bit)]
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![4 => (0u32..4).prop_map(|log| 1 << log), 1 => any::<u32>()]
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(
        ops in prop::collection::vec((0usize..4, offset(), size(), value()), 1..80)
    ) {
        let mut m = Machine::new();
        let mut naive = vec![Naive::default(); 256];
        for (who, offset, size, value) in ops {
            let id = TOPOLOGY[who].0;
            m.write(id, offset, size, value);
            if matches!(size, 1 | 2 | 4 | 8) && offset % u64::from(size) == 0 {
                if matches!(offset, 0x40 | 0x48 | 0x158) {
                    naive_send(&mut naive, offset, size, value);
                } else {
                    for byte in 0..u64::from(size) {
                        naive[usize::from(id)].write_byte(offset + byte, value.to_le_bytes()[byte as usize]);
                    }
                }
            }
            prop_assert_eq!(m.read(id, offset | 1, 2), 0);
            for (id, _) in TOPOLOGY {
                let expected = &naive[usize::from(id)];
                prop_assert_eq!(m.sink.is_high(id, Interrupt::IPI), expected.line());
                for i in 0..32 {
                    prop_assert_eq!(m.read(id, 0, 4) >> i & 1 == 1, expected.status[i]);
                    prop_assert_eq!(m.read(id, 4, 4) >> i & 1 == 1, expected.enable[i]);
                    prop_assert_eq!(m.read(id, 0x20 + i as u64, 1), u64::from(expected.mail[i]));
                }
            }
        }
    }

    /// What user space gets from one vCPU and sets in another is the same
    /// state, line included.
    #[test]
    fn restores_what_was_saved(
        ops in prop::collection::vec((offset(), size(), value()), 0..40),
        set: u32, clear: u32,
    ) {
        let mut m = Machine::new();
        for (offset, size, value) in ops {
            m.write(0, offset, size, value);
        }
        let reg = |attr| Register::decode(uapi::IPI_GRP_REGS, attr).unwrap().1;
        m.cores[0].set_attr(vcpu(0), reg(8), set.into(), &mut m.sink);
        m.cores[0].set_attr(vcpu(0), reg(12), clear.into(), &mut m.sink);
        let mut copy = Core::new();
        let mut sink = Sink::new(&TOPOLOGY);
        for attr in ATTRS {
            let value = m.cores[0].get_attr(reg(attr));
            prop_assert_eq!(reg(attr).size() == 8 || value >> 32 == 0, true);
            copy.set_attr(vcpu(0), reg(attr), value, &mut sink);
        }
        prop_assert_eq!(&copy, &m.cores[0]);
        prop_assert_eq!(sink.is_high(0, Interrupt::IPI), m.sink.is_high(0, Interrupt::IPI));
    }
}
