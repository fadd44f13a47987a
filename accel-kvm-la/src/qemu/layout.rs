// SPDX-License-Identifier: GPL-2.0-or-later

//! Where the fields are that the backend reads and writes in QEMU's CPU object.
//!
//! All offsets are in bytes from the start of the object, where `CPUState` and
//! `LoongArchCPU` begin. In a QEMU tree the C shim fills the table with
//! `offsetof`; in a QEMU that was built without us the fields with a [`Vmstate`]
//! source are read from its migration tables, the others are discovered. Control and
//! status registers are those of [`la_arch::csr::TABLE`].

use std::sync::OnceLock;

use la_arch::csr::{Class, Csr, TABLE, number};

use super::log::say;

/// A field's place in the migration tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vmstate {
    /// Name of the VMStateDescription that has it.
    pub section: &'static str,
    /// Last component of the field's name.
    pub field: &'static str,
    /// Bytes of one element.
    pub size: usize,
    /// Elements; 1 for none but a single.
    pub count: usize,
}

/// How a field is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the migration tables.
    Vmstate(Vmstate),
    /// By adjacency or a probe.
    Discovered,
}

/// A field of [`Layout`].
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in [`Layout`].
    pub name: &'static str,
    /// How it is found.
    pub source: Source,
}

macro_rules! layout {
    ($(
        $(#[$doc:meta])*
        $name:ident $( = $section:literal . $field:literal, $size:literal x $count:literal )? ;
    )*) => {
        /// Offsets in the CPU object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Layout {
            $( $(#[$doc])* pub $name: usize, )*
            /// By row of the table; 0 for a register that QEMU does not have.
            csrs: [usize; TABLE.len()],
        }

        impl Layout {
            const OWN: &'static [Field] = &[
                $( Field { name: stringify!($name), source: layout!(@source $( $section, $field, $size, $count )?) }, )*
            ];

            /// Every field that is read, those of the CSR table too.
            pub fn fields() -> impl Iterator<Item = Field> {
                Self::OWN.iter().copied().chain(TABLE.iter().filter_map(csr_field))
            }

            /// Fills the table; the error lists the fields that `find` does not
            /// know.
            pub fn build(
                mut find: impl FnMut(&Field) -> Option<usize>,
            ) -> Result<Layout, Vec<&'static str>> {
                let mut missing = Vec::new();
                let mut offset = |field: Option<Field>| {
                    let field = field?;
                    let offset = find(&field);
                    if offset.is_none() {
                        missing.push(field.name);
                    }
                    offset
                };
                let mut own = Self::OWN.iter().copied();
                let layout = Layout {
                    $( $name: offset(own.next()).unwrap_or(0), )*
                    csrs: std::array::from_fn(|row| {
                        offset(TABLE.get(row).and_then(csr_field)).unwrap_or(0)
                    }),
                };
                if missing.is_empty() { Ok(layout) } else { Err(missing) }
            }
        }
    };
    (@source $section:literal, $field:literal, $size:literal, $count:literal) => {
        Source::Vmstate(Vmstate { section: $section, field: $field, size: $size, count: $count })
    };
    (@source) => { Source::Discovered };
}

