// SPDX-License-Identifier: GPL-2.0

//! The 7A1000 bridge's interrupt controller: 64 pins that become EIOINTC
//! vectors (7A1000 manual, "Interrupt controller"; Linux kvm/intc/pch_pic.c).
//!
//! * A pin's level is "asserted or not", as the VMM's devices see it; so the
//!   polarity register is stored and inverts nothing, as in upstream.
//! * A level pin requests while it is asserted; an edge pin from an assertion
//!   until the guest writes CLEAR.
//! * A request is sent on while its pin is not masked: sending raises the
//!   pin's vector, and the end of the request *or masking it* lowers it
//!   (upstream leaves the vector up when the pin is masked). Unmasking sends
//!   a request again.
//! * Pins may share a vector, and a pin's vector may change while it is up;
//!   a vector falls when the last pin that holds it does.

use super::routing::Pin;
use super::{uapi, Access, IntcError, Vectors};
use la_arch::pch_pic as reg;

/// Pins that the identification register announces and that have a route and
/// a vector after reset (Linux `kvm_pch_pic_create`).
const ANNOUNCED_PINS: u64 = 32;

/// The controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PchPic {
    base: Option<u64>,
    mask: u64,
    htmsi_en: u64,
    edge: u64,
    auto_ctrl: [u64; 2],
    polarity: u64,
    /// Eight pins a word.
    route: [u64; 8],
    /// Eight pins a word.
    vector: [u64; 8],
    /// Pins that the VMM asserts.
    vmm: u64,
    /// Pins that resampling irqfds assert.
    resamplers: u64,
    /// Pins that were asserted when the state was saved, which does not say by what: they are
    /// until anything takes its level back.
    restored: u64,
    isr: u64,
}

/// What changes a pin. Each has a level of its own: a pin that several devices share is asserted
/// while any of them asserts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The VMM: KVM_IRQ_LINE, and an irqfd whose end the VMM learns of in other ways.
    Vmm,
    /// An irqfd with a resampler (KVM_IRQFD_FLAG_RESAMPLE): KVM takes its level back when the guest
    /// has handled it, and the VMM's must stay then.
    Resampler,
}

impl Default for PchPic {
    fn default() -> Self {
        Self::new()
    }
}

impl PchPic {
    /// The state after reset: all pins masked.
    pub const fn new() -> Self {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const COUNT: u64 = 0x0706_0504_0302_0100;
        Self {
            base: None,
            mask: u64::MAX,
            htmsi_en: 0,
            edge: 0,
            auto_ctrl: [0; 2],
            polarity: 0,
            route: [ONES, ONES, ONES, ONES, 0, 0, 0, 0],
            vector: [
                COUNT,
                COUNT + 8 * ONES,
                COUNT + 16 * ONES,
                COUNT + 24 * ONES,
                0,
                0,
                0,
                0,
            ],
            vmm: 0,
            resamplers: 0,
            restored: 0,
            isr: 0,
        }
    }

    /// Where user space put the registers; `None` before CTRL_INIT.
    pub const fn base(&self) -> Option<u64> {
        self.base
    }

    /// The pins that request: IRR.
    const fn requests(&self) -> u64 {
        self.vmm | self.resamplers | self.restored
    }

    /// Changes the level that a source gives a pin. From any context.
    pub fn set_pin(&mut self, pin: Pin, source: Source, level: bool, fx: &mut impl Vectors) {
        let pin = bit(pin.get().into());
        let levels = match source {
            Source::Vmm => &mut self.vmm,
            Source::Resampler => &mut self.resamplers,
        };
        if level {
            *levels |= pin;
        } else if self.edge & pin == 0 {
            *levels &= !pin;
            self.restored &= !pin;
        }
        // An assertion is sent again even if the last one was: it may be a
        // new edge, or a level that the EIOINTC has acknowledged.
        self.send(pin, level, fx);
    }

    /// Makes the vectors of `pins` follow their requests; `again` raises
    /// those that are up already.
    fn send(&mut self, pins: u64, again: bool, fx: &mut impl Vectors) {
        let wanted = self.requests() & !self.mask;
        for pin in bits(pins & self.isr & !wanted) {
            self.isr &= !bit(pin);
            self.drop_vector(self.vector_of(pin), fx);
        }
        let raised = pins & wanted & if again { u64::MAX } else { !self.isr };
        self.isr |= raised;
        for pin in bits(raised) {
            fx.set_vector(self.vector_of(pin), true);
        }
    }

    /// Lowers a vector unless another pin holds it.
    fn drop_vector(&self, vector: u8, fx: &mut impl Vectors) {
        if !bits(self.isr).any(|pin| self.vector_of(pin) == vector) {
            fx.set_vector(vector, false);
        }
    }

