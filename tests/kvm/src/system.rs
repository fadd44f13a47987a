// SPDX-License-Identifier: GPL-2.0-or-later

//! /dev/kvm itself.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::harness::Skip;
use crate::request;
use crate::uapi::Capability;
use crate::vm::Vm;

/// /dev/kvm.
#[derive(Debug)]
pub struct Kvm(File);

impl Kvm {
    /// /dev/kvm, for reading and writing.
    pub fn open() -> Result<Self> {
        File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .map(Self)
            .map_err(|error| Error {
                call: "open of /dev/kvm",
                errno: error.raw_os_error().unwrap_or(0),
            })
    }

    /// What KVM says of a capability; 0 if it does not have it.
    pub fn capability(&self, capability: Capability) -> Result<i32> {
        request::CHECK_EXTENSION.call(&self.0, capability.number.into())
    }

    /// What KVM says of a capability, without which the case is skipped.
    pub fn needs(
        &self,
        capability: Capability,
    ) -> std::result::Result<i32, Box<dyn std::error::Error>> {
        match self.capability(capability)? {
            0 => Err(Skip(format!("not offered: {}", capability.name)).into()),
            value => Ok(value),
        }
    }

    /// Version of the interface.
    pub fn api_version(&self) -> Result<i32> {
        request::GET_API_VERSION.call(&self.0, 0)
    }

    /// The size of what a vCPU shares with user space.
    pub fn run_size(&self) -> Result<usize> {
        let size = request::GET_VCPU_MMAP_SIZE.call(&self.0, 0)?;
        Ok(usize::try_from(size).unwrap_or(0))
    }

    /// A VM without memory, devices and vCPUs.
    pub fn create_vm(&self) -> Result<Vm> {
        let fd = request::CREATE_VM.call(&self.0, 0)?;
        Ok(Vm::new(fd, self.run_size()?))
    }
}

impl AsFd for Kvm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
