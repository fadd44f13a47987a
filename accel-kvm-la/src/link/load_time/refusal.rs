// SPDX-License-Identifier: GPL-2.0-or-later

//! Why the backend does not go into a QEMU, and how that is told: when KVM is
//! really used, before the guest runs, and not otherwise.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::OnceLock;

use super::image::{Image, function, symbol};
use super::patch::PatchError;
use crate::qemu::log::say;

/// What was not as it must be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Required symbols are absent.
    #[error("it does not export {}", .0.join(", "))]
    Symbols(Vec<&'static str>),
    /// The entries of migration tables have an unknown shape.
    #[error("the entries of its migration tables have an unknown shape")]
    VmStateShape,
    /// A migration table leads nowhere.
    #[error("{0} is no migration table")]
    VmStateTable(&'static str),
    /// A member is not in the tables.
    #[error("{table} has no member {name}")]
    NoMember {
        table: &'static str,
        /// The member.
        name: &'static str,
    },
    /// A member has another type.
    #[error("{name} of {table} has {count} elements of {size} bytes")]
    MemberSize {
        table: &'static str,
        /// The member.
        name: &'static str,
        /// Bytes of its elements.
        size: usize,
        /// Their number.
        count: usize,
    },
    /// A trial had no clear outcome.
    #[error("the place of {0} in its CPU object cannot be found")]
    Probe(&'static str),
    /// Two ways to the same field end in different places.
    #[error("{field} would be at {found} by one way and at {expected} by another")]
    Disagreement {
        field: &'static str,
        /// By the first way.
        found: usize,
        /// By the second.
        expected: usize,
    },
    /// The layout table names fields that nothing here finds.
    #[error("nothing tells where {} are", .0.join(", "))]
    Fields(Vec<&'static str>),
    /// A class is not registered.
    #[error("it has no class {0}: it was built without KVM")]
    NoClass(&'static str),
    /// The members of a class are not recognised.
    #[error("the operations in its class {0} are not recognised")]
    Slots(&'static str),
    /// Its code stays as it is.
    #[error(transparent)]
    Patch(#[from] PatchError),
}

/// What identifies a QEMU to its maintainers.
pub(crate) struct Identity {
    /// Version and package, as `-version` has them.
    pub(crate) version: Option<String>,
    /// The build's note.
    pub(crate) build_id: Option<String>,
}

/// `VersionTriple` and `VersionInfo` of qapi/control.json.
#[repr(C)]
struct VersionTriple {
    major: i64,
    minor: i64,
    micro: i64,
}
#[repr(C)]
struct VersionInfo {
    qemu: *const VersionTriple,
    package: *const c_char,
}
type QmpQueryVersion = unsafe extern "C" fn(errp: *mut *mut c_void) -> *mut VersionInfo;
type FreeVersionInfo = unsafe extern "C" fn(info: *mut VersionInfo);

impl Identity {
    /// Of the QEMU that this process is.
    pub(crate) fn of(image: &Image) -> Self {
        Self {
            version: version(),
            build_id: image.build_id.clone(),
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        let build_id = self.build_id.as_deref().unwrap_or("none");
        write!(f, "QEMU {version}, build-id {build_id}")
    }
}

/// What `query-version` answers.
fn version() -> Option<String> {
    // SAFETY: the exported function of this name has this type (generated from
    // qapi/control.json).
    let query = unsafe { function::<QmpQueryVersion>(symbol(c"qmp_query_version")?) };
    // SAFETY: as above.
    let free = unsafe { function::<FreeVersionInfo>(symbol(c"qapi_free_VersionInfo")?) };
    // SAFETY: the command has no arguments and needs nothing but an allocator.
    let info = unsafe { query(std::ptr::null_mut()) };
    // SAFETY: null or a valid object that is ours until it is freed below.
    let version = unsafe { info.as_ref() }.and_then(|info| {
        // SAFETY: mandatory members of a valid object.
        let triple = unsafe { info.qemu.as_ref() }?;
        let mut text = format!("{}.{}.{}", triple.major, triple.minor, triple.micro);
        if !info.package.is_null() {
            // SAFETY: a string of a valid object.
            let package = unsafe { CStr::from_ptr(info.package) }.to_string_lossy();
            if !package.is_empty() {
                text.push_str(&format!(" ({package})"));
            }
        }
        Some(text)
    });
    // SAFETY: what the query returned, once.
    unsafe { free(info) };
    version
}

/// `Notifier` (include/qemu/notify.h): the function and its place in a list.
#[repr(C)]
struct Notifier {
    notify: unsafe extern "C" fn(*mut Notifier, *mut c_void),
    next: *mut c_void,
    previous: *mut c_void,
}
type GetCpu = unsafe extern "C" fn(c_int) -> *mut c_void;
type AddNotifier = unsafe extern "C" fn(*mut Notifier);

static MESSAGE: OnceLock<CString> = OnceLock::new();

/// Lets QEMU go on as it is, but not into a guest with KVM: a user that asked for
/// this backend must not get another without a word. A machine without CPUs, by
/// which libvirt asks what QEMU can do, may use the C backend.
pub(crate) fn refuse(identity: &Identity, refusal: &Refusal) {
    let message = format!(
        "accel-kvm-la cannot go into {identity}: {refusal}. Run qemu-system-loongarch64 \
         itself for QEMU's own KVM backend, or use an accel-kvm-la made for this version"
    );
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    let Some(add) = symbol(c"qemu_add_machine_init_done_notifier") else {
        // There is no later moment to speak at.
        say(&format!("{message}\n"));
        return;
    };
    if MESSAGE.set(text).is_err() {
        return;
    }
    // QEMU keeps it in a list for the rest of the process.
    let notifier = Box::leak(Box::new(Notifier {
        notify: machine_done,
        next: std::ptr::null_mut(),
        previous: std::ptr::null_mut(),
    }));
    // SAFETY: the exported function of this name has this type
    // (include/system/system.h).
    let add = unsafe { function::<AddNotifier>(add) };
    // SAFETY: the notifier lives for ever; this is the main thread before any
    // machine exists.
    unsafe { add(notifier) };
}

/// The machine is complete: ends the process if it would run on KVM.
unsafe extern "C" fn machine_done(_: *mut Notifier, _: *mut c_void) {
    let is_kvm = symbol(c"kvm_allowed").is_some_and(|allowed| {
        let allowed = std::ptr::with_exposed_provenance::<bool>(allowed);
        // SAFETY: the exported object of this name is a bool that only the main
        // thread changes, and that is where this runs.
        unsafe { allowed.read() }
    });
    let has_cpu = symbol(c"qemu_get_cpu").is_some_and(|get| {
        // SAFETY: the exported function of this name has this type
        // (include/hw/core/cpu.h).
        let get = unsafe { function::<GetCpu>(get) };
        // SAFETY: it looks for an index in the list of CPUs.
        !unsafe { get(0) }.is_null()
    });
    if !is_kvm || !has_cpu {
        return;
    }
    if let Some(message) = MESSAGE.get() {
        say(&format!("{}\n", message.to_string_lossy()));
    }
    std::process::exit(1);
}
