// SPDX-License-Identifier: GPL-2.0-or-later

//! The backend's own log: what it found, hooked and does, for a user that
//! sets `KVM_LA_LOG` to `error`, `warn`, `info`, `debug` or `trace`. Without it
//! only what QEMU's own error functions print is seen.

use std::io::Write as _;

use log::{LevelFilter, Log, Metadata, Record};

struct StandardError;

impl Log for StandardError {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = record.level().as_str().to_ascii_lowercase();
        // In one piece: standard error has no buffer.
        let line = format!("accel-kvm-la: {level}: {}\n", record.args());
        say(&line);
    }

    fn flush(&self) {}
}

/// Says something on standard error without QEMU's own functions. `eprintln!` would panic, and
/// so end QEMU, where that is full.
pub(crate) fn say(text: &str) {
    // There is nowhere to say that it cannot be said.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Begins to log, if `KVM_LA_LOG` says so.
pub fn init() {
    let level = std::env::var("KVM_LA_LOG").map_or(LevelFilter::Off, |word| parse(word.trim()));
    // Once a process; a second call changes the level to what it is.
    let _ = log::set_logger(&StandardError);
    log::set_max_level(level);
}

/// An unknown word is taken for debug: it was set to see something.
fn parse(word: &str) -> LevelFilter {
    match word {
        "" => LevelFilter::Off,
        word => word.parse().unwrap_or(LevelFilter::Debug),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_levels() {
        assert_eq!(parse(""), LevelFilter::Off);
        assert_eq!(parse("warn"), LevelFilter::Warn);
        assert_eq!(parse("1"), LevelFilter::Debug);
    }
}
