// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The library's public interface, beside the example on its front page: bad input is an
//! error, and what one part changes the others see.

#![allow(clippy::unwrap_used)]

#[path = "../examples/guest.rs"]
mod guest;

use lvz_sim::la_arch::Interrupt;
use lvz_sim::la_arch::csr::{Crmd, Dmw, Estat, Prmd, Tcfg, number};
use lvz_sim::la_arch::lvz::Gstat;
use lvz_sim::{End, Rule, Simulation};

const BASE: u64 = 0x20_0000;
/// `addi.d $a0, $a0, 1`, then back to it.
const COUNT: [u32; 2] = [0x02c0_0484, 0x53ff_ffff];
/// `idle 0`, for ever.
const IDLE: [u32; 2] = [0x0648_8000, 0x53ff_ffff];

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn running(words: &[u32]) -> Simulation {
    let builder = Simulation::builder().memory(16 << 20);
    builder.program(BASE, bytes(words)).build().unwrap()
}

#[test]
fn what_cannot_be_built_is_an_error() {
    let program = || Simulation::builder().program(BASE, bytes(&COUNT));
    for (builder, text) in [
        (Simulation::builder(), "nothing to run"),
        (program().machine("pc"), "virt-mmio, virt, 3a5000"),
        (program().cpus(0), "0 CPUs"),
        (program().cpus(17), "17 CPUs"),
        (program().ns_per_instruction(0), "0 ns"),
        (program().ns_per_instruction(1001), "1 to 1000"),
        (program().load("/nowhere/file"), "/nowhere/file"),
        (program().memory(1), "memory"),
        (
            Simulation::builder().program(1 << 40, [0]),
            "not all of it is RAM",
        ),
        (
            Simulation::builder().kernel("/nowhere/kernel"),
            "/nowhere/kernel",
        ),
        (
            Simulation::builder().snapshot("/nowhere/snapshot"),
            "/nowhere/snapshot",
        ),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn a_run_ends_at_its_limit_its_condition_or_when_nothing_can_happen() {
    let mut machine = running(&COUNT);
    assert_eq!(machine.run(1000), End::Limit);
    let before = machine.instructions();
    assert!(before >= 1000);
    let late = |machine: &Simulation| machine.register(0, 4) > Some(1_000_000);
    assert_eq!(machine.run_until(late, u64::MAX), End::Condition);
    assert!(machine.register(0, 4) > Some(1_000_000));
    assert_eq!(running(&IDLE).run(u64::MAX), End::Stuck);
}

#[test]
fn a_timer_that_wakes_nothing_does_not_keep_an_idle_machine_running() {
    let periodic = Tcfg(0).with_en(true).with_periodic(true).with_initval(100);
    let mut masked = running(&IDLE);
    masked.set_csr(0, number::TCFG, periodic.0).unwrap();
    assert_eq!(masked.run(u64::MAX), End::Stuck);
    let mut of_a_guest = running(&IDLE);
    of_a_guest
        .set_guest_csr(0, number::ECFG, Interrupt::TI.mask())
        .unwrap();
    of_a_guest
        .set_guest_csr(0, number::TCFG, periodic.0)
        .unwrap();
    assert_eq!(of_a_guest.run(u64::MAX), End::Stuck);
    let mut waking = running(&IDLE);
    waking
        .set_csr(0, number::ECFG, Interrupt::TI.mask())
        .unwrap();
    waking.set_csr(0, number::TCFG, periodic.0).unwrap();
    assert_eq!(waking.run(1000), End::Limit);
}

#[test]
fn a_cpu_waits_for_no_longer_than_a_step_may() {
    let builder = Simulation::builder().memory(16 << 20).cpus(2);
    let mut machine = builder.program(BASE, bytes(&COUNT)).build().unwrap();
    // The second CPU waits for an IPI, of which it enables the interrupt before.
    let executed = (0..100).take_while(|_| machine.step(1).is_none()).count();
    assert!((8..100).contains(&executed), "{executed} instructions");
    let before = machine.instructions();
    assert_eq!(machine.step(1), Some(End::Limit));
    assert!(machine.instructions() - before >= 1_000_000);
    assert!((BASE..BASE + 8).contains(&machine.pc(0).unwrap()));
}

/// Bytes of the host's memory that this process has.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn memory_that_nothing_was_written_to_takes_none_of_the_host() {
    let directory = tempfile::tempdir().unwrap();
    let saved = directory.path().join("saved");
    let large = || Simulation::builder().memory(2 << 30);
    let mut machine = large().program(BASE, bytes(&IDLE)).build().unwrap();
    machine.save(&saved).unwrap();
    let before = resident();
    machine.restart().unwrap();
    let mut resumed = large().snapshot(&saved).build().unwrap();
    assert_eq!(resumed.run(u64::MAX), End::Stuck);
    assert!(resident() < before + (1 << 30));
}

#[test]
fn steps_are_single_and_a_run_goes_on_behind_them() {
    let mut machine = running(&COUNT);
    for count in 1..=5u64 {
        assert_eq!(machine.step(0), None);
        assert_eq!(machine.instructions(), count);
        assert_eq!(machine.register(0, 4), Some(count.div_ceil(2)));
    }
    assert_eq!(machine.run(1000), End::Limit);
    assert_eq!(machine.step(1), Some(End::NoCpu));
    assert_eq!(
        (machine.pc(1), machine.csr(1, 0), machine.register(0, 32)),
        (None, None, None)
    );
}

#[test]
fn the_example_of_a_guest_runs() {
    guest::main().unwrap();
}

#[test]
fn a_machine_that_is_off_stays_off() {
    // SLP_EN and type 5 to 0x100e001c, then a jump to itself.
    let off = [0x1420_1c05, 0x0280_d006, 0x2900_70a6, 0x5000_0000];
    let mut machine = running(&off);
    while machine.step(0).is_none() {}
    let count = machine.instructions();
    assert_eq!(machine.step(0), Some(End::PowerOff(0)));
    assert_eq!(machine.run(1000), End::PowerOff(0));
    assert_eq!(machine.run_until(|_| true, 1000), End::Condition);
    assert_eq!(machine.instructions(), count);
    machine.restart().unwrap();
    assert_eq!(machine.step(0), None);
}

#[test]
fn code_that_is_written_from_outside_runs() {
    let mut machine = running(&COUNT);
    machine.run(1000);
    machine.write_memory(BASE, &bytes(&IDLE)).unwrap();
    assert_eq!(machine.run(u64::MAX), End::Stuck);
    let mut read = [0; 8];
    machine.read_memory(BASE, &mut read).unwrap();
    assert_eq!(read.to_vec(), bytes(&IDLE));
    // The last bytes of the RAM, and one more.
    let end = 16 << 20;
    machine.write_memory(end - 4, &[1; 4]).unwrap();
    assert!(machine.write_memory(end - 4, &[1; 5]).is_err());
    assert_eq!(machine.memory(end - 4, 4).unwrap(), [1; 4]);
    assert!(machine.memory(BASE, usize::MAX).is_err());
    assert!(machine.read_memory(u64::MAX, &mut read).is_err());
    assert!(machine.read_memory(end, &mut []).is_err());
}

#[test]
fn a_restart_begins_again() {
    let mut machine = running(&COUNT);
    machine.write_memory(0x10_0000, &[7]).unwrap();
    machine.run(1000);
    machine.restart().unwrap();
    let mut read = [1];
    machine.read_memory(0x10_0000, &mut read).unwrap();
    assert_eq!(
        (read, machine.pc(0), machine.register(0, 4)),
        ([0], Some(BASE), Some(0))
    );
    assert_eq!(machine.step(0), None);
}

#[test]
fn a_snapshot_between_two_steps_has_the_same_future() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    let mut machine = running(&COUNT);
    machine.step(0);
    machine.save(&file).unwrap();
    let twin = || Simulation::builder().memory(16 << 20).snapshot(&file);
    let mut other = twin().build().unwrap();
    assert_eq!(other.register(0, 4), machine.register(0, 4));
    machine.run(1_000_000);
    other.run(1_000_000);
    assert_eq!(machine.state_hash(), other.state_hash());
    assert!(other.restart().is_err());
    assert!(twin().cpus(2).build().is_err());
}

