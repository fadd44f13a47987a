// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Kernel series, and the option that chooses one.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use clap::Args;

/// The first series that kernel-module/ builds for; its Makefile reads this file too.
const OLDEST: &str = include_str!("../../../kernel-module/oldest-kernel");

/// A series of Linux, such as 7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    major: u32,
    minor: u32,
}

impl FromStr for Series {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())
                .flatten()
        };
        text.split_once('.')
            .and_then(|(major, minor)| {
                Some(Self {
                    major: number(major)?,
                    minor: number(minor)?,
                })
            })
            .ok_or_else(|| anyhow!("a kernel series has two numbers, such as 7.2"))
    }
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

impl Series {
    /// Refuses a series that the module cannot be built for.
    pub(super) fn check(self) -> Result<Self> {
        let oldest: Self = OLDEST.trim().parse()?;
        if self < oldest {
            bail!("Linux {self} is too old: kernel-module/ needs {oldest} or later");
        }
        Ok(self)
    }
}

/// Which kernel a command works with.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct KernelOption {
    /// The series of the KVM host's kernel, such as 7.3, from the Debian suite that
    /// has it; forky's own series if not given
    #[arg(long = "kernel", value_name = "SERIES")]
    pub(crate) series: Option<Series>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_two_numbers() -> Result<()> {
        let series = |text: &str| text.parse::<Series>();
        assert!(series("7.10")? > series("7.9")?);
        assert_eq!(series("6.19")?.to_string(), "6.19");
        for text in ["7", "7.", ".2", "7.2.12", "7.x", "+7.2", ""] {
            assert!(series(text).is_err(), "{text}");
        }
        assert!(series("5.10")?.check().is_err());
        assert!(OLDEST.trim().parse::<Series>()?.check().is_ok());
        Ok(())
    }
}
