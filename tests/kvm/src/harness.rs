// SPDX-License-Identifier: GPL-2.0-or-later

//! Runs the cases of a test program and prints a line for each:
//! `KVM-LA-TEST NAME ...` before, `KVM-LA-TEST NAME ok`, `FAILED: reason` or
//! `skipped: reason` after it.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use crate::system::Kvm;
use crate::uapi::capability;

/// How long a case may take: a hundred times what the longest takes. A guest that
/// never exits must not hold up the rest.
const LIMIT: Duration = Duration::from_secs(5);

/// What a case comes to. An error that is a [`Skip`] skips it.
pub type Outcome = Result<(), Box<dyn Error>>;

/// One thing that a program shows, which passes, fails or is skipped.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name: one word.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&Kvm) -> Outcome,
}

/// Why a case cannot be run here.
#[derive(Debug)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Skip {}

/// Skips a case where the KVM is Linux's own.
pub fn only_on_ours(kvm: &Kvm) -> Outcome {
    if is_linux(kvm)? {
        return Err(Skip("only for this project's KVM".to_owned()).into());
    }
    Ok(())
}

/// Linux's own KVM does not have this capability.
fn is_linux(kvm: &Kvm) -> Result<bool, Box<dyn Error>> {
    Ok(kvm.capability(capability::SYNC_REGS)? == 0)
}

/// Passes on what a case came to; but where the KVM is Linux's own, of which the
/// fault is known, a failure skips it.
pub fn known_in_linux(kvm: &Kvm, fault: &str, outcome: Outcome) -> Outcome {
    match outcome {
        Err(error) if !error.is::<Skip>() && is_linux(kvm)? => {
            Err(Skip(format!("known fault of Linux's KVM, {fault}: {error}")).into())
        }
        outcome => outcome,
    }
}

fn is_a_case(cases: &[Case], word: &str) -> bool {
    cases.iter().any(|case| case.name == word)
}

/// Runs all cases. With arguments, only those that they name.
pub fn run(cases: &[Case]) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = words.iter().find(|word| !is_a_case(cases, word)) {
        println!("KVM-LA-TEST {unknown} FAILED: there is no such case");
        return ExitCode::FAILURE;
    }
    let mut failed = 0;
    for case in cases {
        let name = case.name;
        if !words.is_empty() && !words.iter().any(|word| word == name) {
            continue;
        }
        println!("KVM-LA-TEST {name} ...");
        let (sender, receiver) = mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if receiver.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                println!(
                    "KVM-LA-TEST {name} FAILED: no end within {} s",
                    LIMIT.as_secs()
                );
                // The thread that runs the guest cannot be ended by itself.
                std::process::exit(1);
            }
        });
        let outcome = Kvm::open()
            .map_err(Into::into)
            .and_then(|kvm| (case.run)(&kvm));
        drop(sender);
        // It only waits, and ends now.
        let _ = watchdog.join();
        match outcome {
            Ok(()) => println!("KVM-LA-TEST {name} ok"),
            Err(error) if error.is::<Skip>() => println!("KVM-LA-TEST {name} skipped: {error}"),
            Err(error) => {
                failed += 1;
                println!("KVM-LA-TEST {name} FAILED: {error}");
            }
        }
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Fails the case with a message if a condition does not hold.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+).into());
        }
    };
}

/// Fails the case if two values differ.
#[macro_export]
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($message:tt)+) => {
        // Temporaries in the two live as long as this.
        match (&$found, &$wanted) {
            (found, wanted) => {
                if *found != *wanted {
                    let what = format!($($message)+);
                    return Err(format!("{what}: {found:x?} instead of {wanted:x?}").into());
                }
            }
        }
    };
}

/// Fails the case unless a call failed with this errno.
#[macro_export]
macro_rules! ensure_errno {
    ($result:expr, $errno:expr, $($message:tt)+) => {{
        let result = $result.map(drop).map_err(|error| error.errno);
        if result != Err($errno) {
            let what = format!($($message)+);
            return Err(format!("{what}: {result:?} instead of errno {}", $errno).into());
        }
    }};
}
