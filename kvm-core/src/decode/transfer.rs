// SPDX-License-Identifier: GPL-2.0

//! Carrying a decoded load or store through devices, piece by piece.

use super::{extend, Access, Direction, Fpr, Gpr, Operand, Shape};

/// One access to a device, as `struct kvm_run`'s `mmio` wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioRequest {
    /// Guest-physical address.
    pub gpa: u64,
    /// 1, 2, 4 or 8 bytes.
    pub len: u8,
    /// Read or write.
    pub direction: Direction,
    /// For a write the bytes, little endian; the rest is zero.
    pub data: [u8; 8],
}

/// What a completed load puts into a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// All of a general register.
    Gpr {
        /// Which one.
        register: Gpr,
        /// Its new value.
        value: u64,
    },
    /// The low `count` 64-bit lanes of a floating-point or vector register;
    /// the other lanes keep their values.
    Fpr {
        /// Which one.
        register: Fpr,
        /// New lanes, lowest first.
        lanes: [u64; 4],
        /// 1, 2 or 4.
        count: u8,
    },
}

/// A load or store under way: pieces of at most eight bytes, in ascending
/// order, each at a device. It is all that has to be kept across an exit to
/// user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioTransfer {
    access: Access,
    gpa: u64,
    lanes: [u64; 4],
    /// Pieces that are through, 0 to 4.
    done: u8,
}

impl MmioTransfer {
    /// Begins `access` at guest-physical address `gpa`. `register` holds the
    /// 64-bit lanes of the operand, lowest first, of a store; of a general
    /// register only the first counts, and of a load none.
    pub fn new(access: Access, gpa: u64, register: [u64; 4]) -> Self {
        let mut lanes = register;
        if let (Direction::Write, Shape::Element { index }) = (access.direction, access.shape) {
            let bit = u32::from(index).wrapping_mul(u32::from(access.width) * 8);
            let lane = register.get((bit / 64) as usize).copied().unwrap_or(0);
            lanes = [lane >> (bit % 64), 0, 0, 0];
        }
        if access.direction == Direction::Read {
            lanes = [0; 4];
        }
        Self {
            access,
            gpa,
            lanes,
            done: 0,
        }
    }

    fn piece(&self) -> u8 {
        self.access.width.min(8)
    }

    fn pieces(&self) -> u8 {
        (self.access.width / 8).clamp(1, 4)
    }

    /// The access that a device has to do next; `None` once all are done.
    pub fn request(&self) -> Option<MmioRequest> {
        if self.done >= self.pieces() {
            return None;
        }
        let lane = self.lanes.get(usize::from(self.done)).copied()?;
        let data = match self.access.direction {
            Direction::Read => 0,
            Direction::Write => extend(lane, self.piece(), false),
        };
        Some(MmioRequest {
            gpa: self.gpa.wrapping_add(u64::from(self.done) * 8),
            len: self.piece(),
            direction: self.access.direction,
            data: data.to_le_bytes(),
        })
    }

    /// Takes the outcome of the access that [`Self::request`] asked for; of a
    /// read `data` holds the bytes, little endian, of which the first `len`
    /// count.
    pub fn complete(&mut self, data: [u8; 8]) {
        if self.done >= self.pieces() {
            return;
        }
        if self.access.direction == Direction::Read {
            let value = extend(u64::from_le_bytes(data), self.piece(), false);
            if let Some(lane) = self.lanes.get_mut(usize::from(self.done)) {
                *lane = value;
            }
        }
        self.done = self.done.wrapping_add(1);
    }

    /// What to put into which register, once all pieces of a load are done.
    pub fn loaded(&self) -> Option<Loaded> {
        if self.access.direction == Direction::Write || self.done < self.pieces() {
            return None;
        }
        let [low, ..] = self.lanes;
        let width = self.access.width;
        Some(match self.access.operand {
            Operand::Gpr(register) => Loaded::Gpr {
                register,
                value: extend(low, width, self.access.shape == Shape::Signed),
            },
            Operand::Fpr(register) => {
                let (lanes, count) = match self.access.shape {
                    Shape::Replicated { bytes } => ([replicate(low, width); 4], bytes / 8),
                    // A single in a 64-bit register is boxed in a NaN.
                    _ if width == 4 => ([low | !0 << 32, 0, 0, 0], 1),
                    _ => (self.lanes, self.pieces()),
                };
                Loaded::Fpr {
                    register,
                    lanes,
                    count,
                }
            }
        })
    }
}

/// 64 bits of copies of the low `width` bytes of `element`.
fn replicate(element: u64, width: u8) -> u64 {
    match width {
        1 => element.wrapping_mul(0x0101_0101_0101_0101),
        2 => element.wrapping_mul(0x0001_0001_0001_0001),
        4 => element.wrapping_mul(0x0000_0001_0000_0001),
        _ => element,
    }
}