    /// The vector of pin 0 to 63.
    fn vector_of(&self, pin: u32) -> u8 {
        byte_of(&self.vector, pin)
    }

    /// Changes the vectors of the eight pins of a word, moving those that are
    /// up.
    fn set_vectors(&mut self, word: usize, vectors: u64, fx: &mut impl Vectors) {
        let Some(old) = self.vector.get(word).copied() else {
            return;
        };
        let moved = (0..8u32)
            .filter(|byte| ((old ^ vectors) >> (8 * byte)) & 0xff != 0)
            .fold(0u64, |pins, byte| pins | bit((word as u32) << 3 | byte))
            & self.isr;
        for pin in bits(moved) {
            self.isr &= !bit(pin);
            self.drop_vector(self.vector_of(pin), fx);
        }
        if let Some(slot) = self.vector.get_mut(word) {
            *slot = vectors;
        }
        self.send(moved, false, fx);
    }

    /// Reads at `offset` from the base (see the [module](super)).
    pub fn read(&self, offset: u64, size: u32) -> u64 {
        let Some(access) = Access::new(offset, size) else {
            return 0;
        };
        let register = match access.register() {
            reg::ID => {
                reg::ID_TYPE << reg::ID_TYPE_SHIFT
                    | reg::ID_VERSION << reg::ID_VERSION_SHIFT
                    | (ANNOUNCED_PINS - 1) << reg::ID_PINS_SHIFT
            }
            reg::MASK => self.mask,
            reg::HTMSI_EN => self.htmsi_en,
            reg::EDGE => self.edge,
            reg::IRR => self.requests(),
            reg::ISR => self.isr,
            reg::POLARITY => self.polarity,
            register => match byte_register(register) {
                Some((Bytes::Route, word)) => self.route.get(word).copied().unwrap_or(0),
                Some((Bytes::Vector, word)) => self.vector.get(word).copied().unwrap_or(0),
                // AUTO_CTRL too: fixed distribution is the one mode there is.
                None => 0,
            },
        };
        access.extract(register)
    }

    /// Writes at `offset` from the base (see the [module](super)). AUTO_CTRL
    /// and ROUTE have one value that works and are read-only, as in upstream.
    pub fn write(&mut self, offset: u64, size: u32, value: u64, fx: &mut impl Vectors) {
        let Some(access) = Access::new(offset, size) else {
            return;
        };
        match access.register() {
            reg::MASK => {
                let unmasked = self.mask & !access.merge(self.mask, value);
                self.mask = access.merge(self.mask, value);
                self.send(unmasked, true, fx);
                self.send(self.mask, false, fx);
            }
            reg::HTMSI_EN => self.htmsi_en = access.merge(self.htmsi_en, value),
            reg::EDGE => self.edge = access.merge(self.edge, value),
            reg::POLARITY => self.polarity = access.merge(self.polarity, value),
            reg::CLEAR => {
                let ended = self.requests() & self.edge & access.place(value);
                self.vmm &= !ended;
                self.resamplers &= !ended;
                self.restored &= !ended;
                self.send(ended, false, fx);
            }
            register => {
                if let Some((Bytes::Vector, word)) = byte_register(register) {
                    let old = self.vector.get(word).copied().unwrap_or(0);
                    self.set_vectors(word, access.merge(old, value), fx);
                }
            }
        }
    }

    /// How many bytes user space passes with an attribute.
    ///
    /// # Errors
    ///
    /// [`IntcError::Group`], [`IntcError::Attribute`].
    pub fn attr_size(group: u32, attr: u64, write: bool) -> Result<usize, IntcError> {
        match group {
            uapi::PCH_PIC_GRP_CTRL if write => match attr {
                uapi::PCH_PIC_CTRL_INIT => Ok(8),
                _ => Err(IntcError::Attribute),
            },
            uapi::PCH_PIC_GRP_REGS => Attr::decode(attr).map(Attr::size),
            _ => Err(IntcError::Group),
        }
    }

    /// Reads a register for user space.
    ///
    /// # Errors
    ///
    /// Those of [`PchPic::attr_size`].
    pub fn get_attr(&self, group: u32, attr: u64) -> Result<u64, IntcError> {
        Self::attr_size(group, attr, false)?;
        Ok(match Attr::decode(attr)? {
            Attr::Mask => self.mask,
            Attr::HtmsiEn => self.htmsi_en,
            Attr::Edge => self.edge,
            Attr::AutoCtrl0 => self.auto_ctrl[0],
            Attr::AutoCtrl1 => self.auto_ctrl[1],
            Attr::Route(pin) => byte_of(&self.route, pin).into(),
            Attr::Vector(pin) => byte_of(&self.vector, pin).into(),
            Attr::Irr => self.requests(),
            Attr::Isr => self.isr,
            Attr::Polarity => self.polarity,
        })
    }

