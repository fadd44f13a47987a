// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The command line of `lvz-sim`.

mod quantity;

use crate::boot::{LoadFile, Protocol};
use crate::cpu::{LvzReadings, MAX_NS_PER_INSTRUCTION, Model, readings_help};
use crate::engine::{Engine, JitOptions};
use crate::gdb::Address;
use crate::map::{BOARDS, Board, VIRT_MMIO};
use crate::output::Output;
use crate::platform::flash::FlashConfig;
use crate::platform::net::NetConfig;
use crate::platform::virtio::disk::{DriveConfig, DriveMode};
use crate::symbols::SymbolFile;
use crate::trace::{Filter, Trace};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use std::path::{Path, PathBuf};

/// A LoongArch64 system simulator with the virtualization extension (LVZ).
#[derive(Debug, Parser)]
#[command(name = "lvz-sim", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands of `lvz-sim`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs a machine until it powers off; its power-off code is the exit status
    Run(Box<RunArgs>),
    /// Lists the instructions that the compiler leaves to the interpreter's handlers
    Uncompiled,
    /// Disassembles instruction words (hexadecimal), as if they were at address 0 and behind it
    Disassemble {
        /// Words of each instruction that any CPU model has instead, with operands of all kinds
        #[arg(long, conflicts_with = "words")]
        all: bool,
        #[arg(value_name = "WORD", value_parser = parse_word)]
        words: Vec<u32>,
    },
    /// Lists the instructions of the public opcode tables that no CPU model has, with the reasons
    Absent,
}

