// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Kernel and userland of a KVM host for libvirt and other clients of KVM than
//! QEMU alone. Made only when a suite asks for them.

use anyhow::Result;

use super::Products;
use super::host_kernel::{Config, FRAGMENT};
use super::userland::{self, Contents, INCLUDE, PACKAGES};
use crate::cache::Key;

const KERNEL: Config = Config {
    title: "KVM host kernel for clients",
    product: "clients-kernel",
    fragments: &[
        FRAGMENT,
        (
            "kvm-host-clients.config",
            include_str!("../../../configs/kvm-host-clients.config"),
        ),
    ],
};

const USERLAND: Contents = Contents {
    title: "loong64 userland for clients",
    product: "clients-userland",
    packages: &[PACKAGES, include_str!("../../../configs/clients.packages")],
    include: &[
        INCLUDE,
        &[
            "/usr/bin/qemu-img",
            "/usr/bin/qemu-nbd",
            // By these libvirt finds firmware and virtiofsd.
            "/usr/share/qemu/firmware/*",
            "/usr/share/qemu/vhost-user/*",
        ],
    ],
    // libvirt's programs look for its sockets under the old names.
    links: &[("/run", "var/run"), ("/run/lock", "var/lock")],
};

impl Products {
    /// The same products with kernel and userland for clients in the place of the
    /// host's; made if they are not there yet.
    pub(crate) fn with_clients(&self) -> Result<Self> {
        // Its own lock: a run that wants the other products need not wait.
        let cache = self.cache.apart("clients")?;
        let lock = cache.lock()?;
        let log = self.cache.logs()?.join("clients-userland.log");
        // The userland's name stands for the package lists that it came from.
        let key = Key::new(1).with("userland", self.userland.name());
        let (userland, _) = userland::make_with(&USERLAND, &cache, &self.tools, &key, &log)?;
        let host_kernel = self.other_host_kernel(&KERNEL, &cache)?;
        drop(lock);
        Ok(Self {
            host_kernel,
            userland,
            ..self.clone()
        })
    }
}
