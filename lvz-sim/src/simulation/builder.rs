// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a machine is to be, and how it is built.

use super::{Error, Simulation};
use crate::boot::{self, BootConfig, LoadFile, Protocol};
use crate::cpu::{LvzReadings, MAX_NS_PER_INSTRUCTION, Model};
use crate::engine::{Engine, JitOptions, Machine};
use crate::map::{BOARDS, Board, MAX_CPUS, VIRT_MMIO};
use crate::mem::Ram;
use crate::platform::PlatformConfig;
use crate::platform::console::{BufferConsole, NullConsole};
use crate::platform::flash::FlashConfig;
use crate::platform::virtio::disk::{DriveConfig, DriveMode};
use std::path::PathBuf;

/// What a machine is to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    model: Model,
    readings: LvzReadings,
    ns_per_instruction: u16,
    pub(super) lints: bool,
    board: String,
    cpus: usize,
    memory: u64,
    drives: Vec<DriveConfig>,
    firmware: Option<PathBuf>,
    variables: Option<FlashConfig>,
    pub(super) boot: BootConfig,
    pub(super) program: Option<(u64, Vec<u8>)>,
    pub(super) snapshot: Option<PathBuf>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            model: Model::default(),
            readings: LvzReadings::default(),
            ns_per_instruction: 1,
            lints: false,
            board: VIRT_MMIO.name.to_owned(),
            cpus: 1,
            memory: 512 << 20,
            drives: Vec::new(),
            firmware: None,
            variables: None,
            boot: BootConfig::default(),
            program: None,
            snapshot: None,
        }
    }
}

impl Builder {
    /// The CPU model, as `lvz-sim run --cpu` has it: `"la664,lbt=off".parse()?`. The default
    /// is `la464`.
    pub fn cpu(mut self, model: Model) -> Self {
        self.model = model;
        self
    }

    /// Other readings of open questions about LVZ, as `lvz-sim run --lvz` has them:
    /// `"exit-ll=clear".parse()?`.
    pub fn lvz(mut self, readings: LvzReadings) -> Self {
        self.readings = readings;
        self
    }

    /// Nanoseconds of the machine's time that an instruction takes, 1 (the default) to 1000.
    pub fn ns_per_instruction(mut self, ns: u16) -> Self {
        self.ns_per_instruction = ns;
        self
    }

    /// Has software's mistakes looked for, as `lvz-sim run --trace lint` does, but prints none:
    /// [`Simulation::findings`] has them. While GTLBC names a GID, an interrupt, power-off or a
    /// reset can come to root some instructions earlier than without: the run may end after
    /// other instructions, and with another state.
    pub fn lints(mut self) -> Self {
        self.lints = true;
        self
    }

    /// The board, as `lvz-sim run --machine` has it: `virt-mmio` (the default), `virt` or
    /// `3a5000`.
    pub fn machine(mut self, name: impl Into<String>) -> Self {
        self.board = name.into();
        self
    }

    /// The number of CPUs, 1 (the default) to 16.
    pub fn cpus(mut self, cpus: usize) -> Self {
        self.cpus = cpus;
        self
    }

    /// The size of the RAM in bytes, a multiple of 64 KiB from 16 MiB to 1 TiB; the default is
    /// 512 MiB. It takes memory of the host where the machine has written to it alone.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// A kernel or hypervisor: an ELF file or an EFI image, gzip and Zstandard undone. CPU 0
    /// starts at its entry in direct mode with the arguments of Linux's boot protocol.
    pub fn kernel(mut self, file: impl Into<PathBuf>) -> Self {
        self.boot.kernel = Some(file.into());
        self
    }

    /// A further file of a kind that [`Builder::kernel`] takes, as `lvz-sim run --load` has it;
    /// can be repeated. Without kernel and program CPU 0 starts at the first one's entry or
    /// address.
    pub fn load(self, file: impl Into<PathBuf>) -> Self {
        self.load_file(None, file.into())
    }

    /// The same of any file, as it is, at a physical address of 2 MiB or above.
    pub fn load_at(self, address: u64, file: impl Into<PathBuf>) -> Self {
        self.load_file(Some(address), file.into())
    }

    fn load_file(mut self, address: Option<u64>, path: PathBuf) -> Self {
        self.boot.files.push(LoadFile { path, address });
        self
    }

    /// The kernel's initial RAM disk.
    pub fn initrd(mut self, file: impl Into<PathBuf>) -> Self {
        self.boot.initrd = Some(file.into());
        self
    }

    /// The kernel's command line.
    pub fn command_line(mut self, text: impl Into<String>) -> Self {
        self.boot.command_line = Some(text.into());
        self
    }

    /// Starts the kernel as boot loaders without EFI do, with -2, the device tree's address and
    /// 0 in a0 to a2, instead of by Linux's boot protocol.
    pub fn fdt_protocol(mut self) -> Self {
        self.boot.protocol = Protocol::Fdt;
        self
    }

    /// A device tree (a .dtb file) instead of the machine's own; its /chosen gets the initial
    /// RAM disk and the command line.
    pub fn device_tree(mut self, file: impl Into<PathBuf>) -> Self {
        self.boot.device_tree = Some(file.into());
        self
    }

    /// Gives the kernel ACPI tables beside the device tree, on the board `virt`. Firmware has
    /// them without this.
    pub fn acpi(mut self) -> Self {
        self.boot.acpi = true;
        self
    }

