// SPDX-License-Identifier: GPL-2.0

//! Tests of the EIOINTC.

use super::super::testing::{vcpu, Sink};
use super::super::{uapi, IntcError};
use super::*;
use proptest::prelude::*;

/// vCPU ids and CPU numbers differ on purpose; routes as bitmaps reach CPU
/// numbers 0 to 3, encoded ones also 255, all others lead nowhere.
const TOPOLOGY: [(u8, u32); 5] = [(0, 2), (1, 0), (7, 1), (9, 3), (255, 255)];
const REGS: u32 = uapi::EXTIOI_GRP_REGS;
const SW: u32 = uapi::EXTIOI_GRP_SW_STATUS;
const CTRL: u32 = uapi::EXTIOI_GRP_CTRL;
const ALL_FEATURES: u32 = 0xf;

struct Machine {
    chip: Box<Eiointc>,
    sink: Sink,
}

impl Machine {
    fn new(features: u32) -> Self {
        let mut m = Self {
            chip: Box::new(Eiointc::new()),
            sink: Sink::new(&TOPOLOGY),
        };
        m.set(CTRL, uapi::EXTIOI_CTRL_INIT_NUM_CPU, 256).unwrap();
        m.set(CTRL, uapi::EXTIOI_CTRL_INIT_FEATURE, features)
            .unwrap();
        m
    }

    fn set(&mut self, group: u32, attr: u64, value: u32) -> Result<(), IntcError> {
        self.chip.set_attr(group, attr, value, &mut self.sink)
    }

    fn write(&mut self, id: u8, offset: u64, size: u32, value: u64) {
        self.chip
            .write(vcpu(id), offset, size, value, &mut self.sink);
    }

    fn vector(&mut self, vector: u8, level: bool) {
        self.chip.set_vector(vector, level, &mut self.sink);
    }

    /// Vector shown to a vCPU, as the guest sees it.
    fn shows(&self, id: u8, vector: u8) -> bool {
        let byte = self.chip.read(vcpu(id), 0x400 + u64::from(vector / 8), 1);
        byte >> (vector % 8) & 1 == 1
    }
}

#[test]
fn a_vector_reaches_the_routed_vcpu_and_line() {
    let mut m = Machine::new(0);
    m.write(0, 0x200, 8, u64::MAX); // enable vectors 0-63
    m.write(0, 0xc1, 1, 0b100); // vectors 32-63 on line 2
    m.write(0, 0x800 + 40, 1, 0b10); // vector 40 to CPU 1, vCPU 7
    m.vector(40, true);
    assert_eq!(m.sink.calls, [(vcpu(7), Interrupt::hwi(2), true)]);
    assert!(m.shows(7, 40) && !m.shows(0, 40));
    // Another vCPU's acknowledgement does nothing.
    m.write(0, 0x405, 1, 1);
    assert!(m.shows(7, 40));
    m.write(7, 0x405, 1, 1);
    assert!(m.sink.high.is_empty());
    assert_eq!(m.chip.read(vcpu(0), 0x300, 8), 0);
}

#[test]
fn a_line_stays_high_for_the_last_vector() {
    let mut m = Machine::new(0);
    m.write(0, 0x200, 8, u64::MAX);
    m.vector(3, true);
    m.vector(35, true); // another group, the same line
    assert_eq!(m.sink.calls.len(), 1);
    m.vector(3, false);
    assert!(m.sink.is_high(0, Interrupt::hwi(0)));
    m.vector(35, false);
    assert!(m.sink.high.is_empty());
}

#[test]
fn disabled_vectors_wait_and_moved_ones_follow() {
    let mut m = Machine::new(0);
    m.vector(5, true);
    assert!(m.sink.calls.is_empty());
    m.write(0, 0x200, 1, 1 << 5);
    assert!(m.sink.is_high(0, Interrupt::hwi(0)));
    m.write(0, 0x805, 1, 0b1000); // CPU 3, vCPU 9
    assert!(!m.sink.is_high(0, Interrupt::hwi(0)) && m.sink.is_high(9, Interrupt::hwi(0)));
    m.write(0, 0x200, 1, 0);
    assert!(m.sink.high.is_empty() && !m.shows(9, 5));
}

