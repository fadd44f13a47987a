// SPDX-License-Identifier: GPL-2.0

//! Tests of the PCH-PIC.

use super::super::eiointc::Eiointc;
use super::super::testing::{vcpu, Sink, VectorSink};
use super::*;
use la_arch::Interrupt;
use proptest::prelude::*;

const REGS: u32 = uapi::PCH_PIC_GRP_REGS;
const CTRL: u32 = uapi::PCH_PIC_GRP_CTRL;

fn pin(number: u32) -> Pin {
    Pin::new(number).unwrap()
}

#[test]
fn reset_state_is_upstreams() {
    let pic = PchPic::new();
    assert_eq!(pic.read(0, 8), 0x001f_0001_0700_0000);
    assert_eq!(pic.read(4, 4), 0x001f_0001);
    assert_eq!(pic.read(0x20, 8), u64::MAX);
    for n in 0..64u64 {
        let (route, vector) = if n < 32 { (1, n) } else { (0, 0) };
        assert_eq!(pic.read(0x100 + n, 1), route);
        assert_eq!(pic.read(0x200 + n, 1), vector);
    }
    assert_eq!(pic.base(), None);
}

#[test]
fn level_pins_follow_and_masked_pins_are_silent() {
    let mut pic = PchPic::new();
    let mut fx = VectorSink::default();
    pic.set_pin(pin(3), Source::Vmm, true, &mut fx);
    assert!(fx.calls.is_empty());
    assert_eq!(pic.read(0x380, 8), 1 << 3);
    pic.write(0x20, 4, !(1 << 3), &mut fx);
    assert_eq!(fx.calls, [(3, true)]);
    assert_eq!(pic.read(0x3a0, 8), 1 << 3);
    // Masking takes the vector back, unmasking sends it again.
    pic.write(0x20, 1, 0xff, &mut fx);
    assert!(fx.up.is_empty());
    pic.write(0x20, 8, 0, &mut fx);
    assert!(fx.up.contains(&3));
    pic.set_pin(pin(3), Source::Vmm, false, &mut fx);
    assert!(fx.up.is_empty());
}

#[test]
fn a_restored_request_ends_with_the_level_of_whatever_made_it() {
    for source in [Source::Resampler, Source::Vmm] {
        let mut pic = PchPic::new();
        let mut fx = VectorSink::default();
        pic.set_attr(REGS, 0x380, 1 << 5).unwrap();
        assert_eq!(pic.get_attr(REGS, 0x380), Ok(1 << 5));
        pic.write(0x20, 8, 0, &mut fx);
        assert!(fx.up.contains(&5));
        pic.set_pin(pin(5), source, false, &mut fx);
        assert_eq!(pic.read(0x380, 8), 0);
        assert!(fx.up.is_empty());
    }
    // One of an edge with the guest's word.
    let mut pic = PchPic::new();
    let mut fx = VectorSink::default();
    pic.set_attr(REGS, 0x60, 1 << 5).unwrap();
    pic.set_attr(REGS, 0x380, 1 << 5).unwrap();
    pic.set_pin(pin(5), Source::Vmm, false, &mut fx);
    assert_eq!(pic.read(0x380, 8), 1 << 5);
    pic.write(0x80, 8, 1 << 5, &mut fx);
    assert_eq!(pic.read(0x380, 8), 0);
}

#[test]
fn what_a_resampler_lets_go_stays_if_the_vmm_asserts_it() {
    let mut pic = PchPic::new();
    let mut fx = VectorSink::default();
    pic.write(0x20, 8, 0, &mut fx);
    for (first, second) in [
        (Source::Resampler, Source::Vmm),
        (Source::Vmm, Source::Resampler),
    ] {
        pic.set_pin(pin(5), first, true, &mut fx);
        pic.set_pin(pin(5), second, true, &mut fx);
        pic.set_pin(pin(5), first, false, &mut fx);
        assert!(fx.up.contains(&5) && pic.read(0x380, 8) == 1 << 5);
        pic.set_pin(pin(5), second, false, &mut fx);
        assert!(fx.up.is_empty() && pic.read(0x380, 8) == 0);
    }
}

