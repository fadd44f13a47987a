// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Compares what came out of both and says how it differs.

use crate::case::{Case, Outcome, Trap};
use crate::layout::hot_address;
use la_arch::insn::{Encoding, RegFile};
use std::fmt::Write;

/// One thing that differs, in words: name, what QEMU says, what lvz-sim says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Register, memory, pc or exception.
    pub what: String,
    /// QEMU's (corrected by the errata).
    pub expected: String,
    /// The simulator's.
    pub got: String,
}

/// All differences between the expected and the actual outcome of `case`.
pub fn differences(case: &Case, expected: &Outcome, got: &Outcome) -> Vec<Difference> {
    let mut list = Vec::new();
    let mut check = |what: String, expected: String, got: String| {
        if expected != got {
            list.push(Difference {
                what,
                expected,
                got,
            });
        }
    };
    if !same_trap(case, expected.trap, got.trap) {
        let text = |trap: Option<Trap>| trap.map_or("none".into(), |t| format!("{t:x?}"));
        check("exception".into(), text(expected.trap), text(got.trap));
    }
    check(
        "pc".into(),
        format!("{:#x}", expected.pc),
        format!("{:#x}", got.pc),
    );
    for (i, (e, g)) in expected.state.gpr.iter().zip(&got.state.gpr).enumerate() {
        check(format!("r{i}"), format!("{e:#018x}"), format!("{g:#018x}"));
    }
    for (i, (e, g)) in expected.state.vr.iter().zip(&got.state.vr).enumerate() {
        check(format!("vr{i}"), vector(*e), vector(*g));
    }
    let (e, g) = (&expected.state, &got.state);
    check(
        "fcc".into(),
        format!("{:#010b}", e.fcc),
        format!("{:#010b}", g.fcc),
    );
    check("fcsr".into(), fcsr(e.fcsr), fcsr(g.fcsr));
    for (i, (e, g)) in expected.window.iter().zip(&got.window).enumerate() {
        check(
            format!("[{:#x}]", hot_address(i)),
            format!("{e:#04x}"),
            format!("{g:#04x}"),
        );
    }
    list
}

/// The same exception. Where an access crosses into a page that it may not
/// touch, the bad address may be the access's own or that page's: the manual
/// does not say, and an emulator on another computer reports that computer's.
fn same_trap(case: &Case, expected: Option<Trap>, got: Option<Trap>) -> bool {
    let within = |a: u64, b: u64| {
        a == b
            || case.access.is_some_and(|(start, size)| {
                let inside = |x: u64| x.wrapping_sub(start) < size;
                inside(a) && inside(b)
            })
    };
    match (expected, got) {
        (Some(Trap::Unmapped(a)), Some(Trap::Unmapped(b)))
        | (Some(Trap::ReadOnly(a)), Some(Trap::ReadOnly(b))) => within(a, b),
        (a, b) => a == b,
    }
}

fn vector(v: [u64; 4]) -> String {
    format!("{:016x}_{:016x}_{:016x}_{:016x}", v[3], v[2], v[1], v[0])
}

fn fcsr(v: u32) -> String {
    format!(
        "{v:#010x} (enables {:05b}, RM {}, flags {:05b}, cause {:05b})",
        v & 31,
        v >> 8 & 3,
        v >> 16 & 31,
        v >> 24 & 31
    )
}

/// The inputs that the instruction's operands name.
pub fn inputs(encoding: Option<&Encoding>, case: &Case) -> String {
    let mut text = String::new();
    for word in &case.words {
        let _ = write!(text, "word {word:#010x} ");
    }
    let Some(encoding) = encoding else {
        return text;
    };
    let word = case.words.last().copied().unwrap_or_default();
    let o = encoding.operands(word);
    for (letter, (file, number)) in ["d", "j", "k", "a"].into_iter().zip(
        encoding
            .format
            .regs
            .into_iter()
            .zip([o.rd, o.rj, o.rk, o.ra]),
    ) {
        let n = usize::from(number & 31);
        let _ = match file {
            RegFile::None => Ok(()),
            RegFile::Gpr => write!(text, "r{letter}=r{n}={:#x} ", case.state.gpr[n]),
            RegFile::Fpr => write!(text, "f{letter}=f{n}={:#018x} ", case.state.vr[n][0]),
            RegFile::Vr | RegFile::Xr => {
                write!(text, "v{letter}=vr{n}={} ", vector(case.state.vr[n]))
            }
            RegFile::Scr => Ok(()),
            RegFile::Cfr => write!(text, "c{letter}=fcc{n}={} ", case.state.fcc >> (n & 7) & 1),
        };
    }
    if encoding.format.immediate_widths()[0] != 0 {
        let _ = write!(text, "imm={} ", o.imm);
    }
    if encoding.format.immediate_widths()[1] != 0 {
        let _ = write!(text, "imm2={} ", o.imm2);
    }
    let _ = write!(text, "fcsr={}", fcsr(case.state.fcsr));
    if let Some((address, size)) = case.access {
        let _ = write!(text, " access={address:#x}+{size}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use la_arch::insn::integer;

    /// What `change` does to an outcome is found and named so.
    fn found(change: impl FnOnce(&mut Outcome)) -> Vec<String> {
        let case = generate::case(&integer::LD_D, 5, 0);
        let expected = Outcome::before(&case);
        let mut got = expected.clone();
        change(&mut got);
        let list = differences(&case, &expected, &got);
        list.into_iter().map(|d| d.what).collect()
    }

    #[test]
    fn every_difference_is_found() {
        assert!(found(|_| {}).is_empty());
        assert_eq!(found(|o| o.state.gpr[31] ^= 1 << 63), ["r31"]);
        assert_eq!(found(|o| o.state.vr[7][3] ^= 1), ["vr7"]);
        assert_eq!(found(|o| o.state.fcc ^= 0x80), ["fcc"]);
        assert_eq!(found(|o| o.state.fcsr ^= 1 << 24), ["fcsr"]);
        assert_eq!(found(|o| o.pc += 4), ["pc"]);
        assert_eq!(found(|o| o.window[511] ^= 1), ["[0x2001ffff]"]);
        assert_eq!(found(|o| o.trap = Some(Trap::Illegal)), ["exception"]);
    }

    #[test]
    fn bad_addresses_may_differ_only_inside_the_access() {
        let mut case = generate::case(&integer::LD_D, 5, 0);
        case.access = Some((0x1ffc, 8));
        let same = |a, b| same_trap(&case, Some(a), Some(b));
        assert!(same(Trap::Unmapped(0x1ffc), Trap::Unmapped(0x2000)));
        assert!(!same(Trap::Unmapped(0x1ffc), Trap::Unmapped(0x2004)));
        assert!(!same(Trap::Unmapped(0x1ffc), Trap::ReadOnly(0x1ffc)));
        assert!(!same(Trap::Alignment(0x1ffc), Trap::Alignment(0x2000)));
    }
}
