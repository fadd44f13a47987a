// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Performance counters of the calling thread, as Linux counts with the CPU's own: what is
//! executed in user space between two readings is known to the instruction, whatever
//! happened to the machine meanwhile.

use std::ffi::c_int;

use crate::registers::Registers;

// Of the C library; glibc's declarations.
unsafe extern "C" {
    fn syscall(number: i64, ...) -> i64;
    fn read(fd: c_int, buffer: *mut u64, size: usize) -> isize;
}

/// Number of asm-generic/unistd.h.
const SYS_PERF_EVENT_OPEN: i64 = 241;

/// The first version of struct perf_event_attr (linux/perf_event.h), and constants of it.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    breakpoint_type: u32,
    breakpoint_address: u64,
}

const TYPE_HARDWARE: u32 = 0;
const HARDWARE_INSTRUCTIONS: u64 = 1;
const HARDWARE_BRANCHES: u64 = 4;
const FORMAT_GROUP: u64 = 1 << 3;
/// The counter is the event's whenever the thread runs, or reading it fails.
const PINNED: u64 = 1 << 2;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_HYPERVISOR: u64 = 1 << 6;

/// Spins of the first measurement.
const FEW: u64 = 1000;

/// Instructions and branches of one spin (`kvm_la_hold`).
const OF_A_SPIN: Counts = Counts([2, 1]);

/// Instructions and branches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Counts([u64; 2]);

impl Counts {
    /// What was counted since another reading.
    fn since(self, before: Self) -> Self {
        Self(std::array::from_fn(|i| {
            self.0[i].wrapping_sub(before.0[i])
        }))
    }

    /// What is counted with so many more spins.
    fn with_spins(self, spins: u64) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + OF_A_SPIN.0[i] * spins))
    }
}

/// The counters of one thread.
pub(crate) struct Counters {
    fd: c_int,
    /// What is counted around the spins.
    around: Counts,
}

impl Counters {
    /// The calling thread's, if the CPU has some: measured with the registers that it will
    /// hold. If the kernel has counters, whatever goes wrong is an error.
    pub(crate) fn of_this_thread(registers: &mut Registers) -> Result<Option<Self>, String> {
        if !available() {
            return Ok(None);
        }
        let fd = open(HARDWARE_INSTRUCTIONS, -1)?;
        open(HARDWARE_BRANCHES, fd)?;
        let mut counters = Self {
            fd,
            around: Counts([0; 2]),
        };
        // The first time functions may be looked up and pages brought in.
        for _ in 0..2 {
            counters.around = counters.spin(registers, FEW)?;
        }
        let of_few = Counts([0; 2]).with_spins(FEW);
        counters.around = counters.around.since(of_few);
        Ok(Some(counters))
    }

    /// Has the registers held, and judges what was counted meanwhile.
    pub(crate) fn hold(&self, registers: &mut Registers, spins: u64) -> Result<(), String> {
        let counted = self.spin(registers, spins)?;
        let due = self.around.with_spins(spins);
        if counted == due {
            return Ok(());
        }
        let ([insns, branches], [insns_due, branches_due]) = (counted.0, due.0);
        Err(format!(
            "{insns} instructions and {branches} branches counted, not {insns_due} and {branches_due}"
        ))
    }

    /// What is counted while the registers are held: always the same instructions but for
    /// the spins.
    #[inline(never)]
    fn spin(&self, registers: &mut Registers, spins: u64) -> Result<Counts, String> {
        let before = self.read()?;
        registers.hold(spins);
        Ok(self.read()?.since(before))
    }

    fn read(&self) -> Result<Counts, String> {
        // How many there are, and each.
        let mut values = [0u64; 3];
        // SAFETY: the buffer is as large as is said.
        let got = unsafe { read(self.fd, values.as_mut_ptr(), size_of_val(&values)) };
        match (got, values) {
            (24, [2, instructions, branches]) => Ok(Counts([instructions, branches])),
            _ => Err(format!("the counters cannot be read: {got} bytes, {values:?}")),
        }
    }
}

/// Whether the kernel has the CPU's counters.
pub(crate) fn available() -> bool {
    std::path::Path::new("/sys/bus/event_source/devices/cpu").exists()
}

/// Begins to count an event of user space, alone or in the group of another.
fn open(event: u64, group: c_int) -> Result<c_int, String> {
    let attributes = Attributes {
        kind: TYPE_HARDWARE,
        size: size_of::<Attributes>() as u32,
        config: event,
        read_format: FORMAT_GROUP,
        // Only a group's first event can be pinned.
        flags: EXCLUDE_KERNEL | EXCLUDE_HYPERVISOR | if group < 0 { PINNED } else { 0 },
        ..Attributes::default()
    };
    let (this_thread, any_cpu, no_flags) = (0i64, -1i64, 0i64);
    // SAFETY: the structure is as large as it says.
    let fd = unsafe {
        syscall(
            SYS_PERF_EVENT_OPEN,
            &raw const attributes,
            this_thread,
            any_cpu,
            i64::from(group),
            no_flags,
        )
    };
    if fd < 0 {
        let error = std::io::Error::last_os_error();
        return Err(format!("event {event} cannot be counted: {error}"));
    }
    Ok(fd as c_int)
}