#[test]
fn a_snapshot_has_the_interrupts_that_the_cpu_has_seen() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("snapshot");
    // 1 to the IPI block's enable and set registers; in the next block `addi.d $a0, $a0, 1` and
    // `csrrd $a3, ESTAT`.
    let mut machine = running(&[
        0x1400_0025,
        0x0380_0406,
        0x02c0_10a5,
        0x0648_18a6,
        0x02c0_10a5,
        0x0648_18a6,
        0x5000_0400,
        COUNT[0],
        0x0400_1407,
        0x5000_0000,
    ]);
    while machine.register(0, 4) == Some(0) {
        assert_eq!(machine.step(0), None);
    }
    machine.save(&file).unwrap();
    let twin = Simulation::builder().memory(16 << 20).snapshot(&file);
    let mut twin = twin.build().unwrap();
    let seen = Some(1 << 12);
    for machine in [&mut machine, &mut twin] {
        assert_eq!(machine.csr(0, number::ESTAT), seen);
        assert_eq!(machine.step(0), None);
        assert_eq!(machine.register(0, 7), seen);
    }
}

#[test]
fn each_board_powers_off_its_own_way() {
    // SLP_EN and type 5 to 0x100e001c, or SLP_EN and type 7 to the bridge's PM1 control
    // register at 0x100d0014; then a jump to itself.
    let event_device = [0x1420_1c05, 0x0280_d006, 0x2900_70a6, 0x5000_0000];
    let bridge = [
        0x1420_1a05,
        0x1400_0066,
        0x03b0_00c6,
        0x2980_50a6,
        0x5000_0000,
    ];
    for (board, program) in [
        ("virt-mmio", &event_device[..]),
        ("virt", &event_device[..]),
        ("3a5000", &bridge[..]),
    ] {
        let builder = Simulation::builder().machine(board).memory(16 << 20);
        let mut machine = builder.program(BASE, bytes(program)).build().unwrap();
        assert_eq!(machine.run(1_000_000), End::PowerOff(0), "{board}");
    }
}

