// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The programs of the suite, with arguments that bound their time. Seconds are
//! the machine's: a thousand million instructions of a CPU.

use std::time::Duration;

use super::super::Tier;

#[derive(Clone, Copy)]
pub(in crate::test) struct Program<'a> {
    pub(in crate::test) name: &'a str,
    pub(in crate::test) file: &'a str,
    /// Its arguments, with spaces between.
    pub(in crate::test) arguments: &'a str,
    /// How long it may take.
    pub(in crate::test) limit: Duration,
    /// When it is run.
    pub(in crate::test) tier: Tier,
    /// CPUs of the host.
    pub(in crate::test) host_smp: u32,
}

const fn ci(name: &'static str, seconds: u64) -> Program<'static> {
    Program {
        name,
        file: name,
        arguments: "",
        limit: Duration::from_secs(seconds),
        tier: Tier::Ci,
        host_smp: 4,
    }
}

const fn full(name: &'static str, arguments: &'static str, seconds: u64) -> Program<'static> {
    Program {
        arguments,
        tier: Tier::Full,
        ..ci(name, seconds)
    }
}

/// What a program of the kernel is run with if it is not in `LINUX`.
const USUAL: Program<'static> = ci("", 60);

/// The programs of the kernel that are run in another way.
const LINUX: &[Program<'static>] = &[
    full("demand_paging_test", "-b 16M -v 4", 60),
    full("dirty_log_perf_test", "-b 16M -v 4", 60),
    full("dirty_log_test", "-i 4", 120),
    // 512 times 68 threads that never sleep: more CPUs are only more work.
    Program {
        host_smp: 1,
        ..full("hardware_disable_test", "", 300)
    },
    full("kvm_create_max_vcpus", "", 60),
    full("kvm_page_table_test", "-b 64M -v 2", 60),
    full("memslot_modification_stress_test", "-b 16M -v 4", 60),
    full("memslot_perf_test", "-l 1 -s 512", 120),
];

/// How to run the kernel's programs, of which these are the files, and the names
/// that `LINUX` has in vain.
pub(super) fn linux(files: &[String]) -> (Vec<Program<'_>>, Vec<&'static str>) {
    let programs: Vec<Program<'_>> = files
        .iter()
        .map(|file| {
            let name = file.rsplit('/').next().unwrap_or(file);
            let way = LINUX.iter().find(|program| program.name == name);
            Program {
                name,
                file,
                ..*way.unwrap_or(&USUAL)
            }
        })
        .collect();
    let gone = LINUX
        .iter()
        .map(|program| program.name)
        .filter(|name| !programs.iter().any(|program| program.name == *name))
        .collect();
    (programs, gone)
}

/// Those of tests/kvm.
pub(in crate::test) const OURS: &[Program<'static>] = &[
    ci("capabilities", 30),
    ci("reg-list", 30),
    ci("sync-regs", 30),
    ci("mp-state", 30),
    ci("interrupts", 30),
    ci("messages", 30),
    ci("debug-and-attributes", 30),
    ci("registers", 30),
    ci("timer", 30),
    ci("memory", 30),
    ci("dirty-log", 30),
    ci("fault-around", 30),
    ci("pre-fault", 30),
    ci("host-pages", 30),
    ci("host-changes", 60),
    ci("slot-changes", 60),
    ci("exceptions", 30),
    ci("host-units", 30),
    ci("translation", 30),
    ci("kept", 30),
    ci("halt-poll", 30),
    ci("counters", 30),
];

/// What of them takes a kernel that merges pages.
pub(super) const MERGING: Program<'static> = Program {
    file: "host-changes",
    ..full("host-changes,merged", "merged", 60)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_has_is_run() {
        let files = ["loongarch/fpu_test", "dirty_log_test", "steal_time"].map(str::to_owned);
        let (programs, gone) = linux(&files);
        let new = programs.first();
        assert_eq!(new.map(|p| p.name), Some("fpu_test"));
        assert_eq!(new.map(|p| p.file), Some("loongarch/fpu_test"));
        assert!(new.is_some_and(|p| p.tier == Tier::Ci && p.limit == USUAL.limit));
        assert_eq!(programs.get(1).map(|p| p.arguments), Some("-i 4"));
        assert_eq!(programs.len(), files.len());
        assert_eq!(gone.len(), LINUX.len() - 1);
        assert!(gone.contains(&"memslot_perf_test"));
    }
}
