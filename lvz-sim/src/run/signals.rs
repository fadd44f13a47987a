// SPDX-License-Identifier: Apache-2.0 OR MIT

//! SIGINT and SIGTERM: the first one ends a run as Ctrl-A x does, so that the terminal gets its
//! mode back and the figures of the run are written; the second one ends the process.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What has come.
#[derive(Default)]
pub(super) struct Signals {
    any: Arc<AtomicBool>,
    last: Arc<AtomicUsize>,
}

impl Signals {
    /// Takes them from now on.
    pub(super) fn take() -> Result<Self> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one finds `any` false.
            flag::register_conditional_default(signal, signals.any.clone())
                .and_then(|_| flag::register_usize(signal, signals.last.clone(), signal as usize))
                .and_then(|_| flag::register(signal, signals.any.clone()))
                .context("cannot take signals")?;
        }
        Ok(signals)
    }

    /// Is true once one has come.
    pub(super) fn any(&self) -> Arc<AtomicBool> {
        self.any.clone()
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> Option<u8> {
        let number = u8::try_from(self.last.load(Ordering::Relaxed)).ok()?;
        (number > 0).then_some(number)
    }
}
