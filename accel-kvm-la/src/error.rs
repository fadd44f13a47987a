// SPDX-License-Identifier: GPL-2.0-or-later

//! What can go wrong, as the user reads it.

use thiserror::Error;

use crate::kvm::IoctlError;

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BackendError {
    /// A call to KVM failed.
    #[error(transparent)]
    Ioctl(#[from] IoctlError),
    /// A register could not be read.
    #[error("cannot read {register}: {source}")]
    ReadRegister {
        /// Its name.
        register: String,
        /// The call.
        source: IoctlError,
    },
    /// A register could not be written.
    #[error("cannot set {register} to {value:#x}: {source}")]
    WriteRegister {
        /// Its name.
        register: String,
        value: u64,
        /// The call.
        source: IoctlError,
    },
    /// The user asked for a feature that the host does not have. The texts are
    /// those of the C backend, which management tools know.
    #[error("'{feature}' feature not supported by KVM {host}")]
    Unsupported {
        /// Its name.
        feature: &'static str,
        /// How the C backend calls the host here.
        host: &'static str,
        /// The property that asks for it.
        property: &'static str,
    },
    /// The user asked for message interrupts, which the host has, but no controller
    /// can deliver devices' messages so.
    #[error(
        "'msgint' feature not supported with kernel-irqchip=on: \
         the kernel or this QEMU has no DMSINTC for guests"
    )]
    NoDmsintc,
    /// The user asked for a 32-bit CPU.
    #[error("the CPU model is an LA32 one, and KVM's CPUs are LA64")]
    NotLa64,
    /// QEMU has not told the backend of this CPU.
    #[error("vCPU {0} was never initialised by kvm_arch_init_vcpu")]
    UnknownVcpu(i32),
    /// The vCPU has no run page.
    #[error("vCPU {0} has no run page: KVM_CREATE_VCPU has not been called or its mapping is gone")]
    NoRunPage(i32),
}

impl BackendError {
    /// What C callers expect.
    pub fn negative_errno(&self) -> i32 {
        match self {
            BackendError::Ioctl(error)
            | BackendError::ReadRegister { source: error, .. }
            | BackendError::WriteRegister { source: error, .. } => error.negative_errno(),
            BackendError::Unsupported { .. } | BackendError::NoDmsintc | BackendError::NotLa64 => {
                -libc::ENOTSUP
            }
            BackendError::UnknownVcpu(_) | BackendError::NoRunPage(_) => -libc::EINVAL,
        }
    }

    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            BackendError::Unsupported { property, .. } => Some(format!(
                "Leave out {property}=on, or run on a host whose CPU and kernel have it."
            )),
            BackendError::NoDmsintc => {
                Some("Leave out msgint=on, or use kernel-irqchip=off, which is slower.".into())
            }
            BackendError::NotLa64 => Some("Use -cpu la464, max or host.".into()),
            BackendError::WriteRegister { source, .. } if source.errno == libc::EINVAL => Some(
                "The host's CPU or kernel may lack what the guest was started or saved with; \
                 compare -cpu and the two hosts."
                    .into(),
            ),
            BackendError::Ioctl(error) if error.errno == libc::ENOMEM => {
                Some("The host is out of memory.".into())
            }
            _ => None,
        }
    }
}
