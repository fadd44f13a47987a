// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What is done to the module, and how often.

use super::verdict::MARKER;
use crate::said::said;

/// How much of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// All cases together take some minutes.
    Ci,
    /// The counts that the module has to stand.
    Full,
    /// On a debug kernel, which is some ten times slower.
    Debug,
}

impl Scale {
    /// The count for this scale.
    fn of(self, ci: u32, full: u32, debug: u32) -> u32 {
        match self {
            Self::Ci => ci,
            Self::Full => full,
            Self::Debug => debug,
        }
    }
}

/// One host and what happens on it.
pub(super) struct Case {
    /// Its name, with the counts that matter.
    pub(super) name: String,
    /// CPUs of the host.
    pub(super) host_smp: u32,
    /// The functions `warm_up` and `exercise` of tests/guest/module-test. What
    /// the first does fills caches that stay filled.
    pub(super) script: String,
    /// Programs of tests/kvm that it runs.
    pub(super) programs: &'static [&'static str],
    /// Whether it needs the files of a Linux guest.
    pub(super) guest: bool,
}

impl Case {
    /// Whether a line of the console is a report, which the suite prints.
    pub(super) fn is_report(&self, line: &str) -> bool {
        let of_program = self.programs.iter().any(|program| {
            line.strip_prefix(program)
                .is_some_and(|rest| rest.starts_with(": "))
        });
        of_program || said(line, MARKER).is_some()
    }
}

/// All random numbers come from it.
const SEED: u32 = 20_261_122;

/// A QEMU with a guest that boots and checks itself; its console goes nowhere.
const QEMU: &str = "qemu-system-loongarch64 -accel kvm -machine virt -cpu max -m 256M \
    -nodefaults -nographic -no-reboot -serial stdio -kernel /share/guest.kernel \
    -initrd /share/guest.initrd";

/// The cases of a scale.
pub(super) fn all(scale: Scale) -> Vec<Case> {
    let mut cases = Vec::new();
    for host_smp in [1, 4] {
        if scale != Scale::Ci || host_smp == 4 {
            cases.push(load_and_unload(scale, host_smp));
        }
    }
    for host_smp in [1, 4] {
        if scale != Scale::Ci || host_smp == 1 {
            cases.push(irqfd_storm(scale, host_smp));
        }
    }
    cases.extend([
        churn(scale),
        kill(scale),
        fuzz(scale),
        hostile(scale),
        hotplug(scale),
    ]);
    if scale != Scale::Ci {
        cases.push(kill_qemu(scale));
    }
    if scale == Scale::Debug {
        cases.push(allocation_failures());
        cases.push(tracepoints());
        cases.push(memory_changes());
        for case in &mut cases {
            case.name.push_str(",debug-kernel");
        }
    }
    cases
}

fn load_and_unload(scale: Scale, host_smp: u32) -> Case {
    let rounds = scale.of(10, 100, 20);
    Case {
        name: format!("load-and-unload,rounds={rounds},host-smp={host_smp}"),
        host_smp,
        script: format!(
            "round() {{ load; must kvm-lifecycle 4; unload; }}\n\
             warm_up() {{ for i in 1 2 3 4 5; do round; done; }}\n\
             exercise() {{ for i in $(seq {rounds}); do round; done; }}\n"
        ),
        programs: &["kvm-lifecycle"],
        guest: false,
    }
}

/// The script of a case that runs a program, with less of it to warm up.
fn around(warm_up: &str, exercise: &str) -> String {
    format!(
        "warm_up() {{\nload\n{warm_up}\nunload\n}}\n\
         exercise() {{\nload\n{exercise}\nunload\n}}\n"
    )
}

/// VMs and vCPUs created and destroyed from parallel threads.
fn churn(scale: Scale) -> Case {
    let vms = scale.of(100, 1000, 100);
    Case {
        name: format!("churn,vms={vms},vcpus={}", 10 * vms),
        host_smp: 4,
        script: around(
            &format!("must churn 40 10 8 1{SEED}"),
            &format!("must churn {vms} 10 8 {SEED}"),
        ),
        programs: &["churn"],
        guest: false,
    }
}

/// A VMM with a busy guest ended by SIGKILL.
fn kill(scale: Scale) -> Case {
    let rounds = scale.of(20, 100, 25);
    // Milliseconds; a VMM takes ten times as long to come to its guest there.
    let latest = scale.of(40, 40, 400);
    Case {
        name: format!("kill,vmms={rounds}"),
        host_smp: 2,
        script: around(
            &format!("must kill-vmm 10 1{SEED} {latest}"),
            &format!("must kill-vmm {rounds} {SEED} {latest}"),
        ),
        programs: &["kill-vmm"],
        guest: false,
    }
}

