// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Files of `--load`, device trees of `--dtb`, protocols.

use super::super::{LoadFile, Protocol};
use super::*;

fn at(file: &NamedTempFile, address: impl Into<Option<u64>>) -> LoadFile {
    LoadFile {
        path: file.path().to_owned(),
        address: address.into(),
    }
}

fn load_all(config: &BootConfig) -> Result<(Ram, LoadedMachine), BootError> {
    let (ram, platform) = machine(1, 1 << 30);
    load(&ram.map, &platform, config).map(|loaded| (ram, loaded))
}

#[test]
fn raw_files_go_where_the_user_says() {
    let (first, second) = (file(b"first"), file(b"second"));
    let config = BootConfig {
        files: vec![
            // As an address in a direct mapping window.
            at(&first, 0x9000_0000_8000_0000),
            at(&second, LOAD),
        ],
        ..BootConfig::default()
    };
    let (ram, loaded) = load_all(&config).unwrap();
    assert_eq!(loaded.boot_pc, Some(HIGH_RAM_BASE));
    for (address, text) in [(HIGH_RAM_BASE, "first"), (LOAD, "second")] {
        let mut bytes = vec![0; text.len()];
        ram.map
            .read_slice(&mut bytes, GuestAddress(address))
            .unwrap();
        assert_eq!(bytes, text.as_bytes());
    }
    // A kernel is what the machine starts with, whatever else is there.
    let kernel = file(&elf());
    let config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        files: vec![at(&first, HIGH_RAM_BASE)],
        ..BootConfig::default()
    };
    assert_eq!(load_all(&config).unwrap().1.boot_pc, Some(LOAD + 4));
}

#[test]
fn the_initrd_goes_where_no_file_is() {
    let (data, initrd) = (file(&[1; 0x1_0001]), file(&[7; 100]));
    let config = BootConfig {
        files: vec![at(&data, HIGH_RAM_BASE)],
        initrd: Some(initrd.path().to_owned()),
        ..BootConfig::default()
    };
    let (ram, _) = load_all(&config).unwrap();
    let byte: u8 = ram
        .map
        .read_obj(GuestAddress(HIGH_RAM_BASE + 0x2_0000))
        .unwrap();
    assert_eq!(byte, 7);
    // In low memory from the end downwards.
    let (ram, platform) = machine(1, 16 << 20);
    let config = BootConfig {
        files: vec![at(&data, (16 << 20) - 0x2_0000)],
        ..config
    };
    load(&ram.map, &platform, &config).unwrap();
    let byte: u8 = ram
        .map
        .read_obj(GuestAddress((16 << 20) - 0x3_0000))
        .unwrap();
    assert_eq!(byte, 7);
}

#[test]
fn files_that_cannot_be_loaded_are_refused() {
    let (kernel, data, empty) = (file(&elf()), file(b"data"), file(b""));
    let cases: [(LoadFile, &str); 6] = [
        (at(&data, 0x1f_fffc), "from 0x1ffffc on, but below 0x200000"),
        (
            at(&data, LOAD),
            "0x200000 to 0x200004, part of which another",
        ),
        (
            at(&data, 0x4000_0000),
            "wants memory 0x40000000 to 0x40000004",
        ),
        (
            at(&data, HIGH_RAM_BASE + (768 << 20) - 2),
            "give it more memory",
        ),
        (at(&data, None), "not an ELF, EFI or EFI zboot image"),
        (at(&empty, LOAD), "the file is empty"),
    ];
    for (bad, expected) in cases {
        let config = BootConfig {
            kernel: Some(kernel.path().to_owned()),
            files: vec![bad],
            ..BootConfig::default()
        };
        let error = load_all(&config).unwrap_err().to_string();
        assert!(error.starts_with("file to load "), "{error}");
        assert!(error.contains(expected), "{error}: not {expected}");
    }
    // No file at all is fine for the device tree only.
    let (_, loaded) = load_all(&BootConfig::default()).unwrap();
    assert_eq!(loaded.boot_pc, None);
}