/// Upstream keeps the latch of a message for ever and delivers it again.
#[test]
fn an_acknowledged_message_does_not_come_again() {
    let mut m = Machine::new(0);
    m.write(0, 0x200, 8, u64::MAX);
    m.write(0, 0x804, 1, 0b1); // CPU 0, vCPU 1
    m.vector(4, true);
    m.write(1, 0x400, 8, 1 << 4);
    m.write(0, 0x804, 1, 0b10);
    m.write(0, 0x200, 8, 0);
    m.write(0, 0x200, 8, u64::MAX);
    assert!(m.sink.high.is_empty());
    m.vector(4, true);
    assert!(m.sink.is_high(7, Interrupt::hwi(0)));
}

/// A vCPU that is reset has forgotten its lines, the controller has not (report 15).
#[test]
fn lines_are_told_again_to_a_vcpu_that_was_reset() {
    let mut m = Machine::new(0);
    m.write(0, 0x200, 8, u64::MAX);
    m.write(0, 0xc0, 1, 4);
    m.write(0, 0x800, 1, 1); // CPU 0, vCPU 1
    m.vector(0, true);
    assert!(m.sink.is_high(1, Interrupt::hwi(2)));
    m.sink.high.clear();
    m.chip.repeat(vcpu(0), &mut m.sink);
    assert!(m.sink.high.is_empty());
    m.chip.repeat(vcpu(1), &mut m.sink);
    assert_eq!(m.sink.high.len(), 1);
    assert!(m.sink.is_high(1, Interrupt::hwi(2)));
}

/// Linux before 7.3 indexes eight bitmaps with such a byte (report 18).
#[test]
fn encoded_lines_beyond_the_eight_are_line_0() {
    let mut m = Machine::new(ALL_FEATURES);
    let config = reg::ENABLED | reg::INT_ENCODE;
    m.chip.virt_write(4, 4, config.into(), &mut m.sink);
    m.write(0, 0x200, 8, u64::MAX);
    m.vector(0, true); // CPU 0, vCPU 1

    // The line follows the map, also up and down across the last one.
    for (byte, line) in [
        (7, 7),
        (8, 0),
        (9, 0),
        (12, 0),
        (0x80, 0),
        (0xff, 0),
        (5, 5),
    ] {
        m.write(0, 0xc0, 1, byte);
        assert_eq!(m.sink.high.len(), 1, "byte {byte:#x}");
        assert!(m.sink.is_high(1, Interrupt::hwi(line)), "byte {byte:#x}");
    }
}

/// The byte is saved as it was written, and means the same line after that.
#[test]
fn a_line_beyond_the_eight_is_restored_as_line_0() {
    for byte in [8u32, 9, 0xff] {
        let mut m = Machine::new(ALL_FEATURES);
        let config = reg::ENABLED | reg::INT_ENCODE;
        m.chip.virt_write(4, 4, config.into(), &mut m.sink);
        m.write(0, 0x200, 8, u64::MAX);
        m.write(0, 0xc0, 1, byte.into());
        m.vector(0, true);
        assert_eq!(m.chip.get_attr(REGS, 0xc0), Ok(byte));
        let mut copy = Machine::new(ALL_FEATURES);
        for attr in saved_attrs() {
            let value = m.chip.get_attr(REGS, attr).unwrap();
            copy.set(REGS, attr, value).unwrap();
        }
        let state = m.chip.get_attr(SW, uapi::EXTIOI_SW_STATUS_STATE).unwrap();
        copy.set(SW, uapi::EXTIOI_SW_STATUS_STATE, state).unwrap();
        copy.set(CTRL, uapi::EXTIOI_CTRL_LOAD_FINISHED, 0).unwrap();
        assert_eq!(copy.chip.get_attr(REGS, 0xc0), Ok(byte));
        assert_eq!(copy.sink.high.len(), 1);
        assert!(copy.sink.is_high(1, Interrupt::hwi(0)));
    }
}