/// Options of `lvz-sim run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Kernel: ELF vmlinux, or an EFI (zboot) vmlinuz as distributions ship it
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,

    /// Firmware, at most 16 MiB (on board virt): it starts, and finds --kernel, --initrd and
    /// --append as QEMU's -kernel and so on, or boots from a drive. A machine that goes on
    /// from a snapshot wants it again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["load", "boot_protocol"])]
    pub firmware: Option<PathBuf>,

    /// Flash with the firmware's variables, for example a copy of QEMU_VARS.fd: FILE, or
    /// FILE,volatile to keep changes in memory. Without it they are lost
    #[arg(long, value_name = "FILE", value_parser = parse_flash, requires = "firmware")]
    pub firmware_vars: Option<FlashConfig>,

    /// Load FILE too: an image as --kernel takes it, or with @0xADDRESS any file, as it
    /// is, to that physical address. Without --kernel the machine starts at the first
    /// one's entry or address. Can be repeated
    #[arg(long, value_name = "FILE[@ADDRESS]", value_parser = parse_load)]
    pub load: Vec<LoadFile>,

    /// Initial RAM disk
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,

    /// Kernel command line; console=ttyS0 unless --dtb has one
    #[arg(long, value_name = "STRING")]
    pub append: Option<String>,

    /// What the kernel finds in a0 to a2: efi (1, command line, EFI system table) or fdt (-2,
    /// device tree, 0). Linux wants efi: with fdt it stops and says nothing
    #[arg(
        long,
        value_enum,
        value_name = "PROTOCOL",
        default_value_t,
        hide_possible_values = true
    )]
    pub boot_protocol: Protocol,

    /// A device tree instead of the machine's own; /chosen gets the initial RAM disk,
    /// and what --append says
    #[arg(long, value_name = "FILE")]
    pub dtb: Option<PathBuf>,

    /// Give the kernel ACPI tables too (on board virt), which Linux prefers to the device tree
    #[arg(long, conflicts_with_all = ["dtb", "snapshot_in", "firmware"])]
    pub acpi: bool,

    /// Write the device tree that the kernel would be given to FILE, with - to standard output,
    /// and run nothing
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot_in")]
    pub dump_dtb: Option<Output>,

    /// Number of CPUs, 1 to 16
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub smp: u8,

    /// The board
    #[arg(long, value_name = "BOARD", default_value = VIRT_MMIO.name, value_parser = boards())]
    pub machine: &'static Board,

    /// Memory: a number of bytes, with K, M, G or T of KiB and so on, 16M to 1T
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = quantity::size)]
    pub memory: u64,

    /// A block device on a raw file: FILE[,readonly|,volatile]; can be repeated. No other
    /// program can use a file that is written to, as with QEMU
    #[arg(long, value_name = "FILE", value_parser = parse_drive)]
    pub drive: Vec<DriveConfig>,

    /// A directory to share by 9p, tag "share"
    #[arg(long, value_name = "DIR")]
    pub share: Option<PathBuf>,

    #[expect(
        rustdoc::broken_intra_doc_links,
        reason = "clap prints the text as it is"
    )]
    /// A network device: user[,mac=MAC][,mtu=N] is in the computer's own network, by the
    /// program passt. Or on a socket in the framing of QEMU's -netdev stream, at a
    /// path or a loopback HOST:PORT:
    /// stream,connect=ADDRESS|listen=ADDRESS[,mac=MAC][,mtu=N][,lockstep]. With
    /// lockstep the peer is another simulator, and both run as one machine that repeats
    #[arg(long, value_name = "LINK")]
    pub net: Option<NetConfig>,

    /// Write what the machine sends by its second serial port (ttyS1) to FILE, with - to
    /// standard output, by whole lines
    #[arg(long, value_name = "FILE")]
    pub serial1: Option<Output>,

    /// Physical address (hexadecimal) of a page of 4 KiB whose loads and fetches raise a
    /// machine error; can be repeated, and adds to those of a snapshot
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    pub poison: Vec<u64>,

    /// CPU model with features, for example la664 or la464,lsx=off
    #[arg(long, value_name = "MODEL", default_value = "la464")]
    pub cpu: Model,

    /// Other readings of open questions about LVZ (--help lists them)
    #[arg(long, value_name = "NAME=VALUE,...", long_help = readings_help(), default_value = "", hide_default_value = true, value_parser = parse_readings)]
    pub lvz: LvzReadings,

    /// Write figures of the run to FILE as JSON, with - to standard output
    #[arg(long, value_name = "FILE")]
    pub stats: Option<Output>,

    /// Count guest exits by the guest's program counter too
    #[arg(long, requires = "stats")]
    pub stats_sites: bool,

    /// Count branches, loads and stores too, which the interpreter has to do
    #[arg(long, requires = "stats")]
    pub stats_events: bool,

    /// List the system calls with this number that the host's programs make
    /// (in a7; 29 is ioctl), with the instructions run until then; all are kept until the end
    #[arg(long, value_name = "NUMBER", requires = "stats")]
    pub stats_calls: Option<u64>,

    /// How instructions are executed: interpreter; jit (the default, where it can), which
    /// compiles blocks that were interpreted N times and keeps SIZE of machine code with
    /// jit,hot=N,code=SIZE, while the machine goes on or, with beside=off, waits; check with
    /// the same options, which interprets what is compiled too and ends the run at the first
    /// difference. The machine is the same with all
    #[arg(long, value_name = "ENGINE", value_parser = parse_engine)]
    pub engine: Option<Engine>,

    /// Trace to standard error: exceptions, guest, insn, lint (comma-separated)
    #[arg(long, value_name = "WHAT", default_value = "", hide_default_value = true, value_parser = parse_trace)]
    pub trace: Trace,

    /// Trace instructions, but only those of the host between guest exits at this
    /// program counter (hexadecimal) and the next entry
    #[arg(long, value_name = "PC", requires = "stats_sites", value_parser = parse_address)]
    pub trace_site: Option<u64>,

    /// Wait for a debugger (GDB, LLDB) at :PORT, HOST:PORT or the path of a socket; it can
    /// come and go while the machine runs. docs/debugging.md says what it can do
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["stats_calls", "profile"])]
    pub gdb: Option<Address>,

    /// Run nothing before a debugger is there
    #[arg(long, requires = "gdb")]
    pub gdb_wait: bool,

    /// Trace instructions, but only those of which all of this is true (comma-separated):
    /// mode=host or mode=guest, plv=N, cpu=N, pc=FROM-TO (hexadecimal)
    #[arg(long, value_name = "WHAT")]
    pub trace_only: Option<Filter>,

    /// Name addresses in traces and profiles by the symbols of an ELF file, which are those of
    /// the host, of the guest or of both, with BASE (hexadecimal) added; can be repeated
    #[arg(long, value_name = "[host:|guest:]FILE[@BASE]")]
    pub symbols: Vec<SymbolFile>,

    /// Write where the instructions of this run were executed to FILE, with - to standard
    /// output, as folded stacks (what flame graphs are made of). It looks at a CPU where its turn
    /// ends: every 4096 instructions, with one CPU every 100,000 at most
    #[arg(long, value_name = "FILE")]
    pub profile: Option<Output>,

    /// Write a snapshot to FILE, with - to standard output, when the run ends at
    /// --max-instructions. If it ends before, a line says so, and the exit status is not 0
    #[arg(long, value_name = "FILE", requires = "max_instructions")]
    pub snapshot_out: Option<Output>,

    /// Go on from a snapshot instead of booting
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kernel", "load", "initrd", "dtb", "append", "boot_protocol"])]
    pub snapshot_in: Option<PathBuf>,

    /// Stop after N instructions of all CPUs together, at the end of the turn: up to 100,000
    /// later. N may end in K, M, G or T (thousands and so on), and counts from the machine's start,
    /// before a snapshot too. The exit status is 124, with --snapshot-out 0
    #[arg(long, value_name = "N", value_parser = quantity::count)]
    pub max_instructions: Option<u64>,

    /// Time follows the computer's clock instead of the instructions
    #[arg(long)]
    pub wall_clock: bool,

    /// Nanoseconds of the machine's time that an instruction takes, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_NS_PER_INSTRUCTION)))]
    pub ns_per_instruction: u16,

    /// Seed of the entropy device and of what the kernel gets at boot
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Print a hash of memory and registers at the end
    #[arg(long)]
    pub hash: bool,

    /// Be killed when the process that started this one ends, or the thread of it that did so
    /// (on Linux). With =PID, the number of that process, nothing runs if it has ended before
    #[arg(long, value_name = "PID", require_equals = true, value_parser = clap::value_parser!(i32).range(1..))]
    pub exit_with_parent: Option<Option<i32>>,
}

