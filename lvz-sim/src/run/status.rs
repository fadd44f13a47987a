// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The exit status of the command, which a debugger is told of too.

use crate::engine::RunEnd;

/// The exit status of a run that `--max-instructions` has cut off, that of timeout(1).
const CUT_OFF: u8 = 124;

/// That of a run that ended well, but before a snapshot could be taken.
const NO_SNAPSHOT: u8 = 1;

/// The exit status of a run that has ended so. With `snapshot` one is taken at the limit of
/// instructions, which then is where the run was to end; `signal` is one that has come.
pub(crate) fn status_of(end: RunEnd, snapshot: bool, signal: Option<u8>) -> u8 {
    let status = match (end, signal) {
        (RunEnd::PowerOff(code), _) => code,
        (RunEnd::Limit, _) if snapshot => return 0,
        (RunEnd::Limit, _) => CUT_OFF,
        // As shells have it.
        (RunEnd::Quit, Some(signal)) => signal.saturating_add(128),
        (RunEnd::Quit | RunEnd::Halted, _) => 0,
        (RunEnd::Reset | RunEnd::Differs | RunEnd::Stuck, _) => 1,
    };
    match status {
        0 if snapshot => NO_SNAPSHOT,
        status => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_status() {
        for (end, snapshot, signal, status) in [
            (RunEnd::PowerOff(7), false, Some(15), 7),
            (RunEnd::Limit, false, None, 124),
            (RunEnd::Limit, true, None, 0),
            (RunEnd::PowerOff(0), true, None, 1),
            (RunEnd::Quit, false, None, 0),
            (RunEnd::Quit, false, Some(15), 143),
            (RunEnd::Reset, false, None, 1),
            (RunEnd::Differs, false, None, 1),
            (RunEnd::Stuck, false, None, 1),
        ] {
            assert_eq!(status_of(end, snapshot, signal), status, "{end:?}");
        }
    }
}
