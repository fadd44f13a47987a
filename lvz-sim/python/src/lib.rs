// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The simulator's library for Python; `lvz-sim/python/README.md` has an example. It is
//! `simulator::Simulation` under the names and types of Python.

use pyo3::exceptions::{PyIndexError, PyKeyError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use simulator::la_arch::csr;
use simulator::{End, Model};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Instructions between two looks at whether Ctrl-C was pressed.
const SLICE: u64 = 10_000_000;
/// One more than the largest number of a CSR.
const CSRS: u16 = 1 << 14;

fn failed(error: impl ToString) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// What a CPU has, or why it has it not.
fn found<T>(value: Option<T>, what: &str, number: usize) -> PyResult<T> {
    value.ok_or_else(|| PyIndexError::new_err(format!("there is no {what} {number}")))
}

/// A CSR, by its number or by the manual's name in any case.
#[derive(FromPyObject)]
enum Csr {
    Number(u16),
    Name(String),
}

impl Csr {
    fn number(self) -> PyResult<u16> {
        match self {
            Csr::Number(number) => Ok(number),
            Csr::Name(name) => (0..CSRS)
                .find(|&number| {
                    csr::number::name(number).is_some_and(|known| known.eq_ignore_ascii_case(&name))
                })
                .ok_or_else(|| PyKeyError::new_err(format!("there is no CSR {name}"))),
        }
    }
}

/// A file that is loaded too: an image, or any file with the address where it goes.
#[derive(FromPyObject)]
enum Load {
    Image(PathBuf),
    At((u64, PathBuf)),
}

/// What a lint has found; as a string the line of `lvz-sim run --trace lint`.
#[pyclass(frozen, get_all)]
struct Finding {
    /// The rule, as the Rust crate's `Rule` names it.
    rule: String,
    /// The CPU, and the virtual address of its instruction; `None` where a device found it.
    cpu: Option<usize>,
    pc: Option<u64>,
    text: String,
}

#[pymethods]
impl Finding {
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        format!("<Finding {}: {}>", self.rule, self.text)
    }
}

/// A machine: CPUs, memory, devices, and a UART whose output is kept. It has executed nothing.
///
/// What starts, one of these or `firmware`:
///     kernel=None: file, ELF or an EFI image
///     program=None: physical address and bytes, at whose first it starts in direct mode
///     load=(): list of files; images, or pairs of a physical address and any file
///     snapshot=None: file of `save`, from which the machine goes on, without kernel, program or load
///
/// What the kernel gets:
///     initrd=None: file, the initial RAM disk
///     command_line=None: string; "console=ttyS0" without one
///     fdt_protocol=False: start with the device tree in a1, which Linux does not take
///     device_tree=None: file, instead of the machine's own tree
///     acpi=False: ACPI tables too, on the board "virt"
///
/// What the machine has:
///     machine="virt-mmio": board, or "virt" or "3a5000"
///     cpu="la464": model and features, as "la664,lbt=off"
///     cpus=1: number, 1 to 16
///     memory=536870912: bytes, a multiple of 64 KiB from 16 MiB on
///     drives=(): list of files, raw disks; changes stay in memory
///     firmware=None: file, at most 16 MiB, on the board "virt"
///     firmware_variables=None: file, the flash's first contents; changes stay in memory
///
/// How it runs:
///     lvz="": other readings of open questions about LVZ, as "exit-ll=clear"
///     ns_per_instruction=1: nanoseconds of its time, 1 to 1000
///     lints=False: look for software's mistakes, which are in `findings`
#[pyclass]
struct Simulation {
    /// Python lets one thread at a time use it, which the compiler cannot know.
    machine: Mutex<simulator::Simulation>,
    /// What the machine wrote into its exit register when it powered off.
    #[pyo3(get)]
    exit_code: Option<u8>,
}

impl Simulation {
    fn machine(&mut self) -> &mut simulator::Simulation {
        let machine = self.machine.get_mut();
        machine.unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a run ended, as Python reads it.
    fn end(&mut self, end: End) -> &'static str {
        match end {
            End::PowerOff(code) => {
                self.exit_code = Some(code);
                "power-off"
            }
            End::Reset => "reset",
            End::Stuck => "stuck",
            End::Condition => "condition",
            _ => "limit",
        }
    }
}

