// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Devices, interrupt controllers and their wiring: everything behind a
//! physical address that is not memory. `docs/platform.md` has the map.

mod avec;
mod config;
pub(crate) mod console;
pub(crate) mod eiointc;
mod error;
pub(crate) mod field;
pub(crate) mod flash;
pub(crate) mod fw_cfg;
pub(crate) mod iocsr;
pub(crate) mod ipi;
mod lint;
pub(crate) mod liointc;
pub(crate) mod net;
mod pch_pic;
mod pci;
pub(crate) mod power;
mod registers;
mod rtc;
mod state;
pub(crate) mod terminal;
#[cfg(test)]
mod tests;
mod uart;
pub(crate) mod virtio;
mod wait;
mod wiring;

use crate::cpu::{CpuLines, Vectors};
use crate::map::{Board, Device, DeviceMap, MAX_CPUS, Place, Population, Slot, UARTS};
use crate::mem::ram::GuestRam;
pub use config::PlatformConfig;
pub use console::{BufferConsole, HostConsole};
use eiointc::CORES_PER_NODE;
pub use error::PlatformError;
use flash::Flash;
pub use flash::FlashConfig;
use fw_cfg::{FwCfg, Items};
use iocsr::{Iocsr, Units};
pub use net::{Link, Mac, Net};
use pch_pic::PchPic;
use pci::Pci;
use power::Power;
pub use power::PowerEvent;
use rtc::Rtc;
use rustix::event::{PollFd, PollFlags};
pub use state::PlatformState;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uart::Uart;
use virtio::disk::Disk;
pub use virtio::disk::{DriveConfig, DriveMode};
use virtio::mmio::Transport;
use virtio::{Block, Entropy, Network, Port, Share, VirtioDevice};
pub(crate) use wait::{listen_at, ready};

/// While something can come from outside at any time, the machine looks for it each
/// so many nanoseconds of simulated time.
const POLL_INTERVAL: u64 = 1_000_000;

/// All devices. Times are nanoseconds of simulated time; they never go back.
pub struct Platform {
    board: &'static Board,
    map: DeviceMap,
    ram: GuestRam,
    cpus: usize,
    units: Units,
    seed: u64,
    iocsr: Iocsr,
    pic: PchPic,
    uarts: [Uart; UARTS],
    serial: [Box<dyn HostConsole>; UARTS],
    rtc: Rtc,
    power: Power,
    virtio: Vec<Transport>,
    /// Where these are functions of a bus.
    pci: Option<Pci>,
    /// The firmware's variables, if there is firmware.
    flash: Option<Flash>,
    fw_cfg: FwCfg,
    lines: Vec<CpuLines>,
    /// Interrupts that reach no CPU, if they are looked for.
    lints: Option<lint::Lints>,
    dma: bool,
    /// The time of the last [`Self::advance`].
    advanced: u64,
    /// Whether something outside wants the end of the simulation.
    end: Arc<AtomicBool>,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}

impl Platform {
    /// Builds the devices of a machine with memory `ram`.
    pub fn new(mut config: PlatformConfig, ram: GuestRam) -> Result<Self, PlatformError> {
        let cpus = config.cpus;
        if !(1..=MAX_CPUS).contains(&cpus) {
            return Err(PlatformError::Cpus(cpus));
        }
        let virtio = transports(&mut config)?;
        let board = config.board;
        if config.firmware && board.firmware.is_none() {
            return Err(PlatformError::NoFlash);
        }
        let flash = match config.firmware {
            true => Some(Flash::open(config.variables.as_ref())?),
            false => None,
        };
        let most = board.virtio_most();
        if virtio.len() > most {
            return Err(PlatformError::TooManyDevices(virtio.len(), most));
        }
        let has = Population {
            nodes: cpus.div_ceil(CORES_PER_NODE),
            virtio: virtio.len(),
            avec: config.avec,
            firmware: config.firmware,
        };
        let units = Units {
            avec: config.avec,
            liointc: board.has_liointc,
        };
        Ok(Self {
            board,
            map: DeviceMap::new(board, has),
            ram,
            cpus,
            seed: config.seed,
            iocsr: Iocsr::new(cpus, units),
            units,
            pic: PchPic::new(),
            uarts: std::array::from_fn(|_| Uart::new()),
            serial: config.serial,
            rtc: Rtc::new(config.epoch),
            power: Power::default(),
            pci: board.pci().map(|host| Pci::new(host, &virtio)),
            virtio,
            flash,
            fw_cfg: FwCfg::default(),
            lines: vec![CpuLines::default(); cpus],
            lints: None,
            dma: false,
            advanced: 0,
            end: Arc::default(),
        })
    }

    /// Resets all devices, as a reset of the machine does. Time goes on.
    pub fn reset(&mut self) {
        self.iocsr = Iocsr::new(self.cpus, self.units);
        self.pic = PchPic::new();
        self.uarts.fill_with(Uart::new);
        self.rtc.reset();
        self.power = Power::default();
        for transport in &mut self.virtio {
            transport.reset();
        }
        if let Some(pci) = &mut self.pci {
            pci.reset(&self.virtio);
        }
        if let Some(flash) = &mut self.flash {
            flash.reset();
        }
        self.fw_cfg.reset();
        self.update_lines();
    }

    /// Leaves the devices as firmware leaves them to what it starts: see
    /// `docs/platform.md`, Loader.
    pub(crate) fn hand_over(&mut self) {
        self.iocsr.hand_over();
    }

    /// Gives a serial port another host's side.
    pub(crate) fn connect(&mut self, port: usize, console: Box<dyn HostConsole>) {
        if let Some(host) = self.serial.get_mut(port) {
            *host = console;
        }
    }

