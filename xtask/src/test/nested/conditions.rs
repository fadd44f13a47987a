// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Guests on hosts that make it hard for them: little memory, huge pages or
//! none, vCPUs that move, CPUs that go and come; guests that work long, and
//! that reboot.
//!
//! What happens on the host beside the guests is a script that goes on until
//! the last QEMU has ended. It says how often it did what it is there for in a
//! line that begins with KVM-LA-BESIDE: a host on which nothing happened shows
//! nothing.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::super::Context;
use super::super::report::{Report, Verdict, detail};
use crate::boot::read_stats;
use crate::machine::Drive;
use crate::nested::{GUEST_MARKER, Guest, Nested};
use crate::said;

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// What scripts beside guests say.
const MARKER: &str = "KVM-LA-BESIDE";

/// The size of the host's second disk, in MiB.
const DISK_MIB: u64 = 1024;

/// Reboots of the guest that reboots.
const REBOOTS: u32 = 20;

/// A host, its guests, and what happens there.
struct Condition {
    name: &'static str,
    host_smp: u32,
    guests: Vec<Guest>,
    /// Shell lines before the guests start.
    before: &'static str,
    /// What a shell does again and again until the guests have ended; it counts
    /// in `$count`.
    beside: &'static str,
    /// The least and the most that the count may come to.
    count: (u64, u64),
    /// RAM of the host, if not the usual.
    memory_mib: Option<u32>,
    /// Whether the host has a second, empty disk.
    disk: bool,
    /// Words of QEMU's command line in place of `-no-reboot`.
    reboot: Option<&'static str>,
    /// Instructions that the guests must have run together.
    instructions: u64,
}

impl Default for Condition {
    fn default() -> Self {
        Self {
            name: "",
            host_smp: 2,
            guests: vec![guest(200, 2, 4)],
            before: "",
            beside: "",
            count: (0, u64::MAX),
            memory_mib: None,
            disk: false,
            reboot: None,
            instructions: 0,
        }
    }
}

/// A guest that works its workload out several times.
fn guest(seed: u64, smp: u32, repeat: u32) -> Guest {
    Guest {
        smp,
        seed,
        append: format!("kvm-la.repeat={repeat}"),
        ..Guest::default()
    }
}

/// Every huge mapping that KVM has for any guest.
const COUNT_HUGE: &str = "\
    now=$(cat /sys/kernel/debug/kvm/hugepages 2>/dev/null || echo 0)\n\
    [ \"$now\" -le $count ] || count=$now\n\
    sleep 0.2";

fn conditions() -> Vec<Condition> {
    let scalar = Guest {
        append: "kvm-la.repeat=12 kvm-la.scalar".to_owned(),
        ..guest(202, 2, 0)
    };
    vec![
        // One of them uses vector registers all the time, the other does not.
        Condition {
            name: "two-guests,billion-instructions,vectors-beside-none",
            guests: vec![guest(201, 2, 12), scalar],
            instructions: 1_000_000_000,
            ..Condition::default()
        },
        Condition {
            name: "huge-pages=always",
            before: "echo always >/sys/kernel/mm/transparent_hugepage/enabled || exit 5\n",
            beside: COUNT_HUGE,
            count: (1, u64::MAX),
            ..Condition::default()
        },
        Condition {
            name: "huge-pages=never",
            before: "echo never >/sys/kernel/mm/transparent_hugepage/enabled || exit 5\n",
            beside: COUNT_HUGE,
            count: (0, 0),
            ..Condition::default()
        },
        Condition {
            name: "vcpus-move,host-smp=4",
            host_smp: 4,
            beside: "\
                for pid in $(pgrep qemu-system-loo); do\n\
                for task in /proc/$pid/task/*; do\n\
                cpu=$(((count * 7 + ${task##*/}) % 4))\n\
                taskset -p -c $cpu ${task##*/} >/dev/null 2>&1 && count=$((count + 1))\n\
                done\n\
                done\n\
                sleep 0.03",
            count: (100, u64::MAX),
            ..Condition::default()
        },
        Condition {
            name: "cpu-hotplug,host-smp=4",
            host_smp: 4,
            guests: vec![guest(205, 4, 20)],
            beside: "\
                cpu=/sys/devices/system/cpu/cpu$((count % 3 + 1))/online\n\
                echo 0 >$cpu || exit\n\
                sleep 0.1\n\
                echo 1 >$cpu || exit\n\
                count=$((count + 1))\n\
                sleep 0.1",
            count: (10, u64::MAX),
            ..Condition::default()
        },
        // The guest's 512 MiB do not fit, and another process wants memory too. The
        // condition is met by the most KiB of QEMU's that were swapped out at once.
        Condition {
            name: "memory-pressure",
            before: "\
                mkswap /dev/vdb >/dev/null && swapon /dev/vdb || exit 5\n\
                echo 100 >/proc/sys/vm/swappiness\n",
            beside: "\
                stress-ng --quiet --vm 1 --vm-bytes 320M --vm-method inc-nybble --timeout 2 \
                >/dev/null 2>&1\n\
                for pid in $(pgrep qemu-system-loo); do\n\
                now=$(awk '/^VmSwap:/ { print $2 }' /proc/$pid/status 2>/dev/null)\n\
                [ \"${now:-0}\" -le $count ] || count=$now\n\
                done",
            count: (4096, u64::MAX),
            guests: vec![guest(203, 2, 30)],
            memory_mib: Some(448),
            disk: true,
            ..Condition::default()
        },
        Condition {
            name: "reboots=20",
            guests: vec![Guest {
                append: format!("kvm-la.reboots={REBOOTS}"),
                ..guest(204, 2, 1)
            }],
            before: "truncate -s 1M /tmp/reboots\n",
            reboot: Some("-drive if=virtio,format=raw,file=/tmp/reboots"),
            ..Condition::default()
        },
    ]
}

