//! The registers that KVM_RUN carries in `struct kvm_run` (KVM_CAP_SYNC_REGS):
//! the layout of `kvm_run.s.regs` of this KVM. Linux's own has none for
//! LoongArch; the capability's value says which of these sets exist.

use crate::csr::number as n;

/// Set: general registers and pc.
pub const GENERAL: u64 = 1 << 0;
/// Set: the CSRs of [`CSRS`].
pub const CSR: u64 = 1 << 1;
/// All sets.
pub const ALL: u64 = GENERAL | CSR;

/// The CSRs, in the order of [`SyncRegs::csr`]: those with a hardware copy for
/// the guest that hold state. ESTAT is as KVM_GET_ONE_REG shows it.
pub const CSRS: [u16; 54] = [
    n::CRMD,
    n::PRMD,
    n::EUEN,
    n::MISC,
    n::ECFG,
    n::ESTAT,
    n::ERA,
    n::BADV,
    n::BADI,
    n::EENTRY,
    n::TLBIDX,
    n::TLBEHI,
    n::TLBELO0,
    n::TLBELO1,
    n::ASID,
    n::PGDL,
    n::PGDH,
    n::PWCL,
    n::PWCH,
    n::STLBPS,
    n::RVACFG,
    n::CPUID,
    n::PRCFG1,
    n::PRCFG2,
    n::PRCFG3,
    n::SAVE0,
    n::SAVE0 + 1,
    n::SAVE0 + 2,
    n::SAVE0 + 3,
    n::SAVE0 + 4,
    n::SAVE0 + 5,
    n::SAVE0 + 6,
    n::SAVE0 + 7,
    n::TID,
    n::TCFG,
    n::TVAL,
    n::CNTC,
    n::LLBCTL,
    n::TLBRENTRY,
    n::TLBRBADV,
    n::TLBRERA,
    n::TLBRSAVE,
    n::TLBRELO0,
    n::TLBRELO1,
    n::TLBREHI,
    n::TLBRPRMD,
    n::DMW0,
    n::DMW0 + 1,
    n::DMW0 + 2,
    n::DMW0 + 3,
    n::IMPCTL1,
    n::IMPCTL2,
    n::GINTC,
    n::CTAG,
];

/// `kvm_run.s.regs`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SyncRegs {
    /// General registers; r0 is ignored and reads zero.
    pub gpr: [u64; 32],
    /// Program counter.
    pub pc: u64,
    /// The values of [`CSRS`].
    pub csr: [u64; CSRS.len()],
}

// `kvm_run.s` has room for this much.
const _: () = assert!(core::mem::size_of::<SyncRegs>() <= 2048);
