// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Devices, interrupt controllers and their wiring: everything behind a
//! physical address that is not memory. `docs/platform.md` has the map.

pub mod console;
pub mod eiointc;
mod error;
pub(crate) mod field;
pub mod iocsr;
pub mod ipi;
pub mod map;
pub mod net;
mod pch_pic;
pub mod power;
mod rtc;
pub mod terminal;
#[cfg(test)]
mod tests;
mod uart;
pub mod virtio;
mod wait;

use crate::mem::GuestRam;
use console::{HostConsole, NullConsole};
pub use error::PlatformError;
use iocsr::Iocsr;
use map::*;
use net::Net;
use pch_pic::PchPic;
use power::Power;
use rtc::Rtc;
use rustix::event::{PollFd, PollFlags};
use serde::{Deserialize, Serialize};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;
use uart::Uart;
use virtio::disk::{Disk, DriveConfig};
use virtio::mmio::{Transport, TransportState};
use virtio::{Block, Entropy, Network, Port, Share, VirtioDevice};
use wait::ready;

/// While something can come from outside at any time, the machine looks for it each
/// so many nanoseconds of simulated time.
const POLL_INTERVAL: u64 = 1_000_000;

/// What the registers of all UARTs occupy.
const UART_SPAN: u64 = UARTS as u64 * UART_SIZE;

/// Interrupt inputs of one CPU, level-sensitive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuLines {
    /// HWI0 to HWI7 (ESTAT.IS bits 2 to 9).
    pub hwi: u8,
    /// Inter-processor interrupt (ESTAT.IS bit 12).
    pub ipi: bool,
}

/// What the machine asked the simulator to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerEvent {
    /// Power off, with the exit code that software left in the register.
    Off(u8),
    /// Reset the whole machine.
    Reset,
}

/// What the machine has beside CPUs and memory.
pub struct PlatformConfig {
    /// Number of CPUs.
    pub cpus: usize,
    /// Unix time of the RTC at simulated time zero.
    pub epoch: i64,
    /// Seed of the entropy device and of what the loader gives the kernel.
    pub seed: u64,
    /// Host's sides of the UARTs.
    pub serial: [Box<dyn HostConsole>; UARTS],
    /// Host's side of the virtio console; without it there is none.
    pub console: Option<Box<dyn HostConsole>>,
    /// Block devices, in the order in which the machine sees them.
    pub drives: Vec<DriveConfig>,
    /// A directory to share.
    pub share: Option<PathBuf>,
    /// The network device.
    pub net: Option<Net>,
}

impl Default for PlatformConfig {
    fn default() -> Self {
        Self {
            cpus: 1,
            // A fixed date, 2026-01-01 00:00:00 UTC, so that runs repeat.
            epoch: 1_767_225_600,
            seed: 0,
            serial: [Box::new(NullConsole), Box::new(NullConsole)],
            console: None,
            drives: Vec::new(),
            share: None,
            net: None,
        }
    }
}

impl std::fmt::Debug for PlatformConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformConfig")
            .field("cpus", &self.cpus)
            .field("drives", &self.drives)
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}

/// State of all devices, for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformState {
    iocsr: Iocsr,
    pic: PchPic,
    uarts: [Uart; UARTS],
    rtc: Rtc,
    power: Power,
    virtio: Vec<TransportState>,
    advanced: u64,
}

/// All devices. Times are nanoseconds of simulated time; they never go back.
pub struct Platform {
    ram: GuestRam,
    cpus: usize,
    seed: u64,
    iocsr: Iocsr,
    pic: PchPic,
    uarts: [Uart; UARTS],
    serial: [Box<dyn HostConsole>; UARTS],
    rtc: Rtc,
    power: Power,
    virtio: Vec<Transport>,
    lines: Vec<CpuLines>,
    dma: bool,
    /// The time of the last [`Self::advance`].
    advanced: u64,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}

/// Offset of an access in a block of registers.
fn within(pa: u64, base: u64, size: u64) -> Option<u64> {
    let offset = pa.wrapping_sub(base);
    (offset < size).then_some(offset)
}