#[test]
fn edge_pins_stay_until_cleared() {
    let mut pic = PchPic::new();
    let mut fx = VectorSink::default();
    pic.write(0x60, 8, 1 << 8, &mut fx);
    pic.write(0x20, 8, 0, &mut fx);
    pic.set_pin(pin(8), Source::Vmm, true, &mut fx);
    pic.set_pin(pin(8), Source::Vmm, false, &mut fx);
    assert_eq!(fx.calls, [(8, true)]);
    // A second edge is sent, though the first was not cleared.
    pic.set_pin(pin(8), Source::Vmm, true, &mut fx);
    assert_eq!(fx.calls, [(8, true), (8, true)]);
    pic.write(0x81, 1, 1, &mut fx);
    assert!(fx.up.is_empty());
    assert_eq!(pic.read(0x380, 8), 0);
    // CLEAR does nothing to a level pin.
    pic.set_pin(pin(9), Source::Vmm, true, &mut fx);
    pic.write(0x80, 8, u64::MAX, &mut fx);
    assert!(fx.up.contains(&9));
}

#[test]
fn shared_and_changed_vectors_do_not_get_lost() {
    let mut pic = PchPic::new();
    let mut fx = VectorSink::default();
    pic.write(0x20, 8, 0, &mut fx);
    pic.write(0x205, 1, 4, &mut fx); // pin 5 shares vector 4 with pin 4
    pic.set_pin(pin(4), Source::Vmm, true, &mut fx);
    pic.set_pin(pin(5), Source::Vmm, true, &mut fx);
    pic.set_pin(pin(4), Source::Vmm, false, &mut fx);
    assert!(fx.up.contains(&4));
    pic.write(0x205, 1, 200, &mut fx);
    assert_eq!(fx.up.iter().copied().collect::<Vec<_>>(), [200]);
    pic.set_pin(pin(5), Source::Vmm, false, &mut fx);
    assert!(fx.up.is_empty());
}

#[test]
fn attributes_follow_upstream() {
    let mut pic = PchPic::new();
    let size = PchPic::attr_size;
    assert_eq!(size(CTRL, 0, true), Ok(8));
    assert_eq!(size(CTRL, 1, true), Err(IntcError::Attribute));
    assert_eq!(size(CTRL, 0, false), Err(IntcError::Group));
    assert_eq!(size(1, 0, true), Err(IntcError::Group));
    assert_eq!(size(REGS, 0x13f, false), Ok(1));
    assert_eq!(size(REGS, 0x200, true), Ok(1));
    for bad in [0, 4, 0x21, 0x24, 0x80, 0x140, 0x1ff, 0x240, 0x388, 0x3e8] {
        assert_eq!(size(REGS, bad, true), Err(IntcError::Attribute), "{bad:#x}");
        assert_eq!(pic.get_attr(REGS, bad), Err(IntcError::Attribute));
        assert_eq!(pic.set_attr(REGS, bad, 0), Err(IntcError::Attribute));
    }
    assert_eq!(pic.set_attr(CTRL, 0, u64::MAX - 8), Err(IntcError::Value));
    assert_eq!(pic.set_attr(CTRL, 0, 0x1000_0000), Ok(()));
    assert_eq!(pic.base(), Some(0x1000_0000));
    assert_eq!(pic.set_attr(CTRL, 0, 0x2000_0000), Err(IntcError::Value));
    pic.forget_base();
    assert_eq!(pic.set_attr(CTRL, 0, 0x2000_0000), Ok(()));
    assert_eq!(pic.get_attr(CTRL, 0), Err(IntcError::Group));
}

/// What QEMU's hw/intc/loongarch_pic_kvm.c saves, in its order.
fn saved_attrs() -> impl Iterator<Item = u64> {
    [0x20, 0x40, 0x60, 0xc0, 0xe0]
        .into_iter()
        .chain(0x100..0x140)
        .chain(0x200..0x240)
        .chain([0x380, 0x3a0, 0x3e0])
}

