// SPDX-License-Identifier: GPL-2.0-or-later

//! The run loop and every reason to leave the guest.

use std::sync::atomic::Ordering;

use accel_kvm_la::kvm::abi::request::*;
use accel_kvm_la::kvm::run_page::offset;
use accel_kvm_la::qemu::layout::layout;

use crate::fake::threads::let_rings_be_collected;
use crate::fake::{Exit, Fake, IOCSR_READ, RAM, VIEWS, change_map, exit, holds_bql, synchronize};

const INTERRUPT: i32 = 0x1_0000;
const HALTED: i32 = 0x1_0001;
const DEBUG: i32 = 0x1_0002;

/// Fills an access.
fn access(part: &mut [u8], address: u64, length: u32, is_write: bool) {
    part[..8].copy_from_slice(&address.to_ne_bytes());
    part[16..20].copy_from_slice(&length.to_ne_bytes());
    part[20] = u8::from(is_write);
}

#[test]
fn devices_cost_one_call_each() {
    let mut fake = Fake::new();
    let cpu = fake.started(2);
    fake.exec(cpu, vec![]);
    fake.take_calls();
    let exits = vec![
        exit(6, |part| access(part, 0x1fe0_01e0, 1, true)),
        exit(6, |part| access(part, 0x1fe0_01e5, 4, false)),
        exit(38, |part| access(part, 0x20, 8, false)),
        exit(6, |part| access(part, 0, u32::MAX, true)),
    ];
    assert_eq!(fake.exec(cpu, exits), INTERRUPT);
    assert_eq!(fake.take_calls().len(), 5, "four exits and the last entry");
    let accesses = fake.state(|state| state.accesses.clone());
    assert_eq!(accesses[0], (0x1000, 0x1fe0_01e0, 1 << 32, 1, true));
    assert_eq!(accesses[1], (0x1000, 0x1fe0_01e5, 1 << 32, 4, false));
    assert_eq!(accesses[2].1, 0x20);
    assert_eq!(accesses[2].2, 2 << 6, "the requester is the vCPU");
    assert_eq!(accesses[3].3, 8, "no more than the page has");
}

/// A read that is completed at a kick stays as it is, and what QEMU writes into the register
/// then is what the guest has.
#[test]
fn a_read_is_completed_once() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    let read_and_kick = Exit::Page(Box::new(|page| {
        page[offset::EXIT_REASON..][..4].copy_from_slice(&38u32.to_ne_bytes());
        access(&mut page[offset::UNION..], 0x20, 8, false);
        page[offset::IMMEDIATE_EXIT] = 1;
    }));
    assert_eq!(fake.exec(cpu, vec![read_and_kick]), INTERRUPT);
    synchronize(cpu);
    let read = cpu.gpr(IOCSR_READ);
    cpu.set_gpr(IOCSR_READ, !read);
    assert_eq!(fake.exec(cpu, vec![]), INTERRUPT);
    fake.state(|state| assert_eq!(state.kernel.vcpus[&0].regs.gpr[IOCSR_READ], !read));
}

/// Addresses that were looked for since the last time.
fn translated(fake: &Fake) -> Vec<u64> {
    fake.state(|state| std::mem::take(&mut state.translated))
}