layout! {
    // CPUState (include/hw/core/cpu.h).
    /// `halted`, u32.
    halted = "cpu_common"."halted", 4 x 1;
    /// `cpu_index`, i32.
    cpu_index;
    /// `thread`, a pointer.
    thread;
    /// `thread_id`, i32.
    thread_id;
    /// `unplug`, bool.
    unplug;
    /// `exit_request`, bool; stored with release by `cpu_exit`.
    exit_request;
    /// `singlestep_flags` (before 11.1 `singlestep_enabled`), 32 bits.
    singlestep_flags;
    /// `random_seed`, u64.
    random_seed;
    /// `kvm_fd`, i32: the vCPU's file descriptor.
    kvm_fd;
    /// `kvm_run`, a pointer to the run page.
    kvm_run;
    /// `vcpu_dirty`, bool. Ours is in the record of the vCPU; this one is kept
    /// the same for what remains of the C backend.
    vcpu_dirty;

    // CPULoongArchState (target/loongarch/cpu.h), CPUState's `env`.
    /// `gpr[32]`, u64.
    gpr = "cpu"."gpr", 8 x 32;
    /// `pc`, u64.
    pc = "cpu"."pc", 8 x 1;
    /// `fpr[32]`, 32 bytes each, lane 0 first.
    fpr = "cpu/fpu"."fpr", 32 x 32;
    /// `cf[8]`, bool.
    cf = "cpu/fpu"."cf", 1 x 8;
    /// `fcsr0`, u32.
    fcsr0 = "cpu/fpu"."fcsr0", 4 x 1;
    /// `lbt.scr0`, u64; `scr1` to `scr3` follow.
    lbt_scr0 = "cpu/lbt"."scr0", 8 x 1;
    /// `lbt.eflags`, u32.
    lbt_eflags = "cpu/lbt"."eflags", 4 x 1;
    /// `lbt.ftop`, u32.
    lbt_ftop = "cpu/lbt"."ftop", 4 x 1;
    /// `cpucfg[21]`, u32.
    cpucfg;
    /// `perf_event_num`, u32.
    perf_event_num = "cpu/pmu"."perf_event_num", 4 x 1;
    /// `stealtime.guest_addr`, u64.
    stealtime_guest_addr = "cpu"."guest_addr", 8 x 1;

    // LoongArchCPU.
    /// `pmu`, OnOffAuto.
    pmu;
    /// `ptw`, OnOffAuto.
    ptw;
    /// `lsx`, OnOffAuto.
    lsx;
    /// `lasx`, OnOffAuto.
    lasx;
    /// `msgint`, OnOffAuto.
    msgint;
    /// `kvm_state_counter`, u64.
    kvm_state_counter = "cpu"."kvm_state_counter", 8 x 1;
}

/// The field of a register of the table, if QEMU has one. CPUID is not migrated.
fn csr_field(csr: &Csr) -> Option<Field> {
    let field = csr.qemu?;
    let section = match csr.class {
        Class::Counter => "cpu/pmu",
        Class::Message => "cpu/msgint",
        _ => "cpu",
    };
    let source = if csr.number == number::CPUID {
        Source::Discovered
    } else {
        Source::Vmstate(Vmstate {
            section,
            field: field.name,
            size: CSR_SIZE,
            count: field.length.unwrap_or(1),
        })
    };
    Some(Field {
        name: field.name,
        source,
    })
}

/// Bytes of a control and status register.
const CSR_SIZE: usize = 8;

impl Layout {
    /// The offset of the register of row `row` of the table, of an array's element
    /// `element`.
    pub fn csr_of_row(&self, row: usize, element: usize) -> usize {
        self.csrs
            .get(row)
            .map_or(0, |first| first + CSR_SIZE * element)
    }

    /// The offset of the register `number`, if QEMU has it.
    pub fn csr(&self, number: u16) -> Option<usize> {
        TABLE.iter().enumerate().find_map(|(row, csr)| {
            let element = csr
                .elements
                .iter()
                .position(|element| csr.number + element == number)?;
            csr.qemu.map(|_| self.csr_of_row(row, element))
        })
    }
}

static LAYOUT: OnceLock<Layout> = OnceLock::new();

/// Gives the backend the layout, once. False if it had one already.
pub fn install(layout: Layout) -> bool {
    LAYOUT.set(layout).is_ok()
}

/// The layout, if there is one.
pub fn installed() -> Option<&'static Layout> {
    LAYOUT.get()
}

/// The layout; see [`super::services::services`] for what a missing one means.
pub fn layout() -> &'static Layout {
    match LAYOUT.get() {
        Some(layout) => layout,
        None => {
            say(
                "accel-kvm-la: a hook was called before the backend knew QEMU's structures; \
                 this is a fault of the backend, please report it\n",
            );
            std::process::abort();
        }
    }
}
