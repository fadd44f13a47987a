// SPDX-License-Identifier: GPL-2.0-or-later

//! Where the fields are that the backend reads and writes in QEMU's CPU object.
//!
//! All offsets are in bytes from the start of the object, where `CPUState` and
//! `LoongArchCPU` begin. In a QEMU tree the C shim fills the table with
//! `offsetof`; in a QEMU that was built without us the fields with a [`Vmstate`]
//! source are read from its migration tables, the others are discovered.

use std::sync::OnceLock;

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
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Layout {
            $( $(#[$doc])* pub $name: usize, )*
        }

        impl Layout {
            /// All fields, in the order of the structure.
            pub const FIELDS: &'static [Field] = &[
                $( Field { name: stringify!($name), source: layout!(@source $( $section, $field, $size, $count )?) }, )*
            ];

            /// Fills the table; the error lists the fields that `find` does not
            /// know.
            pub fn build(
                mut find: impl FnMut(&Field) -> Option<usize>,
            ) -> Result<Layout, Vec<&'static str>> {
                let mut missing = Vec::new();
                let mut fields = Layout::FIELDS.iter();
                let mut next = || {
                    let field = fields.next()?;
                    let offset = find(field);
                    if offset.is_none() {
                        missing.push(field.name);
                    }
                    offset
                };
                let layout = Layout { $( $name: next().unwrap_or(0), )* };
                if missing.is_empty() { Ok(layout) } else { Err(missing) }
            }

            /// The offset of the field `name`.
            pub fn get(&self, name: &str) -> Option<usize> {
                $( if name == stringify!($name) { return Some(self.$name); } )*
                None
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

    // CPUSysState, u64 unless said otherwise.
    /// `CSR_CRMD`.
    crmd = "cpu"."CSR_CRMD", 8 x 1;
    /// `CSR_PRMD`.
    prmd = "cpu"."CSR_PRMD", 8 x 1;
    /// `CSR_EUEN`.
    euen = "cpu"."CSR_EUEN", 8 x 1;
    /// `CSR_MISC`.
    misc = "cpu"."CSR_MISC", 8 x 1;
    /// `CSR_ECFG`.
    ecfg = "cpu"."CSR_ECFG", 8 x 1;
    /// `CSR_ESTAT`.
    estat = "cpu"."CSR_ESTAT", 8 x 1;
    /// `CSR_ERA`.
    era = "cpu"."CSR_ERA", 8 x 1;
    /// `CSR_BADV`.
    badv = "cpu"."CSR_BADV", 8 x 1;
    /// `CSR_BADI`.
    badi = "cpu"."CSR_BADI", 8 x 1;
    /// `CSR_EENTRY`.
    eentry = "cpu"."CSR_EENTRY", 8 x 1;
    /// `CSR_TLBIDX`.
    tlbidx = "cpu"."CSR_TLBIDX", 8 x 1;
    /// `CSR_TLBEHI`.
    tlbehi = "cpu"."CSR_TLBEHI", 8 x 1;
    /// `CSR_TLBELO0`.
    tlbelo0 = "cpu"."CSR_TLBELO0", 8 x 1;
    /// `CSR_TLBELO1`.
    tlbelo1 = "cpu"."CSR_TLBELO1", 8 x 1;
    /// `CSR_ASID`.
    asid = "cpu"."CSR_ASID", 8 x 1;
    /// `CSR_PGDL`.
    pgdl = "cpu"."CSR_PGDL", 8 x 1;
    /// `CSR_PGDH`.
    pgdh = "cpu"."CSR_PGDH", 8 x 1;
    /// `CSR_PGD`.
    pgd = "cpu"."CSR_PGD", 8 x 1;
    /// `CSR_PWCL`.
    pwcl = "cpu"."CSR_PWCL", 8 x 1;
    /// `CSR_PWCH`.
    pwch = "cpu"."CSR_PWCH", 8 x 1;
    /// `CSR_STLBPS`.
    stlbps = "cpu"."CSR_STLBPS", 8 x 1;
    /// `CSR_RVACFG`.
    rvacfg = "cpu"."CSR_RVACFG", 8 x 1;
    /// `CSR_CPUID`; not migrated, between RVACFG and PRCFG1.
    cpuid;
    /// `CSR_PRCFG1`.
    prcfg1 = "cpu"."CSR_PRCFG1", 8 x 1;
    /// `CSR_PRCFG2`.
    prcfg2 = "cpu"."CSR_PRCFG2", 8 x 1;
    /// `CSR_PRCFG3`.
    prcfg3 = "cpu"."CSR_PRCFG3", 8 x 1;
    /// `CSR_SAVE[16]`.
    save = "cpu"."CSR_SAVE", 8 x 16;
    /// `CSR_TID`.
    tid = "cpu"."CSR_TID", 8 x 1;
    /// `CSR_TCFG`.
    tcfg = "cpu"."CSR_TCFG", 8 x 1;
    /// `CSR_TVAL`.
    tval = "cpu"."CSR_TVAL", 8 x 1;
    /// `CSR_CNTC`.
    cntc = "cpu"."CSR_CNTC", 8 x 1;
    /// `CSR_TICLR`.
    ticlr = "cpu"."CSR_TICLR", 8 x 1;
    /// `CSR_LLBCTL`.
    llbctl = "cpu"."CSR_LLBCTL", 8 x 1;
    /// `CSR_IMPCTL1`.
    impctl1 = "cpu"."CSR_IMPCTL1", 8 x 1;
    /// `CSR_IMPCTL2`.
    impctl2 = "cpu"."CSR_IMPCTL2", 8 x 1;
    /// `CSR_TLBRENTRY`.
    tlbrentry = "cpu"."CSR_TLBRENTRY", 8 x 1;
    /// `CSR_TLBRBADV`.
    tlbrbadv = "cpu"."CSR_TLBRBADV", 8 x 1;
    /// `CSR_TLBRERA`.
    tlbrera = "cpu"."CSR_TLBRERA", 8 x 1;
    /// `CSR_TLBRSAVE`.
    tlbrsave = "cpu"."CSR_TLBRSAVE", 8 x 1;
    /// `CSR_TLBRELO0`.
    tlbrelo0 = "cpu"."CSR_TLBRELO0", 8 x 1;
    /// `CSR_TLBRELO1`.
    tlbrelo1 = "cpu"."CSR_TLBRELO1", 8 x 1;
    /// `CSR_TLBREHI`.
    tlbrehi = "cpu"."CSR_TLBREHI", 8 x 1;
    /// `CSR_TLBRPRMD`.
    tlbrprmd = "cpu"."CSR_TLBRPRMD", 8 x 1;
    /// `CSR_DMW[4]`.
    dmw = "cpu"."CSR_DMW", 8 x 4;
    /// `CSR_PERFCTRL[16]`.
    perfctrl = "cpu/pmu"."CSR_PERFCTRL", 8 x 16;
    /// `CSR_PERFCNTR[16]`.
    perfcntr = "cpu/pmu"."CSR_PERFCNTR", 8 x 16;
    /// `CSR_MSGIS[4]`.
    msgis = "cpu/msgint"."CSR_MSGIS", 8 x 4;
    /// `CSR_MSGIR`.
    msgir = "cpu/msgint"."CSR_MSGIR", 8 x 1;
    /// `CSR_MSGIE`.
    msgie = "cpu/msgint"."CSR_MSGIE", 8 x 1;

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
            eprintln!(
                "accel-kvm-la: a hook was called before the backend knew QEMU's structures; \
                 this is a fault of the backend, please report it"
            );
            std::process::abort();
        }
    }
}