#[test]
fn devices_are_looked_for_once_until_the_map_changes() {
    let mut fake = Fake::new();
    let views = || VIEWS.load(Ordering::Relaxed);
    let before = views();
    let cpu = fake.started(1);
    let load = |address| exit(6, move |part| access(part, address, 4, false));
    fake.exec(
        cpu,
        vec![load(0x100), load(0x200), load(0x100), load(0x100)],
    );
    assert_eq!(translated(&fake), [0x100, 0x200]);
    assert_eq!(views(), before + 1, "one view is held");
    fake.exec(cpu, vec![load(0x200), load(0x100)]);
    assert!(translated(&fake).is_empty(), "nothing has changed");

    change_map();
    assert_eq!(views(), before, "nothing is held of a map that was");
    fake.exec(cpu, vec![load(0x100), load(0x100)]);
    assert_eq!(translated(&fake), [0x100]);

    // RAM, and what a device does not take at once, is for address_space_rw.
    fake.state(|state| state.accesses.clear());
    fake.exec(cpu, vec![load(RAM), load(RAM), load(0x102)]);
    assert_eq!(translated(&fake), [RAM, 0x102]);
    let accesses = fake.state(|state| state.accesses.clone());
    let found: Vec<_> = accesses.iter().map(|access| (access.1, access.3)).collect();
    assert_eq!(found, [(RAM, 4), (RAM, 4), (0x102, 4)]);
    change_map();
    assert_eq!(views(), before);
}

#[test]
fn a_map_that_changes_by_an_access_is_looked_at_anew() {
    let mut fake = Fake::new();
    let before = VIEWS.load(Ordering::Relaxed);
    let cpu = fake.started(1);
    let load = || exit(6, |part| access(part, 0x100, 4, false));
    fake.state(|state| state.changes_map = Some(0x100));
    fake.exec(cpu, vec![load(), load(), load()]);
    assert_eq!(translated(&fake), [0x100; 3]);
    assert_eq!(VIEWS.load(Ordering::Relaxed), before, "no view is kept");
}

#[test]
fn an_exit_request_completes_what_is_pending_first() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    cpu.set_half(layout().exit_request, 1);
    let never = exit(6, |_| panic!("the guest must not run"));
    assert_eq!(fake.exec(cpu, vec![never]), INTERRUPT);
    assert_eq!(fake.count(KVM_RUN), 1);
    fake.state(|state| assert_eq!(state.kernel.exits.len(), 1));
    // SAFETY: The run page.
    let flag = unsafe { *cpu.kvm_run().cast::<u8>().add(offset::IMMEDIATE_EXIT) };
    assert_eq!(flag, 0, "for the next time");
}

#[test]
fn a_halted_vcpu_does_not_run() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    cpu.set_half(layout().halted, 1);
    assert_eq!(fake.exec(cpu, vec![]), HALTED);
    assert_eq!(fake.count(KVM_RUN), 0);
}

#[test]
fn a_debug_exit_that_is_the_guests_reads_no_more_than_pc() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    fake.exec(cpu, vec![]);
    let at = |fake: &Fake, pc: u64| {
        fake.state(|state| state.kernel.vcpus.get_mut(&0).unwrap().regs.pc = pc);
    };
    fake.state(|state| state.breakpoints.insert(0x120));
    at(&fake, 0x124);
    fake.take_calls();
    assert_eq!(fake.exec(cpu, vec![exit(4, |_| {})]), INTERRUPT);
    let again = [(KVM_RUN, 0), (KVM_GET_REGS, 0), (KVM_RUN, 0)];
    assert_eq!(fake.take_calls(), again);
    at(&fake, 0x120);
    assert_eq!(fake.exec(cpu, vec![exit(4, |_| {})]), DEBUG);
    assert_eq!(cpu.pc(), 0x120);
    // A step is always the debugger's.
    cpu.set_half(layout().singlestep_flags, 1);
    assert_eq!(fake.exec(cpu, vec![exit(4, |_| {})]), DEBUG);
}

#[test]
fn the_guest_switches_itself_off_resets_and_crashes() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    assert_eq!(
        fake.exec(cpu, vec![exit(24, |part| part[0] = 1)]),
        INTERRUPT
    );
    assert_eq!(
        fake.exec(cpu, vec![exit(24, |part| part[0] = 2)]),
        INTERRUPT
    );
    assert_eq!(fake.exec(cpu, vec![exit(8, |_| {})]), INTERRUPT);
    assert_eq!(
        fake.exec(cpu, vec![exit(24, |part| part[0] = 3)]),
        INTERRUPT
    );
    fake.state(|state| {
        assert_eq!((state.shutdowns, state.resets, state.panics), (1, 2, 1));
        assert!(state.stopped.is_empty() && holds_bql());
    });
}