/// `ld.d $a1, $a0, 0`, then back to it.
const LOAD: [u32; 2] = [0x28c0_0085, 0x53ff_ffff];
const ERTN: [u32; 1] = [0x0648_3800];

#[test]
fn registers_and_the_program_counter_are_set_between_any_two_instructions() {
    let mut machine = running(&COUNT);
    machine.run(1_000_000);
    // In the middle of a block.
    machine.step(0);
    while machine.pc(0) != Some(BASE + 4) {
        machine.step(0);
    }
    machine.set_register(0, 4, 100).unwrap();
    machine.set_register(0, 0, 1).unwrap();
    machine.set_pc(0, BASE).unwrap();
    assert_eq!(machine.step(0), None);
    assert_eq!(
        (
            machine.pc(0),
            machine.register(0, 4),
            machine.register(0, 0)
        ),
        (Some(BASE + 4), Some(101), Some(0))
    );
    machine.run(1000);
    assert!(machine.register(0, 4) > Some(500));
    // No instruction can be there.
    machine.set_csr(0, number::EENTRY, 0x10_0000).unwrap();
    machine.set_pc(0, BASE + 2).unwrap();
    machine.step(0);
    let cause = machine.csr(0, number::ESTAT).map(Estat);
    assert_eq!(machine.pc(0), Some(0x10_0000));
    assert_eq!(cause.map(Estat::ecode), Some(8), "ADE");
}

#[test]
fn a_cpu_that_waits_goes_on_where_it_is_put() {
    let mut machine = running(&[IDLE[0], IDLE[1], COUNT[0], COUNT[1]]);
    assert_eq!(machine.run(u64::MAX), End::Stuck);
    machine.set_pc(0, BASE + 8).unwrap();
    assert_eq!(machine.run(1000), End::Limit);
    assert!(machine.register(0, 4) >= Some(500));
}

#[test]
fn a_write_of_a_csr_has_its_effects() {
    let mut machine = running(&COUNT);
    machine.set_csr(0, number::EENTRY, 0x1234).unwrap();
    assert_eq!(machine.csr(0, number::EENTRY), Some(0x1000));
    // Eight ticks of ten nanoseconds.
    let once = Tcfg(0).with_en(true).with_initval(2).0;
    machine.set_csr(0, number::TCFG, once).unwrap();
    machine.run(1000);
    let timer = |machine: &Simulation| machine.csr(0, number::ESTAT).unwrap() >> 11 & 1;
    assert_eq!(timer(&machine), 1);
    machine.set_csr(0, number::TICLR, 1).unwrap();
    assert_eq!(timer(&machine), 0);
}

