//! A KVM host's kernel that watches itself: locks, sleep in atomic context,
//! leaks, lists and objects, undefined behaviour. Made only when a test asks for
//! it, since it takes longer to build than all else together.

use anyhow::Result;

use super::Products;
use super::host_kernel::{self, Config, FRAGMENT};
use crate::cache::Key;

const DEBUG: Config = Config {
    title: "KVM host debug kernel",
    product: "debug-kernel",
    fragments: &[
        FRAGMENT,
        (
            "kvm-host-debug.config",
            include_str!("../../../configs/kvm-host-debug.config"),
        ),
    ],
};

impl Products {
    /// The same products with the debug kernel in the place of the host's; built
    /// if it is not there yet.
    pub(crate) fn with_debug_kernel(&self) -> Result<Self> {
        // Its own lock: who wants the other products need not wait for this one.
        let cache = self.cache.apart("debug")?;
        let lock = cache.lock()?;
        let log = self.cache.logs()?.join("debug-kernel.log");
        // The host kernel's name stands for source, toolchain and first fragment.
        let key = Key::new(1).with("host kernel", self.host_kernel.name());
        let source = (self.host_kernel.source(), key);
        let host_kernel = host_kernel::make_with(&DEBUG, &cache, &self.tools, source, &log)?;
        drop(lock);
        Ok(Self {
            host_kernel,
            ..self.clone()
        })
    }
}
