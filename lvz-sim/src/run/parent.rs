// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The end of this process with the one that started it, as QEMU has it with
//! `-run-with exit-with-parent=on`.

use anyhow::{Result, bail};

/// Has Linux kill this process when its parent ends: `pid`, or whichever process that is now.
///
/// Linux sends the signal when the parent's thread that made this process ends, even if other
/// threads go on (prctl(2), `PR_SET_PDEATHSIG`).
///
/// # Errors
/// The parent has ended already.
#[cfg(target_os = "linux")]
pub(super) fn exit_with(pid: Option<i32>) -> Result<()> {
    use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
    let parent = pid.map_or_else(getppid, Pid::from_raw);
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that ended before the call sends no signal, but is the parent no more.
    if getppid() != parent {
        match pid {
            Some(pid) => {
                bail!("--exit-with-parent={pid}: that process is not the parent (any more)")
            }
            None => bail!("--exit-with-parent: the parent has ended"),
        }
    }
    Ok(())
}

/// No other system has this.
#[cfg(not(target_os = "linux"))]
pub(super) fn exit_with(_: Option<i32>) -> Result<()> {
    bail!("--exit-with-parent is there on Linux alone: leave it out")
}