#[test]
fn a_change_of_the_mapping_holds_for_the_next_instruction() {
    let mut machine = running(&LOAD);
    machine.set_register(0, 4, 0x10_0000).unwrap();
    machine.run(1_000_000);
    machine.step(0);
    while machine.pc(0) != Some(BASE + 4) {
        machine.step(0);
    }
    // Only the window is mapped, where the loop is and what it loads is not.
    let window = Dmw(0).with_plv(1).with_vseg(9).0;
    machine.set_csr(0, number::DMW0, window).unwrap();
    machine.set_csr(0, number::TLBRENTRY, 0x30_0000).unwrap();
    let mapped = Crmd(0).with_pg(true).0;
    machine.set_csr(0, number::CRMD, mapped).unwrap();
    machine.set_pc(0, 9 << 60 | BASE).unwrap();
    machine.step(0);
    assert_eq!(machine.pc(0), Some(0x30_0000));
    assert_eq!(machine.csr(0, number::TLBRBADV), Some(0x10_0000));
}

#[test]
fn a_test_can_enter_a_guest_by_registers_alone() {
    let mut machine = running(&ERTN);
    machine.set_guest_csr(0, number::CRMD, 8).unwrap();
    machine.set_guest_csr(0, number::SAVE0, 42).unwrap();
    for (register, value) in [
        (number::GSTAT, Gstat(0).with_gid(1).with_pgm(true).0),
        (number::PRMD, Prmd(0).with_pie(true).0),
        (number::ERA, 0x1_0000),
    ] {
        machine.set_csr(0, register, value).unwrap();
    }
    assert_eq!(machine.guest_csr(0, number::SAVE0), Some(42));
    assert_eq!(machine.csr(0, number::SAVE0), Some(0));
    assert_eq!(machine.step(0), None);
    assert_eq!(
        (machine.in_guest(0), machine.pc(0)),
        (Some(true), Some(0x1_0000))
    );
    // Whatever the mode.
    machine.set_csr(0, number::SAVE0, 1).unwrap();
    machine.set_guest_csr(0, number::SAVE0, 2).unwrap();
    assert_eq!(machine.csr(0, number::SAVE0), Some(1));
    assert_eq!(machine.guest_csr(0, number::SAVE0), Some(2));
}

#[test]
fn what_a_machine_has_not_cannot_be_set() {
    let mut machine = running(&COUNT);
    let without = Simulation::builder().cpu("la464,lvz=off".parse().unwrap());
    let mut without = without.program(BASE, bytes(&COUNT)).build().unwrap();
    for (result, text) in [
        (machine.set_pc(1, BASE), "no CPU 1"),
        (machine.set_register(1, 4, 0), "no CPU 1"),
        (machine.set_register(0, 32, 0), "no register r32"),
        (machine.set_csr(1, number::CRMD, 0), "no CPU 1"),
        (machine.set_csr(0, 0x123, 0), "no CSR 0x123"),
        (machine.set_csr(0, number::SAVE0 + 8, 0), "no CSR 0x38"),
        (machine.set_guest_csr(0, u16::MAX, 0), "no CSR 0xffff"),
        (without.set_guest_csr(0, number::CRMD, 0), "no LVZ"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn files_are_loaded_beside_a_program_or_start_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, bytes(&COUNT)).unwrap();
    let builder = || Simulation::builder().memory(16 << 20);
    let at = BASE + 0x1000;
    let alone = builder().load_at(at, &file).build().unwrap();
    assert_eq!((alone.pc(0), alone.register(0, 4)), (Some(at), Some(1)));
    let beside = builder().load_at(at, &file).program(BASE, bytes(&IDLE));
    let mut beside = beside.build().unwrap();
    let whole = |machine: &Simulation| {
        let mut read = [0; 8];
        machine.read_memory(at, &mut read).unwrap();
        assert_eq!(read.to_vec(), bytes(&COUNT));
        machine.pc(0)
    };
    assert_eq!(whole(&beside), Some(BASE));
    assert_eq!(beside.run(u64::MAX), End::Stuck);
    beside.restart().unwrap();
    assert_eq!(whole(&beside), Some(BASE));
    // It is no image, and the library has no options.
    let error = builder().load(&file).build().unwrap_err().to_string();
    assert!(error.contains("not an ELF"), "{error}");
    assert!(!error.contains("--"), "{error}");
}

#[test]
fn time_and_open_questions_are_as_they_were_chosen() {
    let builder = || Simulation::builder().program(BASE, bytes(&COUNT));
    let builder = || builder().memory(16 << 20);
    let mut machine = builder().ns_per_instruction(10).build().unwrap();
    machine.run(100_000);
    assert!(machine.time() >= 1_000_000);
    // GSTAT.GID after reset.
    let gid = |machine: Simulation| Gstat(machine.csr(0, number::GSTAT).unwrap()).gid();
    let ones = builder().lvz("reset=ones".parse().unwrap());
    assert_eq!(gid(ones.build().unwrap()), 0xff);
    assert_eq!(gid(builder().build().unwrap()), 0);
}

#[test]
fn findings_are_data() {
    // `csrwr $a0, 0xc` (EENTRY), then back to it.
    let program = bytes(&[0x0400_3024, 0x53ff_ffff]);
    let builder = || Simulation::builder().program(BASE, program.clone());
    let mut machine = builder().lints().build().unwrap();
    machine.run(1000);
    assert_eq!(machine.findings(), []);
    machine.set_register(0, 4, 0x1234).unwrap();
    for _ in 0..2 {
        machine.run(1000);
        let found = machine.findings();
        let [finding] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(finding.rule, Rule::EntryAlignment);
        assert_eq!(finding.place, Some((0, BASE)));
        assert!(finding.to_string().contains("EENTRY"), "{finding}");
        machine.restart().unwrap();
    }
    let mut machine = builder().build().unwrap();
    machine.set_register(0, 4, 0x1234).unwrap();
    machine.run(1000);
    assert_eq!(machine.findings(), []);
}

/// Where direct boot has the device tree, and its first four bytes.
const TREE: u64 = 0x10_0000;
const TREE_MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];

