// SPDX-License-Identifier: GPL-2.0

//! The extended I/O interrupt controller: 256 vectors, each routed to one of
//! the hardware interrupt lines of one vCPU, at IOCSR 0x1400 to 0x1cff, and its
//! paravirtual extension at 0x40000000 (Loongson 3A5000 manual, "Extended I/O
//! interrupts"; Linux kvm/intc/eiointc.c).
//!
//! * A raised vector is latched in ISR. While it is enabled it also shows in
//!   COREISR of the vCPU that it is routed to, until that vCPU acknowledges it
//!   (which ends the latch too, as on hardware: upstream keeps it, and delivers
//!   a message a second time when its route or enable bit changes later) or
//!   the vector is lowered.
//! * A line of a vCPU is high while a vector shows in its COREISR whose group
//!   of 32 is mapped to the line. Lines are derived from COREISR and IPMAP on
//!   every change, so they cannot fall behind.
//! * A route names a guest CPU number. A number that no vCPU has leaves the
//!   vector where it was routed before; after creation that is vCPU 0.
//! * NODETYPE and BOUNCE are stored and change nothing: a guest has one node,
//!   and vectors are not spread. Nothing is gated by the configuration's
//!   ENABLED bit, as in upstream: the VMM owns the chip-wide switch.

mod attr;

use super::{Access, Effects, VcpuId};
use la_arch::eiointc as reg;
use la_arch::Interrupt;

/// 256 bits, one a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bitmap([u64; 4]);

impl Bitmap {
    const EMPTY: Self = Self([0; 4]);

    /// The word of a vector and its bit.
    const fn locate(vector: u8) -> (usize, u64) {
        ((vector >> 6) as usize, 1 << (vector & 63))
    }

    fn get(&self, vector: u8) -> bool {
        let (word, bit) = Self::locate(vector);
        self.word(word) & bit != 0
    }

    fn set(&mut self, vector: u8, value: bool) {
        let (word, bit) = Self::locate(vector);
        let old = self.word(word);
        self.set_word(word, if value { old | bit } else { old & !bit });
    }

    /// Word `index` of four.
    fn word(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    fn set_word(&mut self, index: usize, value: u64) {
        if let Some(word) = self.0.get_mut(index) {
            *word = value;
        }
    }
}

/// The controller of a VM.
///
/// It is about 9 KiB, too much for a kernel stack. Every field is an integer
/// and [`Eiointc::new`] is all zeroes, so allocate it zeroed or copy it from a
/// `static`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eiointc {
    num_cpu: u32,
    features: u32,
    status: u32,
    nodetype: [u64; 4],
    ipmap: u64,
    enable: Bitmap,
    bounce: Bitmap,
    isr: Bitmap,
    coremap: [u64; 32],
    coreisr: [Bitmap; VcpuId::COUNT],
    /// The vCPU that each vector is routed to.
    target: [u8; reg::VECTORS],
    /// The lines of each vCPU as its sink was told last, a bit each.
    lines: [u8; VcpuId::COUNT],
}

impl Default for Eiointc {
    fn default() -> Self {
        Self::new()
    }
}

/// A 64-bit register of the block.
enum Register {
    NodeType(usize),
    IpMap,
    Enable(usize),
    Bounce(usize),
    Isr(usize),
    CoreIsr(usize),
    CoreMap(usize),
}

impl Register {
    /// The register at `offset`, a multiple of eight.
    fn at(offset: u64) -> Option<Self> {
        let index = |start: u64, size: u64| {
            let at = offset.checked_sub(start)?;
            (at < size).then_some((at >> 3) as usize)
        };
        index(reg::NODETYPE, reg::NODETYPE_SIZE)
            .map(Self::NodeType)
            .or_else(|| index(reg::IPMAP, reg::IPMAP_SIZE).map(|_| Self::IpMap))
            .or_else(|| index(reg::ENABLE, reg::BITMAP_SIZE).map(Self::Enable))
            .or_else(|| index(reg::BOUNCE, reg::BITMAP_SIZE).map(Self::Bounce))
            .or_else(|| index(reg::ISR, reg::BITMAP_SIZE).map(Self::Isr))
            .or_else(|| index(reg::COREISR, reg::BITMAP_SIZE).map(Self::CoreIsr))
            .or_else(|| index(reg::COREMAP, reg::COREMAP_SIZE).map(Self::CoreMap))
    }
}

impl Eiointc {
    /// The state after creation: all zeroes.
    pub const fn new() -> Self {
        Self {
            num_cpu: 0,
            features: 0,
            status: 0,
            nodetype: [0; 4],
            ipmap: 0,
            enable: Bitmap::EMPTY,
            bounce: Bitmap::EMPTY,
            isr: Bitmap::EMPTY,
            coremap: [0; 32],
            coreisr: [Bitmap::EMPTY; VcpuId::COUNT],
            target: [0; reg::VECTORS],
            lines: [0; VcpuId::COUNT],
        }
    }

