//! Addition, comparison, logic and constants (Volume 1, 2.2.1).

use super::Group;
use super::operand::{rd, word};
use la_arch::insn::integer as enc;

/// `(rj << sa) + rk`; the field holds the shift amount minus one.
#[inline(always)]
fn alsl(rj: u64, rk: u64, sa2: u64) -> u64 {
    (rj << ((sa2 & 3) + 1)).wrapping_add(rk)
}

/// `{high, low[len-1:0]}`.
#[inline(always)]
fn splice(high: u64, low: u64, len: u32) -> u64 {
    high << len | low & ((1 << len) - 1)
}

crate::insn_table! { Group::Integer;
    ADD_W => rd!(|rj, rk| word(rj.wrapping_add(rk) as u32));
    ADD_D => rd!(|rj, rk| rj.wrapping_add(rk));
    SUB_W => rd!(|rj, rk| word(rj.wrapping_sub(rk) as u32));
    SUB_D => rd!(|rj, rk| rj.wrapping_sub(rk));
    ADDI_W => rd!(|rj, imm| word(rj.wrapping_add(imm) as u32));
    ADDI_D => rd!(|rj, imm| rj.wrapping_add(imm));
    ADDU16I_D => rd!(|rj, imm| rj.wrapping_add(imm << 16));
    ALSL_W => rd!(|rj, rk, imm| word(alsl(rj, rk, imm) as u32));
    ALSL_WU => rd!(|rj, rk, imm| alsl(rj, rk, imm) & 0xffff_ffff);
    ALSL_D => rd!(|rj, rk, imm| alsl(rj, rk, imm));
    LU12I_W => rd!(|imm| imm << 12);
    LU32I_D => rd!(|rd, imm| splice(imm, rd, 32));
    LU52I_D => rd!(|rj, imm| splice(imm, rj, 52));
    SLT => rd!(|rj, rk| ((rj as i64) < rk as i64).into());
    SLTU => rd!(|rj, rk| (rj < rk).into());
    SLTI => rd!(|rj, imm| ((rj as i64) < imm as i64).into());
    // The immediate is sign-extended for the unsigned comparison too.
    SLTUI => rd!(|rj, imm| (rj < imm).into());
    PCADDI => rd!(|pc, imm| pc.wrapping_add(imm << 2));
    PCADDU12I => rd!(|pc, imm| pc.wrapping_add(imm << 12));
    PCADDU18I => rd!(|pc, imm| pc.wrapping_add(imm << 18));
    PCALAU12I => rd!(|pc, imm| pc.wrapping_add(imm << 12) & !0xfff);
    AND => rd!(|rj, rk| rj & rk);
    OR => rd!(|rj, rk| rj | rk);
    NOR => rd!(|rj, rk| !(rj | rk));
    XOR => rd!(|rj, rk| rj ^ rk);
    ANDN => rd!(|rj, rk| rj & !rk);
    ORN => rd!(|rj, rk| rj | !rk);
    ANDI => rd!(|rj, imm| rj & imm);
    ORI => rd!(|rj, imm| rj | imm);
    XORI => rd!(|rj, imm| rj ^ imm);
    MASKEQZ => rd!(|rj, rk| if rk == 0 { 0 } else { rj });
    MASKNEZ => rd!(|rj, rk| if rk != 0 { 0 } else { rj });
}
