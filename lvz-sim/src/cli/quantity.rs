// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Numbers with a suffix.

/// What a suffix is a power of.
const OF_SIZES: u64 = 1024;
const OF_COUNTS: u64 = 1000;

/// Parses a size in bytes, as 512M, 2G or 65536.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn size(text: &str) -> Result<u64, String> {
    parse(text, OF_SIZES).ok_or_else(|| {
        "not a size: a number of bytes, or one of KiB, MiB, GiB or TiB with K, M, G or T behind it".to_owned()
    })
}

/// Parses a count, as 1000, 5M or 2G.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn count(text: &str) -> Result<u64, String> {
    parse(text, OF_COUNTS).ok_or_else(|| {
        "not a count: a number, or one of thousands, millions, 10^9 or 10^12 with K, M, G or T behind it"
            .to_owned()
    })
}

/// A number that fits 64 bits, with the first to fourth power of `base` as K, M, G, T, small
/// letters too.
fn parse(text: &str, base: u64) -> Option<u64> {
    let power = match text.bytes().last()?.to_ascii_uppercase() {
        b'K' => 1,
        b'M' => 2,
        b'G' => 3,
        b'T' => 4,
        _ => return text.parse().ok(),
    };
    let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    number.checked_mul(base.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_the_same_for_sizes_and_counts() {
        for (suffix, power) in [("", 0), ("k", 1), ("K", 1), ("m", 2), ("M", 2), ("g", 3)] {
            let text = format!("5{suffix}");
            assert_eq!(size(&text), Ok(5 << (10 * power)), "{text}");
            assert_eq!(count(&text), Ok(5 * 1000_u64.pow(power)), "{text}");
        }
        assert_eq!(size("1T"), Ok(1 << 40));
        assert_eq!(count("1t"), Ok(1_000_000_000_000));
    }

    #[test]
    fn what_is_no_number_is_told_of_suffixes() {
        for bad in [
            "",
            "x",
            "M",
            "1GB",
            "1 G",
            "-1",
            "1.5G",
            "é",
            "99999999999999T",
        ] {
            assert!(size(bad).unwrap_err().contains("K, M, G or T"), "{bad}");
            assert!(count(bad).unwrap_err().contains("K, M, G or T"), "{bad}");
        }
    }
}
