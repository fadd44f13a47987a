// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A machine that is operated by its console, at a terminal of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What ends a command, before its exit status; a shell that echoes what is typed shows the
/// sum.
const ENDED: &str = "KVM-LA-42 ";
const END: &str = "KVM-LA-$((41 + 1))";

/// The machine; it is killed when this is dropped.
pub(super) struct Session {
    child: Child,
    /// The terminal's other side.
    keyboard: File,
    output: Receiver<Vec<u8>>,
    log: File,
    path: PathBuf,
    /// What the console has shown since the last match.
    shown: String,
    until: Instant,
}

impl Session {
    /// Starts the machine; everything is to happen within `limit`.
    pub(super) fn start(mut command: Command, log: &Path, limit: Duration) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let stderr = file.try_clone()?;
        let (keyboard, terminal) = terminal().context("cannot have a terminal")?;
        let mut child = command
            .stdin(terminal)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let mut stdout = child.stdout.take().ok_or_else(|| anyhow!("no output"))?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            keyboard,
            output,
            log: file,
            path: log.to_owned(),
            shown: String::new(),
            until: Instant::now() + limit,
        })
    }

    /// Reads what comes next; false at the end.
    fn read(&mut self) -> Result<bool> {
        let left = self.until.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(bytes) => {
                self.log.write_all(&bytes)?;
                self.shown.push_str(&String::from_utf8_lossy(&bytes));
                Ok(true)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(false),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("it takes too long, see {}", self.path.display())
            }
        }
    }

    /// Waits until the console shows `text`.
    pub(super) fn expect(&mut self, text: &str) -> Result<()> {
        loop {
            if let Some(at) = self.shown.find(text) {
                self.shown.drain(..at + text.len());
                return Ok(());
            }
            if !self
                .read()
                .with_context(|| format!("'{text}' did not come"))?
            {
                bail!(
                    "the machine ended before '{text}' came, see {}",
                    self.path.display()
                );
            }
        }
    }

    pub(super) fn type_in(&mut self, text: &str) -> Result<()> {
        self.keyboard.write_all(text.as_bytes())?;
        Ok(())
    }

    /// Has the shell on the console run a command, which must end well.
    pub(super) fn run(&mut self, command: &str) -> Result<()> {
        self.type_in(&format!("({command}); echo {END} $?\r"))?;
        self.expect(ENDED)?;
        while !self.shown.contains('\n') && self.read()? {}
        let status = self.shown.lines().next().unwrap_or_default().trim();
        if status != "0" {
            bail!(
                "'{command}' ended with {status}, see {}",
                self.path.display()
            );
        }
        Ok(())
    }

    /// Waits until the machine has powered off.
    pub(super) fn end(mut self) -> Result<()> {
        while self.read()? {}
        let status = self.child.wait()?;
        if !status.success() {
            bail!(
                "the machine powered off, but its simulator ended with {status}, see {}",
                self.path.display()
            );
        }
        Ok(())
    }
}

/// A terminal: the side that types, and the one that is read.
fn terminal() -> Result<(File, File)> {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&keyboard)?;
    unlockpt(&keyboard)?;
    let name = ptsname(&keyboard, Vec::new())?;
    // Not the terminal of this process, which would end with it.
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let terminal = open(OsStr::from_bytes(name.to_bytes()), flags, Mode::empty())?;
    Ok((keyboard.into(), terminal.into()))
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that has ended already is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
