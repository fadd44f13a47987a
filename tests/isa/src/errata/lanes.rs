// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Which results of floating-point arithmetic are tiny.

/// Whether an arithmetic instruction's result has an element that is not zero
/// and below the smallest normal number. Only such arithmetic is meant that
/// rounds: what moves or picks its operands does not underflow.
pub(super) fn any_tiny(name: &str, result: [u64; 4]) -> bool {
    let (stem, suffixes) = name.split_once('.').unwrap_or((name, ""));
    let (stem, width) = match (stem.strip_prefix("xv"), stem.strip_prefix('v')) {
        (Some(stem), _) => (stem, Some(256)),
        (None, Some(stem)) => (stem, Some(128)),
        (None, None) => (stem, None),
    };
    if !rounds(stem) {
        return false;
    }
    // The first suffix is the format of the result.
    let (bits, fraction) = match suffixes.split('.').next() {
        Some("h") => (16, 10),
        Some("s") => (32, 23),
        Some("d") => (64, 52),
        _ => return false,
    };
    // A scalar single has a high half without meaning.
    let count = width.map_or(1, |width| width / bits);
    (0..count).any(|i| {
        let at = i * bits;
        let lane = result[at / 64] >> (at % 64) & (u64::MAX >> (64 - bits));
        let magnitude = lane & (u64::MAX >> (65 - bits));
        magnitude != 0 && magnitude >> fraction == 0
    })
}

fn rounds(stem: &str) -> bool {
    matches!(
        stem,
        "fadd"
            | "fsub"
            | "fmul"
            | "fdiv"
            | "fmadd"
            | "fmsub"
            | "fnmadd"
            | "fnmsub"
            | "fscaleb"
            | "frecip"
            | "fcvt"
    )
}

#[cfg(test)]
mod tests {
    use super::any_tiny;

    #[test]
    fn only_rounding_results_are_tiny() {
        assert!(any_tiny("fadd.s", [0xffff_ffff_0000_0001, 0, 0, 0]));
        assert!(any_tiny("fadd.d", [0x8000_0000_0000_0001, 0, 0, 0]));
        assert!(!any_tiny("fadd.d", [1 << 63, 0, 0, 0]));
        assert!(!any_tiny("fadd.d", [1 << 52, 0, 0, 0]));
        assert!(!any_tiny("fmax.d", [1, 0, 0, 0]));
        assert!(!any_tiny("fadd.s", [0x0000_0001_3f80_0000, 0, 0, 0]));
        assert!(any_tiny("vfadd.s", [0, 0x8000_0001_0000_0000, 0, 0]));
        assert!(any_tiny("vfcvt.h.s", [0, 0x8001, 0, 0]));
        assert!(any_tiny("xvfadd.d", [0, 0, 0, 1]));
        assert!(!any_tiny("vfadd.d", [0, 0, 0, 1]));
    }
}
