// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The smallest hypervisor, and a test of it: it enters a guest, which leaves by `hvcl`. What
//! each step has to do is in docs/lvz.md 5.2 and 6.4.
//!
//! `cargo run --release --example guest`

use lvz_sim::la_arch::csr::{Estat, number};
use lvz_sim::{End, Simulation};
use std::error::Error;

/// Where the hypervisor is and starts, in direct mode.
const HYPERVISOR: u64 = 0x20_0000;
/// Where the guest's page is in memory.
const GUEST: usize = 0x2000;
/// Where an exit leads.
const EXIT: usize = 0x1000;
/// The guest-physical address of its page.
const GUEST_PHYSICAL: u64 = 0x1_0000;

/// Fills stage 2 with the guest's page, and enters.
const ENTER: [u32; 22] = [
    0x1400_402c, // lu12i.w $t0, 0x201
    0x0400_302c, // csrwr   $t0, 0xc       EENTRY, where exits lead
    0x1400_022c, // lu12i.w $t0, 0x11
    0x0400_542c, // csrwr   $t0, 0x15      GTLBC: USETGID, TGID 1: tlbfill fills stage 2 of guest 1
    0x1418_000c, // lu12i.w $t0, 0xc000
    0x0400_402c, // csrwr   $t0, 0x10      TLBIDX: pages of 4 KiB
    0x1400_020c, // lu12i.w $t0, 0x10
    0x0400_442c, // csrwr   $t0, 0x11      TLBEHI: guest-physical 0x10000
    0x1400_404c, // lu12i.w $t0, 0x202
    0x0380_4d8c, // ori     $t0, $t0, 0x13
    0x0400_482c, // csrwr   $t0, 0x12      TLBELO0: physical 0x202000, V, D, cached
    0x0648_3400, // tlbfill
    0x02c0_200c, // addi.d  $t0, $zero, 8
    0x0500_002c, // gcsrwr  $t0, 0x0       CRMD of the guest: direct mode
    0x1400_020c, // lu12i.w $t0, 0x10
    0x0380_098c, // ori     $t0, $t0, 2
    0x0401_402c, // csrwr   $t0, 0x50      GSTAT: GID 1, and PGM, so that ertn enters
    0x02c0_100c, // addi.d  $t0, $zero, 4
    0x0400_042c, // csrwr   $t0, 0x1       PRMD: interrupts come through
    0x1400_020c, // lu12i.w $t0, 0x10
    0x0400_182c, // csrwr   $t0, 0x6       ERA: where the guest starts
    0x0648_3800, // ertn
];

/// Powers off.
const LEAVE: [u32; 3] = [
    0x1420_1c0c, // lu12i.w $t0, 0x100e0
    0x02c0_d00d, // addi.d  $t1, $zero, 0x34
    0x2900_718d, // st.b    $t1, $t0, 0x1c
];

/// The guest.
const PROGRAM: [u32; 3] = [
    0x02c0_a80c, // addi.d  $t0, $zero, 42
    0x0400_c02c, // csrwr   $t0, 0x30      SAVE0
    0x002b_8100, // hvcl    0x100
];

/// Exception code of an `hvcl`.
const HVC: u64 = 23;

fn image() -> Vec<u8> {
    let mut image = vec![0; GUEST + 0x1000];
    for (offset, words) in [(0, &ENTER[..]), (EXIT, &LEAVE), (GUEST, &PROGRAM)] {
        for (place, word) in image[offset..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    }
    image
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let mut machine = Simulation::builder().program(HYPERVISOR, image()).build()?;
    step_while(&mut machine, |machine| machine.in_guest(0) == Some(false))?;
    assert_eq!(machine.pc(0), Some(GUEST_PHYSICAL));

    step_while(&mut machine, |machine| machine.in_guest(0) == Some(true))?;
    let cause = machine
        .csr(0, number::ESTAT)
        .map(|value| Estat(value).ecode());
    assert_eq!(cause, Some(HVC));
    assert_eq!(machine.csr(0, number::ERA), Some(GUEST_PHYSICAL + 8));
    assert_eq!(machine.csr(0, number::BADI), Some(PROGRAM[2].into()));
    let saved = machine.guest_csr(0, number::SAVE0);
    assert_eq!(saved, Some(42));
    println!(
        "after {} instructions the guest left by `hvcl 0x100` at {:#x}, with {} in SAVE0",
        machine.instructions(),
        GUEST_PHYSICAL + 8,
        saved.unwrap_or_default(),
    );

    assert_eq!(machine.run(1_000_000), End::PowerOff(0));
    Ok(())
}

/// Executes instructions while something holds.
fn step_while(
    machine: &mut Simulation,
    goes_on: impl Fn(&Simulation) -> bool,
) -> Result<(), String> {
    while goes_on(machine) {
        if let Some(end) = machine.step(0) {
            return Err(format!("the machine ended: {end:?}"));
        }
    }
    Ok(())
}
