// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kinds of exits that bench `exits` measures, and what their figures are to be.

/// Rows that are measured of both halves too: of the guests of a short run, with QEMU's
/// part in them or the thread's sleep.
pub(super) const BOTH: &[&str] = &[
    "iocsr-user-read",
    "mmio-user-load",
    "mmio-user-store",
    "device-interrupt-user",
    "idle-wake-timer",
    "idle-wake-ipi",
    "idle-wake-timer-polled",
    "idle-wake-ipi-polled",
    "fpu-first-use",
    "lsx-first-use",
    "iocsr-user-read-fpu",
    "mmio-user-load-fpu",
    "mmio-user-store-fpu",
];

/// Rows that are measured on a host with a page table walker too.
pub(super) const WALKER: &[&str] = &["fault-small-load", "fault-small-store", "fault-small-fetch"];

/// The CPU of hosts with all that la464 does not have.
pub(super) const WHOLE_CPU: &str = "la664";

/// What is measured there alone.
pub(super) const UNITS: &[Class] = &[
    class("lasx-first-use", "lasx", "units", "site_lasx", 256),
    class("lbt-first-use", "lbt", "units", "site_lbt", 256),
];

/// The ratios to reach, by the rows' names.
const TARGETS: &[(&str, f64)] = &[
    ("both,iocsr-user-read", 0.70),
    ("both,mmio-user-load", 0.70),
    ("both,mmio-user-store", 0.70),
    ("both,iocsr-user-read-fpu", 0.85),
    ("both,mmio-user-load-fpu", 0.85),
    ("both,mmio-user-store-fpu", 0.85),
    ("both,device-interrupt-user", 0.80),
    ("both,idle-wake-timer", 0.85),
    ("both,idle-wake-ipi", 0.85),
    ("fault-copy-on-write", 1.0),
    ("fault-huge-load", 0.70),
    ("fault-huge-store", 0.70),
    ("counters-use", 0.80),
    ("counters-back", 0.80),
    ("counters-on", 0.80),
    ("walker,fault-small-load", 0.80),
    ("walker,fault-small-store", 0.80),
    ("walker,fault-small-fetch", 0.80),
    ("both,lasx-first-use", 0.80),
    ("both,lbt-first-use", 0.80),
    ("message-running", 0.80),
    ("message-asleep", 0.80),
    ("message-asleep-polled", 0.80),
    ("geometric-mean", 0.60),
    ("kvm.ko-loaded", 1.0),
];

/// The ratio that a row is to reach, where there is one.
pub(super) fn target(row: &str) -> Option<f64> {
    let known = TARGETS.iter().find(|(name, _)| *name == row);
    known.map(|(_, ratio)| *ratio)
}

/// Exits of one kind.
pub(super) struct Class {
    /// Name of the row.
    pub(super) name: &'static str,
    /// The simulator's name for the cause.
    pub(super) cause: &'static str,
    /// Program of `exits_guest` that has them.
    pub(super) program: &'static str,
    /// Symbol at the instruction that exits.
    pub(super) symbol: &'static str,
    /// For fetches: symbol at the end of the memory with these instructions.
    pub(super) end: Option<&'static str>,
    /// How many there must be at least.
    pub(super) count: u64,
    /// Whether the guest uses the FPU after each, at the symbol `SYMBOL_use`: that exit
    /// is part of the cost.
    pub(super) then_fpu: bool,
    /// How many pages are touched, if the figure is what one of them costs: a fault may
    /// map more than one.
    pub(super) pages: Option<u64>,
}

pub(super) const fn class(
    name: &'static str,
    cause: &'static str,
    program: &'static str,
    symbol: &'static str,
    count: u64,
) -> Class {
    Class {
        name,
        cause,
        program,
        symbol,
        end: None,
        count,
        then_fpu: false,
        pages: None,
    }
}

impl Class {
    /// Whether the sleeps end within the polling window, where upstream's cost is as long as
    /// the sleep: no measure to set others beside.
    pub(super) fn is_polled(&self) -> bool {
        self.program == "sleep"
    }
}

