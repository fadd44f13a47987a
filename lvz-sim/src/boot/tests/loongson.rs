// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How a kernel is told of the board with a 3A5000 and its bridge.

use super::*;
use crate::map::LOONGSON_3A5000;
use crate::platform::DriveConfig;

fn machine_of(config: PlatformConfig) -> (Ram, Platform) {
    let ram = Ram::new(64 << 20).unwrap();
    let config = PlatformConfig {
        board: &LOONGSON_3A5000,
        ..config
    };
    let platform = Platform::new(config, ram.map.clone()).unwrap();
    (ram, platform)
}

/// What Linux's drivers read: irq-loongson-liointc.c, 8250_of.c, pci-loongson.c,
/// syscon-poweroff.c.
#[test]
fn the_tree_describes_the_board() {
    let disk = file(&[7; 1024]);
    let (ram, platform) = machine_of(PlatformConfig {
        drives: vec![DriveConfig {
            path: disk.path().to_owned(),
            mode: Default::default(),
        }],
        ..PlatformConfig::default()
    });
    let loaded = load(&ram.map, &platform, &BootConfig::default()).unwrap();
    let tree = ::fdt::Fdt::new(&loaded.tree).unwrap();
    let words = |node: &str, name: &str| words(&tree, node, name);
    let handle = |node: &str| words(node, "phandle")[0];

    let liointc = "/liointc@1fe01400";
    assert_eq!(words(liointc, "reg"), [0, 0x1fe0_1400, 0, 0x64]);
    assert_eq!(words(liointc, "interrupt-parent"), [handle("/cpuic")]);
    assert_eq!(words(liointc, "interrupts"), [2]);
    let names = property(&tree, liointc, "interrupt-names");
    assert_eq!(names, Some(&b"int0\0"[..]));
    let map = words(liointc, "loongson,parent_int_map");
    assert_eq!(map, [u32::MAX, 0, 0, 0]);

    let pic = handle("/platic@10000000");
    for (node, parent, number, clock) in [
        ("/serial@1fe001e0", handle(liointc), 10, 100_000_000),
        ("/serial@10080000", pic, 8, 50_000_000),
    ] {
        assert_eq!(words(node, "interrupt-parent"), [parent], "{node}");
        assert_eq!(words(node, "interrupts"), [number, LEVEL_HIGH], "{node}");
        assert_eq!(words(node, "clock-frequency"), [clock], "{node}");
    }
    let console = property(&tree, "/chosen", "stdout-path");
    assert_eq!(console, Some(&b"/serial@1fe001e0\0"[..]));
    assert_eq!(words("/rtc@100d0100", "interrupts"), [52, LEVEL_HIGH]);

    let power = "/power@100d0000";
    assert_eq!(words(power, "reg-io-width"), [4]);
    assert_eq!(words("/poweroff", "regmap"), [handle(power)]);
    assert_eq!(words("/poweroff", "offset"), [0x14]);
    assert_eq!(words("/poweroff", "value"), [0x3c00]);
    assert_eq!(words("/reboot", "offset"), [0x30]);
    assert!(property(&tree, power, "lvz-sim,exit-code-offset").is_none());

    let bus = "/pcie@1a000000";
    let compatible = property(&tree, bus, "compatible");
    assert_eq!(compatible, Some(&b"loongson,ls7a-pci\0"[..]));
    // The driver's second window is the one that has all registers.
    assert_eq!(
        words(bus, "reg"),
        [0, 0x1a00_0000, 0, 0x200_0000, 0xefe, 0, 0, 0x2000_0000]
    );
    assert_eq!(words(bus, "bus-range"), [0, 0xff]);
    assert_eq!(
        words(bus, "ranges")[..7],
        [0x0100_0000, 0, 0x2_0000, 0, 0x1802_0000, 0, 0x2_0000]
    );
    // Entropy device and drive, in the slots of the first two ports.
    assert_eq!(
        words(bus, "interrupt-map"),
        [
            [9 << 11, 0, 0, 1, pic, 32, LEVEL_HIGH],
            [10 << 11, 0, 0, 1, pic, 33, LEVEL_HIGH]
        ]
        .concat()
    );
    assert!(tree.find_node("/virtio_mmio@16000000").is_none());
}

#[test]
fn acpi_is_refused() {
    let (ram, platform) = machine_of(PlatformConfig::default());
    let config = BootConfig {
        acpi: true,
        ..BootConfig::default()
    };
    let error = load(&ram.map, &platform, &config).unwrap_err().to_string();
    assert_eq!(
        error,
        "there are no ACPI tables for this board, use machine virt"
    );
}