/// A kernel that runs in mapped addresses: its entry is no physical address.
#[test]
fn the_entry_is_where_its_segment_is() {
    let mut image = elf();
    image[24..32].copy_from_slice(&0xffff_8000_0001_0008u64.to_le_bytes());
    image[80..88].copy_from_slice(&0xffff_8000_0001_0000u64.to_le_bytes());
    let (_, loaded) = boot(&image, 64 << 20).unwrap();
    assert_eq!(loaded.boot_pc, Some(LOAD + 8));
    // Outside of any segment it is taken as it is.
    image[24..32].copy_from_slice(&(LOAD + 0x100).to_le_bytes());
    let (_, loaded) = boot(&image, 64 << 20).unwrap();
    assert_eq!(loaded.boot_pc, Some(LOAD + 0x100));
}

#[test]
fn protocols_say_what_the_kernel_finds() {
    let kernel = file(&elf());
    let config = BootConfig {
        kernel: Some(kernel.path().to_owned()),
        protocol: Protocol::Fdt,
        ..BootConfig::default()
    };
    let (ram, loaded) = load_all(&config).unwrap();
    let [a0, a1, a2] = loaded.boot_args;
    assert_eq!((a0, a2), (u64::MAX - 1, 0));
    let mut tree = vec![0; loaded.tree.len()];
    ram.map.read_slice(&mut tree, GuestAddress(a1)).unwrap();
    assert_eq!(tree, loaded.tree);
    let tree = ::fdt::Fdt::new(&tree).unwrap();
    assert_eq!(tree.chosen().bootargs(), Some("console=ttyS0"));
}

/// A tree of the user: a memory reservation, /chosen with bootargs and a node in it.
fn user_tree(chosen: bool) -> Vec<u8> {
    let reserved = vm_fdt::FdtReserveEntry::new(0x1000, 0x2000).unwrap();
    let mut tree = vm_fdt::FdtWriter::new_with_mem_reserv(&[reserved]).unwrap();
    let root = tree.begin_node("").unwrap();
    tree.property_string("compatible", "test,board").unwrap();
    // Not /chosen, and not to be touched.
    let node = tree.begin_node("soc").unwrap();
    let other = tree.begin_node("chosen").unwrap();
    tree.property_string("bootargs", "untouched").unwrap();
    tree.end_node(other).unwrap();
    tree.end_node(node).unwrap();
    if chosen {
        let node = tree.begin_node("chosen").unwrap();
        tree.property_string("bootargs", "old").unwrap();
        tree.property_string("stdout-path", "/serial").unwrap();
        let inner = tree.begin_node("inner").unwrap();
        tree.property_string("bootargs", "untouched").unwrap();
        tree.end_node(inner).unwrap();
        tree.end_node(node).unwrap();
    }
    tree.end_node(root).unwrap();
    tree.finish().unwrap()
}

#[test]
fn a_device_tree_of_the_user_is_told_of_command_line_and_initrd() {
    let initrd = file(&[7; 100]);
    for chosen in [true, false] {
        let dtb = file(&user_tree(chosen));
        let config = BootConfig {
            device_tree: Some(dtb.path().to_owned()),
            initrd: Some(initrd.path().to_owned()),
            command_line: Some("new".into()),
            ..BootConfig::default()
        };
        let (_, loaded) = load_all(&config).unwrap();
        let tree = ::fdt::Fdt::new(&loaded.tree).unwrap();
        assert_eq!(tree.chosen().bootargs(), Some("new"));
        let start = property(&tree, "/chosen", "linux,initrd-start").unwrap();
        let end = property(&tree, "/chosen", "linux,initrd-end").unwrap();
        assert_eq!(start, HIGH_RAM_BASE.to_be_bytes());
        assert_eq!(end, (HIGH_RAM_BASE + 100).to_be_bytes());
        let untouched: &[u8] = b"untouched\0";
        assert_eq!(property(&tree, "/soc/chosen", "bootargs"), Some(untouched));
        assert_eq!(
            property(&tree, "/", "compatible"),
            Some(&b"test,board\0"[..])
        );
        if chosen {
            let inner = property(&tree, "/chosen/inner", "bootargs");
            assert_eq!(inner, Some(untouched));
            let path = property(&tree, "/chosen", "stdout-path");
            assert_eq!(path, Some(&b"/serial\0"[..]));
        }
        assert_eq!(tree.memory_reservations().count(), 1);

        // Without either it says what it said.
        let config = BootConfig {
            device_tree: Some(dtb.path().to_owned()),
            ..BootConfig::default()
        };
        let (_, loaded) = load_all(&config).unwrap();
        let tree = ::fdt::Fdt::new(&loaded.tree).unwrap();
        let args = tree.find_node("/chosen").and(tree.chosen().bootargs());
        assert_eq!(args, chosen.then_some("old"));
        assert!(property(&tree, "/chosen", "linux,initrd-start").is_none());
    }
}