#[test]
fn a_kernel_starts_by_either_protocol_with_any_device_tree() {
    let directory = tempfile::tempdir().unwrap();
    let (file, tree) = (directory.path().join("file"), directory.path().join("tree"));
    std::fs::write(&file, bytes(&COUNT)).unwrap();
    let builder = || Simulation::builder().memory(16 << 20).load_at(BASE, &file);
    let arguments = |machine: &Simulation| [4, 5, 6].map(|register| machine.register(0, register));
    let efi = builder().build().unwrap();
    assert_eq!(arguments(&efi)[0], Some(1));
    let mut fdt = builder().fdt_protocol().build().unwrap();
    let expected = [Some(-2i64 as u64), Some(TREE), Some(0)];
    assert_eq!(arguments(&fdt), expected);
    fdt.run(100);
    fdt.restart().unwrap();
    assert_eq!(arguments(&fdt), expected);
    let own = fdt.memory(TREE, 1 << 16).unwrap().to_vec();
    assert_eq!(own[..4], TREE_MAGIC);
    // The machine's own tree, in which a byte of a text is another.
    let model = own.windows(8).position(|part| part == b"loongson").unwrap();
    let size = u32::from_be_bytes(own[4..8].try_into().unwrap()) as usize;
    let mut other = own[..size].to_vec();
    other[model] = b'L';
    std::fs::write(&tree, &other).unwrap();
    let given = builder().device_tree(&tree).command_line("quiet");
    let given = given.build().unwrap();
    let given = given.memory(TREE, 1 << 16).unwrap();
    assert!(given.windows(8).any(|part| part == b"Loongson"));
    assert!(given.windows(6).any(|part| part == b"quiet\0"));
    let error = builder().device_tree(&file).build().unwrap_err();
    assert!(error.to_string().contains("not a flattened device tree"));
}

