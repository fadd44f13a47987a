// SPDX-License-Identifier: Apache-2.0 OR MIT

//! CRC-32 over the bytes of a register (Volume 1, 2.2.9).
//!
//! The instructions do one step of the bit-reflected algorithm: no inversion
//! before or after, which is software's part.

use super::operand::{rd, word};
use crate::cpu::Group;
use la_arch::insn::integer as enc;

/// What each byte contributes, for a reflected polynomial.
const fn table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { polynomial } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// The polynomial of IEEE 802.3.
static IEEE: [u32; 256] = table(0xedb8_8320);
/// Castagnoli's.
static CASTAGNOLI: [u32; 256] = table(0x82f6_3b78);

/// Feeds the bytes of `message`, the lowest first, to the checksum in `rk`.
#[inline(always)]
fn crc<const N: usize>(table: &[u32; 256], message: [u8; N], rk: u64) -> u64 {
    let crc = message.iter().fold(rk as u32, |crc, byte| {
        crc >> 8 ^ table[usize::from(crc as u8 ^ byte)]
    });
    word(crc)
}

crate::insn_table! { Group::Crc;
    CRC_W_B_W => rd!(|rj, rk| crc(&IEEE, (rj as u8).to_le_bytes(), rk));
    CRC_W_H_W => rd!(|rj, rk| crc(&IEEE, (rj as u16).to_le_bytes(), rk));
    CRC_W_W_W => rd!(|rj, rk| crc(&IEEE, (rj as u32).to_le_bytes(), rk));
    CRC_W_D_W => rd!(|rj, rk| crc(&IEEE, rj.to_le_bytes(), rk));
    CRCC_W_B_W => rd!(|rj, rk| crc(&CASTAGNOLI, (rj as u8).to_le_bytes(), rk));
    CRCC_W_H_W => rd!(|rj, rk| crc(&CASTAGNOLI, (rj as u16).to_le_bytes(), rk));
    CRCC_W_W_W => rd!(|rj, rk| crc(&CASTAGNOLI, (rj as u32).to_le_bytes(), rk));
    CRCC_W_D_W => rd!(|rj, rk| crc(&CASTAGNOLI, rj.to_le_bytes(), rk));
}

#[cfg(test)]
mod tests {
    use super::super::testing::{jk, rd_of};
    use super::enc;
    use la_arch::insn::Encoding;

    /// The checksum of a text as software computes it: inverted before and
    /// after.
    fn checksum(byte: &Encoding, text: &[u8]) -> u32 {
        let start = u64::from(u32::MAX);
        !text
            .iter()
            .fold(start, |crc, b| rd_of(byte, jk(u64::from(*b), crc))) as u32
    }

    #[test]
    fn check_values_of_the_catalogue_of_crc_algorithms() {
        assert_eq!(checksum(&enc::CRC_W_B_W, b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(&enc::CRCC_W_B_W, b"123456789"), 0xe306_9283);
    }

    #[test]
    fn wide_messages_are_their_bytes_and_nothing_above() {
        let message = 0xfedc_ba98_7654_3210u64;
        for [byte, half, word, double] in [
            [
                &enc::CRC_W_B_W,
                &enc::CRC_W_H_W,
                &enc::CRC_W_W_W,
                &enc::CRC_W_D_W,
            ],
            [
                &enc::CRCC_W_B_W,
                &enc::CRCC_W_H_W,
                &enc::CRCC_W_W_W,
                &enc::CRCC_W_D_W,
            ],
        ] {
            for (encoding, len) in [(byte, 1), (half, 2), (word, 4), (double, 8)] {
                // Neither the high half of the old checksum matters.
                let crc = 0x1234_5678_9abc_def0;
                let bytes = message.to_le_bytes();
                let expected = bytes[..len]
                    .iter()
                    .fold(crc, |crc, b| rd_of(byte, jk(u64::from(*b), crc)));
                let got = rd_of(encoding, jk(message, crc));
                assert_eq!(got, expected, "{}", encoding.name);
                assert_eq!(got, got as i32 as u64, "sign extension");
            }
        }
    }
}