    /// A block device on a file with its raw contents; can be repeated. What the machine writes
    /// stays in its memory and in its snapshots, and is there after a restart; the file stays as
    /// it is. A machine that goes on from a snapshot wants the drive again.
    pub fn drive(mut self, file: impl Into<PathBuf>) -> Self {
        self.drives.push(DriveConfig {
            path: file.into(),
            mode: DriveMode::Volatile,
        });
        self
    }

    /// Firmware, 1 byte to 16 MiB, on the board `virt`: it starts, and finds kernel, initial RAM
    /// disk and command line as QEMU gives them to firmware, or boots from a drive. There is no
    /// program then and no further file. A machine that goes on from a snapshot wants it again.
    pub fn firmware(mut self, file: impl Into<PathBuf>) -> Self {
        self.firmware = Some(file.into());
        self.boot.firmware = true;
        self
    }

    /// The first contents of the flash with the firmware's variables; changes stay in the
    /// machine's memory.
    pub fn firmware_variables(mut self, file: impl Into<PathBuf>) -> Self {
        self.variables = Some(FlashConfig {
            path: file.into(),
            volatile: true,
        });
        self
    }

    /// Bytes at a physical address, where CPU 0 starts in direct mode if there is no kernel;
    /// with a kernel or a file the registers are those of Linux's boot protocol. Other CPUs wait
    /// below 2 MiB as behind firmware, until an IPI comes and mailbox 0 has an address.
    pub fn program(mut self, address: u64, bytes: impl Into<Vec<u8>>) -> Self {
        self.program = Some((address, bytes.into()));
        self
    }

    /// Goes on from a file of [`Simulation::save`] instead of starting: model, memory and
    /// number of CPUs have to be those of the machine that was saved. There is no kernel, no file
    /// to load, no program, and nothing that these get.
    pub fn snapshot(mut self, file: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(file.into());
        self
    }

    /// Whether what is to start goes together.
    fn check_start(&self) -> Result<(), Error> {
        let boot = &self.boot;
        let kernel_or_files = boot.kernel.is_some() || !boot.files.is_empty();
        let for_a_kernel = [
            (boot.initrd.is_some(), "initial RAM disk"),
            (boot.command_line.is_some(), "command line"),
            (boot.device_tree.is_some(), "device tree"),
            (boot.protocol != Protocol::default(), "boot protocol"),
            (boot.acpi, "ACPI tables"),
        ];
        let mut given = for_a_kernel.iter().filter(|(is_given, _)| *is_given);
        let given = given.next().map(|(_, what)| *what);
        let program = self.program.is_some();
        if self.firmware.is_some() && (program || !boot.files.is_empty()) {
            return Err(Error::new(
                "firmware starts the machine: leave out the program and the files to load",
            ));
        }
        if self.snapshot.is_some() && (kernel_or_files || program || given.is_some()) {
            let what = given.unwrap_or(match program {
                true => "program",
                false => "kernel and files to load",
            });
            return Err(Error::new(format!(
                "a machine that goes on from a snapshot has started: leave out the {what}"
            )));
        }
        if let (true, false, Some(what)) = (program, kernel_or_files, given) {
            return Err(Error::new(format!(
                "a program alone gets no {what}: leave it out, or load the program from a file"
            )));
        }
        Ok(())
    }

    /// Builds the machine; it has executed nothing.
    ///
    /// # Errors
    /// A number out of range, a board that there is not, or that lacks what is asked for, memory
    /// that the host does not grant, a file that cannot be read or is not what it should be,
    /// nothing to start, what does not go together, or a snapshot of another machine.
    pub fn build(self) -> Result<Simulation, Error> {
        if !(1..=MAX_CPUS).contains(&self.cpus) {
            return Err(Error::new(format!(
                "{} CPUs: it can have 1 to {MAX_CPUS}",
                self.cpus
            )));
        }
        let Some(board) = Board::named(&self.board) else {
            return Err(Error::new(format!(
                "machine '{}': it can be {}",
                self.board,
                BOARDS.map(|board| board.name).join(", ")
            )));
        };
        if !(1..=MAX_NS_PER_INSTRUCTION).contains(&self.ns_per_instruction) {
            return Err(Error::new(format!(
                "{} ns per instruction: it can be 1 to {MAX_NS_PER_INSTRUCTION}",
                self.ns_per_instruction
            )));
        }
        self.check_start()?;
        let console = BufferConsole::default();
        let config = PlatformConfig {
            board,
            cpus: self.cpus,
            serial: [Box::new(console.clone()), Box::new(NullConsole)],
            drives: self.drives.clone(),
            firmware: self.firmware.is_some(),
            variables: self.variables.clone(),
            ..PlatformConfig::default()
        };
        let firmware = match &self.firmware {
            Some(file) => boot::firmware_code(file).map_err(Error::new)?,
            None => Vec::new(),
        };
        let ram = Ram::with_firmware(self.memory, &firmware).map_err(Error::new)?;
        let model = self.model.clone().with_readings(self.readings);
        let model = model.with_ns_per_instruction(self.ns_per_instruction);
        let mut machine =
            Machine::with_memory(model, self.cpus, ram, config).map_err(Error::new)?;
        // A host on which nothing can be compiled interprets: the machine does the same.
        let _ = machine.use_engine(Engine::Jit(JitOptions::default()));
        let mut simulation = Simulation {
            machine,
            console,
            output: Vec::new(),
            start: self,
        };
        match &simulation.start.snapshot {
            Some(file) => simulation.machine.load(file).map_err(Error::new)?,
            None => simulation.begin()?,
        }
        if simulation.start.lints {
            simulation.lint();
        }
        Ok(simulation)
    }
}
