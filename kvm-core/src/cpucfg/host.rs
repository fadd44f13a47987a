// SPDX-License-Identifier: GPL-2.0

//! What the host lets a vCPU have (Linux: kvm/vcpu.c _kvm_get_cpucfg_mask,
//! kvm_check_cpucfg).

use super::CpucfgError;
use la_arch::cpucfg::{word1, word2, word3, word6};
use la_arch::kvm::CPUCFG_WORDS;

/// The host CPU: its own CPUCFG words, and what of them its kernel uses. The
/// kernel can be built or started without an extension that the CPU has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// CPUCFG words 0 to 20 of the CPU.
    pub words: [u32; CPUCFG_WORDS],
    /// 128-bit vectors (cpu_has_lsx).
    pub lsx: bool,
    /// 256-bit vectors (cpu_has_lasx).
    pub lasx: bool,
    /// x86 binary translation (cpu_has_lbt_x86).
    pub lbt_x86: bool,
    /// Arm binary translation (cpu_has_lbt_arm).
    pub lbt_arm: bool,
    /// MIPS binary translation (cpu_has_lbt_mips).
    pub lbt_mips: bool,
    /// Hardware page table walker (cpu_has_ptw).
    pub ptw: bool,
    /// Message interrupts (cpu_has_msgint).
    pub msgint: bool,
    /// Performance counters (cpu_has_pmp).
    pub pmp: bool,
}

const fn low(bits: u32) -> u32 {
    u32::MAX.wrapping_shr(32u32.wrapping_sub(bits))
}

const fn when(condition: bool, bits: u32) -> u32 {
    if condition {
        bits
    } else {
        0
    }
}

/// Bits that a vCPU's CPUCFG word `index` may have.
pub const fn mask(host: &Host, index: u16) -> Result<u32, CpucfgError> {
    Ok(match index {
        0 | 4 | 5 => u32::MAX,
        1 => low(27),
        2 => mask2(host),
        // Memory order is the host's to set.
        3 => {
            let not_offered =
                word3::SFB | word3::ALDORDER_CAP | word3::ASTORDER_CAP | word3::SLDORDER_CAP;
            low(24) & host.words[3] & !not_offered
        }
        6 => when(host.pmp, low(15)),
        16 => low(17),
        17..=20 => low(31),
        7..=15 => 0,
        _ => return Err(CpucfgError::Index),
    })
}

const fn mask2(host: &Host) -> u32 {
    // Without conditions: every CPU that can virtualize has them.
    let always = word2::FP
        | word2::FP_SP
        | word2::FP_DP
        | word2::FP_VER
        | word2::LLFTP
        | word2::LLFTP_VER
        | word2::LSPW
        | word2::LAM;
    let used = when(host.lsx, word2::LSX)
        | when(host.lasx, word2::LASX)
        | when(host.lbt_x86, word2::LBT_X86)
        | when(host.lbt_arm, word2::LBT_ARM)
        | when(host.lbt_mips, word2::LBT_MIPS)
        | when(host.ptw, word2::PTW);
    // Instructions without state or control.
    let present = host.words[2]
        & (word2::FRECIPE
            | word2::DIV32
            | word2::LAM_BH
            | word2::LAMCAS
            | word2::LLACQ_SCREL
            | word2::SCQ);
    always | used | present
}

/// Judges `value` for a vCPU's CPUCFG word `index`; gives the word.
pub const fn check(host: &Host, index: u16, value: u64) -> Result<u32, CpucfgError> {
    let mask = match mask(host, index) {
        Ok(mask) => mask,
        Err(error) => return Err(error),
    };
    if value & !(mask as u64) != 0 {
        return Err(CpucfgError::Unsupported);
    }
    let word = value as u32;
    match index {
        1 if word & word1::MSGINT != 0 && !host.msgint => Err(CpucfgError::Unsupported),
        2 => check2(word),
        // Fields with a number in them: no more than the host.
        3 if word & word3::RVAMAX > host.words[3] & word3::RVAMAX
            || word & word3::SPW_LVL > host.words[3] & word3::SPW_LVL =>
        {
            Err(CpucfgError::Unsupported)
        }
        6 if word & word6::PMP != 0 => check6(host.words[6], word),
        _ => Ok(word),
    }
}

const fn check2(word: u32) -> Result<u32, CpucfgError> {
    let both = word2::FP_SP | word2::FP_DP;
    // The guest's timer is the constant one.
    let timer = word & word2::LLFTP != 0;
    let fp = word & word2::FP == 0 || word & both == both;
    let lsx = word & word2::LSX == 0 || word & word2::FP != 0;
    let lasx = word & word2::LASX == 0 || word & word2::LSX != 0;
    if timer && fp && lsx && lasx {
        Ok(word)
    } else {
        Err(CpucfgError::Inconsistent)
    }
}

const fn check6(host: u32, word: u32) -> Result<u32, CpucfgError> {
    let width = word & word6::PMBITS == host & word6::PMBITS;
    let number = word & word6::PMNUM <= host & word6::PMNUM;
    let user = word & word6::UPM == 0 || host & word6::UPM != 0;
    if width && number && user {
        Ok(word)
    } else {
        Err(CpucfgError::Unsupported)
    }
}
