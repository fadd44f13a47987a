// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Physical addresses of the machine: what all boards have in common, and the map that is
//! made from the description of one ([`Board`]).

mod board;
mod boards;
mod bridge;
mod device;
mod loongson;
mod memory;
mod place;
mod virt;

pub use board::{Attachment, Board, ConfigFormat, PciHost, Port, PowerControl, Slot};
pub use boards::BOARDS;
pub(crate) use bridge::{CHIP_UPPER, PCH_MSI, PCH_PIC, POWER_MANAGEMENT, chip};
pub use device::Device;
pub(crate) use device::UARTS;
pub use loongson::LOONGSON_3A5000;
pub(crate) use memory::{FIRMWARE_BASE, FIRMWARE_MAX, HIGH_RAM_BASE, LOW_RAM_SIZE, RAM_SIZES};
pub use place::{Input, Place};
pub use virt::{VIRT, VIRT_MMIO};

/// Most CPUs: four EIOINTC nodes of four.
pub(crate) const MAX_CPUS: usize = 16;

/// First EIOINTC vector that message-signalled interrupts use.
pub(crate) const MSI_VECTOR: u32 = 64;
/// How many they are.
pub(crate) const MSI_VECTORS: u32 = 256 - MSI_VECTOR;

/// What a machine has of a board's devices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    /// Nodes of the chip.
    pub(crate) nodes: usize,
    /// Virtio devices.
    pub(crate) virtio: usize,
    /// Whether the chip sends message interrupts.
    pub(crate) avec: bool,
    /// Whether there is firmware.
    pub(crate) firmware: bool,
}

/// The devices of one machine, by ascending address.
///
/// Not `vm-device`: its bus takes devices as `Arc<dyn DeviceMmio + Sync>`, so each
/// of them would need a lock on a machine that has one thread.
#[derive(Debug)]
pub(crate) struct DeviceMap(Vec<(Device, Place)>);

impl DeviceMap {
    /// The map of a machine on `board`. What the board has not is left out.
    pub(crate) fn new(board: &Board, has: Population) -> Self {
        let mut devices = vec![
            Device::PchPic,
            Device::PowerManagement,
            Device::Rtc,
            Device::Events,
            Device::Power,
            Device::LegacyIo,
            Device::PchMsi,
            Device::PciIo,
            Device::PciMemory,
        ];
        devices.extend((0..has.virtio).map(Device::Virtio));
        let windows = board.pci().map_or(0, |host| host.config.len());
        devices.extend((0..windows).map(Device::PciConfig));
        devices.extend((0..UARTS).map(Device::Uart));
        devices
            .extend((0..has.nodes).flat_map(|node| [Device::Chip(node), Device::ChipUpper(node)]));
        devices.extend(has.avec.then_some(Device::Avec));
        if has.firmware {
            devices.extend([Device::Flash, Device::FwCfg]);
        }
        let mut map: Vec<(Device, Place)> = devices
            .into_iter()
            .filter_map(|device| Some((device, board.place(device)?)))
            .collect();
        map.sort_by_key(|(_, place)| place.base);
        DeviceMap(map)
    }

    /// All of them.
    pub(crate) fn devices(&self) -> &[(Device, Place)] {
        &self.0
    }

    /// The device that answers at `pa`, and the offset in its registers.
    pub(crate) fn find(&self, pa: u64) -> Option<(Device, u64)> {
        let behind = self.0.partition_point(|(_, place)| place.base <= pa);
        let (device, place) = *self.0.get(behind.checked_sub(1)?)?;
        (pa - place.base < place.size).then_some((device, pa - place.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a machine of one node can have on `board`.
    fn full(board: &Board) -> DeviceMap {
        DeviceMap::new(
            board,
            Population {
                nodes: 1,
                virtio: board.virtio_most(),
                avec: true,
                firmware: board.firmware.is_some(),
            },
        )
    }

    #[test]
    fn nothing_overlaps() {
        for board in BOARDS {
            let map = full(board);
            let mut end = LOW_RAM_SIZE;
            for (device, place) in &map.0 {
                assert!(place.base >= end, "{}: {device:?}", board.name);
                end = place.last() + 1;
                // High memory reaches from its base to at most 1 TiB behind it.
                let high = HIGH_RAM_BASE..HIGH_RAM_BASE + RAM_SIZES.end();
                assert!(place.last() < high.start || place.base >= high.end);
            }
            assert_eq!(map.find(FIRMWARE_BASE), None);
            assert_eq!(map.find(FIRMWARE_BASE + FIRMWARE_MAX - 1), None);
        }
    }

    #[test]
    fn no_two_devices_share_an_input() {
        for board in BOARDS {
            let map = full(board);
            let mut inputs: Vec<Input> =
                map.0.iter().filter_map(|(_, place)| place.input).collect();
            // Functions of a bus may share.
            let mut slots: Vec<Input> = Vec::new();
            for slot in board.pci().map_or(&[][..], |host| host.slots) {
                if !slots.contains(&Input::PchPic(slot.pin)) {
                    slots.push(Input::PchPic(slot.pin));
                }
            }
            inputs.extend(slots);
            for (index, input) in inputs.iter().enumerate() {
                assert!(
                    !inputs[..index].contains(input),
                    "{}: {input:?}",
                    board.name
                );
                match *input {
                    Input::PchPic(pin) => assert!(pin < la_arch::pch_pic::PINS as u32),
                    Input::Liointc(number) => assert!(board.has_liointc && number < 32),
                }
            }
        }
    }

    #[test]
    fn boards_have_names() {
        for board in BOARDS {
            assert!(std::ptr::eq(Board::named(board.name).unwrap(), board));
        }
        assert!(Board::named("3A5000").is_none());
    }

    #[test]
    fn devices_are_found_from_their_first_byte_to_their_last() {
        for board in BOARDS {
            let has = Population {
                nodes: 4,
                virtio: 2,
                avec: false,
                firmware: board.firmware.is_some(),
            };
            let map = DeviceMap::new(board, has);
            for (device, place) in map.0.iter().copied() {
                assert_eq!(map.find(place.base), Some((device, 0)));
                assert_eq!(map.find(place.last()), Some((device, place.size - 1)));
            }
            for pa in [
                0,
                LOW_RAM_SIZE - 1,
                bridge::PCH_PIC.last() + 1,
                bridge::AVEC.base,
                HIGH_RAM_BASE,
                bridge::chip_upper(3).last() + 1,
                u64::MAX,
            ] {
                assert_eq!(map.find(pa), None, "{}: {pa:#x}", board.name);
            }
        }
        let has = Population {
            nodes: 1,
            virtio: 2,
            avec: false,
            firmware: false,
        };
        let map = DeviceMap::new(&VIRT_MMIO, has);
        let transport = |index| VIRT_MMIO.place(Device::Virtio(index)).unwrap();
        for pa in [transport(0).last() + 1, transport(2).base] {
            assert_eq!(map.find(pa), None, "{pa:#x}");
        }
    }
}
