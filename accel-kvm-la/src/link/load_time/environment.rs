// SPDX-License-Identifier: GPL-2.0-or-later

//! The loader's list of libraries, which must not reach the processes that QEMU
//! starts: they have no use for us.

use std::ffi::{CStr, OsStr, OsString, c_void};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The loader's variable, see ld.so(8).
const PRELOAD: &str = "LD_PRELOAD";

/// Takes this library off the list.
///
/// # Safety
///
/// There is only this thread.
pub(crate) unsafe fn leave_preload_list() {
    let (Some(list), Some(own)) = (std::env::var_os(PRELOAD), own_file()) else {
        return;
    };
    let rest = without(&list, |entry| {
        is_same_file(Path::new(entry), Path::new(&own))
    });
    if rest.is_empty() {
        // SAFETY: by this function's contract no thread reads the environment now.
        unsafe { std::env::remove_var(PRELOAD) };
    } else if rest != list {
        // SAFETY: as above.
        unsafe { std::env::set_var(PRELOAD, rest) };
    }
}

/// A list, separated by colons or spaces, without the entries that match.
fn without(list: &OsStr, matches: impl Fn(&OsStr) -> bool) -> OsString {
    let kept: Vec<&[u8]> = list
        .as_bytes()
        .split(|byte| matches!(byte, b':' | b' '))
        .filter(|entry| !entry.is_empty() && !matches(OsStr::from_bytes(entry)))
        .collect();
    OsString::from_vec(kept.join(&b':'))
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    a == b
        || match (std::fs::metadata(a), std::fs::metadata(b)) {
            (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
            _ => false,
        }
}

/// The file that this library was loaded from, as the loader names it.
fn own_file() -> Option<OsString> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    let own = own_file as fn() -> Option<OsString> as *const c_void;
    // SAFETY: dladdr takes any address and fills the structure if it knows it.
    if unsafe { libc::dladdr(own, &raw mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: a name that the loader keeps as long as the library is loaded.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(OsStr::from_bytes(name.to_bytes()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_entry_goes() {
        let is_ours = |entry: &OsStr| entry == "/a/ours.so";
        let check = |list: &str| without(OsStr::new(list), is_ours);
        assert_eq!(check("/a/ours.so"), "");
        assert_eq!(check("/a/ours.so:/b/other.so"), "/b/other.so");
        assert_eq!(check("/b/other.so /a/ours.so  /c.so"), "/b/other.so:/c.so");
        assert_eq!(check(""), "");
    }

    #[test]
    fn the_own_file_is_the_test_program() {
        let own = own_file().expect("a name");
        let program = std::env::current_exe().expect("a program");
        assert!(is_same_file(Path::new(&own), &program));
    }
}