#[test]
fn extension_obeys_its_rules() {
    let mut m =
        Machine::new(reg::HAS_VIRT_EXTENSION | reg::HAS_ENABLE_OPTION | reg::HAS_CPU_ENCODE);
    assert_eq!(m.chip.virt_read(0, 4), 0b1011);
    assert_eq!(m.chip.virt_read(4, 4), 0);
    m.write(0, 0x200, 8, u64::MAX);
    m.write(0, 0x807, 1, 0xff); // bitmap: CPU 0, vCPU 1
    m.vector(7, true);
    assert!(m.sink.is_high(1, Interrupt::hwi(0)));
    m.chip.virt_write(4, 4, u64::MAX, &mut m.sink);
    assert_eq!(m.chip.virt_read(4, 4), 0b1011);
    // Now the byte is CPU number 255.
    assert!(m.sink.is_high(255, Interrupt::hwi(0)));
    assert_eq!(m.sink.high.len(), 1);
    // Enabled: only zero is taken.
    m.chip.virt_write(4, 4, 0b1000, &mut m.sink);
    assert_eq!(m.chip.virt_read(0, 8), 0b1011 << 32 | 0b1011);
    m.chip.virt_write(0, 4, 0, &mut m.sink);
    assert_eq!(m.chip.virt_read(4, 4), 0b1011);
    m.chip.virt_write(4, 4, 0, &mut m.sink);
    assert_eq!(m.chip.virt_read(4, 4), 0);
    assert_eq!(m.chip.virt_read(8, 8), 0);
    m.chip.virt_write(8, 8, u64::MAX, &mut m.sink);
    assert_eq!(m.chip.virt_read(0, 3), 0);
}

#[test]
fn attributes_follow_upstream() {
    let mut m = Machine::new(0);
    let size = Eiointc::attr_size;
    assert_eq!(size(CTRL, 0, true), Ok(4));
    assert_eq!(size(CTRL, 3, true), Ok(0));
    assert_eq!(size(CTRL, 2, true), Err(IntcError::Attribute));
    assert_eq!(size(CTRL, 0, false), Err(IntcError::Group));
    assert_eq!(size(REGS, 0, true), Ok(4));
    assert_eq!(size(0, 0, true), Err(IntcError::Group));
    assert_eq!(m.set(CTRL, 0, 257), Err(IntcError::Value));
    assert_eq!(m.set(CTRL, 0, 2), Ok(()));
    assert_eq!(m.set(CTRL, 9, 2), Err(IntcError::Attribute));
    assert_eq!(m.set(REGS, 1 << 16 | 0x400, 1), Ok(()));
    assert_eq!(m.set(REGS, 2 << 16 | 0x400, 1), Err(IntcError::Vcpu));
    assert_eq!(m.set(REGS, 0x8000_0400, 1), Err(IntcError::Vcpu));
    assert_eq!(m.chip.get_attr(REGS, 2 << 16 | 0x400), Err(IntcError::Vcpu));
    for bad in [0, 0x9c, 0xc8, 0x220, 0x320, 0x420, 0x7fc, 0x900, 0xffff] {
        assert_eq!(m.set(REGS, bad, 1), Err(IntcError::Attribute), "{bad:#x}");
        assert_eq!(m.chip.get_attr(REGS, bad), Err(IntcError::Attribute));
    }
    // NUM_CPU and FEATURE are read-only, without an error.
    assert_eq!(m.set(SW, 0, 77), Ok(()));
    assert_eq!(m.set(SW, 1, 77), Ok(()));
    assert_eq!(m.chip.get_attr(SW, 0), Ok(2));
    assert_eq!(m.chip.get_attr(SW, 1), Ok(0));
    assert_eq!(m.chip.get_attr(SW, 2), Ok(reg::ENABLED));
    assert_eq!(m.set(SW, 3, 0), Err(IntcError::Attribute));
    assert_eq!(m.chip.get_attr(CTRL, 0), Err(IntcError::Group));
    assert_eq!(m.set(7, 0, 0), Err(IntcError::Group));
    // Any byte names its word.
    assert_eq!(m.set(REGS, 0x803, 0x0102_0304), Ok(()));
    assert_eq!(m.chip.get_attr(REGS, 0x801), Ok(0x0102_0304));
}