/// Joins the two controllers as the module does.
struct Chain<'a> {
    eiointc: &'a mut Eiointc,
    sink: &'a mut Sink,
}

impl Vectors for Chain<'_> {
    fn set_vector(&mut self, vector: u8, level: bool) {
        self.eiointc.set_vector(vector, level, self.sink);
    }
}

/// Linux's handling of a level interrupt whose device asserts on: mask,
/// acknowledge, handle, unmask.
#[test]
fn a_level_that_stays_interrupts_again() {
    let mut pic = PchPic::new();
    let mut eiointc = Box::new(Eiointc::new());
    let mut sink = Sink::new(&[(0, 0), (1, 1)]);
    eiointc.write(vcpu(0), 0x200, 4, u64::MAX, &mut sink);
    eiointc.write(vcpu(0), 0x805, 1, 0b10, &mut sink);
    let mut step = |pic: &mut PchPic, act: &dyn Fn(&mut PchPic, &mut Chain<'_>)| {
        let mut chain = Chain {
            eiointc: &mut eiointc,
            sink: &mut sink,
        };
        act(pic, &mut chain);
        chain.sink.is_high(1, Interrupt::hwi(0))
    };
    assert!(!step(&mut pic, &|p, c| p.set_pin(
        pin(5),
        Source::Vmm,
        true,
        c
    )));
    assert!(step(&mut pic, &|p, c| p.write(0x20, 8, !(1 << 5), c)));
    for _ in 0..3 {
        assert!(!step(&mut pic, &|_, c| c.eiointc.write(
            vcpu(1),
            0x400,
            4,
            1 << 5,
            c.sink
        )));
        assert!(!step(&mut pic, &|p, c| p.write(0x20, 8, u64::MAX, c)));
        assert!(step(&mut pic, &|p, c| p.write(0x20, 8, !(1 << 5), c)));
    }
    // Without masking, the device's next assertion does it.
    step(&mut pic, &|_, c| {
        c.eiointc.write(vcpu(1), 0x400, 4, 1 << 5, c.sink)
    });
    assert!(step(&mut pic, &|p, c| p.set_pin(
        pin(5),
        Source::Vmm,
        true,
        c
    )));
    assert!(!step(&mut pic, &|p, c| p.set_pin(
        pin(5),
        Source::Vmm,
        false,
        c
    )));
}

/// The chip pin by pin: a vector is up if a requesting, unmasked pin has it.
struct Naive {
    pins: Vec<NaivePin>,
    plain: [[u8; 8]; 2],
}

#[derive(Clone)]
struct NaivePin {
    /// Of each source.
    levels: [bool; 2],
    mask: bool,
    edge: bool,
    vector: u8,
}

impl NaivePin {
    fn request(&self) -> bool {
        self.levels.contains(&true)
    }
}

impl Naive {
    fn new() -> Self {
        let pin = |n: u8| NaivePin {
            levels: [false; 2],
            mask: true,
            edge: false,
            vector: if n < 32 { n } else { 0 },
        };
        Self {
            pins: (0..64).map(pin).collect(),
            plain: [[0; 8]; 2],
        }
    }

    fn write_byte(&mut self, at: u64, byte: u8) {
        let first = (at % 8) as usize * 8;
        for (bit, pin) in self.pins.iter_mut().skip(first).take(8).enumerate() {
            let set = byte >> bit & 1 == 1;
            match at {
                0x20..=0x27 => pin.mask = set,
                0x60..=0x67 => pin.edge = set,
                0x80..=0x87 if set && pin.edge => pin.levels = [false; 2],
                _ => {}
            }
        }
        match at {
            0x40..=0x47 => self.plain[0][at as usize - 0x40] = byte,
            0x3e0..=0x3e7 => self.plain[1][at as usize - 0x3e0] = byte,
            0x200..=0x23f => self.pins[at as usize - 0x200].vector = byte,
            _ => {}
        }
    }

