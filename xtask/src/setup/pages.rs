// SPDX-License-Identifier: Apache-2.0 OR MIT

//! KVM hosts' kernels with other page tables than the default one: pages of 4 or 64 KiB,
//! more or fewer levels. Made only when a command asks for one.

use anyhow::Result;
use clap::ValueEnum;

use super::Products;
use super::config::Fragment;
use super::host_kernel::{Config, FRAGMENT};

/// A layout of page tables: size of pages, levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pages {
    /// Of 4 KiB, 3 levels.
    #[value(name = "4k-3")]
    Small3,
    /// Of 4 KiB, 4 levels.
    #[value(name = "4k-4")]
    Small4,
    /// Of 16 KiB, 2 levels.
    #[value(name = "16k-2")]
    Usual2,
    /// Of 16 KiB, 3 levels, as configs/kvm-host.config has it.
    #[default]
    #[value(name = "16k-3")]
    Usual3,
    /// Of 64 KiB, 2 levels.
    #[value(name = "64k-2")]
    Large2,
    /// Of 64 KiB, 3 levels.
    #[value(name = "64k-3")]
    Large3,
}

/// What takes the place of CONFIG_16KB_3LEVEL.
macro_rules! fragment {
    ($choice:literal) => {
        (
            "kvm-host.config, with other page tables",
            concat!("# CONFIG_16KB_3LEVEL is not set\nCONFIG_", $choice, "=y\n"),
        )
    };
}

macro_rules! config {
    ($choice:literal) => {{
        const FRAGMENTS: &[Fragment] = &[FRAGMENT, fragment!($choice)];
        Some(Config {
            title: concat!("KVM host kernel, ", $choice),
            product: concat!("host-kernel-", $choice),
            fragments: FRAGMENTS,
        })
    }};
}

impl Pages {
    /// The name as options and reports have it.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// The tables translate less than a guest's physical addresses have at most, 47 bits.
    pub(crate) fn small_tables(self) -> bool {
        matches!(self, Self::Small3 | Self::Usual2 | Self::Large2)
    }

    /// The tables have two levels.
    fn two_levels(self) -> bool {
        matches!(self, Self::Usual2 | Self::Large2)
    }

    /// What a KVM host's kernel must be told: with two levels of tables Linux 7.2.12 stopped with
    /// huge pages.
    pub(crate) fn host_parameters(self) -> &'static str {
        match self.two_levels() {
            true => "transparent_hugepage=never",
            false => "",
        }
    }

    /// What a guest's kernel must be told: the window of PCI's I/O ports on QEMU's board begins at
    /// no multiple of 64 KiB, and a kernel with such pages warns when it wants to map it.
    pub(crate) fn guest_parameters(self) -> &'static str {
        match self {
            Self::Large2 | Self::Large3 => "initcall_blacklist=gen_pci_driver_init",
            _ => "",
        }
    }

    /// The kernel's configuration; none for the usual kernel.
    fn config(self) -> Option<Config> {
        match self {
            Self::Small3 => config!("4KB_3LEVEL"),
            Self::Small4 => config!("4KB_4LEVEL"),
            Self::Usual2 => config!("16KB_2LEVEL"),
            Self::Usual3 => None,
            Self::Large2 => config!("64KB_2LEVEL"),
            Self::Large3 => config!("64KB_3LEVEL"),
        }
    }
}

impl Products {
    /// The same products with a kernel of other page tables in the place of the host's;
    /// built if it is not there yet.
    pub(crate) fn with_pages(&self, pages: Pages) -> Result<Self> {
        let Some(config) = pages.config() else {
            return Ok(self.clone());
        };
        // Its own lock: the making of other products need not wait for this one.
        let cache = self.cache.apart("pages")?;
        let lock = cache.lock()?;
        let host_kernel = self.other_host_kernel(&config, &cache)?;
        drop(lock);
        Ok(self.with_built(host_kernel))
    }
}
