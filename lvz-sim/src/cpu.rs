//! One LoongArch64 CPU: architectural state and the services that instruction
//! handlers use. Behaviour lives in the files below and in `mmu`.

mod model;
pub use model::Model;

use crate::isa::{Op, Step, Stop};
use crate::mem::Bus;
use la_arch::Exception;

/// A 128-bit vector register; element 0 of the low half is the
/// floating-point register of the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct VReg(pub [u64; 2]);

/// A value that loads and stores move: `u8`, `u16`, `u32`, `u64`, `u128`
/// (little-endian).
pub trait Value: Copy {
    /// Size in bytes.
    const SIZE: u8;
}

/// One CPU.
pub struct Cpu {
    /// General registers; entry 0 is always zero (write through [`Cpu::set`]).
    pub gpr: [u64; 32],
    /// Address of the next instruction; exact only between blocks, use
    /// [`Cpu::pc_of`] in handlers.
    pub pc: u64,
    /// Vector and floating-point registers.
    pub vr: [VReg; 32],
    /// Floating-point condition flags, one a bit.
    pub fcc: u8,
    /// FCSR0.
    pub fcsr: u32,
}

impl Cpu {
    /// General register `r`.
    #[inline(always)]
    pub fn get(&self, r: u8) -> u64 {
        self.gpr[(r & 31) as usize]
    }

    /// Writes general register `r`; r0 stays zero.
    #[inline(always)]
    pub fn set(&mut self, r: u8, value: u64) {
        self.gpr[(r & 31) as usize] = value;
        self.gpr[0] = 0;
    }

    /// Address of the instruction `op`, which is being executed.
    #[inline(always)]
    pub fn pc_of(&self, op: &Op) -> u64 {
        // While a block runs, `pc` is the address of its first instruction.
        self.pc.wrapping_add(u64::from(op.idx) * 4)
    }

    /// Ends the block and continues at `target`:
    /// `return cpu.jump(target);`
    #[inline(always)]
    pub fn jump(&mut self, target: u64) -> Step {
        self.pc = target;
        Err(Stop::Jump)
    }

    /// Records an exception without a bad address: `return Err(cpu.raise(Exception::INE));`
    #[cold]
    pub fn raise(&mut self, _exception: Exception) -> Stop {
        Stop::Trap
    }

    /// Records an exception with BADV: `return Err(cpu.raise_at(Exception::ALE, va));`
    #[cold]
    pub fn raise_at(&mut self, _exception: Exception, _badv: u64) -> Stop {
        Stop::Trap
    }

    /// Checks that the CPU is at PLV0, else raises IPE.
    #[inline(always)]
    pub fn require_plv0(&mut self) -> Step {
        Ok(())
    }

    /// Checks that floating point is enabled (EUEN.FPE of the mode in force,
    /// and of root in guest mode), else raises FPD.
    #[inline(always)]
    pub fn require_fp(&mut self) -> Step {
        Ok(())
    }

    /// The same for LSX (EUEN.SXE, SXD).
    #[inline(always)]
    pub fn require_lsx(&mut self) -> Step {
        Ok(())
    }

    /// Loads from virtual address `va`. Unaligned addresses work (the 3A5000
    /// does them in hardware) unless MISC forbids, which raises ALE.
    #[inline(always)]
    pub fn load<T: Value>(&mut self, _bus: &mut Bus, _va: u64) -> Step<T> {
        Err(Stop::Trap)
    }

    /// Stores to virtual address `va`; no byte is written if it traps.
    #[inline(always)]
    pub fn store<T: Value>(&mut self, _bus: &mut Bus, _va: u64, _value: T) -> Step {
        Err(Stop::Trap)
    }

    /// Atomic read-modify-write for `am*`: needs natural alignment (else ALE)
    /// and store permission; returns the old value.
    #[inline(always)]
    pub fn modify<T: Value>(
        &mut self,
        _bus: &mut Bus,
        _va: u64,
        _f: impl FnOnce(T) -> T,
    ) -> Step<T> {
        Err(Stop::Trap)
    }

    /// `ll.*`: loads and sets the LL bit with the address. `T` is u32 or u64.
    pub fn load_linked<T: Value>(&mut self, _bus: &mut Bus, _va: u64) -> Step<T> {
        Err(Stop::Trap)
    }

    /// `sc.*`: stores if the reservation still holds; returns whether it did.
    pub fn store_conditional<T: Value>(
        &mut self,
        _bus: &mut Bus,
        _va: u64,
        _value: T,
    ) -> Step<bool> {
        Err(Stop::Trap)
    }

    /// The stable counter as `rdtime` reads it in the mode in force; traps if
    /// that mode may not (MISC.DRDTL, GCFG.TOTI).
    pub fn stable_counter(&mut self, _op: &Op) -> Step<u64> {
        Ok(0)
    }

    /// The counter's ID as `rdtime` reads it in the mode in force (CSR.TID).
    pub fn timer_id(&self) -> u64 {
        0
    }
}

impl std::fmt::Debug for Cpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cpu")
            .field("pc", &self.pc)
            .finish_non_exhaustive()
    }
}

macro_rules! values {
    ($($t:ty)*) => { $(impl Value for $t { const SIZE: u8 = size_of::<$t>() as u8; })* };
}
values!(u8 u16 u32 u64 u128);
