// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The layout of the common configuration (virtio 1.2, 4.1.4.3), and the registers of
//! virtio-mmio that its fields are.

use std::mem::offset_of;
use virtio_bindings::virtio_mmio as reg;

#[repr(C)]
struct Common {
    device_feature_select: u32,
    device_feature: u32,
    driver_feature_select: u32,
    driver_feature: u32,
    config_msix_vector: u16,
    num_queues: u16,
    device_status: u8,
    config_generation: u8,
    queue_select: u16,
    queue_size: u16,
    queue_msix_vector: u16,
    queue_enable: u16,
    queue_notify_off: u16,
    queue_desc: u64,
    queue_driver: u64,
    queue_device: u64,
}

/// A field of [`Common`], as its offset.
macro_rules! at {
    ($field:ident) => {
        offset_of!(Common, $field) as u64
    };
    ($field:ident, high) => {
        offset_of!(Common, $field) as u64 + 4
    };
}

const DEVICE_FEATURE_SELECT: u64 = at!(device_feature_select);
const DEVICE_FEATURE: u64 = at!(device_feature);
const DRIVER_FEATURE_SELECT: u64 = at!(driver_feature_select);
const DRIVER_FEATURE: u64 = at!(driver_feature);
pub(super) const CONFIG_MSIX_VECTOR: u64 = at!(config_msix_vector);
pub(super) const NUM_QUEUES: u64 = at!(num_queues);
pub(super) const DEVICE_STATUS: u64 = at!(device_status);
pub(super) const QUEUE_SELECT: u64 = at!(queue_select);
pub(super) const QUEUE_SIZE: u64 = at!(queue_size);
pub(super) const QUEUE_MSIX_VECTOR: u64 = at!(queue_msix_vector);
pub(super) const QUEUE_ENABLE: u64 = at!(queue_enable);
pub(super) const QUEUE_NOTIFY_OFF: u64 = at!(queue_notify_off);
const QUEUE_DESC: u64 = at!(queue_desc);
const QUEUE_DESC_HIGH: u64 = at!(queue_desc, high);
const QUEUE_DRIVER: u64 = at!(queue_driver);
const QUEUE_DRIVER_HIGH: u64 = at!(queue_driver, high);
const QUEUE_DEVICE: u64 = at!(queue_device);
const QUEUE_DEVICE_HIGH: u64 = at!(queue_device, high);
/// Registers of its end are in halves, queue addresses.
const ADDRESSES: u64 = QUEUE_DESC;

/// The register of virtio-mmio that a field is, where it is the same.
pub(super) fn mmio_register(field: u64) -> Option<u32> {
    Some(match field {
        DEVICE_FEATURE_SELECT => reg::VIRTIO_MMIO_DEVICE_FEATURES_SEL,
        DEVICE_FEATURE => reg::VIRTIO_MMIO_DEVICE_FEATURES,
        DRIVER_FEATURE_SELECT => reg::VIRTIO_MMIO_DRIVER_FEATURES_SEL,
        DRIVER_FEATURE => reg::VIRTIO_MMIO_DRIVER_FEATURES,
        DEVICE_STATUS => reg::VIRTIO_MMIO_STATUS,
        QUEUE_SELECT => reg::VIRTIO_MMIO_QUEUE_SEL,
        QUEUE_SIZE => reg::VIRTIO_MMIO_QUEUE_NUM,
        QUEUE_ENABLE => reg::VIRTIO_MMIO_QUEUE_READY,
        QUEUE_DESC => reg::VIRTIO_MMIO_QUEUE_DESC_LOW,
        QUEUE_DESC_HIGH => reg::VIRTIO_MMIO_QUEUE_DESC_HIGH,
        QUEUE_DRIVER => reg::VIRTIO_MMIO_QUEUE_AVAIL_LOW,
        QUEUE_DRIVER_HIGH => reg::VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
        QUEUE_DEVICE => reg::VIRTIO_MMIO_QUEUE_USED_LOW,
        QUEUE_DEVICE_HIGH => reg::VIRTIO_MMIO_QUEUE_USED_HIGH,
        _ => return None,
    })
}

/// The registers of 32 bits, as numbers behind the first, that an access of `size` bytes to
/// a field is.
pub(super) fn halves(field: u64, size: u8) -> std::ops::Range<u64> {
    0..if field >= ADDRESSES && size == 8 {
        2
    } else {
        1
    }
}
