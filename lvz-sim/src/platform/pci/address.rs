// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Addresses in a window to configuration space.

use crate::map::ConfigFormat;

/// The register of a device on the bus: its function 0, which is all that any has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConfigAddress {
    pub(super) device: u8,
    pub(super) register: u64,
}

impl ConfigFormat {
    /// What `offset` in a window addresses; `None` for other buses and functions. Bus 0 is
    /// reached without the bit for buses behind bridges, as Linux does.
    pub(super) fn decode(self, offset: u64) -> Option<ConfigAddress> {
        let bits = |low: u32, width: u32| offset >> low & ((1 << width) - 1);
        let (bus, device_and_function, register) = match self {
            // All above are bits of the bus.
            Self::Ecam => (offset >> 20, bits(12, 8), bits(0, 12)),
            Self::Standard => (offset >> 16, bits(8, 8), bits(0, 8)),
            Self::Extended => {
                let (behind_bridge, bus) = (bits(28, 1), bits(16, 8));
                let register = bits(24, 4) << 8 | bits(0, 8);
                (behind_bridge << 8 | bus, bits(8, 8), register)
            }
        };
        let (device, function) = (device_and_function >> 3, device_and_function & 7);
        (bus == 0 && function == 0).then_some(ConfigAddress {
            device: device as u8,
            register,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_window_has_its_own_addresses() {
        use ConfigFormat::{Ecam, Extended, Standard};
        let at = |device, register| Some(ConfigAddress { device, register });
        for (format, offset, expected) in [
            (Ecam, 0, at(0, 0)),
            (Ecam, 31 << 15 | 0xffc, at(31, 0xffc)),
            (Ecam, 1 << 12, None),
            (Ecam, 1 << 20, None),
            (Ecam, 127 << 20, None),
            (Standard, 9 << 11 | 0xfc, at(9, 0xfc)),
            (Standard, 9 << 11 | 1 << 8, None),
            (Standard, 1 << 16, None),
            (Standard, 1 << 24, None),
            (Extended, 9 << 11 | 0xfc, at(9, 0xfc)),
            (Extended, 0xf << 24 | 31 << 11 | 0xfc, at(31, 0xffc)),
            (Extended, 9 << 11 | 7 << 8, None),
            (Extended, 1 << 16, None),
            (Extended, 1 << 28, None),
            (Extended, 1 << 28 | 0xff << 16, None),
        ] {
            assert_eq!(format.decode(offset), expected, "{format:?} {offset:#x}");
        }
    }
}
