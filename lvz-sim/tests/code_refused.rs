// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A computer that begins to refuse executable memory in the middle of a run: what is left
//! is interpreted. A process of its own, as the refusal cannot be taken back.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used)]

#[path = "../fuzz/src/lib.rs"]
#[allow(dead_code, unused_imports, reason = "one test needs few of them")]
mod targets;

use lvz_sim::engine::Engine;
use targets::{INSTRUCTIONS, after, machine, result};

#[test]
fn the_rest_is_interpreted() {
    let seed = 5u64.to_be_bytes();
    let expected = result(&seed, Engine::Interpreter, None);
    let mut compiled = machine(&seed, Engine::Jit(after(1)), None);
    compiled.run(INSTRUCTIONS / 100);
    let mode = libc::PR_MDWE_REFUSE_EXEC_GAIN;
    // SAFETY: It takes numbers, and changes nothing but what later calls may do.
    if unsafe { libc::prctl(libc::PR_SET_MDWE, libc::c_ulong::from(mode), 0, 0, 0) } != 0 {
        // Linux has it from 6.3 on.
        eprintln!("not tested: {}", std::io::Error::last_os_error());
        return;
    }
    compiled.run(INSTRUCTIONS);
    assert_eq!((compiled.instructions(), compiled.state_hash()), expected);
    // What was refused in the middle is refused at the beginning.
    assert!(compiled.use_engine(Engine::Jit(after(1))).is_err());
}
