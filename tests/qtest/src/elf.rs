// SPDX-License-Identifier: GPL-2.0-or-later

//! The smallest file that `-kernel` takes: an ELF executable with one segment.

/// Size of the file's header and of the one program header.
const HEADERS: usize = 64 + 56;

/// An executable whose `code` is loaded at physical address `at`, where it begins.
pub(crate) fn executable(code: &[u8], at: u64) -> Vec<u8> {
    let length = code.len() as u64;
    let mut file = Vec::with_capacity(HEADERS + code.len());
    // 64 bits, little-endian, version 1.
    file.extend(b"\x7fELF\x02\x01\x01");
    file.resize(16, 0);
    file.extend(2u16.to_le_bytes()); // ET_EXEC
    file.extend(258u16.to_le_bytes()); // EM_LOONGARCH
    file.extend(1u32.to_le_bytes());
    file.extend(at.to_le_bytes());
    file.extend(64u64.to_le_bytes()); // program headers
    file.extend(0u64.to_le_bytes()); // no sections
    file.extend(0x43u32.to_le_bytes()); // ABI: LP64D, version 1
    for half in [64u16, 56, 1, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes()); // PT_LOAD
    file.extend(7u32.to_le_bytes()); // readable, writable, executable
    for word in [HEADERS as u64, at, at, length, length, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.extend(code);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_behind_the_headers() {
        let file = executable(b"code", 0x20_0000);
        assert_eq!(file.len(), HEADERS + 4);
        assert!(file.ends_with(b"code"));
        assert_eq!(file.get(24..32), Some(&0x20_0000u64.to_le_bytes()[..]));
    }
}
