// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A countdown timer (Volume 1, 7.6; for the guest's `docs/lvz.md` 9).

/// Nanoseconds of a tick: the 100 MHz crystal of the 3A5000 (CPUCFG.4).
pub const NS_PER_TICK: u64 = 10;

/// TVAL's width: PRCFG1.TimerBits says 48.
const TVAL_MASK: u64 = (1 << 48) - 1;

/// A countdown timer. Its value is computed from the time at which it was
/// last loaded, so that nothing needs to happen while it runs.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Timer {
    pub(super) running: bool,
    /// The shot has been fired, the next one needs a new load.
    pub(super) fired: bool,
    /// Tick at which `value` was loaded.
    since: u64,
    pub(super) value: u64,
}

impl Timer {
    pub(super) fn load(&mut self, tick: u64, value: u64) {
        self.since = tick;
        self.value = value & TVAL_MASK;
        self.fired = false;
    }

    /// Tick of the next expiry.
    pub(super) fn deadline(&self) -> Option<u64> {
        (self.running && !self.fired).then(|| self.since.saturating_add(self.value))
    }

    /// TVAL at `tick`. After a one-shot expired, root's timer stands at -1
    /// (7.6.2); one that `counts_on`, as the guest's, goes below it.
    pub(super) fn remaining(&self, tick: u64, counts_on: bool) -> u64 {
        if !self.running {
            return self.value;
        }
        let elapsed = tick.saturating_sub(self.since);
        match self.value.checked_sub(elapsed) {
            Some(left) if !(self.fired && left == 0) => left,
            _ if counts_on => self.value.wrapping_sub(elapsed).wrapping_sub(1) & TVAL_MASK,
            _ => TVAL_MASK,
        }
    }
}