#[pymethods]
impl Simulation {
    /// The keywords are those of the class.
    #[new]
    #[pyo3(signature = (*, kernel=None, program=None, load=vec![], snapshot=None, initrd=None,
                        command_line=None, fdt_protocol=false, device_tree=None, acpi=false,
                        drives=vec![], firmware=None, firmware_variables=None,
                        machine="virt-mmio", cpu="la464", cpus=1, memory=536_870_912, lvz="",
                        ns_per_instruction=1, lints=false))]
    #[expect(clippy::too_many_arguments, reason = "Python names them")]
    fn new(
        kernel: Option<PathBuf>,
        program: Option<(u64, Vec<u8>)>,
        load: Vec<Load>,
        snapshot: Option<PathBuf>,
        initrd: Option<PathBuf>,
        command_line: Option<String>,
        fdt_protocol: bool,
        device_tree: Option<PathBuf>,
        acpi: bool,
        drives: Vec<PathBuf>,
        firmware: Option<PathBuf>,
        firmware_variables: Option<PathBuf>,
        machine: &str,
        cpu: &str,
        cpus: usize,
        memory: u64,
        lvz: &str,
        ns_per_instruction: u16,
        lints: bool,
    ) -> PyResult<Self> {
        let model: Model = cpu.parse().map_err(failed)?;
        let mut builder = simulator::Simulation::builder()
            .cpu(model)
            .machine(machine)
            .cpus(cpus)
            .memory(memory)
            .lvz(lvz.parse().map_err(failed)?)
            .ns_per_instruction(ns_per_instruction);
        if lints {
            builder = builder.lints();
        }
        if let Some(kernel) = kernel {
            builder = builder.kernel(kernel);
        }
        if let Some((address, bytes)) = program {
            builder = builder.program(address, bytes);
        }
        if let Some(snapshot) = snapshot {
            builder = builder.snapshot(snapshot);
        }
        if let Some(initrd) = initrd {
            builder = builder.initrd(initrd);
        }
        if let Some(line) = command_line {
            builder = builder.command_line(line);
        }
        for file in load {
            builder = match file {
                Load::Image(file) => builder.load(file),
                Load::At((address, file)) => builder.load_at(address, file),
            };
        }
        if fdt_protocol {
            builder = builder.fdt_protocol();
        }
        if let Some(tree) = device_tree {
            builder = builder.device_tree(tree);
        }
        if acpi {
            builder = builder.acpi();
        }
        for drive in drives {
            builder = builder.drive(drive);
        }
        if let Some(firmware) = firmware {
            builder = builder.firmware(firmware);
        }
        if let Some(variables) = firmware_variables {
            builder = builder.firmware_variables(variables);
        }
        Ok(Self {
            machine: Mutex::new(builder.build().map_err(failed)?),
            exit_code: None,
        })
    }

    /// Runs until the machine ends by itself or so many instructions have ended. The answer is
    /// "power-off", "reset", "stuck" (every CPU is idle, and nothing will wake one) or "limit".
    fn run(&mut self, py: Python<'_>, instructions: u64) -> PyResult<&'static str> {
        let limit = self.machine().instructions().saturating_add(instructions);
        loop {
            let left = limit.saturating_sub(self.machine().instructions());
            let machine = self.machine();
            let end = py.detach(|| machine.run(left.min(SLICE)));
            py.check_signals()?;
            if end != End::Limit || left <= SLICE {
                return Ok(self.end(end));
            }
        }
    }

    /// The same until `condition(machine)` is true, which is asked every 100,000 instructions
    /// or more often: then the answer is "condition".
    fn run_until(
        slf: &Bound<'_, Self>,
        condition: &Bound<'_, PyAny>,
        instructions: u64,
    ) -> PyResult<&'static str> {
        let executed = || slf.borrow_mut().machine().instructions();
        let limit = executed().saturating_add(instructions);
        loop {
            // To the end of the round.
            let end = slf.borrow_mut().machine().run(1);
            slf.py().check_signals()?;
            let word = slf.borrow_mut().end(end);
            if condition.call1((slf,))?.is_truthy()? {
                return Ok("condition");
            }
            if end != End::Limit || executed() >= limit {
                return Ok(word);
            }
        }
    }

    /// Executes one instruction of a CPU. The answer is `None` where it did, and "limit" where the
    /// CPU waits in `idle` and the others have executed a million instructions without waking it.
    #[pyo3(signature = (cpu=0))]
    fn step(&mut self, cpu: usize) -> PyResult<Option<&'static str>> {
        self.pc(cpu)?;
        let end = self.machine().step(cpu);
        Ok(end.map(|end| self.end(end)))
    }

    /// Gives the machine a reset: it starts again with cleared memory.
    fn restart(&mut self) -> PyResult<()> {
        self.exit_code = None;
        self.machine().restart().map_err(failed)
    }

    /// The address of a CPU's next instruction.
    #[pyo3(signature = (cpu=0))]
    fn pc(&mut self, cpu: usize) -> PyResult<u64> {
        found(self.machine().pc(cpu), "CPU", cpu)
    }

    /// A general register.
    #[pyo3(signature = (number, cpu=0))]
    fn register(&mut self, number: usize, cpu: usize) -> PyResult<u64> {
        self.pc(cpu)?;
        found(self.machine().register(cpu, number), "register", number)
    }

    /// Whether a CPU is in guest mode.
    #[pyo3(signature = (cpu=0))]
    fn in_guest(&mut self, cpu: usize) -> PyResult<bool> {
        found(self.machine().in_guest(cpu), "CPU", cpu)
    }

    /// A CSR of the host, whatever the mode: 0x5 or "ESTAT".
    #[pyo3(signature = (csr, cpu=0))]
    fn csr(&mut self, csr: Csr, cpu: usize) -> PyResult<u64> {
        found(self.machine().csr(cpu, csr.number()?), "CPU", cpu)
    }

    /// A CSR of the guest, whatever the mode.
    #[pyo3(signature = (csr, cpu=0))]
    fn guest_csr(&mut self, csr: Csr, cpu: usize) -> PyResult<u64> {
        found(self.machine().guest_csr(cpu, csr.number()?), "CPU", cpu)
    }

    /// Sets the address of a CPU's next instruction; one that waits in `idle` waits no more.
    #[pyo3(signature = (address, cpu=0))]
    fn set_pc(&mut self, address: u64, cpu: usize) -> PyResult<()> {
        self.pc(cpu)?;
        self.machine().set_pc(cpu, address).map_err(failed)
    }

    /// Sets a general register; r0 stays zero.
    #[pyo3(signature = (number, value, cpu=0))]
    fn set_register(&mut self, number: usize, value: u64, cpu: usize) -> PyResult<()> {
        self.register(number, cpu)?;
        self.machine()
            .set_register(cpu, number, value)
            .map_err(failed)
    }

    /// Writes a CSR of the host, whatever the mode, as `csrwr` does.
    #[pyo3(signature = (csr, value, cpu=0))]
    fn set_csr(&mut self, csr: Csr, value: u64, cpu: usize) -> PyResult<()> {
        self.pc(cpu)?;
        self.machine()
            .set_csr(cpu, csr.number()?, value)
            .map_err(failed)
    }

    /// Writes a CSR of the guest, whatever the mode, as `gcsrwr` does.
    #[pyo3(signature = (csr, value, cpu=0))]
    fn set_guest_csr(&mut self, csr: Csr, value: u64, cpu: usize) -> PyResult<()> {
        self.pc(cpu)?;
        self.machine()
            .set_guest_csr(cpu, csr.number()?, value)
            .map_err(failed)
    }

    /// So many bytes of physical memory.
    fn read_memory<'py>(
        &mut self,
        py: Python<'py>,
        address: u64,
        length: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.machine().memory(address, length).map_err(failed)?;
        Ok(PyBytes::new(py, bytes))
    }

    /// Writes physical memory.
    fn write_memory(&mut self, address: u64, bytes: &[u8]) -> PyResult<()> {
        self.machine().write_memory(address, bytes).map_err(failed)
    }

    /// Has the UART receive bytes.
    fn type_in(&mut self, bytes: &[u8]) {
        self.machine().type_in(bytes);
    }

    /// All that the machine has written to its UART.
    #[getter]
    fn uart(&mut self) -> &[u8] {
        self.machine().uart()
    }

    /// What `lints=True` has found.
    #[getter]
    fn findings(&mut self) -> Vec<Finding> {
        let findings = self.machine().findings().into_iter();
        findings
            .map(|finding| Finding {
                rule: format!("{:?}", finding.rule),
                cpu: finding.place.map(|(cpu, _)| cpu),
                pc: finding.place.map(|(_, pc)| pc),
                text: finding.text,
            })
            .collect()
    }

    /// Instructions that have ended, of all CPUs.
    #[getter]
    fn instructions(&mut self) -> u64 {
        self.machine().instructions()
    }

    /// The machine's time in nanoseconds.
    #[getter]
    fn time(&mut self) -> u64 {
        self.machine().time()
    }

    /// Number of CPUs.
    #[getter]
    fn cpus(&mut self) -> usize {
        self.machine().cpus()
    }

    /// A hash of memory and of the CPUs' state, without devices: what differs there has, in all
    /// likelihood, another one.
    #[getter]
    fn state_hash(&mut self) -> u64 {
        self.machine().state_hash()
    }

    /// Saves the whole machine to a file, from which `Simulation(snapshot=...)` goes on.
    fn save(&mut self, file: PathBuf) -> PyResult<()> {
        self.machine().save(file).map_err(failed)
    }
}

#[pymodule]
fn lvz_sim(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Simulation>()?;
    module.add_class::<Finding>()
}