    /// Writes a register for user space, or with CTRL_INIT sets the base, which
    /// the caller then registers [`reg::SIZE`] bytes at. A restored register
    /// moves nothing: the EIOINTC's state is restored too.
    ///
    /// # Errors
    ///
    /// Those of [`PchPic::attr_size`]; [`IntcError::Value`] if the base was
    /// set before or the registers would wrap around the address space.
    pub fn set_attr(&mut self, group: u32, attr: u64, value: u64) -> Result<(), IntcError> {
        Self::attr_size(group, attr, true)?;
        if group == uapi::PCH_PIC_GRP_CTRL {
            if self.base.is_some() || value.checked_add(reg::SIZE).is_none() {
                return Err(IntcError::Value);
            }
            self.base = Some(value);
            return Ok(());
        }
        match Attr::decode(attr)? {
            Attr::Mask => self.mask = value,
            Attr::HtmsiEn => self.htmsi_en = value,
            Attr::Edge => self.edge = value,
            Attr::AutoCtrl0 => self.auto_ctrl[0] = value,
            Attr::AutoCtrl1 => self.auto_ctrl[1] = value,
            Attr::Route(pin) => set_byte(&mut self.route, pin, value as u8),
            Attr::Vector(pin) => set_byte(&mut self.vector, pin, value as u8),
            Attr::Irr => (self.vmm, self.resamplers, self.restored) = (0, 0, value),
            Attr::Isr => self.isr = value,
            Attr::Polarity => self.polarity = value,
        }
        Ok(())
    }

    /// Takes the base back after registering it failed.
    pub fn forget_base(&mut self) {
        self.base = None;
    }
}

/// The two blocks of one byte a pin.
enum Bytes {
    Route,
    Vector,
}

/// The block and word at a register's offset.
fn byte_register(register: u64) -> Option<(Bytes, usize)> {
    let word = |start: u64| {
        let at = register.checked_sub(start)?;
        (at < reg::BYTES_SIZE).then_some((at >> 3) as usize)
    };
    word(reg::ROUTE)
        .map(|word| (Bytes::Route, word))
        .or_else(|| word(reg::HTMSI_VECTOR).map(|word| (Bytes::Vector, word)))
}

/// Byte `pin` of eight words.
fn byte_of(words: &[u64; 8], pin: u32) -> u8 {
    let word = words.get((pin >> 3) as usize).copied().unwrap_or(0);
    (word >> (8 * (pin & 7))) as u8
}

fn set_byte(words: &mut [u64; 8], pin: u32, byte: u8) {
    if let Some(word) = words.get_mut((pin >> 3) as usize) {
        let shift = 8 * (pin & 7);
        *word = (*word & !(0xff << shift)) | u64::from(byte) << shift;
    }
}

/// The bit of pin 0 to 63.
const fn bit(pin: u32) -> u64 {
    1 << (pin & 63)
}

/// The numbers of the set bits, lowest first.
fn bits(mut set: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let lowest = (set != 0).then(|| set.trailing_zeros())?;
        set &= set.wrapping_sub(1);
        Some(lowest)
    })
}

/// A register that user space can get and set.
#[derive(Clone, Copy)]
enum Attr {
    Mask,
    HtmsiEn,
    Edge,
    AutoCtrl0,
    AutoCtrl1,
    Route(u32),
    Vector(u32),
    Irr,
    Isr,
    Polarity,
}

impl Attr {
    /// Only a register's own offset names it (Linux `kvm_pch_pic_regs_access`,
    /// which drops the upper half of the attribute).
    fn decode(attr: u64) -> Result<Self, IntcError> {
        let offset = attr & 0xffff_ffff;
        let pin = |start: u64| {
            let pin = offset.checked_sub(start)?;
            (pin < reg::BYTES_SIZE).then_some(pin as u32)
        };
        Ok(match offset {
            reg::MASK => Self::Mask,
            reg::HTMSI_EN => Self::HtmsiEn,
            reg::EDGE => Self::Edge,
            reg::AUTO_CTRL0 => Self::AutoCtrl0,
            reg::AUTO_CTRL1 => Self::AutoCtrl1,
            reg::IRR => Self::Irr,
            reg::ISR => Self::Isr,
            reg::POLARITY => Self::Polarity,
            _ => pin(reg::ROUTE)
                .map(Self::Route)
                .or_else(|| pin(reg::HTMSI_VECTOR).map(Self::Vector))
                .ok_or(IntcError::Attribute)?,
        })
    }

    const fn size(self) -> usize {
        match self {
            Self::Route(_) | Self::Vector(_) => 1,
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests;