    /// Gives firmware what it can read.
    pub(crate) fn configure(&mut self, items: Items) {
        self.fw_cfg = FwCfg::new(items);
    }

    /// Size of the flash with the firmware's variables, if there is firmware.
    pub(crate) fn flash_size(&self) -> Option<u64> {
        self.flash.as_ref().map(Flash::size)
    }

    /// Number of CPUs.
    pub fn cpus(&self) -> usize {
        self.cpus
    }

    /// The seed that the machine was built with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The board that it is.
    pub fn board(&self) -> &'static Board {
        self.board
    }

    /// What answers at physical addresses: for tests.
    pub fn devices_at(&self) -> &[(Device, Place)] {
        self.map.devices()
    }

    /// Number of virtio devices.
    pub fn virtio_devices(&self) -> usize {
        self.virtio.len()
    }

    /// Where on the bus the virtio devices are, on a board with PCI.
    pub(crate) fn slots(&self) -> &'static [Slot] {
        let slots = self.board.pci().map_or(&[][..], |host| host.slots);
        slots.get(..self.virtio.len()).unwrap_or(slots)
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
        self.look_at_button();
        while !self.synchronize(now) && !self.quit_requested() {
            self.flush();
            self.type_in();
        }
        for index in 0..UARTS {
            self.update_uart(index);
        }
        for index in 0..self.virtio.len() {
            if !self.polls(index) {
                continue;
            }
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

    /// The message interrupts that have come for CPU `cpu` since the last time.
    pub(crate) fn take_messages(&mut self, cpu: usize) -> Option<Vectors> {
        self.iocsr.take_messages(cpu)
    }

    /// Whether a device wrote to memory since [`Self::take_dma`].
    pub(crate) fn has_dma(&self) -> bool {
        self.dma
    }

    /// True once after a device wrote to memory.
    pub fn take_dma(&mut self) -> bool {
        std::mem::take(&mut self.dma)
    }

    /// A pending power request.
    pub fn power_event(&self) -> Option<PowerEvent> {
        self.power.event()
    }

    /// Whether the user asked for the end of the simulation, at the console or by
    /// [`Self::end_on`].
    pub fn quit_requested(&self) -> bool {
        self.end.load(Ordering::Relaxed) || self.consoles().any(HostConsole::quit)
    }

    /// Has the simulation end once `end` is true.
    pub fn end_on(&mut self, end: Arc<AtomicBool>) {
        self.end = end;
    }

    /// Whether a user or a peer is there, from which something can come at any time.
    pub fn interactive(&self) -> bool {
        self.consoles().any(HostConsole::interactive)
            || self.polled().any(|device| device.input().is_some())
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

    fn consoles(&self) -> impl Iterator<Item = &dyn HostConsole> {
        let ports = self.devices().filter_map(VirtioDevice::host);
        self.serial.iter().map(Box::as_ref).chain(ports)
    }

    fn devices(&self) -> impl Iterator<Item = &dyn VirtioDevice> {
        self.virtio.iter().map(Transport::device)
    }

    /// Whether [`Self::advance`] looks at what comes from outside to virtio device `index`.
    fn polls(&self, index: usize) -> bool {
        self.pci.as_ref().is_none_or(|pci| pci.is_master(index))
    }

    /// The virtio devices of which that is so.
    fn polled(&self) -> impl Iterator<Item = &dyn VirtioDevice> {
        let devices = self.devices().enumerate();
        let devices = devices.filter(|(index, _)| self.polls(*index));
        devices.map(|(_, device)| device)
    }

    /// What to wait for while all CPUs are idle.
    fn inputs(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        // What has no room waits until the machine has read.
        let devices = self.polled().filter(|device| device.takes_input());
        let devices = devices.filter_map(VirtioDevice::input);
        let ports = self.serial.iter().zip(&self.uarts);
        let ports = ports.filter(|(_, uart)| uart.room() > 0);
        let ports = ports.filter_map(|(host, _)| host.input());
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

    /// Notices what a user at a console wants of the simulator itself.
    pub(crate) fn listen(&mut self) {
        for host in &mut self.serial {
            host.listen();
        }
    }

    /// Gives the UARTs host input that they have room for.
    fn type_in(&mut self) {
        self.listen();
        for (uart, host) in self.uarts.iter_mut().zip(&mut self.serial) {
            let mut buffer = [0; 16];
            let room = uart.room().min(buffer.len());
            let count = host.read(&mut buffer[..room]);
            for &byte in buffer.iter().take(count.min(room)) {
                uart.receive(byte);
            }
        }
    }

    /// Has the machine know that its user has pressed the power button.
    fn look_at_button(&mut self) {
        let mut consoles = self.serial.iter_mut();
        if consoles.any(|host| host.take_button()) {
            self.power.press();
            self.drive(Device::Events, self.power.line());
        }
    }
}

/// The virtio devices that `config` asks for, in the order of their places.
fn transports(config: &mut PlatformConfig) -> Result<Vec<Transport>, PlatformError> {
    let mut devices: Vec<Box<dyn VirtioDevice>> = vec![Box::new(Entropy::new(config.seed))];
    for (index, drive) in config.drives.iter().enumerate() {
        devices.push(Box::new(Block::new(Disk::open(drive)?, index)));
    }
    if let Some(host) = config.console.take() {
        devices.push(Box::new(Port::new(host)));
    }
    if let Some(root) = &config.share {
        devices.push(Box::new(Share::new(root)?));
    }
    if let Some(net) = config.net.take() {
        devices.push(Box::new(Network::new(net)));
    }
    Ok(devices.into_iter().map(Transport::new).collect())
}
