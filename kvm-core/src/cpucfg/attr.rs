// SPDX-License-Identifier: GPL-2.0

//! The CPUCFG attributes of a vCPU descriptor (Linux: kvm/vcpu.c
//! kvm_loongarch_cpucfg_has_attr, _get_attr, _set_attr).

use super::{mask, CpucfgError, Host, PvFeatures};
use la_arch::kvm::{para, CPUCFG_WORDS};

/// KVM_HAS_DEVICE_ATTR: the words with features in them, and KVM's own.
pub const fn has_attr(attribute: u64) -> Result<(), CpucfgError> {
    const FEATURE: u64 = para::CPUCFG_FEATURE as u64;
    match attribute {
        2 | 6 | FEATURE => Ok(()),
        _ => Err(CpucfgError::Attribute),
    }
}

/// KVM_GET_DEVICE_ATTR: the bits that a word may have, or KVM's features.
pub const fn get_attr(host: &Host, pv: PvFeatures, attribute: u64) -> Result<u64, CpucfgError> {
    if attribute == para::CPUCFG_FEATURE as u64 {
        return Ok(pv.bits() as u64);
    }
    if attribute >= CPUCFG_WORDS as u64 {
        return Err(CpucfgError::Attribute);
    }
    match mask(host, attribute as u16) {
        Ok(bits) => Ok(bits as u64),
        Err(error) => Err(error),
    }
}

/// KVM_SET_DEVICE_ATTR: only KVM's features can be set, by [`PvFeatures::set`].
pub const fn settable(attribute: u64) -> Result<(), CpucfgError> {
    if attribute == para::CPUCFG_FEATURE as u64 {
        Ok(())
    } else {
        Err(CpucfgError::Attribute)
    }
}
