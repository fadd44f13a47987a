// SPDX-License-Identifier: GPL-2.0-or-later

//! A guest that reports the EIOINTC's vectors as they come.

use std::time::Duration;

use crate::error::errno::EINTR;
use crate::fixture::Guest;
use crate::harness::Outcome;
use crate::signal::Alarm;
use crate::system::Kvm;

crate::guest_code!(
    /// Enables all vectors of the EIOINTC and line HWI0, reports (as number 1) that
    /// it is ready and loops with interrupts on. The handler reports each pending
    /// vector as number 0 and acknowledges it.
    pub reporter,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 1",
    "addi.w $t0, $zero, -1",
    "ori $t1, $s1, 0x600", // EIOINTC enable, eight words
    "addi.d $t2, $t1, 32",
    "1:",
    "iocsrwr.w $t0, $t1",
    "addi.d $t1, $t1, 4",
    "bne $t1, $t2, 1b",
    "move $t0, $s1",
    "csrwr $t0, 0xc", // EENTRY = 0x1000
    "addi.d $t0, $zero, 4",
    "csrwr $t0, 0x4",     // ECFG: HWI0
    "st.d $zero, $s0, 8", // report 1: ready
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "2:",
    "b 2b",
    ".p2align 12",
    "ori $t1, $s1, 0x800", // core's vectors that are pending
    "addi.d $t2, $t1, 32",
    "move $t3, $zero",
    "3:",
    "iocsrrd.w $t0, $t1",
    "beqz $t0, 4f",
    "ctz.w $t4, $t0",
    "addi.w $t5, $zero, 1",
    "sll.w $t5, $t5, $t4",
    "iocsrwr.w $t5, $t1", // acknowledge
    "add.d $t4, $t4, $t3",
    "st.d $t4, $s0, 0", // report 0: vector
    "b 3b",
    "4:",
    "addi.d $t1, $t1, 4",
    "addi.d $t3, $t3, 32",
    "bne $t1, $t2, 3b",
    "ertn",
);

/// Such a guest, with interrupt controllers and this many vCPUs, of which the first
/// takes the interrupts and is ready.
pub fn ready(kvm: &Kvm, vcpus: u32) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = Guest::with_irqchip(kvm, reporter(), vcpus)?;
    guest.expect(1, 0)?;
    Ok(guest)
}

/// The guest gets no interrupt within a while.
pub fn silent(guest: &Guest, what: &str) -> Outcome {
    let alarm = Alarm::after(Duration::from_millis(5))?;
    crate::ensure_errno!(guest.vcpu().run(), EINTR, "the guest after {what}");
    drop(alarm);
    Ok(())
}
