//! The programs of the suite, with arguments that bound their time. Seconds are
//! the machine's: a thousand million instructions of a CPU.

use std::time::Duration;

use super::super::Tier;

/// A program.
pub(in crate::test) struct Program {
    /// The case's name.
    pub(in crate::test) name: &'static str,
    /// The file, and its arguments.
    pub(in crate::test) command: &'static str,
    /// How long it may take.
    pub(in crate::test) limit: Duration,
    /// When it is run.
    pub(in crate::test) tier: Tier,
    /// CPUs of the host.
    pub(in crate::test) host_smp: u32,
}

const fn ci(name: &'static str, command: &'static str, seconds: u64) -> Program {
    Program {
        name,
        command,
        limit: Duration::from_secs(seconds),
        tier: Tier::Ci,
        host_smp: 4,
    }
}

const fn full(name: &'static str, command: &'static str, seconds: u64) -> Program {
    Program {
        tier: Tier::Full,
        ..ci(name, command, seconds)
    }
}

/// Those that Linux 7.2 lists for LoongArch (tools/testing/selftests/kvm/Makefile.kvm:
/// TEST_GEN_PROGS_loongarch), in that order.
pub(super) const LINUX: &[Program] = &[
    ci("pmu_test", "loongarch/pmu_test", 30),
    ci("arch_timer", "arch_timer", 60),
    ci("coalesced_io_test", "coalesced_io_test", 30),
    full("demand_paging_test", "demand_paging_test -b 16M -v 4", 60),
    full("dirty_log_perf_test", "dirty_log_perf_test -b 16M -v 4", 60),
    full("dirty_log_test", "dirty_log_test -i 4", 120),
    ci("guest_print_test", "guest_print_test", 30),
    // 512 times 68 threads that never sleep: more CPUs are only more work.
    Program {
        host_smp: 1,
        ..full("hardware_disable_test", "hardware_disable_test", 300)
    },
    ci("kvm_binary_stats_test", "kvm_binary_stats_test", 30),
    full("kvm_create_max_vcpus", "kvm_create_max_vcpus", 60),
    full("kvm_page_table_test", "kvm_page_table_test -b 64M -v 2", 60),
    full(
        "memslot_modification_stress_test",
        "memslot_modification_stress_test -b 16M -v 4",
        60,
    ),
    full("memslot_perf_test", "memslot_perf_test -l 1 -s 512", 120),
    ci("set_memory_region_test", "set_memory_region_test", 60),
    ci("steal_time", "steal_time", 60),
];

/// Those of tests/kvm.
pub(super) const OURS: &[Program] = &[
    ci("capabilities", "capabilities", 30),
    ci("reg-list", "reg-list", 30),
    ci("sync-regs", "sync-regs", 30),
    ci("mp-state", "mp-state", 30),
    ci("interrupts", "interrupts", 30),
    ci("debug-and-attributes", "debug-and-attributes", 30),
    ci("registers", "registers", 30),
    ci("timer", "timer", 30),
    ci("memory", "memory", 30),
    ci("dirty-log", "dirty-log", 30),
    ci("host-pages", "host-pages", 30),
    ci("exceptions", "exceptions", 30),
];