#[test]
fn what_cannot_go_on_stops_the_vm_and_says_why() {
    let cases: [(u32, u8, &str); 6] = [
        (0, 0x11, "unknown exit, hardware reason 11"),
        (9, 0x22, "hardware reason 0x22"),
        (17, 1, "Suberror: 1 (emulation failure)"),
        (24, 99, "unknown system event 99"),
        (39, 1, "Unknown flag 0x1"),
        (77, 0, "unknown exit reason 77"),
    ];
    for (reason, first, text) in cases {
        let mut fake = Fake::new();
        let cpu = fake.started(0);
        assert_eq!(
            fake.exec(cpu, vec![exit(reason, move |part| part[0] = first)]),
            -1
        );
        assert!(fake.messages().contains(text), "{}", fake.messages());
        fake.state(|state| assert_eq!((&state.stopped[..], state.dumps), (&[2][..], 1)));
    }
}

#[test]
fn internal_errors_show_their_data() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    let fill = |part: &mut [u8]| {
        part[0] = 4;
        part[4] = 200;
        part[8] = 0xab;
    };
    assert_eq!(fake.exec(cpu, vec![exit(17, fill)]), -1);
    assert!(
        fake.messages()
            .contains("extra data[0]: 0x00000000000000ab")
    );
    assert!(fake.messages().contains("extra data[15]") && !fake.messages().contains("data[16]"));
}

#[test]
fn the_rest_goes_on() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    // Hypercall: no answer.
    fake.exec(cpu, vec![exit(3, |_| {})]);
    // SAFETY: The run page.
    let result = unsafe {
        cpu.kvm_run()
            .byte_add(offset::UNION + 56)
            .cast::<u64>()
            .read()
    };
    assert_eq!(result, u64::MAX);
    // Interrupt window, signal.
    assert_eq!(fake.exec(cpu, vec![exit(7, |_| {})]), INTERRUPT);
    assert_eq!(fake.exec(cpu, vec![exit(10, |_| {})]), INTERRUPT);
    // Dirty ring: until it has been collected it is not asked for again.
    for reaped in 1..3 {
        assert_eq!(fake.exec(cpu, vec![exit(31, |_| {})]), INTERRUPT);
        let_rings_be_collected();
        fake.state(|state| assert_eq!(state.reaped, reaped));
        assert_eq!(fake.exec(cpu, vec![]), INTERRUPT);
    }
    // Ports.
    let port = |part: &mut [u8]| {
        (part[0], part[1], part[2]) = (1, 2, 0x70);
        part[4] = 3;
        part[8..16].copy_from_slice(&2048u64.to_ne_bytes());
    };
    fake.exec(cpu, vec![exit(2, port)]);
    fake.state(|state| assert_eq!(state.accesses.len(), 3));
    let wild = |part: &mut [u8]| part[..16].fill(0xff);
    assert_eq!(fake.exec(cpu, vec![exit(2, wild)]), -1);
    // Memory that should be private.
    let convert = |part: &mut [u8]| {
        part[0] = 8;
        part[16] = 1;
    };
    assert_eq!(fake.exec(cpu, vec![exit(39, convert)]), INTERRUPT);
    fake.state(|state| assert_eq!(state.converted, [(0, 1, true)]));
}

#[test]
fn lines_of_qemus_own_controllers() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    for (irq, level) in [(3, 1), (3, 0), (12, 1)] {
        // SAFETY: A CPU object.
        let result = unsafe {
            accel_kvm_la::hooks::kvm_la_kvm_loongarch_set_interrupt(cpu.as_ptr(), irq, level)
        };
        assert_eq!(result, 0);
    }
    fake.state(|state| assert_eq!(state.kernel.vcpus[&0].lines, [3, -3, 12]));
}
