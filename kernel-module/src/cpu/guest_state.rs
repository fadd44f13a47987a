// SPDX-License-Identifier: GPL-2.0

//! What the rest of the kernel is told of a CPU that runs a guest: RCU and lockdep of its
//! state, accounting of its time.

use crate::kvm::calls::calls;
use crate::kvm::context::IrqOff;

// Interrupts are off.
calls! {
    /// The guest's state begins.
    pub(crate) fn enter(; IrqOff<'_>) = kvm_la_guest_state_enter;

    /// The guest's state is over.
    pub(crate) fn exit(; IrqOff<'_>) = kvm_la_guest_state_exit;

    /// Time is the guest's from now on.
    pub(crate) fn start_timing(; IrqOff<'_>) = kvm_la_guest_timing_enter;

    /// Time is the host's from now on.
    pub(crate) fn stop_timing(; IrqOff<'_>) = kvm_la_guest_timing_exit;
}
