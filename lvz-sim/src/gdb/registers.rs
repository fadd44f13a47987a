// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The registers that a debugger sees, by number. General, floating-point and vector registers
//! are named and ordered as GDB's features `org.gnu.gdb.loongarch.*` have them (GDB manual,
//! appendix G.5.7; gdb: features/loongarch); those of the modes are features of our own.

use crate::cpu::{Cpu, Model, Via, watchpoint_csrs};
use crate::fp::Fcsr;
use crate::mem::Bus;
use crate::world::World;
use la_arch::csr::{Class, TABLE, number};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// General register.
    General(u8),
    /// What Linux keeps of a0 at a system call: none that a CPU has.
    OrigA0,
    Pc,
    /// The bad address of the mode in force.
    BadAddress,
    Float(u8),
    /// Condition flag.
    Condition(u8),
    Fcsr,
    /// Scratch register of binary translation.
    Scratch(u8),
    Eflags,
    /// Top of the x87 stack.
    Top,
    /// The low 128 bits of a vector register.
    Vector(u8),
    /// All 256 bits.
    WideVector(u8),
    /// 0 in host mode, 1 in guest mode.
    Mode,
    /// Instructions that ended on this CPU.
    Count,
    /// A CSR of the host or the guest.
    Csr(World, u16),
}

/// A register as it is described to a debugger.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub(super) name: String,
    pub(super) register: Register,
    pub(super) bits: u32,
    /// A type of GDB's, or of the feature.
    pub(super) kind: &'static str,
    pub(super) group: &'static str,
}

/// Registers that come together.
#[derive(Clone, Debug)]
pub(super) struct Feature {
    pub(super) name: &'static str,
    pub(super) registers: Vec<Described>,
}

fn described(
    name: impl Into<String>,
    register: Register,
    bits: u32,
    kind: &'static str,
    group: &'static str,
) -> Described {
    Described {
        name: name.into(),
        register,
        bits,
        kind,
        group,
    }
}

/// The 32 registers of a file.
fn file(
    prefix: &'static str,
    register: fn(u8) -> Register,
    bits: u32,
    kind: &'static str,
    group: &'static str,
) -> impl Iterator<Item = Described> {
    (0..32).map(move |n| described(format!("{prefix}{n}"), register(n), bits, kind, group))
}

fn base() -> Feature {
    let mut registers: Vec<_> = file("r", Register::General, 64, "uint64", "general").collect();
    // What GDB shows as addresses.
    for (number, kind) in [
        (1, "code_ptr"),
        (2, "data_ptr"),
        (3, "data_ptr"),
        (22, "data_ptr"),
    ] {
        registers[number].kind = kind;
    }
    registers.extend([
        described("orig_a0", Register::OrigA0, 64, "uint64", "general"),
        described("pc", Register::Pc, 64, "code_ptr", "general"),
        described("badv", Register::BadAddress, 64, "code_ptr", "general"),
    ]);
    Feature {
        name: "org.gnu.gdb.loongarch.base",
        registers,
    }
}

fn float() -> Feature {
    let mut registers: Vec<_> = file("f", Register::Float, 64, "fputype", "float").collect();
    registers.extend((0..8).map(|n| {
        let name = format!("fcc{n}");
        described(name, Register::Condition(n), 8, "uint8", "float")
    }));
    registers.push(described("fcsr", Register::Fcsr, 32, "uint32", "float"));
    Feature {
        name: "org.gnu.gdb.loongarch.fpu",
        registers,
    }
}

fn binary_translation() -> Feature {
    let mut registers: Vec<_> = (0..4)
        .map(|n| {
            let name = format!("scr{n}");
            described(name, Register::Scratch(n), 64, "uint64", "lbt")
        })
        .collect();
    registers.extend([
        described("eflags", Register::Eflags, 32, "uint32", "lbt"),
        described("ftop", Register::Top, 32, "uint32", "lbt"),
    ]);
    Feature {
        name: "org.gnu.gdb.loongarch.lbt",
        registers,
    }
}

fn cpu() -> Feature {
    Feature {
        name: "org.lvz-sim.cpu",
        registers: vec![
            described("guest_mode", Register::Mode, 8, "uint8", "system"),
            described("icount", Register::Count, 64, "uint64", "system"),
        ],
    }
}

/// The CSRs of host or guest: those that la-arch names, and the watchpoints'.
fn csrs(world: World, model: &Model) -> Feature {
    let (name, prefix, group) = match world {
        World::Root => ("org.lvz-sim.csr", "csr_", "csr"),
        World::Guest => ("org.lvz-sim.gcsr", "gcsr_", "gcsr"),
    };
    let own = |class| match world {
        World::Root => true,
        World::Guest => !matches!(class, Class::Root | Class::Absent),
    };
    let mut registers = Vec::new();
    for csr in TABLE.iter().filter(|csr| own(csr.class)) {
        let stem = csr.name.to_ascii_lowercase();
        for (index, distance) in csr.elements.iter().enumerate() {
            let name = match csr.elements.len() {
                1 => format!("{prefix}{stem}"),
                _ => format!("{prefix}{}{index}", stem.trim_end_matches('0')),
            };
            let register = Register::Csr(world, csr.number + distance);
            registers.push(described(name, register, 64, "uint64", group));
        }
    }
    if model.has_watchpoints() {
        registers.extend(watchpoints().map(|(stem, number)| {
            let name = format!("{prefix}{stem}");
            described(name, Register::Csr(world, number), 64, "uint64", group)
        }));
    }
    Feature { name, registers }
}