    fn up(&self, vector: u8) -> bool {
        self.pins
            .iter()
            .any(|pin| pin.request() && !pin.mask && pin.vector == vector)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Write(u64, u32, u64),
    Pin(u32, Source, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let offset = prop_oneof![
        0x20u64..0x28,
        0x60u64..0x68,
        0x80u64..0x88,
        0x200u64..0x240,
        0u64..0x3f0,
        any::<u64>()
    ];
    let size = prop_oneof![8 => (0u32..4).prop_map(|log| 1u32 << log), 1 => any::<u32>()];
    let value = prop_oneof![any::<u64>(), Just(0u64), Just(u64::MAX)];
    let source = prop_oneof![Just(Source::Vmm), Just(Source::Resampler)];
    prop_oneof![
        (offset, size, value).prop_map(|(o, s, v)| Op::Write(o, s, v)),
        (0u32..64, source, any::<bool>())
            .prop_map(|(pin, source, level)| Op::Pin(pin, source, level)),
    ]
}

fn apply(pic: &mut PchPic, op: &Op, fx: &mut VectorSink) {
    match *op {
        Op::Write(offset, size, value) => pic.write(offset, size, value, fx),
        Op::Pin(number, source, level) => pic.set_pin(pin(number), source, level, fx),
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(ops in prop::collection::vec(op(), 1..100)) {
        let mut pic = PchPic::new();
        let mut fx = VectorSink::default();
        let mut naive = Naive::new();
        for op in ops {
            fx.calls.clear();
            apply(&mut pic, &op, &mut fx);
            match op {
                Op::Write(offset, size @ (1 | 2 | 4 | 8), value) if offset % u64::from(size) == 0 => {
                    for byte in 0..size as usize {
                        naive.write_byte(offset + byte as u64, value.to_le_bytes()[byte]);
                    }
                }
                Op::Write(..) => prop_assert!(fx.calls.is_empty()),
                Op::Pin(number, source, level) => {
                    let pin = &mut naive.pins[number as usize];
                    let own = &mut pin.levels[usize::from(source == Source::Resampler)];
                    *own = level || pin.edge && *own;
                    let sent = (level && !pin.mask).then_some((pin.vector, true));
                    prop_assert!(sent.is_none_or(|sent| fx.calls.contains(&sent)));
                }
            }
            for vector in 0..=255 {
                prop_assert_eq!(fx.up.contains(&vector), naive.up(vector), "vector {}", vector);
            }
            for (n, pin) in naive.pins.iter().enumerate() {
                let bit = |offset: u64| pic.read(offset, 8) >> n & 1 == 1;
                prop_assert_eq!(bit(0x20), pin.mask);
                prop_assert_eq!(bit(0x60), pin.edge);
                prop_assert_eq!(bit(0x380), pin.request());
                prop_assert_eq!(bit(0x3a0), pin.request() && !pin.mask);
                prop_assert_eq!(pic.read(0x200 + n as u64, 1), u64::from(pin.vector));
            }
            prop_assert_eq!(pic.read(0x40, 8), u64::from_le_bytes(naive.plain[0]));
            prop_assert_eq!(pic.read(0x3e0, 8), u64::from_le_bytes(naive.plain[1]));
            prop_assert_eq!(pic.read(0xc0, 8) | pic.read(0xe0, 8) | pic.read(0x21, 2), 0);
        }
    }

    #[test]
    fn restores_what_was_saved(
        ops in prop::collection::vec(op(), 0..60),
        auto: [u64; 2],
        route: u8,
    ) {
        let mut pic = PchPic::new();
        for op in &ops {
            apply(&mut pic, op, &mut VectorSink::default());
        }
        pic.set_attr(REGS, 0xc0, auto[0]).unwrap();
        pic.set_attr(REGS, 0xe0, auto[1]).unwrap();
        pic.set_attr(REGS, 0x123, route.into()).unwrap();
        let mut copy = PchPic::new();
        for attr in saved_attrs() {
            copy.set_attr(REGS, attr, pic.get_attr(REGS, attr).unwrap()).unwrap();
        }
        // All pins are the VMM's now.
        pic.set_attr(REGS, 0x380, pic.get_attr(REGS, 0x380).unwrap()).unwrap();
        prop_assert_eq!(copy, pic);
    }
}