/// A system reset writes zeroes over everything; no line may stay behind.
#[test]
fn reset_by_user_space_lowers_all_lines() {
    let mut m = Machine::new(0);
    m.write(0, 0x200, 8, u64::MAX);
    m.write(0, 0x801, 1, 0b10);
    m.vector(0, true);
    m.vector(1, true);
    for offset in (0xa0..0x900).step_by(4) {
        let _ = m.set(REGS, offset, 0);
    }
    for (id, _) in TOPOLOGY {
        m.set(REGS, u64::from(id) << 16 | 0x400, 0).unwrap();
    }
    assert_eq!(m.sink.high.len(), 2);
    m.set(CTRL, 3, 0).unwrap();
    assert!(m.sink.high.is_empty());
}

/// A bit that only user space can have set in a vCPU which the vector is not
/// routed to.
#[test]
fn a_stray_bit_is_acknowledged_alone() {
    let mut m = Machine::new(0);
    m.write(0, 0x200, 8, u64::MAX);
    m.vector(0, true);
    m.set(REGS, 7 << 16 | 0x400, 1).unwrap();
    m.write(7, 0x400, 1, 1);
    assert!(!m.shows(7, 0) && m.shows(0, 0));
    assert_eq!(m.chip.read(vcpu(0), 0x300, 1), 1);
}

/// Lines that stay high are told again: the vCPU may have been reset.
#[test]
fn load_finished_repeats_high_lines() {
    let mut m = Machine::new(0);
    m.write(0, 0x200, 8, u64::MAX);
    m.vector(0, true);
    m.sink.high.clear();
    m.set(CTRL, 3, 0).unwrap();
    assert!(m.sink.is_high(0, Interrupt::hwi(0)));
}

#[test]
fn lines_of_a_vcpu_to_come_are_told_when_it_is_there() {
    let mut m = Machine::new(0);
    m.sink = Sink::default();
    m.write(0, 0x200, 8, u64::MAX);
    m.vector(0, true);
    m.sink = Sink::new(&[(0, 0)]);
    m.set(REGS, 0x400, 1).unwrap();
    m.set(CTRL, 3, 0).unwrap();
    assert!(m.sink.is_high(0, Interrupt::hwi(0)));
}

/// What QEMU's hw/intc/loongarch_extioi_kvm.c saves, in its order.
fn saved_attrs() -> Vec<u64> {
    let block = |start: u64, size: u64| (start..start + size).step_by(4);
    let mut attrs: Vec<u64> = block(0xa0, 0x20)
        .chain(block(0xc0, 8))
        .chain(block(0x200, 0x20))
        .chain(block(0x280, 0x20))
        .chain(block(0x300, 0x20))
        .chain(block(0x800, 0x100))
        .collect();
    attrs.extend((0..256u64).flat_map(|cpu| block(cpu << 16 | 0x400, 0x20)));
    attrs
}

/// The chip vector by vector, on bytes.
struct Naive {
    mem: Vec<u8>,
    isr: [bool; 256],
    shown: Vec<[bool; 256]>,
    target: [usize; 256],
    features: u32,
    status: u32,
}

impl Naive {
    fn new(features: u32) -> Self {
        Self {
            mem: vec![0; 0x900],
            isr: [false; 256],
            shown: vec![[false; 256]; TOPOLOGY.len()],
            target: [0; 256],
            features,
            status: if features & 1 == 0 { 2 } else { 0 },
        }
    }

    fn enabled(&self, v: usize) -> bool {
        self.mem[0x200 + v / 8] >> (v % 8) & 1 == 1
    }