pub(super) fn run(context: &Context, report: &mut Report) {
    for condition in conditions() {
        report.case(condition.name, || host(context, &condition));
    }
}

fn host(context: &Context, condition: &Condition) -> Result<Verdict> {
    let products = &context.products;
    let nested = Nested {
        kvm: context.kvm,
        accel: context.accel,
        host_smp: condition.host_smp,
        kernel_irqchip: true,
        guests: condition.guests.clone(),
        interactive: false,
        copy_share: false,
    };
    let run = products.cache.new_run(&format!(
        "nested-{}",
        condition.name.replace([',', '='], "-")
    ))?;
    let share = run.join("share");
    let mut machine = nested.machine(products, &share)?;
    change_script(condition, &share.join("run"))?;
    if let Some(memory_mib) = condition.memory_mib {
        machine.memory_mib = memory_mib;
    }
    if condition.disk {
        let path = run.join("disk");
        let disk =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        disk.set_len(DISK_MIB << 20)?;
        machine.drives.push(Drive {
            path,
            writable: true,
        });
    }
    let stats = run.join("stats.json");
    machine.stats = Some(stats.clone());
    let log = run.join("console.log");
    let outcome = machine.run(&context.simulator, &log, LIMIT, |_| {})?;
    nested
        .check(&outcome, LIMIT)
        .and_then(|()| judge(condition, &outcome.console))
        .and_then(|()| check_instructions(condition, &stats))
        .with_context(|| format!("see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}

/// Adds to the script that starts the guests what happens before and beside.
fn change_script(condition: &Condition, path: &Path) -> Result<()> {
    let script =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut changed = condition.before.to_owned();
    if !condition.beside.is_empty() {
        // It starts before the guests do, so that the script waits for both.
        changed.push_str(&format!(
            "(\n\
             until pgrep qemu-system-loo >/dev/null; do sleep 0.2; done\n\
             count=0\n\
             while pgrep qemu-system-loo >/dev/null; do\n{}\ndone\n\
             echo \"{MARKER} $count\"\n\
             ) &\n",
            condition.beside
        ));
    }
    changed.push_str(&script);
    if let Some(words) = condition.reboot {
        let rebooting = changed.replace(" -no-reboot ", &format!(" {words} "));
        if rebooting == changed {
            bail!("QEMU's command line has no -no-reboot");
        }
        changed = rebooting;
    }
    fs::write(path, changed).with_context(|| format!("cannot write {}", path.display()))
}

/// What happened beside the guests, and how often they rebooted.
fn judge(condition: &Condition, console: &str) -> Result<()> {
    if !condition.beside.is_empty() {
        let count: u64 = said::all(console, "", MARKER)
            .next()
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| anyhow!("what happens beside the guests did not come to its end"))?;
        detail(format_args!("counted {count}"));
        let (least, most) = condition.count;
        if !(least..=most).contains(&count) {
            bail!("the host counted {count}, not {least} to {most}");
        }
    }
    if condition.reboot.is_some() {
        for number in 1..=REBOOTS {
            let wanted = format!("reboot {number}");
            if !said::all(console, "guest0", GUEST_MARKER).any(|text| text == wanted) {
                bail!("reboot {number} did not happen");
            }
        }
        if console.contains("workload-before-reboot FAILED") {
            bail!("the workload before a reboot failed");
        }
    }
    Ok(())
}

fn check_instructions(condition: &Condition, stats: &Path) -> Result<()> {
    if condition.instructions == 0 {
        return Ok(());
    }
    let figures = read_stats(stats)?;
    let guests = figures["shares"]["guest"]
        .as_u64()
        .ok_or_else(|| anyhow!("the simulator did not count the guests' instructions"))?;
    detail(format_args!(
        "the guests ran {:.1} million instructions",
        guests as f64 / 1e6
    ));
    if guests < condition.instructions {
        bail!("the guests ran only {guests} instructions");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_on_which_nothing_happened_shows_nothing() {
        let condition = Condition {
            beside: "true",
            count: (1, 10),
            ..Condition::default()
        };
        assert!(judge(&condition, "KVM-LA-BESIDE 3\r\n").is_ok());
        assert!(judge(&condition, "KVM-LA-BESIDE 0\n").is_err());
        assert!(judge(&condition, "KVM-LA-BESIDE 11\n").is_err());
        assert!(judge(&condition, "").is_err());
    }

    #[test]
    fn every_reboot_counts() {
        let condition = Condition {
            reboot: Some(""),
            ..Condition::default()
        };
        let all: String = (1..=REBOOTS)
            .map(|number| format!("guest0: KVM-LA-GUEST reboot {number}\n"))
            .collect();
        assert!(judge(&condition, &all).is_ok());
        assert!(judge(&condition, &all.replace("reboot 7\n", "")).is_err());
    }
}
