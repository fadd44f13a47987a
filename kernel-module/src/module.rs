// SPDX-License-Identifier: GPL-2.0

//! Loading and unloading.

use kernel::error::to_result;
use kernel::prelude::*;

use crate::cpu::host::{self, Host};
use crate::irqchip;
use crate::kvm::bindings as b;
use crate::kvm::calls::calls;

// `KvmModule` calls them once each, in the order of loading and unloading: the kernel
// unloads only when no file of KVM is open.
calls! {
    fn register_perf_callbacks() = kvm_la_register_perf_callbacks;
    fn unregister_perf_callbacks() = kvm_la_unregister_perf_callbacks;
    fn exit() = kvm_exit;
}

/// The loaded module.
pub(crate) struct KvmModule;

impl kernel::Module for KvmModule {
    // A loadable module's is freed when it is over; a kernel's own caller is not.
    #[cfg_attr(MODULE, link_section = ".init.text")]
    fn init(module: &'static ThisModule) -> Result<Self> {
        Host::detect()?;
        // From here on a failure must release the host's resources again.
        let registered = Self::register(module);
        if registered.is_err() {
            // SAFETY: KVM refused the module: it calls no hook.
            unsafe { host::release() };
        }
        registered.map(|()| KvmModule)
    }
}

impl KvmModule {
    fn register(module: &'static ThisModule) -> Result {
        irqchip::register()?;
        register_perf_callbacks();
        // SAFETY: `Host` is set up, which the hooks that this calls (enabling
        // the extension on each CPU) rely on. The vCPU's size and alignment
        // are those of the C structure.
        let result = to_result(unsafe {
            b::kvm_init(
                core::mem::size_of::<b::kvm_vcpu>() as u32,
                core::mem::align_of::<b::kvm_vcpu>() as u32,
                module.as_ptr(),
            )
        });
        if result.is_err() {
            Self::unregister();
        }
        result
    }

    fn unregister() {
        unregister_perf_callbacks();
        irqchip::unregister();
    }
}

impl Drop for KvmModule {
    fn drop(&mut self) {
        exit();
        Self::unregister();
        // SAFETY: After `exit` KVM calls no hook.
        unsafe { host::release() };
    }
}
