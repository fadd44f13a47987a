// SPDX-License-Identifier: MIT

//! Register ids of KVM_GET_ONE_REG and KVM_SET_ONE_REG on LoongArch
//! (Linux: include/uapi/linux/kvm.h, arch/loongarch/include/uapi/asm/kvm.h).
//!
//! An id is the architecture at bits 63:56, log2 of the size in bytes at bits
//! 55:52, zeros at 51:32, the register set at 31:16 and, in the sets of CSRs
//! and CPUCFG words, the register's number times eight at 14:0.

/// The architecture field of a LoongArch id (KVM_REG_LOONGARCH).
pub const ARCH: u64 = 0x9000_0000_0000_0000;
/// Bits of the size field (KVM_REG_SIZE_MASK).
pub const SIZE_MASK: u64 = 0x00f0_0000_0000_0000;
/// Size field of a 64-bit register, the only size in use (KVM_REG_SIZE_U64).
pub const SIZE_U64: u64 = 0x0030_0000_0000_0000;

/// Set of the general registers: reserved, none has an id.
pub const SET_GPR: u64 = 0x0_0000;
/// Set of the control and status registers.
pub const SET_CSR: u64 = 0x1_0000;
/// Set of KVM's own registers.
pub const SET_KVM: u64 = 0x2_0000;
/// Set of the floating-point and vector registers: reserved, none has an id.
pub const SET_FPSIMD: u64 = 0x3_0000;
/// Set of the CPUCFG words.
pub const SET_CPUCFG: u64 = 0x4_0000;
/// Set of the binary-translation registers.
pub const SET_LBT: u64 = 0x5_0000;
/// Bits that tell the sets apart.
pub const SET_MASK: u64 = 0x7_0000;

/// Bits of the index in the sets of CSRs and CPUCFG words.
pub const INDEX_MASK: u64 = 0x7fff;
/// Position of the register number within the index.
pub const INDEX_SHIFT: u32 = 3;

/// Guest counter: reads and writes what the guest's `rdtime` shows.
pub const COUNTER: u64 = ARCH | SIZE_U64 | SET_KVM | 1;
/// Write-only: puts KVM's part of the vCPU into its reset state.
pub const VCPU_RESET: u64 = ARCH | SIZE_U64 | SET_KVM | 2;
/// Read-only: the instruction word that serves as a software breakpoint.
pub const DEBUG_INST: u64 = ARCH | SIZE_U64 | SET_KVM | 3;

/// Binary-translation scratch register 0.
pub const LBT_SCR0: u64 = ARCH | SIZE_U64 | SET_LBT | 1;
/// Binary-translation scratch register 1.
pub const LBT_SCR1: u64 = ARCH | SIZE_U64 | SET_LBT | 2;
/// Binary-translation scratch register 2.
pub const LBT_SCR2: u64 = ARCH | SIZE_U64 | SET_LBT | 3;
/// Binary-translation scratch register 3.
pub const LBT_SCR3: u64 = ARCH | SIZE_U64 | SET_LBT | 4;
/// Binary-translation flags.
pub const LBT_EFLAGS: u64 = ARCH | SIZE_U64 | SET_LBT | 5;
/// Top of the x87 register stack.
pub const LBT_FTOP: u64 = ARCH | SIZE_U64 | SET_LBT | 6;

/// Id of CSR `number` (KVM_IOC_CSRID).
pub const fn csr(number: u16) -> u64 {
    ARCH | SIZE_U64 | SET_CSR | ((number as u64) << INDEX_SHIFT & INDEX_MASK)
}

/// Id of CPUCFG word `index` (KVM_IOC_CPUCFG).
pub const fn cpucfg(index: u16) -> u64 {
    ARCH | SIZE_U64 | SET_CPUCFG | ((index as u64) << INDEX_SHIFT & INDEX_MASK)
}