    /// Raises or lowers a vector. From any context.
    pub fn set_vector(&mut self, vector: u8, level: bool, fx: &mut impl Effects) {
        self.isr.set(vector, level);
        if level {
            self.show(vector, fx);
        } else {
            self.hide(vector, fx);
        }
    }

    /// The vCPU that a vector is routed to.
    fn target_of(&self, vector: u8) -> VcpuId {
        VcpuId::from_byte(self.target.get(usize::from(vector)).copied().unwrap_or(0))
    }

    fn core(&self, vcpu: VcpuId) -> &Bitmap {
        self.coreisr.get(vcpu.index()).unwrap_or(&Bitmap::EMPTY)
    }

    /// Shows a vector to its vCPU if it is enabled and the vCPU exists.
    fn show(&mut self, vector: u8, fx: &mut impl Effects) {
        let vcpu = self.target_of(vector);
        if self.enable.get(vector) && fx.contains(vcpu) {
            self.set_core(vcpu, vector, true, fx);
        }
    }

    /// Hides a vector from its vCPU.
    fn hide(&mut self, vector: u8, fx: &mut impl Effects) {
        self.set_core(self.target_of(vector), vector, false, fx);
    }

    fn set_core(&mut self, vcpu: VcpuId, vector: u8, value: bool, fx: &mut impl Effects) {
        if let Some(core) = self.coreisr.get_mut(vcpu.index()) {
            core.set(vector, value);
        }
        self.drive(vcpu, fx);
    }

    /// The line of a group of 32 vectors, 0 to 7. A number beyond the eight
    /// lines is line 0, as since Linux 7.3; of a bitmap the lowest bit counts,
    /// and a bitmap without one of four is line 0.
    fn line_of(&self, group: u32) -> u8 {
        let byte = (self.ipmap >> (8 * (group & 7))) as u8;
        if self.status & reg::INT_ENCODE != 0 {
            match byte {
                line @ 0..=7 => line,
                _ => 0,
            }
        } else {
            match byte.trailing_zeros() {
                line @ 0..=3 => line as u8,
                _ => 0,
            }
        }
    }

    /// The lines that a vCPU's COREISR raises.
    fn derive(&self, vcpu: VcpuId) -> u8 {
        let core = self.core(vcpu);
        (0..8u32)
            .filter(|group| {
                let word = core.word((group >> 1) as usize);
                (word >> (32 * (group & 1))) as u32 != 0
            })
            .fold(0, |lines, group| lines | 1 << (self.line_of(group) & 7))
    }

    /// Tells the sink which lines of a vCPU changed; of one that does not
    /// exist (yet) nothing is told and nothing remembered.
    fn drive(&mut self, vcpu: VcpuId, fx: &mut impl Effects) {
        if !fx.contains(vcpu) {
            return;
        }
        let now = self.derive(vcpu);
        let Some(told) = self.lines.get_mut(vcpu.index()) else {
            return;
        };
        let changed = *told ^ now;
        *told = now;
        for line in (0..8).filter(|line| changed & (1 << line) != 0) {
            fx.set_line(vcpu, Interrupt::hwi(line), now & (1 << line) != 0);
        }
    }

    /// Tells again which lines of a vCPU are high: its reset has forgotten them,
    /// and they are still up.
    pub fn repeat(&self, vcpu: VcpuId, fx: &mut impl Effects) {
        let high = self.lines.get(vcpu.index()).copied().unwrap_or(0);
        for line in (0..8).filter(|line| high & (1 << line) != 0) {
            fx.set_line(vcpu, Interrupt::hwi(line), true);
        }
    }

    /// [`drive`](Self::drive) for all vCPUs.
    fn drive_all(&mut self, fx: &mut impl Effects) {
        for vcpu in 0..=u8::MAX {
            self.drive(VcpuId::from_byte(vcpu), fx);
        }
    }

    /// Calls `act` for each vector of word `index` whose bit is set.
    fn for_each(&mut self, index: usize, mut set: u64, mut act: impl FnMut(&mut Self, u8)) {
        while set != 0 {
            act(self, (index << 6) as u8 | set.trailing_zeros() as u8);
            set &= set.wrapping_sub(1);
        }
    }

    /// The guest CPU number in a route byte. A bitmap's lowest bit counts; one
    /// without any of four is CPU 0.
    fn cpuid_of(&self, route: u8) -> u32 {
        if self.status & reg::CPU_ENCODE != 0 {
            return route.into();
        }
        match route.trailing_zeros() {
            cpu @ 0..=3 => cpu,
            _ => 0,
        }
    }

