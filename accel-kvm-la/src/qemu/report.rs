// SPDX-License-Identifier: GPL-2.0-or-later

//! Messages and errors by QEMU's own means, so that they reach its monitor, its
//! log and its standard error.

use std::ffi::CString;
use std::ptr;

use super::opaque::QEMUError;
use super::services::services;

/// `message` as C wants it; a zero byte in it ends it.
fn c_string(message: &str) -> CString {
    let until_zero = message.split('\0').next().unwrap_or_default();
    CString::new(until_zero).unwrap_or_default()
}

/// error_report.
pub fn error(message: &str) {
    let message = c_string(message);
    // SAFETY: The format takes one string; both end.
    unsafe { (services().error_report)(c"%s".as_ptr(), message.as_ptr()) };
}

/// warn_report.
pub fn warning(message: &str) {
    let message = c_string(message);
    // SAFETY: As in `error`.
    unsafe { (services().warn_report)(c"%s".as_ptr(), message.as_ptr()) };
}

/// error_setg with a hint for the user.
///
/// # Safety
///
/// `errp` is what QEMU calls an `Error **`: null, or one of its sentinels, or a
/// pointer to a null pointer.
pub unsafe fn set(errp: *mut *mut QEMUError, message: &str, hint: Option<&str>) {
    let message = c_string(message);
    // SAFETY: By this function's contract; the strings end.
    unsafe {
        (services().error_setg_internal)(
            errp,
            c"accel-kvm-la".as_ptr(),
            0,
            c"accel_kvm_la".as_ptr(),
            c"%s".as_ptr(),
            message.as_ptr(),
        );
    }
    if let Some(hint) = hint {
        let hint = c_string(&format!("{hint}\n"));
        // SAFETY: As above; the function ignores null and may not be given a
        // sentinel, from which the call above did not return with an error.
        unsafe { (services().error_append_hint)(errp, c"%s".as_ptr(), hint.as_ptr()) };
    }
}

/// Prints an error with its hint, as error_report_err does.
pub fn error_with_hint(message: &str, hint: Option<&str>) {
    let mut report: *mut QEMUError = ptr::null_mut();
    // SAFETY: The pointer is null.
    unsafe { set(&raw mut report, message, hint) };
    if !report.is_null() {
        // SAFETY: An error that this function alone has.
        unsafe { (services().error_report_err)(report) };
    }
}

/// Ends the process with QEMU's exit handlers.
pub fn exit(status: i32) -> ! {
    // SAFETY: Does not return.
    unsafe { (services().exit)(status) }
}

#[cfg(test)]
mod tests {
    use super::c_string;

    #[test]
    fn a_zero_byte_ends_a_message() {
        assert_eq!(c_string("one\0two").as_bytes(), b"one");
        assert_eq!(c_string("").as_bytes(), b"");
    }
}