/// The registers of single watchpoints, by the manual's names (Volume 1, 7.8): `mwp0cfg1` is the
/// first of the first watchpoint for data, `fwp0cfg1` the same for fetches.
fn watchpoints() -> impl Iterator<Item = (String, u16)> {
    let kinds = [("mwp", number::MWPC), ("fwp", number::FWPC)];
    kinds.into_iter().flat_map(|(kind, base)| {
        watchpoint_csrs(base).map(move |(which, part, number)| {
            let part = part + 1;
            (format!("{kind}{which}cfg{part}"), number)
        })
    })
}

/// All features; the registers' numbers go on from one to the next. GDB 18 takes a description
/// only with all that it knows, so binary translation and vectors are there whatever the model
/// has; what that has not is zero.
pub(super) fn features(model: &Model) -> Vec<Feature> {
    let vectors = |name, registers| Feature { name, registers };
    let low = file("vr", Register::Vector, 128, "lsxv", "vector").collect();
    let wide = file("xr", Register::WideVector, 256, "lasxv", "vector").collect();
    let mut features = vec![
        base(),
        float(),
        binary_translation(),
        vectors("org.gnu.gdb.loongarch.lsx", low),
        vectors("org.gnu.gdb.loongarch.lasx", wide),
        cpu(),
        csrs(World::Root, model),
    ];
    if model.has_lvz() {
        features.push(csrs(World::Guest, model));
    }
    features
}

/// How an instruction reaches a CSR of `world`.
fn via(world: World) -> Via {
    match world {
        World::Root => Via::Csr,
        World::Guest => Via::Gcsr,
    }
}

impl Register {
    /// The value, in little-endian bytes; those above the register's width are not the
    /// register's.
    pub(super) fn read(self, cpu: &Cpu, bus: &Bus) -> [u8; 32] {
        let mut halves = [0u64; 4];
        let low = match self {
            Register::General(n) => cpu.get(n),
            // Linux's own value for "in no system call".
            Register::OrigA0 => u64::MAX,
            Register::Pc => cpu.pc,
            Register::BadAddress => cpu.csr_read_of(bus, cpu.world(), Via::Csr, number::BADV),
            Register::Float(n) => cpu.vector_half(n, 0).0[0],
            Register::Condition(n) => u64::from(cpu.fcc >> n & 1),
            Register::Fcsr => cpu.fcsr.into(),
            Register::Scratch(n) => cpu.lbt.scr[usize::from(n & 3)],
            Register::Eflags => cpu.lbt.eflags.into(),
            Register::Top => cpu.lbt.top.into(),
            Register::Vector(n) | Register::WideVector(n) => {
                halves[..2].copy_from_slice(&cpu.vector_half(n, 0).0);
                halves[2..].copy_from_slice(&cpu.vector_half(n, 1).0);
                halves[0]
            }
            Register::Mode => cpu.in_guest().into(),
            Register::Count => cpu.icount,
            Register::Csr(world, number) => cpu.csr_read_of(bus, world, via(world), number),
        };
        halves[0] = low;
        bytemuck::cast(halves.map(u64::to_le_bytes))
    }

    /// Writes the register; what cannot be written keeps its value.
    pub(super) fn write(self, cpu: &mut Cpu, bus: &mut Bus, bytes: &[u8]) {
        let mut padded = [[0u8; 8]; 4];
        let flat: &mut [u8] = bytemuck::cast_slice_mut(&mut padded);
        for (to, from) in flat.iter_mut().zip(bytes) {
            *to = *from;
        }
        let halves = padded.map(u64::from_le_bytes);
        let low = halves[0];
        match self {
            Register::General(n) => cpu.set(n, low),
            Register::Pc => cpu.pc = low & cpu.pc_mask,
            Register::Float(n) => cpu.vector_half_mut(n, 0).0[0] = low,
            Register::Condition(n) => {
                cpu.fcc = cpu.fcc & !(1 << n) | (u8::from(low != 0) << n);
            }
            Register::Fcsr => write_fcsr(cpu, low as u32),
            Register::Scratch(n) => cpu.lbt.scr[usize::from(n & 3)] = low,
            Register::Eflags => cpu.lbt.eflags = low as u32,
            Register::Top => cpu.lbt.top = low as u8 & 7,
            Register::Vector(n) => cpu.vector_half_mut(n, 0).0.copy_from_slice(&halves[..2]),
            Register::WideVector(n) => {
                cpu.vector_half_mut(n, 0).0.copy_from_slice(&halves[..2]);
                cpu.vector_half_mut(n, 1).0.copy_from_slice(&halves[2..]);
            }
            Register::Csr(world, number) => {
                cpu.csr_write_of(bus, world, via(world), number, low);
            }
            Register::OrigA0 | Register::BadAddress | Register::Mode | Register::Count => {}
        }
    }
}

/// As `movgr2fcsr` does.
fn write_fcsr(cpu: &mut Cpu, value: u32) {
    let mut fcsr = Fcsr::from_bits(cpu.fcsr);
    fcsr.write_whole(value, cpu.has_lbt);
    cpu.fcsr = fcsr.bits();
}
