// SPDX-License-Identifier: Apache-2.0 OR MIT

//! SIGINT and SIGTERM: the first one ends a run as Ctrl-A x does, so that the terminal gets its
//! mode back and the figures of the run are written; the second one ends the process.

use crate::leaving::Leaving;
use crate::standard_error;
use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What has come.
#[derive(Default)]
pub(super) struct Signals {
    leaving: Leaving,
    last: Arc<AtomicUsize>,
}

impl Signals {
    /// Takes them from now on.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn take(&self) -> Result<()> {
        let any = self.leaving.asked();
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first one finds `any` false.
            flag::register_conditional_default(signal, any.clone())
                .and_then(|_| flag::register_usize(signal, self.last.clone(), signal as usize))
                .and_then(|_| flag::register(signal, any.clone()))
                .context("cannot take signals")?;
        }
        standard_error::until(&self.leaving);
        Ok(())
    }

    /// The wish of the first one.
    pub(super) fn leaving(&self) -> &Leaving {
        &self.leaving
    }

    /// The number of the last one.
    pub(super) fn last(&self) -> Option<u8> {
        let number = u8::try_from(self.last.load(Ordering::Relaxed)).ok()?;
        (number > 0).then_some(number)
    }
}