#[test]
fn acpi_tables_and_firmware_are_of_the_board_that_has_them() {
    let directory = tempfile::tempdir().unwrap();
    let (code, variables) = (directory.path().join("code"), directory.path().join("vars"));
    // The first word of the flash with the variables, 16 MiB behind the firmware.
    let program = bytes(&[
        0x143a_0005, // lu12i.w $a1, 0x1d000
        0x2880_00a4, // ld.w    $a0, $a1, 0
        0x1420_1c05, // lu12i.w $a1, 0x100e0
        0x0280_d006, // addi.w  $a2, $zero, 0x34
        0x2900_70a6, // st.b    $a2, $a1, 0x1c     off
    ]);
    std::fs::write(&code, program).unwrap();
    std::fs::write(&variables, vec![0x5a; 256 << 10]).unwrap();
    let builder = || Simulation::builder().memory(16 << 20).firmware(&code);
    let virt = || builder().machine("virt").firmware_variables(&variables);
    let mut machine = virt().build().unwrap();
    assert_eq!(machine.pc(0), Some(0x1c00_0000));
    for _ in 0..2 {
        assert_eq!(machine.run(1_000), End::PowerOff(0));
        assert_eq!(machine.register(0, 4), Some(0x5a5a_5a5a));
        machine.restart().unwrap();
    }
    let file = directory.path().join("file");
    std::fs::write(&file, bytes(&COUNT)).unwrap();
    let kernel = || Simulation::builder().memory(16 << 20).load_at(BASE, &file);
    let machine = kernel().machine("virt").acpi().build().unwrap();
    assert_eq!(machine.memory(0x4_0000, 8).unwrap(), b"RSD PTR ");
    for (builder, text) in [
        (builder(), "use machine virt"),
        (kernel().acpi(), "use machine virt"),
        (virt().program(BASE, [0; 4]), "leave out the program"),
        (virt().load_at(BASE, &file), "leave out the program"),
        (virt().firmware("/nowhere/code"), "/nowhere/code"),
        (virt().firmware_variables(&file), "256 KiB"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
        assert!(!error.contains("--"), "{error}");
    }
}

/// `ld.w $a1, $a0, 8` and `ld.w $a2, $a0, 0x100`: number of a virtio device behind a transport,
/// and the first word of its configuration.
const LOOK: [u32; 2] = [0x2880_2085, 0x2884_0086];

#[test]
fn a_drive_is_a_block_device_of_the_file_s_size() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name| directory.path().join(name);
    let (disk, saved) = (file("disk"), file("saved"));
    std::fs::write(&disk, vec![0; 1 << 20]).unwrap();
    let builder = || Simulation::builder().memory(16 << 20);
    let looking = || builder().program(BASE, bytes(&LOOK));
    // Number and sectors of the block devices.
    let drives = |machine: &mut Simulation| -> Vec<u64> {
        let mut found = Vec::new();
        for slot in 0..32 {
            machine.set_pc(0, BASE).unwrap();
            let transport = 0x1600_0000 + slot * 0x1000;
            machine.set_register(0, 4, transport).unwrap();
            // Where there is none, the load raises an exception.
            machine.set_register(0, 5, 0).unwrap();
            machine.step(0);
            machine.step(0);
            if machine.register(0, 5) == Some(2) {
                found.push(machine.register(0, 6).unwrap());
            }
        }
        found
    };
    assert!(drives(&mut looking().build().unwrap()).is_empty());
    std::fs::write(file("second"), vec![0; 1 << 19]).unwrap();
    let both = looking().drive(&disk).drive(file("second"));
    assert_eq!(drives(&mut both.build().unwrap()), [2048, 1024]);
    let mut machine = looking().drive(&disk).build().unwrap();
    machine.save(&saved).unwrap();
    machine.restart().unwrap();
    assert_eq!(drives(&mut machine), [2048]);
    let from = builder().snapshot(&saved);
    let mut twin = from.clone().drive(&disk).build().unwrap();
    assert_eq!(drives(&mut twin), [2048]);
    for (builder, text) in [
        (looking().drive(file("none")), "none"),
        (from, "does not match"),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_machine_is_handed_over_with_its_interrupts_routed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    // `iocsrrd.d $a0, $a1`
    let read = bytes(&[0x0648_0ca4]);
    std::fs::write(&file, &read).unwrap();
    let builder = || Simulation::builder().memory(16 << 20).cpus(2);
    for builder in [
        builder().load_at(BASE, &file),
        builder().program(BASE, read),
    ] {
        let mut machine = builder.build().unwrap();
        for _ in 0..2 {
            // MISC_FUNC, whose EXT_IOI_EN firmware sets.
            machine.set_register(0, 5, 0x420).unwrap();
            machine.step(0);
            assert_eq!(machine.register(0, 4), Some(1 << 48));
            machine.restart().unwrap();
        }
    }
}
