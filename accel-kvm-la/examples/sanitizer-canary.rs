// SPDX-License-Identifier: GPL-2.0-or-later

//! Does what a sanitizer has to report: `thread` is a data race, `address` a use
//! of memory that was given back. A sanitizer that lets it pass watches nothing.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

/// A number without a lock.
struct Unguarded(UnsafeCell<u64>);

// SAFETY: It is not. That is what is to be reported.
unsafe impl Sync for Unguarded {}

impl Unguarded {
    fn count(&self) {
        let number = self.0.get();
        for _ in 0..1000 {
            // SAFETY: Two threads do this at once: it is not safe.
            let old = unsafe { number.read_volatile() };
            // SAFETY: As above.
            unsafe { number.write_volatile(old.wrapping_add(1)) };
        }
    }
}

fn race() {
    let number = Arc::new(Unguarded(UnsafeCell::new(0)));
    let other = number.clone();
    let thread = std::thread::spawn(move || other.count());
    number.count();
    let joined = thread.join().is_ok();
    println!("{joined} {}", number.0.get().addr() != 0);
}

fn use_after_free() {
    let memory = black_box(Box::new(1u64));
    let address = black_box(&raw const *memory);
    drop(memory);
    // SAFETY: The memory is gone: it is not safe.
    println!("{}", unsafe { address.read_volatile() });
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("thread") => race(),
        Some("address") => use_after_free(),
        _ => {
            eprintln!("usage: sanitizer-canary thread|address");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
