// SPDX-License-Identifier: GPL-2.0

//! Why user space's request to an interrupt controller fails.

use crate::errno::{EFAULT, EINVAL, ENXIO};

/// A refused attribute, route or message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntcError {
    /// The device has no such attribute group.
    Group,
    /// The group has no such attribute.
    Attribute,
    /// The DMSINTC has no such attribute (the one device that answers -ENXIO).
    DmsAttribute,
    /// No vCPU has that number.
    Vcpu,
    /// The value is out of range.
    Value,
    /// The value was set before and can be set only once.
    AlreadySet,
    /// A route's type, chip or pin does not exist.
    Route,
    /// The vCPU that a message names cannot take it.
    Target,
}

impl IntcError {
    /// Positive errno, chosen as Linux intc/*.c and irqfd.c do.
    pub const fn errno(self) -> i32 {
        match self {
            Self::DmsAttribute => ENXIO,
            Self::AlreadySet => EFAULT,
            Self::Group
            | Self::Attribute
            | Self::Vcpu
            | Self::Value
            | Self::Route
            | Self::Target => EINVAL,
        }
    }
}
