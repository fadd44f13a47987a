// SPDX-License-Identifier: GPL-2.0-or-later

//! The backend's own log: what it found, hooked and does, for the person who
//! sets `KVM_LA_LOG` to `error`, `warn`, `info`, `debug` or `trace`. Without it
//! only what QEMU's own error functions print is seen.

use std::sync::OnceLock;

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Off,
    /// What went wrong.
    Error,
    /// What may go wrong.
    Warn,
    /// That the backend serves.
    Info,
    /// What was found and decided.
    Debug,
    /// Each synchronisation and each unusual exit.
    Trace,
}

impl Level {
    /// From the value of `KVM_LA_LOG`; an unknown word is taken for debug, as
    /// whoever set it wants to see something.
    fn parse(word: &str) -> Level {
        match word {
            "" | "off" => Level::Off,
            "error" => Level::Error,
            "warn" => Level::Warn,
            "info" => Level::Info,
            "trace" => Level::Trace,
            _ => Level::Debug,
        }
    }
}

/// What `KVM_LA_LOG` said at the first message.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        std::env::var("KVM_LA_LOG").map_or(Level::Off, |word| Level::parse(word.trim()))
    })
}

/// Prints a line.
pub fn write(level: Level, message: std::fmt::Arguments<'_>) {
    let name = match level {
        Level::Off => return,
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    eprintln!("accel-kvm-la: {name}: {message}");
}

macro_rules! at {
    ($level:ident, $($message:tt)*) => {
        if $crate::qemu::log::level() >= $crate::qemu::log::Level::$level {
            $crate::qemu::log::write($crate::qemu::log::Level::$level, format_args!($($message)*));
        }
    };
}
macro_rules! warning {
    ($($message:tt)*) => { $crate::qemu::log::at!(Warn, $($message)*) };
}
macro_rules! info {
    ($($message:tt)*) => { $crate::qemu::log::at!(Info, $($message)*) };
}
macro_rules! debug {
    ($($message:tt)*) => { $crate::qemu::log::at!(Debug, $($message)*) };
}
macro_rules! trace {
    ($($message:tt)*) => { $crate::qemu::log::at!(Trace, $($message)*) };
}
#[allow(unused_imports)]
pub(crate) use {at, debug, info, trace, warning};

#[cfg(test)]
mod tests {
    use super::Level;

    #[test]
    fn words_are_levels() {
        assert_eq!(Level::parse(""), Level::Off);
        assert_eq!(Level::parse("debug"), Level::Debug);
        assert_eq!(Level::parse("1"), Level::Debug);
        assert!(Level::parse("trace") > Level::parse("info"));
    }
}
