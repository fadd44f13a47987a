// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The DSDT: devices with their registers and interrupts.

use super::table::{gsi, gsi_of, table};
use crate::map::{Board, PciHost, Place, Port, Slot};
use crate::platform::power;
use acpi_tables::Aml;
use acpi_tables::aml;
use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, And, EISAName, Field, FieldAccessType, FieldEntry,
    FieldLockRule, FieldUpdateRule, If, Interrupt, Local, Memory32Fixed, Method, Name, Notify, ONE,
    OpRegion, OpRegionSpace, Package, PackageBuilder, Path, ResourceTemplate, Store, Uuid, ZERO,
};
use acpi_tables::sdt::Sdt;

/// Revision 2 has integers of 64 bits.
const REVISION: u8 = 2;

/// The device that is told of a press of the power button, and the code for it.
const POWER_BUTTON: &str = "\\_SB_.PWRB";
const PRESSED: u8 = 0x80;

/// Device properties, as in the device tree (UEFI forum's "_DSD implementation guide").
const DEVICE_PROPERTIES: &str = "DAFFD814-6EBA-4D8C-8A91-BC9BBF4AA301";

/// A PCI bus, and where devices are on it.
pub(super) struct Bus<'a> {
    pub(super) host: &'a PciHost,
    pub(super) slots: &'a [Slot],
}

/// The table of a machine with so many CPUs, whose register of events is at `event_register`.
pub(super) fn dsdt(cpus: usize, board: &Board, event_register: Place, bus: &Bus<'_>) -> Sdt {
    let mut list = List::default();
    for cpu in 0..cpus as u32 {
        list.device(&format!("C{cpu:03X}"), &"ACPI0007", cpu, &[]);
    }
    for (index, port) in (0u32..).zip(&board.uarts) {
        uart(&mut list, index, port);
    }
    let registers = resources(board.rtc, Trigger::Level);
    list.device("RTC0", &"LOON0001", 0, &[("_CRS", &registers)]);
    events(&mut list, event_register);
    pci(&mut list, bus);
    let off = power::SLEEP_TYPE_OFF;
    list.add(&Name::new(
        "\\_S5_".into(),
        &Package::new(vec![&off, &ZERO, &ZERO, &ZERO]),
    ));
    table(*b"DSDT", REVISION, &list.0)
}

/// Definitions, in the encoding that a table has them in.
#[derive(Default)]
struct List(Vec<u8>);

impl List {
    fn add(&mut self, object: &dyn Aml) {
        object.to_aml_bytes(&mut self.0);
    }

    /// A device with its identifiers and further objects.
    fn device(&mut self, name: &str, hid: &dyn Aml, uid: u32, more: &[(&str, &dyn Aml)]) {
        self.device_with(name, hid, uid, more, &[]);
    }

    /// A device that has more than names.
    fn device_with(
        &mut self,
        name: &str,
        hid: &dyn Aml,
        uid: u32,
        more: &[(&str, &dyn Aml)],
        behind: &[&dyn Aml],
    ) {
        let mut names = vec![
            Name::new("_HID".into(), hid),
            Name::new("_UID".into(), &uid),
        ];
        names.extend(
            more.iter()
                .map(|(name, value)| Name::new((*name).into(), *value)),
        );
        let objects = names.iter().map(|name| name as &dyn Aml);
        let objects = objects.chain(behind.iter().copied()).collect();
        let path = Path::new(&format!("\\_SB_.{name}"));
        self.add(&aml::Device::new(path, objects));
    }
}

/// How a device asks for its interrupt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Level,
    Edge,
}

/// What has been encoded already.
struct Encoded(Vec<u8>);

impl Aml for Encoded {
    fn to_aml_bytes(&self, sink: &mut dyn acpi_tables::AmlSink) {
        sink.vec(&self.0);
    }
}

/// A list of resources.
fn template(resources: Vec<&dyn Aml>) -> Encoded {
    let mut bytes = Vec::new();
    ResourceTemplate::new(resources).to_aml_bytes(&mut bytes);
    Encoded(bytes)
}

fn memory(place: Place) -> Memory32Fixed {
    Memory32Fixed::new(true, place.base as u32, place.size as u32)
}

fn interrupt(place: Place, trigger: Trigger) -> Option<Interrupt> {
    let number = gsi_of(place)?;
    let edge = trigger == Trigger::Edge;
    Some(Interrupt::new(true, edge, false, !edge, number))
}

