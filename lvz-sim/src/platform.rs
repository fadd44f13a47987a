//! Devices, interrupt controllers and their wiring: everything behind a
//! physical address that is not memory.

use crate::mem::GuestRam;

/// Interrupt inputs of one CPU, level-sensitive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuLines {
    /// HWI0 to HWI7 (ESTAT.IS bits 2 to 9).
    pub hwi: u8,
    /// Inter-processor interrupt (ESTAT.IS bit 12).
    pub ipi: bool,
}

/// What the machine asked the simulator to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerEvent {
    /// Power off, with the exit code that software left in the register.
    Off(u8),
    /// Reset the whole machine.
    Reset,
}

/// All devices. Times are nanoseconds of simulated time; they never go back.
pub struct Platform {
    _ram: GuestRam,
}

impl Platform {
    /// No devices at all, for tests of instructions.
    pub fn bare(ram: GuestRam) -> Self {
        Platform { _ram: ram }
    }

    /// Reads `size` (1, 2, 4, 8) bytes at physical address `pa`; `None` if no
    /// device answers there.
    pub fn mmio_read(&mut self, _now: u64, _cpu: usize, _pa: u64, _size: u8) -> Option<u64> {
        None
    }

    /// Writes to a device; `false` if none answers.
    pub fn mmio_write(&mut self, _now: u64, _cpu: usize, _pa: u64, _size: u8, _v: u64) -> bool {
        false
    }

    /// IOCSR read by CPU `cpu`; unknown registers read zero.
    pub fn iocsr_read(&mut self, _now: u64, _cpu: usize, _addr: u32, _size: u8) -> u64 {
        0
    }

    /// IOCSR write by CPU `cpu`; unknown registers ignore it.
    pub fn iocsr_write(&mut self, _now: u64, _cpu: usize, _addr: u32, _size: u8, _value: u64) {}

    /// Lets time-driven devices and host input act at time `now`.
    pub fn advance(&mut self, _now: u64) {}

    /// The next time at which [`Self::advance`] has something to do of its own.
    pub fn next_event(&self) -> Option<u64> {
        None
    }

    /// Interrupt inputs of CPU `cpu`.
    pub fn lines(&self, _cpu: usize) -> CpuLines {
        CpuLines::default()
    }

    /// True once after any CPU's lines may have changed.
    pub fn take_lines_changed(&mut self) -> bool {
        false
    }

    /// True once after a device wrote to memory.
    pub fn take_dma(&mut self) -> bool {
        false
    }

    /// A pending power request.
    pub fn power_event(&self) -> Option<PowerEvent> {
        None
    }

    /// The same, and forgets it.
    pub fn take_power_event(&mut self) -> Option<PowerEvent> {
        None
    }

    /// With nothing else to happen, waits a moment for host input; false if
    /// none can ever come.
    pub fn wait_for_input(&mut self) -> bool {
        false
    }
}