/// QEMU with a guest that boots, and has work for ever, ended by SIGKILL, up to five seconds after its
/// start: before the first vCPU, in firmware-less boot, and in the guest's init.
fn kill_qemu(scale: Scale) -> Case {
    let rounds = scale.of(0, 20, 5);
    let script = format!(
        "round() {{\n\
         {QEMU} -smp 2 -append 'console=ttyS0 panic=-1 kvm-la.steady' </dev/null >/tmp/qemu.log 2>&1 &\n\
         sleep $1\n\
         # The files of a process that has ended are none.\n\
         [ -e /proc/$!/fd/1 ] || fail \"QEMU ended by itself: $(tail -n 1 /tmp/qemu.log)\"\n\
         for file in /proc/$!/fd/*; do\n\
         case $(readlink $file) in *kvm-vcpu*) with_vcpu=$((with_vcpu + 1)); break ;; esac\n\
         done\n\
         kill -9 $!; wait $! 2>/dev/null\n\
         }}\n\
         # Seconds from a seed, with millisecond resolution.\n\
         moments() {{ awk -v n=$1 -v seed=$2 'BEGIN {{ srand(seed); \
         for (i = 0; i < n; i++) printf \"%.3f\\n\", rand() * 5 }}'; }}\n\
         {}",
        around(
            &format!("with_vcpu=0; for t in $(moments 3 1{SEED}); do round $t; done"),
            &format!(
                "with_vcpu=0; for t in $(moments {rounds} {SEED}); do round $t; done\n\
                 echo \"KVM-LA-MODULE $with_vcpu had a vCPU\"\n\
                 [ $with_vcpu -gt 0 ] || fail 'no QEMU had a vCPU'"
            ),
        )
    );
    Case {
        name: format!("kill-qemu,vmms={rounds}"),
        host_smp: 2,
        script,
        programs: &[],
        guest: true,
    }
}

/// irqfds that fire where a disk's interrupt is handled: on one CPU in the handler
/// itself, on several in the soft interrupt of the CPU that asked.
///
/// The debug kernel's lockdep complains if one of the locks that are taken there is
/// ever held with interrupts on, and tells ('-' in the first or third place) that
/// they were taken there: otherwise its silence would mean nothing.
fn irqfd_storm(scale: Scale, host_smp: u32) -> Case {
    let rounds = scale.of(20, 200, 50);
    let context = if host_smp == 1 {
        "-...|-.-."
    } else {
        "-...|-.-.|..-."
    };
    let script = format!(
        "handlers() {{\n\
         grep -q 'debug_locks: *1' /proc/lockdep_stats 2>/dev/null || return 0\n\
         for lock in kvm_la_eiointc kvm_la_pch_pic; do\n\
         usage=$(sed -n \"s/.* \\([^ ]*\\): $lock\\$/\\1/p\" /proc/lockdep)\n\
         echo \"irqfd-storm: lockdep on $lock: $usage\"\n\
         case $usage in {context}) ;; *) fail \"$lock: not taken in handlers, or not as there\" ;; esac\n\
         done\n\
         }}\n\
         {}",
        around(
            &format!("must irqfd-storm /dev/vda 10 1{SEED}"),
            &format!("must irqfd-storm /dev/vda {rounds} {SEED}; handlers"),
        )
    );
    Case {
        name: format!("irqfd-storm,rounds={rounds},host-smp={host_smp}"),
        host_smp,
        script,
        programs: &["irqfd-storm"],
        guest: false,
    }
}

/// Random and structure-aware calls of the interface.
fn fuzz(scale: Scale) -> Case {
    let calls = scale.of(100_000, 1_000_000, 60_000);
    Case {
        name: format!("fuzz,calls={calls}"),
        host_smp: 4,
        script: around(
            &format!("must fuzz 20000 4 1{SEED}"),
            &format!("must fuzz {calls} 4 {SEED}"),
        ),
        programs: &["fuzz"],
        guest: false,
    }
}

/// Guests that attack their host.
fn hostile(scale: Scale) -> Case {
    let rounds = scale.of(60, 500, 50);
    Case {
        name: format!("hostile-guests,vms={rounds}"),
        host_smp: 4,
        script: around(
            &format!("must hostile 10 1{SEED}"),
            &format!("must hostile {rounds} {SEED}"),
        ),
        programs: &["hostile"],
        guest: false,
    }
}