impl Platform {
    /// Builds the devices of a machine with memory `ram`.
    pub fn new(config: PlatformConfig, ram: GuestRam) -> Result<Self, PlatformError> {
        let cpus = config.cpus;
        if !(1..=MAX_CPUS).contains(&cpus) {
            return Err(PlatformError::Cpus(cpus));
        }
        let mut virtio = vec![Transport::new(Box::new(Entropy::new(config.seed)))];
        for (index, drive) in config.drives.iter().enumerate() {
            let disk = Disk::open(drive)?;
            virtio.push(Transport::new(Box::new(Block::new(disk, index))));
        }
        if let Some(host) = config.console {
            virtio.push(Transport::new(Box::new(Port::new(host))));
        }
        if let Some(root) = &config.share {
            virtio.push(Transport::new(Box::new(Share::new(root)?)));
        }
        if let Some(net) = config.net {
            virtio.push(Transport::new(Box::new(Network::new(net))));
        }
        if virtio.len() > VIRTIO_MAX {
            return Err(PlatformError::TooManyDevices(virtio.len()));
        }
        Ok(Self {
            ram,
            cpus,
            seed: config.seed,
            iocsr: Iocsr::new(cpus),
            pic: PchPic::new(),
            uarts: std::array::from_fn(|_| Uart::new()),
            serial: config.serial,
            rtc: Rtc::new(config.epoch),
            power: Power::default(),
            virtio,
            lines: vec![CpuLines::default(); cpus],
            dma: false,
            advanced: 0,
        })
    }

    /// Resets all devices, as a reset of the machine does. Time goes on.
    pub fn reset(&mut self) {
        self.iocsr = Iocsr::new(self.cpus);
        self.pic = PchPic::new();
        self.uarts.fill_with(Uart::new);
        self.rtc.reset();
        self.power = Power::default();
        for transport in &mut self.virtio {
            transport.reset();
        }
        self.update_lines();
    }

    /// Number of CPUs.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// The seed that the machine was built with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Number of virtio devices; they are at the first addresses and pins.
    pub fn virtio_devices(&self) -> usize {
        self.virtio.len()
    }

    /// Reads `size` (1, 2, 4, 8) bytes at physical address `pa`; `None` if no
    /// device answers there.
    pub fn mmio_read(&mut self, now: u64, pa: u64, size: u8) -> Option<u64> {
        let value = if let Some(offset) = within(pa, VIRTIO_BASE, self.virtio_span()) {
            let transport = self.virtio.get_mut((offset / VIRTIO_STRIDE) as usize)?;
            match offset % VIRTIO_STRIDE {
                offset if offset < VIRTIO_SIZE => transport.read(offset, size),
                _ => return None,
            }
        } else if let Some(offset) = within(pa, UART_BASE, UART_SPAN) {
            let index = (offset / UART_SIZE) as usize;
            let offset = offset % UART_SIZE;
            let value = self.uarts.get_mut(index)?.read(offset);
            if offset == 0 {
                // There may be room for more input now.
                self.type_in();
            }
            self.update_uart(index);
            value.into()
        } else if let Some(offset) = within(pa, PCH_PIC_BASE, PCH_PIC_SIZE) {
            self.pic.read(offset, size)
        } else if let Some(offset) = within(pa, RTC_BASE, RTC_SIZE) {
            let word = self.rtc.read(now, offset & !3);
            field::extract(word.into(), offset & 3, size)
        } else if let Some(offset) = within(pa, PM_BASE, PM_SIZE) {
            let word = self.rtc.read_pm(offset & !3);
            field::extract(word.into(), offset & 3, size)
        } else if let Some(offset) = within(pa, POWER_BASE, POWER_SIZE) {
            let bytes = [0, 1, 2, 3].map(|at| self.power.read(at));
            field::extract(u32::from_le_bytes(bytes).into(), offset, size)
        } else if within(pa, ISA_IO_BASE, ISA_IO_SIZE).is_some() {
            field::mask(size)
        } else if within(pa, PCH_MSI_BASE, PCH_MSI_SIZE).is_some() {
            0
        } else {
            return None;
        };
        Some(value)
    }

