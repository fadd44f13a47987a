// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Shared directory: a virtio 9P transport (virtio 1.2, section 5.9) in front
//! of the 9P2000.L server of crate `p9`.
//!
//! The server trusts its client to stay in the directory, so requests are
//! looked through first: a name is one component, and never `..`. Files are
//! opened without blocking, so that a FIFO cannot stop the simulator.

use super::device::{Completion, DeviceState, Input, Output, VirtioDevice};
use crate::platform::error::PlatformError;
use p9::Server;
use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use virtio_bindings::virtio_ids::VIRTIO_ID_9P;

/// Tag by which the directory is mounted:
/// `mount -t 9p -o trans=virtio,version=9p2000.L share DIR`.
const TAG: &str = "share";

const F_MOUNT_TAG: u64 = 1;
/// Longest request: what the server accepts at most.
const REQUEST_MAX: u64 = 64 * 1024 + 24;
/// Size, type and tag before each message.
const HEADER: usize = 7;
/// Most files that the machine may hold open.
const FIDS_MAX: usize = 4096;

const T_LOPEN: u8 = 12;
const T_LCREATE: u8 = 14;
const T_SYMLINK: u8 = 16;
const T_MKNOD: u8 = 18;
const T_RENAME: u8 = 20;
const T_LINK: u8 = 70;
const T_MKDIR: u8 = 72;
const T_RENAMEAT: u8 = 74;
const T_UNLINKAT: u8 = 76;
const T_VERSION: u8 = 100;
const T_ATTACH: u8 = 104;
const T_WALK: u8 = 110;
const T_CLUNK: u8 = 120;
const R_LERROR: u8 = 7;

const O_NONBLOCK: u32 = 0o4000;
const EACCES: u32 = 13;
const EMFILE: u32 = 24;
const EPROTO: u32 = 71;

pub(crate) struct Share {
    root: PathBuf,
    server: Server,
    /// Handles that the client holds.
    fids: BTreeSet<u32>,
}

fn server(root: &Path) -> std::io::Result<Server> {
    Server::new(root, Default::default(), Default::default())
}

/// Fields of a 9P message, from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// A string, if it is the name of a directory entry.
    fn entry(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        let name = self.bytes(length.into())?;
        (name != b".." && !name.contains(&b'/')).then_some(name)
    }
}

/// Checks the names in a message; `None` if one leads out of its directory.
fn confined(kind: u8, body: &[u8]) -> Option<()> {
    let mut fields = Fields(body);
    match kind {
        T_WALK => {
            fields.bytes(8)?;
            for _ in 0..fields.u16()? {
                fields.entry()?;
            }
        }
        T_LCREATE | T_SYMLINK | T_MKNOD | T_MKDIR | T_UNLINKAT => {
            fields.u32()?;
            fields.entry()?;
        }
        T_LINK | T_RENAME => {
            fields.bytes(8)?;
            fields.entry()?;
        }
        T_RENAMEAT => {
            fields.u32()?;
            fields.entry()?;
            fields.u32()?;
            fields.entry()?;
        }
        _ => {}
    }
    Some(())
}

/// The answer `Rlerror`.
fn error(tag: [u8; 2], errno: u32) -> Vec<u8> {
    let mut message = 11u32.to_le_bytes().to_vec();
    message.push(R_LERROR);
    message.extend_from_slice(&tag);
    message.extend_from_slice(&errno.to_le_bytes());
    message
}

impl Share {
    /// Shares the directory `root`.
    pub(crate) fn new(root: &Path) -> Result<Self, PlatformError> {
        let failed = |source| PlatformError::Share {
            path: root.to_owned(),
            source,
        };
        // The directory itself may be reached by a symbolic link.
        let root = root.canonicalize().map_err(failed)?;
        std::fs::read_dir(&root).map_err(failed)?;
        Ok(Self {
            server: server(&root).map_err(failed)?,
            root,
            fids: BTreeSet::new(),
        })
    }

    /// Answers a message.
    fn answer(&mut self, mut request: Vec<u8>) -> Option<Vec<u8>> {
        let (header, body) = request.split_at_checked(HEADER)?;
        let (kind, tag) = (header[4], [header[5], header[6]]);
        if confined(kind, body).is_none() {
            return Some(error(tag, EACCES));
        }
        if matches!(kind, T_ATTACH | T_WALK) && self.fids.len() >= FIDS_MAX {
            return Some(error(tag, EMFILE));
        }
        if kind == T_LOPEN
            && let Some(flags) = request.get_mut(HEADER + 4..HEADER + 8)
        {
            for (byte, bits) in flags.iter_mut().zip(O_NONBLOCK.to_le_bytes()) {
                *byte |= bits;
            }
        }
        let mut response = Vec::new();
        let mut reader = Cursor::new(&request);
        if self
            .server
            .handle_message(&mut reader, &mut response)
            .is_err()
        {
            return Some(error(tag, EPROTO));
        }
        if response.get(4) != Some(&R_LERROR) {
            self.track(kind, request.get(HEADER..)?, &response);
        }
        Some(response)
    }

    /// Keeps the account of open handles after a successful request.
    fn track(&mut self, kind: u8, body: &[u8], response: &[u8]) {
        let mut fields = Fields(body);
        let Some(fid) = fields.u32() else {
            return;
        };
        match kind {
            T_VERSION => self.fids.clear(),
            T_ATTACH => {
                self.fids.insert(fid);
            }
            T_CLUNK => {
                self.fids.remove(&fid);
            }
            T_WALK => {
                let (new, names) = (fields.u32(), fields.u16());
                let found = response.get(HEADER..).and_then(|body| Fields(body).u16());
                // A walk that stops half way makes no handle.
                if let Some(new) = new
                    && names == found
                {
                    self.fids.insert(new);
                }
            }
            _ => {}
        }
    }
}

impl VirtioDevice for Share {
    fn id(&self) -> u32 {
        VIRTIO_ID_9P
    }

    fn features(&self) -> u64 {
        F_MOUNT_TAG
    }

    fn queues(&self) -> &'static [u16] {
        &[128]
    }

    fn config(&self) -> Vec<u8> {
        let mut config = (TAG.len() as u16).to_le_bytes().to_vec();
        config.extend_from_slice(TAG.as_bytes());
        config
    }

    fn handle(
        &mut self,
        _queue: u16,
        input: &mut Input<'_>,
        output: &mut Output<'_>,
    ) -> Completion {
        let mut request = Vec::new();
        if input.take(REQUEST_MAX).read_to_end(&mut request).is_err() {
            return Completion::Used(0);
        }
        match self.answer(request) {
            Some(response) if output.write_all(&response).is_ok() => {
                Completion::Used(output.bytes_written())
            }
            _ => Completion::Used(0),
        }
    }

    fn reset(&mut self) {
        // Without a new server the old one goes on, its handles are closed by
        // the version request that begins a session.
        if let Ok(server) = server(&self.root) {
            self.server = server;
        }
        self.fids.clear();
    }

    fn save(&self) -> Result<DeviceState, PlatformError> {
        if self.fids.is_empty() {
            Ok(DeviceState::Share)
        } else {
            Err(PlatformError::ShareInUse)
        }
    }

    fn restore(&mut self, state: &DeviceState) -> Result<(), PlatformError> {
        match state {
            DeviceState::Share => self.reset(),
            _ => return Err(PlatformError::Mismatch("the shared directory")),
        }
        Ok(())
    }
}
