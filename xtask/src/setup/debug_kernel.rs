// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A KVM host's kernel that watches itself: locks, sleep in atomic context,
//! leaks, lists and objects, undefined behaviour. Made only when a test asks for
//! it, since it takes longer to build than all else together.

use anyhow::Result;

use super::Products;
use super::host_kernel::{Config, FRAGMENT};

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
        // Its own lock: the making of other products need not wait for this one.
        let cache = self.cache.apart("debug")?;
        let lock = cache.lock()?;
        let host_kernel = self.other_host_kernel(&DEBUG, &cache)?;
        drop(lock);
        Ok(Self {
            host_kernel,
            ..self.clone()
        })
    }
}