    /// Writes to a device; `false` if none answers.
    pub fn mmio_write(&mut self, now: u64, pa: u64, size: u8, value: u64) -> bool {
        if let Some(offset) = within(pa, VIRTIO_BASE, self.virtio_span()) {
            let index = (offset / VIRTIO_STRIDE) as usize;
            let offset = offset % VIRTIO_STRIDE;
            if offset >= VIRTIO_SIZE {
                return false;
            }
            if let Some(transport) = self.virtio.get_mut(index) {
                self.dma |= transport.write(&self.ram, offset, size, value);
                self.update_virtio(index);
            }
        } else if let Some(offset) = within(pa, UART_BASE, UART_SPAN) {
            let index = (offset / UART_SIZE) as usize;
            let sent = self
                .uarts
                .get_mut(index)
                .and_then(|uart| uart.write(offset % UART_SIZE, value as u8));
            if let (Some(byte), Some(host)) = (sent, self.serial.get_mut(index)) {
                host.write(&[byte]);
            }
            self.update_uart(index);
        } else if let Some(offset) = within(pa, PCH_PIC_BASE, PCH_PIC_SIZE) {
            let mut changes = Vec::new();
            self.pic.write(offset, size, value, &mut changes);
            self.deliver(&changes);
        } else if let Some(offset) = within(pa, RTC_BASE, RTC_SIZE) {
            if size == 4 {
                self.rtc.write(now, offset & !3, value as u32);
                self.update_rtc(now);
            }
        } else if let Some(offset) = within(pa, PM_BASE, PM_SIZE) {
            if size == 4 {
                self.rtc.write_pm(offset & !3, value as u32);
            }
        } else if let Some(offset) = within(pa, POWER_BASE, POWER_SIZE) {
            let bytes = value.to_le_bytes();
            for (at, &byte) in (offset..POWER_SIZE).zip(bytes.iter().take(size.into())) {
                self.power.write(at, byte);
            }
        } else if let Some(offset) = within(pa, PCH_MSI_BASE, PCH_MSI_SIZE) {
            // The message's data are the vector.
            if offset == 0 {
                self.iocsr.eiointc.set(value as u8, true);
                self.update_lines();
            }
        } else {
            return within(pa, ISA_IO_BASE, ISA_IO_SIZE).is_some();
        }
        true
    }

    /// IOCSR read by CPU `cpu`; unknown registers read zero.
    pub fn iocsr_read(&mut self, cpu: usize, addr: u32, size: u8) -> u64 {
        self.iocsr.read(cpu, addr, size)
    }

    /// IOCSR write by CPU `cpu`; unknown registers ignore it.
    pub fn iocsr_write(&mut self, cpu: usize, addr: u32, size: u8, value: u64) {
        self.iocsr.write(cpu, addr, size, value);
        self.update_lines();
    }

    /// Lets time-driven devices and what comes from outside act at time `now`. With
    /// a link in lock-step, the machine at its other end comes to that time first.
    pub fn advance(&mut self, now: u64) {
        self.advanced = now;
        self.update_rtc(now);
        self.flush();
        self.type_in();
        while !self.synchronize(now) && !self.quit_requested() {
            self.flush();
            self.type_in();
        }
        for index in 0..UARTS {
            self.update_uart(index);
        }
        for index in 0..self.virtio.len() {
            if self.virtio[index].poll(&self.ram, now) {
                self.dma = true;
                self.update_virtio(index);
            }
        }
    }

    /// The next time at which [`Self::advance`] has something to do of its own.
    pub fn next_event(&self) -> Option<u64> {
        let poll = self
            .interactive()
            .then(|| (self.advanced / POLL_INTERVAL + 1).saturating_mul(POLL_INTERVAL));
        let virtio = self.devices().filter_map(VirtioDevice::next_event);
        [self.rtc.next_event(), poll]
            .into_iter()
            .flatten()
            .chain(virtio)
            .min()
    }

    /// Interrupt inputs of CPU `cpu`.
    pub fn lines(&self, cpu: usize) -> CpuLines {
        self.lines.get(cpu).copied().unwrap_or_default()
    }

    /// True once after a device wrote to memory.
    pub fn take_dma(&mut self) -> bool {
        std::mem::take(&mut self.dma)
    }

    /// A pending power request.
    pub fn power_event(&self) -> Option<PowerEvent> {
        self.power.event()
    }

    /// Whether the user asked for the end of the simulation at the console.
    pub fn quit_requested(&self) -> bool {
        self.consoles().any(HostConsole::quit)
    }

    /// Whether a user or a peer is there, from which something can come at any time.
    pub fn interactive(&self) -> bool {
        self.consoles().any(HostConsole::interactive) || self.inputs().next().is_some()
    }

    /// Waits at most `timeout` of real time for something from outside: for a
    /// caller that finds all CPUs idle and does not want to race through time.
    pub fn wait_for_input(&mut self, timeout: Duration) {
        self.flush();
        let inputs = self.inputs();
        let mut fds: Vec<PollFd<'_>> = inputs
            .map(|input| PollFd::from_borrowed_fd(input, PollFlags::IN))
            .collect();
        ready(&mut fds, timeout);
    }