    fn reroute(&mut self, v: usize) {
        let byte = self.mem[0x800 + v];
        let cpu = match byte {
            _ if self.status & 8 != 0 => u32::from(byte),
            b if b & 1 != 0 => 0,
            b if b & 2 != 0 => 1,
            b if b & 4 != 0 => 2,
            b if b & 8 != 0 => 3,
            _ => 0,
        };
        let Some(to) = TOPOLOGY.iter().position(|t| t.1 == cpu) else {
            return;
        };
        if to != self.target[v] {
            self.shown[self.target[v]][v] = false;
            self.target[v] = to;
            self.shown[to][v] = self.isr[v] && self.enabled(v);
        }
    }

    fn write_byte(&mut self, who: usize, at: u64, byte: u8) {
        let Ok(at) = usize::try_from(at) else { return };
        match at {
            0xa0..=0xc7 | 0x280..=0x29f => self.mem[at] = byte,
            0x200..=0x21f => {
                for bit in 0..8 {
                    let v = (at - 0x200) * 8 + bit;
                    let was = self.enabled(v);
                    let is = byte >> bit & 1 == 1;
                    if was && !is {
                        self.shown[self.target[v]][v] = false;
                    } else if is && !was {
                        self.shown[self.target[v]][v] |= self.isr[v];
                    }
                }
                self.mem[at] = byte;
            }
            0x400..=0x41f => {
                for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                    let v = (at - 0x400) * 8 + bit;
                    if self.shown[who][v] {
                        self.shown[who][v] = false;
                        self.isr[v] = false;
                    }
                }
            }
            0x800..=0x8ff => {
                self.mem[at] = byte;
                // A write tries all eight routes of its register again.
                for v in 0..8 {
                    self.reroute(((at - 0x800) & !7) + v);
                }
            }
            _ => {}
        }
    }

    fn vector(&mut self, v: usize, level: bool) {
        self.isr[v] = level;
        self.shown[self.target[v]][v] = level && (self.enabled(v) || self.shown[self.target[v]][v]);
    }

    fn config(&mut self, config: u32) {
        if self.status & 2 == 0 || config == 0 {
            self.status = config & self.features;
            (0..256).for_each(|v| self.reroute(v));
        }
    }

    fn line(&self, v: usize) -> u8 {
        let byte = self.mem[0xc0 + v / 32];
        match byte {
            line @ 0..8 if self.status & 4 != 0 => line,
            _ if self.status & 4 != 0 => 0,
            b if b & 1 != 0 => 0,
            b if b & 2 != 0 => 1,
            b if b & 4 != 0 => 2,
            b if b & 8 != 0 => 3,
            _ => 0,
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Write(usize, u64, u32, u64),
    Vector(u8, bool),
    Virt(u64, u32, u64),
}

fn op() -> impl Strategy<Value = Op> {
    let offset = prop_oneof![
        // Few vectors, so that things meet.
        Just(0x200u64),
        Just(0x204),
        Just(0x21f),
        Just(0xc0),
        Just(0xc1),
        Just(0xc7),
        Just(0x400),
        Just(0x404),
        Just(0x41f),
        Just(0x800),
        Just(0x802),
        Just(0x827),
        Just(0x8ff),
        0u64..0x910,
        any::<u64>(),
    ];
    let size = prop_oneof![8 => (0u32..4).prop_map(|log| 1u32 << log), 1 => any::<u32>()];
    let value = prop_oneof![any::<u64>(), Just(u64::MAX), Just(0u64), 0u64..16];
    let vector = prop_oneof![
        Just(0u8),
        Just(2),
        Just(32),
        Just(39),
        Just(255),
        any::<u8>()
    ];
    let virt = (
        prop_oneof![Just(4u64), Just(0u64), 0u64..16],
        0u32..9,
        any::<u64>(),
    );
    prop_oneof![
        4 => (0..TOPOLOGY.len(), offset, size, value).prop_map(|(w, o, s, v)| Op::Write(w, o, s, v)),
        4 => (vector, any::<bool>()).prop_map(|(v, l)| Op::Vector(v, l)),
        1 => virt.prop_map(|(o, s, v)| Op::Virt(o, s, v)),
    ]
}

fn apply(m: &mut Machine, op: &Op) {
    match *op {
        Op::Write(who, offset, size, value) => m.write(TOPOLOGY[who].0, offset, size, value),
        Op::Vector(vector, level) => m.vector(vector, level),
        Op::Virt(offset, size, value) => m.chip.virt_write(offset, size, value, &mut m.sink),
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(
        features in 0u32..16,
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut m = Machine::new(features);
        let mut naive = Naive::new(features);
        for op in ops {
            apply(&mut m, &op);
            match op {
                Op::Write(who, offset, size @ (1 | 2 | 4 | 8), value) if offset % u64::from(size) == 0 => {
                    for byte in 0..size as usize {
                        naive.write_byte(who, offset + byte as u64, value.to_le_bytes()[byte]);
                    }
                }
                Op::Vector(vector, level) => naive.vector(vector.into(), level),
                Op::Virt(offset @ (0 | 4), size, value) if size == 4 && offset == 4 || size == 8 && offset == 0 => {
                    naive.config((value >> (32 * u32::from(size == 8))) as u32);
                }
                // Parts of the configuration are written by byte.
                Op::Virt(offset @ 4..=7, size @ (1 | 2), value) if offset % u64::from(size) == 0 => {
                    let mut bytes = naive.status.to_le_bytes();
                    let at = offset as usize - 4;
                    bytes[at..at + size as usize].copy_from_slice(&value.to_le_bytes()[..size as usize]);
                    naive.config(u32::from_le_bytes(bytes));
                }
                _ => {}
            }
            prop_assert_eq!(m.chip.virt_read(4, 4), u64::from(naive.status));
            for (who, &(id, _)) in TOPOLOGY.iter().enumerate() {
                for line in 0..8 {
                    let expected = (0..256).any(|v| naive.shown[who][v] && naive.line(v) == line);
                    prop_assert_eq!(m.sink.is_high(id, Interrupt::hwi(line)), expected, "vCPU {} line {}", id, line);
                }
                for v in 0..=255u8 {
                    prop_assert_eq!(m.shows(id, v), naive.shown[who][usize::from(v)]);
                }
            }
            for v in 0..256 {
                let isr = m.chip.read(vcpu(0), 0x300 + v / 8, 1) >> (v % 8) & 1 == 1;
                prop_assert_eq!(isr, naive.isr[v as usize]);
                // Shown to one vCPU at most, the routed one, and only if enabled.
                let v = v as usize;
                let shown: Vec<_> = (0..TOPOLOGY.len()).filter(|&who| naive.shown[who][v]).collect();
                prop_assert!(shown.is_empty() || shown == [naive.target[v]]);
                prop_assert!(shown.is_empty() || naive.enabled(v));
            }
            for at in (0xa0..0xc8).chain(0x200..0x220).chain(0x280..0x2a0).chain(0x800..0x900) {
                prop_assert_eq!(m.chip.read(vcpu(0), at as u64, 1), u64::from(naive.mem[at]));
            }
            prop_assert_eq!(m.chip.read(vcpu(0), 0x201, 2), 0);
        }
    }

    /// What is saved and restored into a new VM is the same chip with the same
    /// lines. Routes are bitmaps here: an encoded route that leads nowhere
    /// leaves a target that no register tells.
    #[test]
    fn restores_what_was_saved(
        features in (0u32..8).prop_map(|features| features & !8),
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut m = Machine::new(features);
        // All routes start where a new chip's do not lead.
        for at in (0..0x100).step_by(8) {
            m.write(0, 0x800 + at, 8, 0);
        }
        for op in &ops {
            apply(&mut m, op);
        }
        let mut copy = Machine::new(features);
        for attr in saved_attrs() {
            let value = m.chip.get_attr(REGS, attr).unwrap();
            copy.set(REGS, attr, value).unwrap();
        }
        let status = m.chip.get_attr(SW, 2).unwrap();
        copy.set(SW, 2, status).unwrap();
        copy.set(CTRL, 3, 0).unwrap();
        prop_assert!(copy.chip == m.chip);
        prop_assert_eq!(&copy.sink.high, &m.sink.high);
    }
}