impl RunArgs {
    /// Whether there is something to run or to write.
    pub(crate) fn has_start(&self) -> bool {
        let written_only = self.dump_dtb.is_some();
        let file = self.kernel.is_some() || !self.load.is_empty() || self.firmware.is_some();
        file || self.snapshot_in.is_some() || written_only
    }
}

/// Takes the name of a board.
fn boards() -> impl TypedValueParser<Value = &'static Board> {
    let names = BOARDS.map(|board| PossibleValue::new(board.name).help(board.about));
    PossibleValuesParser::new(names).try_map(|name| Board::named(&name).ok_or("no such board"))
}

/// Parses an instruction word, with or without 0x.
fn parse_word(s: &str) -> Result<u32, String> {
    u32::from_str_radix(s.strip_prefix("0x").unwrap_or(s), 16)
        .map_err(|_| "not an instruction word in hexadecimal".to_owned())
}

/// Parses a hexadecimal address, with or without 0x.
fn parse_address(s: &str) -> Result<u64, String> {
    u64::from_str_radix(s.strip_prefix("0x").unwrap_or(s), 16)
        .map_err(|_| "not a hexadecimal address".to_owned())
}

/// Parses an engine: its name, then options.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_engine(s: &str) -> Result<Engine, String> {
    let (mut words, mut options) = (s.split(','), JitOptions::default());
    let name = words.next().unwrap_or_default();
    for option in words {
        match option.split_once('=') {
            Some(("hot", number)) => {
                options.hot = number.parse().ok().filter(|&n| n > 0).ok_or_else(|| {
                    format!("hot={number} is not a number between 1 and {}", u16::MAX)
                })?;
            }
            Some(("code", size)) => {
                options.code = quantity::size(size)
                    .ok()
                    .and_then(|size| usize::try_from(size).ok())
                    .filter(|size| JitOptions::CODE_SIZES.contains(size))
                    .ok_or_else(|| format!("code={size} is not a size between 64K and 1G"))?;
            }
            Some(("beside", on)) => {
                options.beside = match on {
                    "on" => true,
                    "off" => false,
                    _ => return Err(format!("beside={on} is not beside=on or beside=off")),
                };
            }
            _ => {
                return Err(format!(
                    "'{option}' is not hot=N, code=SIZE or beside=on|off"
                ));
            }
        }
    }
    match name {
        "interpreter" if s == name => Ok(Engine::Interpreter),
        "jit" => Ok(Engine::Jit(options)),
        "check" => Ok(Engine::Check(options)),
        _ => Err(
            "not interpreter, jit or check, the latter two with hot=N, code=SIZE or beside=on|off"
                .to_owned(),
        ),
    }
}