/// CPUs of the host go and come while guests run.
fn hotplug(scale: Scale) -> Case {
    let cycles = scale.of(10, 60, 15);
    let script = format!(
        "without_module() {{\n\
         for cpu in 1 2 3; do\n\
         echo 0 >/sys/devices/system/cpu/cpu$cpu/online\n\
         sleep 0.05\n\
         echo 1 >/sys/devices/system/cpu/cpu$cpu/online\n\
         sleep 0.05\n\
         done\n\
         }}\n\
         cycle() {{\n\
         for i in $(seq $1); do\n\
         cpu=/sys/devices/system/cpu/cpu$((i % 3 + 1))/online\n\
         other=/sys/devices/system/cpu/cpu$((i * 2 % 3 + 1))/online\n\
         echo 0 >$cpu || fail \"$cpu: not offline\"\n\
         echo 0 >$other 2>/dev/null\n\
         sleep 0.05\n\
         echo 1 >$cpu || fail \"$cpu: not online\"\n\
         echo 1 >$other 2>/dev/null\n\
         sleep 0.05\n\
         done\n\
         }}\n\
         round() {{\n\
         load\n\
         rm -f /tmp/stop\n\
         compute 8 2 /tmp/stop {SEED} & pid=$!\n\
         cycle $1\n\
         touch /tmp/stop\n\
         wait $pid || fail compute\n\
         # The module is unloaded with CPUs away, and loaded with them away.\n\
         echo 0 >/sys/devices/system/cpu/cpu2/online\n\
         unload\n\
         load\n\
         echo 1 >/sys/devices/system/cpu/cpu2/online\n\
         must compute 4 2 - {SEED}\n\
         unload\n\
         }}\n\
         warm_up() {{ round 3; }}\n\
         exercise() {{ round {cycles}; }}\n"
    );
    Case {
        name: format!("cpu-hotplug,cycles={cycles}"),
        host_smp: 4,
        script,
        programs: &["compute"],
        guest: false,
    }
}

/// What the host and the VMM do to memory that KVM has mapped, as in the suite selftests.
fn memory_changes() -> Case {
    Case {
        name: "memory-changes".to_owned(),
        host_smp: 4,
        script: around(
            "must host-changes moved",
            "must host-changes moved given-back swapped-out; must fault-around; must slot-changes",
        ),
        programs: &["host-changes", "fault-around", "slot-changes"],
        guest: false,
    }
}

/// Allocations that fail in the middle of calls.
fn allocation_failures() -> Case {
    let calls = 40_000;
    // With `verbose` the kernel would report each failure, like a complaint.
    let quiet = "allocations_fail=yes\n\
                 for d in failslab fail_page_alloc fail_usercopy; do\n\
                 echo 0 >/sys/kernel/debug/$d/verbose\n\
                 done\n\
                 echo N >/sys/kernel/debug/failslab/ignore-gfp-wait\n\
                 echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait\n\
                 echo 0 >/sys/kernel/debug/fail_page_alloc/min-order\n";
    Case {
        name: format!("allocation-failures,calls={calls}"),
        host_smp: 2,
        script: format!(
            "{quiet}{}",
            around(
                &format!("must fuzz 5000 2 1{SEED} failures"),
                &format!("must fuzz {calls} 2 {SEED} failures"),
            )
        ),
        programs: &["fuzz"],
        guest: false,
    }
}

/// Tracepoints that guests and calls pass, switched on and off under them. What
/// they wrote is not kept, only which of them did: files are memory here. The
/// buffers, which the kernel keeps once it has them, are there after the warm-up.
fn tracepoints() -> Case {
    let script = format!(
        "tracing=/sys/kernel/tracing\n\
         events() {{ echo $1 >$tracing/events/kvm/enable || fail 'no kvm events'; }}\n\
         {}",
        around(
            "[ -e $tracing/events ] || mount -t tracefs tracefs $tracing || fail tracefs\n\
             events 1\n\
             must compute 2 2 - 1\n\
             events 0",
            "for i in 1 2 3 4 5; do\n\
             events 1\n\
             must kvm-lifecycle 2\n\
             must hostile 2 $i\n\
             must kill-vmm 2 $i 400\n\
             sed -n 's/^[^:]*: \\(kvm_[a-z_]*\\): .*/\\1/p' $tracing/trace | sort -u >>/tmp/passed\n\
             events 0\n\
             must kvm-lifecycle 1\n\
             done\n\
             for event in kvm_enter kvm_exit kvm_out kvm_exit_gspr kvm_exit_csr \\\n\
             kvm_exit_cpucfg kvm_mmio kvm_iocsr kvm_userspace_exit kvm_vpid_change; do\n\
             grep -qx $event /tmp/passed || fail \"tracepoint $event was not passed\"\n\
             done\n\
             echo >$tracing/trace",
        )
    );
    Case {
        name: "tracepoints".to_owned(),
        host_smp: 2,
        script,
        programs: &["compute", "hostile", "kill-vmm", "kvm-lifecycle"],
        guest: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        for scale in [Scale::Ci, Scale::Full, Scale::Debug] {
            let mut names: Vec<String> = all(scale).into_iter().map(|case| case.name).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn the_full_tier_has_the_counts_that_the_project_promises() {
        let names: Vec<String> = all(Scale::Full).into_iter().map(|case| case.name).collect();
        for name in [
            "load-and-unload,rounds=100,host-smp=4",
            "churn,vms=1000,vcpus=10000",
            "kill,vmms=100",
            "fuzz,calls=1000000",
        ] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
    }
}