    /// The vCPU that a vector's route byte leads to, if that exists and is
    /// another than now.
    fn new_target(&self, vector: u8, fx: &impl Effects) -> Option<VcpuId> {
        let word = self.coremap.get(usize::from(vector >> 3)).copied()?;
        let route = (word >> (8 * (vector & 7))) as u8;
        let target = fx.by_cpuid(self.cpuid_of(route))?;
        (target != self.target_of(vector)).then_some(target)
    }

    fn set_target(&mut self, vector: u8, target: VcpuId) {
        if let Some(slot) = self.target.get_mut(usize::from(vector)) {
            *slot = target.get();
        }
    }

    /// Moves a vector to where its route leads, with what is latched.
    fn reroute(&mut self, vector: u8, fx: &mut impl Effects) {
        if let Some(target) = self.new_target(vector, fx) {
            self.hide(vector, fx);
            self.set_target(vector, target);
            if self.isr.get(vector) {
                self.show(vector, fx);
            }
        }
    }

    /// Reads at `offset` from IOCSR 0x1400 as `vcpu` (see the [module](super)).
    pub fn read(&self, vcpu: VcpuId, offset: u64, size: u32) -> u64 {
        let Some(access) = Access::new(offset, size) else {
            return 0;
        };
        let register = match Register::at(access.register()) {
            Some(Register::NodeType(i)) => self.nodetype.get(i).copied().unwrap_or(0),
            Some(Register::IpMap) => self.ipmap,
            Some(Register::Enable(i)) => self.enable.word(i),
            Some(Register::Bounce(i)) => self.bounce.word(i),
            Some(Register::Isr(i)) => self.isr.word(i),
            Some(Register::CoreIsr(i)) => self.core(vcpu).word(i),
            Some(Register::CoreMap(i)) => self.coremap.get(i).copied().unwrap_or(0),
            None => 0,
        };
        access.extract(register)
    }

    /// Writes at `offset` from IOCSR 0x1400 as `vcpu` (see the
    /// [module](super)).
    pub fn write(
        &mut self,
        vcpu: VcpuId,
        offset: u64,
        size: u32,
        value: u64,
        fx: &mut impl Effects,
    ) {
        let Some(access) = Access::new(offset, size) else {
            return;
        };
        match Register::at(access.register()) {
            Some(Register::NodeType(i)) => {
                if let Some(word) = self.nodetype.get_mut(i) {
                    *word = access.merge(*word, value);
                }
            }
            Some(Register::IpMap) => {
                self.ipmap = access.merge(self.ipmap, value);
                self.drive_all(fx);
            }
            Some(Register::Enable(i)) => {
                let old = self.enable.word(i);
                let new = access.merge(old, value);
                self.enable.set_word(i, new);
                let latched = self.isr.word(i);
                self.for_each(i, old & !new, |s, vector| s.hide(vector, fx));
                self.for_each(i, new & !old & latched, |s, vector| s.show(vector, fx));
            }
            Some(Register::Bounce(i)) => {
                self.bounce
                    .set_word(i, access.merge(self.bounce.word(i), value));
            }
            Some(Register::CoreIsr(i)) => {
                let done = self.core(vcpu).word(i) & access.place(value);
                self.for_each(i, done, |s, vector| {
                    // A vector that moved away meanwhile is not this vCPU's
                    // to end.
                    if s.target_of(vector) == vcpu {
                        s.isr.set(vector, false);
                    }
                    s.set_core(vcpu, vector, false, fx);
                });
            }
            Some(Register::CoreMap(i)) => {
                if let Some(word) = self.coremap.get_mut(i) {
                    *word = access.merge(*word, value);
                }
                for byte in 0..8 {
                    self.reroute((i << 3) as u8 | byte, fx);
                }
            }
            Some(Register::Isr(_)) | None => {}
        }
    }

    /// Reads the paravirtual extension at `offset` from IOCSR 0x40000000.
    pub fn virt_read(&self, offset: u64, size: u32) -> u64 {
        match Access::new(offset, size) {
            Some(access) if access.register() == reg::VIRT_FEATURES => {
                access.extract(u64::from(self.features) | u64::from(self.status) << 32)
            }
            _ => 0,
        }
    }

    /// Writes the paravirtual extension at `offset` from IOCSR 0x40000000.
    /// While the configuration is ENABLED only zero can be written; features
    /// that are not offered stay clear.
    pub fn virt_write(&mut self, offset: u64, size: u32, value: u64, fx: &mut impl Effects) {
        let config = match Access::new(offset, size) {
            Some(access)
                if access.register() == reg::VIRT_FEATURES && access.lanes() >> 32 != 0 =>
            {
                (access.merge(u64::from(self.status) << 32, value) >> 32) as u32
            }
            _ => return,
        };
        if self.status & reg::ENABLED != 0 && config != 0 {
            return;
        }
        self.status = config & self.features;
        for vector in 0..=u8::MAX {
            self.reroute(vector, fx);
        }
        self.drive_all(fx);
    }
}

#[cfg(test)]
mod tests;