/// Whether the end of a name that no file has can only be an address without 0x.
fn names_an_address(s: &str) -> bool {
    let is_address = |digits: &str| parse_address(digits).is_ok();
    s.rsplit_once('@')
        .is_some_and(|(_, digits)| is_address(digits) && !Path::new(s).exists())
}

/// Parses FILE or FILE@0xADDRESS.
fn parse_load(s: &str) -> Result<LoadFile, String> {
    let (path, address) = match s.rsplit_once("@0x") {
        Some((path, digits)) => (path, Some(parse_address(digits)?)),
        None if names_an_address(s) => {
            return Err("an address begins with 0x: FILE@0xADDRESS".to_owned());
        }
        None => (s, None),
    };
    Ok(LoadFile {
        path: path.into(),
        address,
    })
}

fn parse_drive(s: &str) -> Result<DriveConfig, String> {
    let (path, mode) = match s.rsplit_once(',') {
        Some((path, "readonly")) => (path, DriveMode::ReadOnly),
        Some((path, "volatile")) => (path, DriveMode::Volatile),
        _ => (s, DriveMode::ReadWrite),
    };
    Ok(DriveConfig {
        path: path.into(),
        mode,
    })
}

fn parse_flash(s: &str) -> Result<FlashConfig, String> {
    let (path, volatile) = match s.strip_suffix(",volatile") {
        Some(path) => (path, true),
        None => (s, false),
    };
    Ok(FlashConfig {
        path: path.into(),
        volatile,
    })
}

fn parse_trace(s: &str) -> Result<Trace, String> {
    if s.is_empty() {
        return Ok(Trace::default());
    }
    s.parse()
        .map_err(|e: crate::trace::TraceError| e.to_string())
}

fn parse_readings(s: &str) -> Result<LvzReadings, String> {
    s.parse()
        .map_err(|e: crate::cpu::ReadingError| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_to_load() {
        let file = |path: &str, address| LoadFile {
            path: path.into(),
            address,
        };
        for (text, path, address) in [
            ("a.elf", "a.elf", None),
            ("a.bin@0x1f0000000", "a.bin", Some(0x1_f000_0000)),
            ("user@host.elf", "user@host.elf", None),
            ("a@0x1.elf@0x20", "a@0x1.elf", Some(0x20)),
        ] {
            assert_eq!(parse_load(text), Ok(file(path, address)));
        }
        assert!(parse_load("a.bin@0x").is_err());
        assert!(parse_load("a.bin@0x2g").is_err());
        let error = parse_load("a.bin@200000").unwrap_err();
        assert!(error.contains("FILE@0xADDRESS"), "{error}");
    }

    #[test]
    fn engines() {
        let default = JitOptions::default();
        assert_eq!(parse_engine("interpreter"), Ok(Engine::Interpreter));
        assert_eq!(parse_engine("jit"), Ok(Engine::Jit(default)));
        let hot = JitOptions { hot: 1, ..default };
        assert_eq!(parse_engine("jit,hot=1"), Ok(Engine::Jit(hot)));
        let small = JitOptions {
            code: 64 << 10,
            ..hot
        };
        let both = parse_engine("check,code=64K,hot=1");
        assert_eq!(both, Ok(Engine::Check(small)));
        let alone = JitOptions {
            beside: false,
            ..default
        };
        assert_eq!(parse_engine("jit,beside=off"), Ok(Engine::Jit(alone)));
        for bad in [
            "",
            "tcg",
            "jit,beside=1",
            "jit,",
            "jit,hot=0",
            "jit,hot=x",
            "jit,code=4K",
            "jit,cold",
            "interpreter,hot=2",
        ] {
            assert!(parse_engine(bad).is_err(), "{bad}");
        }
    }
}