    /// The state of all devices. Files of drives are not part of it, except
    /// the changes to volatile drives.
    pub fn save(&self) -> Result<PlatformState, PlatformError> {
        Ok(PlatformState {
            iocsr: self.iocsr.clone(),
            pic: self.pic.clone(),
            uarts: self.uarts.clone(),
            rtc: self.rtc.clone(),
            power: self.power.clone(),
            virtio: self
                .virtio
                .iter()
                .map(Transport::save)
                .collect::<Result<_, _>>()?,
            advanced: self.advanced,
        })
    }

    /// Takes over a saved state. After an error the state is undefined.
    pub fn restore(&mut self, state: &PlatformState) -> Result<(), PlatformError> {
        if !self.iocsr.same_shape(&state.iocsr) {
            return Err(PlatformError::Mismatch("the number of CPUs"));
        }
        if self.virtio.len() != state.virtio.len() {
            return Err(PlatformError::Mismatch("the number of virtio devices"));
        }
        if !state.uarts.iter().all(Uart::valid) {
            return Err(PlatformError::Mismatch("the state of a UART"));
        }
        for (transport, saved) in self.virtio.iter_mut().zip(&state.virtio) {
            transport.restore(saved)?;
        }
        self.iocsr = state.iocsr.clone();
        self.pic = state.pic.clone();
        self.uarts = state.uarts.clone();
        self.rtc = state.rtc.clone();
        self.power = state.power.clone();
        self.advanced = state.advanced;
        self.update_lines();
        self.dma = true;
        Ok(())
    }

    fn consoles(&self) -> impl Iterator<Item = &dyn HostConsole> {
        let ports = self.devices().filter_map(VirtioDevice::host);
        self.serial.iter().map(Box::as_ref).chain(ports)
    }

    fn devices(&self) -> impl Iterator<Item = &dyn VirtioDevice> {
        self.virtio.iter().map(Transport::device)
    }

    /// What to wait for while all CPUs are idle.
    fn inputs(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let devices = self.devices().filter_map(VirtioDevice::input);
        let ports = self.serial.iter().filter_map(|host| host.input());
        ports.chain(devices)
    }

    /// Whether what is outside has come to time `now`; waits for it a while.
    fn synchronize(&mut self, now: u64) -> bool {
        let mut devices = self.virtio.iter_mut();
        devices.all(|transport| transport.synchronize(now))
    }

    /// Passes output on to the host.
    fn flush(&mut self) {
        for host in &mut self.serial {
            host.flush();
        }
        for transport in &mut self.virtio {
            transport.flush();
        }
    }

    fn virtio_span(&self) -> u64 {
        self.virtio.len() as u64 * VIRTIO_STRIDE
    }

    /// Gives the UARTs host input that they have room for.
    fn type_in(&mut self) {
        for (uart, host) in self.uarts.iter_mut().zip(&mut self.serial) {
            let mut buffer = [0; 16];
            let room = uart.room().min(buffer.len());
            let count = host.read(&mut buffer[..room]);
            for &byte in buffer.iter().take(count.min(room)) {
                uart.receive(byte);
            }
        }
    }

    fn update_uart(&mut self, index: usize) {
        if let Some(uart) = self.uarts.get(index) {
            self.drive(UART_PIN + index as u32, uart.line());
        }
    }

    fn update_rtc(&mut self, now: u64) {
        self.rtc.advance(now);
        self.drive(RTC_PIN, self.rtc.line());
    }

    fn update_virtio(&mut self, index: usize) {
        if let Some(transport) = self.virtio.get(index) {
            self.drive(VIRTIO_PIN + index as u32, transport.line());
        }
    }

    /// Drives a pin of the PCH-PIC.
    fn drive(&mut self, pin: u32, level: bool) {
        let mut changes = Vec::new();
        self.pic.set_pin(pin, level, &mut changes);
        self.deliver(&changes);
    }

    /// Hands vectors on from the PCH-PIC to the EIOINTC.
    fn deliver(&mut self, changes: &[pch_pic::Change]) {
        for &(vector, level) in changes {
            self.iocsr.eiointc.set(vector, level);
        }
        if !changes.is_empty() {
            self.update_lines();
        }
    }

    fn update_lines(&mut self) {
        for (cpu, lines) in self.lines.iter_mut().enumerate() {
            let (hwi, ipi) = self.iocsr.lines(cpu);
            *lines = CpuLines { hwi, ipi };
        }
    }
}
