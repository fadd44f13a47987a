// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the fuzz target `gdb` says to the debugger's stub: packets made of any bytes, or the bytes
//! as they are.

use super::random::Random;

/// Beginnings of packets, and what can follow in them.
const WORDS: &[&str] = &[
    "?",
    "g",
    "G",
    "p",
    "P",
    "m",
    "M",
    "X",
    "c",
    "s",
    "vCont;c",
    "vCont;s:1",
    "vCont;r0,fff:2",
    "vCont?",
    "bs",
    "bc",
    "Z0,",
    "z0,",
    "Z1,",
    "Z2,",
    "Z3,",
    "Z4,",
    "z2,",
    "Hg",
    "Hc",
    "H",
    "T",
    "qSupported:swbreak+",
    "qXfer:features:read:target.xml:",
    "qRcmd,",
    "qfThreadInfo",
    "qsThreadInfo",
    "qThreadExtraInfo,",
    "qAttached",
    "QStartNoAckMode",
    "vKill;",
    "vMustReplyEmpty",
    "qC",
    "qOffsets",
    "qSymbol::",
    "qRegisterInfo",
    "qHostInfo",
    "qProcessInfo",
    "jThreadsInfo",
    "0",
    "1",
    "2",
    "ffffffffffffffff",
    "1000",
    "2000",
    "8000",
    "d04000000001000",
    "d03000000000000",
    "9d02000000200000",
    "p1.1",
    "-1",
    ",",
    ";",
    ":",
    "=",
    "#",
    "$",
    "}",
    "*",
    "\u{3}",
    "6373720a",
    "746c62",
    "7068797320307830",
    "7472616e736c61746520",
    "7374617473",
];

/// A debugger's side of a session.
pub(crate) fn packets(bytes: &[u8]) -> Vec<u8> {
    let mut random = Random::new(bytes);
    if random.below(4) == 0 {
        return bytes.to_vec();
    }
    let mut said = Vec::new();
    for _ in 0..random.below(24) {
        let mut body = Vec::new();
        for _ in 0..1 + random.below(5) {
            match random.below(6) {
                0 => body.push(random.next() as u8),
                1 => body.extend(format!("{:x}", random.next()).bytes()),
                _ => body.extend(random.one_of(WORDS).bytes()),
            }
        }
        // What lets the machine run most often ends with an interrupt: then more can be said.
        let resumes = matches!(body.first(), Some(b'c' | b's' | b'v' | b'b'));
        // One in eight has a wrong sum, or is none.
        let sum = body.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        match random.below(8) {
            0 => said.extend(body),
            1 => said.extend([b"$", &body[..], b"#00"].concat()),
            _ => said.extend([b"+$", &body[..], format!("#{sum:02x}").as_bytes()].concat()),
        }
        if random.below(4) == 0 || resumes && random.below(8) != 0 {
            said.push(3);
        }
    }
    said
}