#[test]
fn a_device_tree_without_room_is_the_trees_fault() {
    let large = file(&vec![0; (1 << 20) + 1]);
    let config = BootConfig {
        device_tree: Some(large.path().to_owned()),
        ..BootConfig::default()
    };
    let error = load_all(&config).unwrap_err().to_string();
    assert!(error.contains("more than 1 MiB"), "{error}");
    assert!(!error.contains("more memory"), "{error}");
}

#[test]
fn a_device_tree_says_how_much_memory_there_is() {
    let (_, loaded) = load_all(&BootConfig::default()).unwrap();
    assert_eq!(dtb::memory(&loaded.tree), Some(1 << 30));
    assert_eq!(dtb::memory(&user_tree(true)), None);
    for length in 0..loaded.tree.len() {
        assert_eq!(dtb::memory(&loaded.tree[..length]), None);
    }
}

#[test]
fn a_damaged_device_tree_is_an_error_or_nothing() {
    let whole = user_tree(true);
    let mut generator = SplitMix64::seed_from_u64(2);
    let chosen = dtb::Chosen {
        given: Some("new"),
        initrd: None,
    };
    assert!(dtb::with_chosen(&whole, chosen).is_ok());
    for length in 0..whole.len() {
        assert!(dtb::with_chosen(&whole[..length], chosen).is_err());
    }
    for _ in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            let random = generator.next_u64();
            let at = (random >> 8) as usize % bytes.len();
            bytes[at] = random as u8;
        }
        let _ = dtb::with_chosen(&bytes, chosen);
    }
    let (dtb, image) = (file(&whole[..60]), file(b"no tree at all"));
    for (file, expected) in [(&dtb, "damaged device tree"), (&image, "(a .dtb file)")] {
        let config = BootConfig {
            device_tree: Some(file.path().to_owned()),
            ..BootConfig::default()
        };
        let error = load_all(&config).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// What Linux's pci-host-generic reads (binding pci-host-ecam-generic).
#[test]
fn the_tree_describes_the_pci_bus() {
    let ram = Ram::new(16 << 20).unwrap();
    let config = PlatformConfig {
        board: &crate::map::VIRT,
        ..PlatformConfig::default()
    };
    let platform = Platform::new(config, ram.map.clone()).unwrap();
    let loaded = load(&ram.map, &platform, &BootConfig::default()).unwrap();
    let tree = ::fdt::Fdt::new(&loaded.tree).unwrap();
    assert!(tree.find_node("/virtio_mmio@16000000").is_none());
    let words = |node: &str, name: &str| words(&tree, node, name);
    let bus = "/pcie@20000000";
    let compatible = property(&tree, bus, "compatible");
    assert_eq!(compatible, Some(&b"pci-host-ecam-generic\0"[..]));
    assert_eq!(words(bus, "reg"), [0, 0x2000_0000, 0, 0x800_0000]);
    assert_eq!(words(bus, "bus-range"), [0, 0x7f]);
    let ranges = words(bus, "ranges");
    assert_eq!(
        ranges[..7],
        [0x0100_0000, 0, 0x4000, 0, 0x1800_4000, 0, 0xc000]
    );
    assert_eq!(
        ranges[7..],
        [0x0200_0000, 0, 0x4000_0000, 0, 0x4000_0000, 0, 0x4000_0000]
    );
    let msi = words("/msi@2ff00000", "phandle")[0];
    assert_eq!(words(bus, "msi-map"), [0, msi, 0, 0x1_0000]);
    // The entropy device, number 1, at pin 1 of the bus.
    let pic = words("/platic@10000000", "phandle")[0];
    assert_eq!(
        words(bus, "interrupt-map"),
        [1 << 11, 0, 0, 1, pic, 17, LEVEL_HIGH]
    );
}