/// A device's registers and its interrupt.
fn resources(place: Place, trigger: Trigger) -> Encoded {
    let memory = memory(place);
    let interrupt = interrupt(place, trigger);
    let mut list: Vec<&dyn Aml> = vec![&memory];
    list.extend(interrupt.iter().map(|interrupt| interrupt as &dyn Aml));
    template(list)
}

fn uart(list: &mut List, index: u32, port: &Port) {
    let registers = resources(port.place, Trigger::Level);
    let clock = Package::new(vec![&"clock-frequency", &port.clock]);
    let properties = Package::new(vec![&clock]);
    let uuid = Uuid::new(DEVICE_PROPERTIES);
    let properties = Package::new(vec![&uuid, &properties]);
    list.device(
        &format!("COM{index:X}"),
        &EISAName::new("PNP0501"),
        index,
        &[("_CCA", &ONE), ("_CRS", &registers), ("_DSD", &properties)],
    );
}

/// The generic event device (5.6.9), which tells of the power button.
fn events(list: &mut List, register: Place) {
    let Place { base, size, .. } = register;
    let interrupt = interrupt(register, Trigger::Edge);
    let interrupts = template(interrupt.iter().map(|one| one as &dyn Aml).collect());
    let region = OpRegion::new("EREG".into(), OpRegionSpace::SystemMemory, &base, &size);
    let field = Field::new(
        "EREG".into(),
        FieldAccessType::DWord,
        FieldLockRule::NoLock,
        FieldUpdateRule::WriteAsZeroes,
        vec![FieldEntry::Named(*b"ESEL", 32)],
    );
    // Reading the register clears it.
    let selected = Name::new_field_name("ESEL");
    let (happened, button) = (Local(0), Path::new(POWER_BUTTON));
    let read = Store::new(&happened, &selected);
    let is_button = And::new(&ZERO, &happened, &power::BUTTON);
    let tell = Notify::new(&button, &PRESSED);
    let told = If::new(&is_button, vec![&tell]);
    let method = Method::new("_EVT".into(), 1, true, vec![&read, &told]);
    list.device_with(
        "GED0",
        &"ACPI0013",
        0,
        &[("_CRS", &interrupts)],
        &[&region, &field, &method],
    );
    list.device("PWRB", &EISAName::new("PNP0C0C"), 0, &[]);
}

fn pci(list: &mut List, Bus { host, slots }: &Bus<'_>) {
    /// All functions of a device.
    const FUNCTIONS: u32 = 0xffff;
    const DEVICE_SHIFT: u32 = 16;
    let buses = AddressSpace::new_bus_number(0u16, host.last_bus.into());
    let (base, last) = (host.memory.base as u32, host.memory.last() as u32);
    let cacheable = AddressSpaceCacheable::NotCacheable;
    let memory_window = AddressSpace::new_memory(cacheable, true, base, last, None);
    let first = host.first_port;
    let last = first + host.io.size as u32 - 1;
    let ports = AddressSpace::new_io(first, last, Some(host.io.base as u32 - first));
    let windows = template(vec![&buses, &memory_window, &ports]);
    let mut routes = PackageBuilder::new();
    for slot in *slots {
        let device = u32::from(slot.device) << DEVICE_SHIFT | FUNCTIONS;
        // Pin A, no link device, the interrupt's number.
        routes.add_element(&Package::new(vec![&device, &ZERO, &ZERO, &gsi(slot.pin)]));
    }
    list.device(
        "PCI0",
        &EISAName::new("PNP0A08"),
        0,
        &[
            ("_CID", &EISAName::new("PNP0A03")),
            ("_SEG", &ZERO),
            ("_BBN", &ZERO),
            ("_CCA", &ONE),
            ("_CRS", &windows),
            ("_PRT", &routes),
        ],
    );
    // Configuration space is for no other device (PCI firmware specification 3.3, 4.1.2).
    let windows: Vec<_> = host
        .config
        .iter()
        .map(|window| memory(window.place))
        .collect();
    let configuration = template(windows.iter().map(|window| window as &dyn Aml).collect());
    let reserved = EISAName::new("PNP0C02");
    list.device("RES0", &reserved, 0, &[("_CRS", &configuration)]);
}
