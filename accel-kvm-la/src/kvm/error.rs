// SPDX-License-Identifier: GPL-2.0-or-later

//! A call that failed.

use nix::errno::Errno;
use thiserror::Error;

/// Which call failed, of which vCPU if it is one's, and why.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}{name}: {}", Owner(.vcpu), Errno::from_raw(*.errno).desc())]
pub struct IoctlError {
    /// Name of the request.
    pub name: &'static str,
    /// The vCPU, for requests to one.
    pub vcpu: Option<i32>,
    /// Positive error number.
    pub errno: i32,
}

struct Owner<'a>(&'a Option<i32>);

impl std::fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(index) => write!(f, "vCPU {index}: "),
            None => Ok(()),
        }
    }
}

impl IoctlError {
    /// What C callers expect.
    pub fn negative_errno(&self) -> i32 {
        self.errno.wrapping_neg()
    }
}

/// The result of a call: 0 and above, or -errno.
pub fn result_of(name: &'static str, vcpu: Option<i32>, result: i32) -> Result<i32, IoctlError> {
    if result >= 0 {
        Ok(result)
    } else {
        Err(IoctlError {
            name,
            vcpu,
            errno: result.wrapping_neg(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::result_of;

    #[test]
    fn the_message_names_call_vcpu_and_reason() {
        let error = result_of("KVM_SET_REGS", Some(3), -libc::EINVAL).unwrap_err();
        assert_eq!(error.to_string(), "vCPU 3: KVM_SET_REGS: Invalid argument");
        assert_eq!(error.negative_errno(), -libc::EINVAL);
        let error = result_of("KVM_CREATE_DEVICE", None, -libc::ENODEV).unwrap_err();
        assert_eq!(error.to_string(), "KVM_CREATE_DEVICE: No such device");
        assert_eq!(result_of("KVM_RUN", Some(0), 0), Ok(0));
    }
}