/// First touches of so many pages of memory.
pub(super) const fn touches(
    name: &'static str,
    cause: &'static str,
    program: &'static str,
    symbol: &'static str,
    pages: u64,
) -> Class {
    Class {
        pages: Some(pages),
        ..class(name, cause, program, symbol, pages / 64)
    }
}

/// An exit with the FPU used after each.
const fn with_fpu(class: Class) -> Class {
    Class {
        then_fpu: true,
        ..class
    }
}

#[rustfmt::skip]
pub(super) const CLASSES: &[Class] = &[
    class("cpucfg", "cpucfg", "small", "site_cpucfg", 256),
    class("csr", "csr", "small", "site_csr", 256),
    class("csr-watchpoint-read", "csr", "small", "site_csr_watchpoint_read", 256),
    class("csr-watchpoint-write", "csr", "small", "site_csr_watchpoint_write", 256),
    class("counters-use", "csr", "small", "site_counter_use", 256),
    class("counters-back", "cpucfg", "small", "site_counter_back", 256),
    class("counters-on", "cpucfg", "small", "site_counter_on", 256),
    class("iocsr-kernel-read", "iocsr", "small", "site_iocsr_kernel_read", 256),
    class("iocsr-kernel-write", "iocsr", "small", "site_iocsr_kernel_write", 256),
    class("iocsr-user-read", "iocsr", "small", "site_iocsr_user_read", 256),
    class("mmio-kernel-load", "load-fault", "small", "site_mmio_kernel_load", 256),
    class("mmio-kernel-store", "store-fault", "small", "site_mmio_kernel_store", 256),
    class("mmio-user-load", "load-fault", "small", "site_mmio_user_load", 256),
    class("mmio-user-store", "store-fault", "small", "site_mmio_user_store", 256),
    class("ipi-send-self", "iocsr", "small", "site_ipi_send_self", 256),
    class("ipi-send-other", "iocsr", "small", "site_ipi_send", 250),
    class("ipi-clear", "iocsr", "small", "site_ipi_clear", 256),
    class("eiointc-read", "iocsr", "small", "site_eiointc_read", 256),
    class("eiointc-acknowledge", "iocsr", "small", "site_eiointc_ack", 256),
    class("device-interrupt-user", "store-fault", "small", "site_interrupt_line_user", 256),
    class("hypercall-ipi", "hypercall", "small", "site_hypercall", 256),
    class("idle-wake-timer", "idle", "small", "site_idle_timer", 250),
    class("idle-wake-ipi", "idle", "small", "site_idle_ipi", 200),
    class("idle-wake-timer-polled", "idle", "sleep", "site_idle_timer", 250),
    class("idle-wake-ipi-polled", "idle", "sleep", "site_idle_ipi", 200),
    class("timer-tick", "interrupt", "small", "site_busy", 50),
    touches("fault-small-load", "load-fault", "small", "site_fault_small_load", 1024),
    touches("fault-small-store", "store-fault", "small", "site_fault_small_store", 1024),
    Class {
        end: Some("fetched_end"),
        ..touches("fault-small-fetch", "fetch-fault", "small", "fetched", 64)
    },
    touches("fill-present", "store-fault", "present", "site_fill", 4096),
    touches("fill-anew", "store-fault", "anew", "site_fill", 4096),
    touches("fill-anew-folios", "store-fault", "folios", "site_fill", 4096),
    class("fault-huge-load", "load-fault", "huge", "site_fault_huge_load", 6),
    class("fault-huge-store", "store-fault", "huge", "site_fault_huge_store", 6),
    class("fault-dirty-log", "modify-fault", "log", "site_dirty_log", 512),
    class("fault-copy-on-write", "modify-fault", "log", "site_dirty_log_copy", 512),
    class("fpu-first-use", "fpu", "small", "site_fpu", 256),
    class("lsx-first-use", "lsx", "small", "site_lsx", 256),
    with_fpu(class("iocsr-user-read-fpu", "iocsr", "small", "site_iocsr_user_read_fpu", 256)),
    with_fpu(class("mmio-user-load-fpu", "load-fault", "small", "site_mmio_user_load_fpu", 256)),
    with_fpu(class("mmio-user-store-fpu", "store-fault", "small", "site_mmio_user_store_fpu", 256)),
];
