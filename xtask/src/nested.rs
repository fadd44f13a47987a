// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A KVM host in the simulator with guests in it: what `boot` runs, and what
//! the nested tests and benches vary.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::backend;
use crate::kernel_module;
use crate::machine::{Machine, Outcome, Simulator, add_parameters, make_share};
use crate::said;
use crate::setup::Products;
use crate::workload;

/// What the lines of a guest's init begin with.
pub(crate) const GUEST_MARKER: &str = "KVM-LA-GUEST";

/// What the lines of the Rust backend begin with, and what it says when it
/// starts to run a CPU.
const BACKEND_MARKER: &str = "accel-kvm-la: ";
pub(crate) const BACKEND_SERVES: &str = "runs in this backend";

/// The line of a host's script that has the backend say which CPUs it runs, by which
/// `check_backend` knows it.
const SAY_WHO_SERVES: &str = "export KVM_LA_LOG=info\n";

/// The end of a host's script: its kernel must not have complained.
const JUDGE_KERNEL: &str = ". /share/complaints
fail() {
    echo \"$1\"
    status=6
}
must_be_silent
";

/// What the host's script runs a guest by.
const RUN_GUEST: &str = include_str!("../../tests/guest/run-guest");

/// The most CPUs of a KVM host: the simulator's, and CONFIG_NR_CPUS of its kernel
/// (`configs/kvm-host.config`).
pub(crate) const HOST_CPUS: u32 = 16;

/// RAM of the KVM host beyond its guests', in MiB.
const HOST_MEMORY_MIB: u32 = 1024;

/// Which stack a half of the hypervisor comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stack {
    /// This project's, in Rust.
    Rust,
    /// Linux's and QEMU's own, in C.
    Upstream,
}

impl Stack {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Rust, Self::Upstream];

    /// The name as options and reports have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Upstream => "upstream",
        }
    }

    /// The KVM module for the host's kernel, built if it is ours and not there.
    pub(crate) fn kvm_ko(self, products: &Products) -> Result<PathBuf> {
        match self {
            Self::Rust => kernel_module::kvm_ko(products),
            Self::Upstream => products
                .host_kernel
                .upstream_kvm()
                .context("the host's kernel has KVM built in, and no module of it"),
        }
    }
}

/// One guest.
#[derive(Clone)]
pub(crate) struct Guest {
    /// Its kernel; the host's own if none is given.
    pub(crate) kernel: Option<PathBuf>,
    /// Its initial file system; the checking one if none is given.
    pub(crate) initrd: Option<PathBuf>,
    /// What QEMU's `-cpu` gets.
    pub(crate) cpu: String,
    pub(crate) smp: u32,
    /// RAM in MiB.
    pub(crate) memory_mib: u32,
    /// What its workload starts from.
    pub(crate) seed: u64,
    /// Kernel parameters besides the usual.
    pub(crate) append: String,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            kernel: None,
            initrd: None,
            cpu: "max".to_owned(),
            smp: 1,
            memory_mib: 512,
            seed: 1,
            append: String::new(),
        }
    }
}

/// A host with its guests.
#[derive(Clone)]
pub(crate) struct Nested {
    /// Where kvm.ko comes from.
    pub(crate) kvm: Stack,
    /// Where QEMU's accelerator backend comes from.
    pub(crate) accel: Stack,
    /// CPUs of the host.
    pub(crate) host_smp: u32,
    /// Whether interrupt controllers are emulated in the host's kernel.
    pub(crate) kernel_irqchip: bool,
    /// The guests, run at the same time.
    pub(crate) guests: Vec<Guest>,
    /// Whether the guest's console is the terminal's.
    pub(crate) interactive: bool,
    /// Whether the machine copies the shared folder into its memory and lets go
    /// of it: a snapshot cannot hold files that are open on the workstation.
    pub(crate) copy_share: bool,
}

/// What a guest said of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GuestReport {
    pub(crate) reached_init: bool,
    /// Its kernel's release.
    pub(crate) kernel: Option<String>,
    /// Checks that passed and failed, if it came to their end.
    pub(crate) checks: Option<(u32, u32)>,
    /// The names of failed checks.
    pub(crate) failed: Vec<String>,
    /// It began to power off.
    pub(crate) powered_off: bool,
    /// What its QEMU or our launcher said last, warnings left out.
    pub(crate) emulator: Option<String>,
}

/// What lines of programs that run guests begin with.
const EMULATORS: &[&str] = &["qemu-system-loongarch64: ", "qemu-kvm-la: "];

impl GuestReport {
    /// Reads the lines of guest `number` from a host's console.
    pub(crate) fn read(console: &str, number: usize) -> Self {
        let mut report = Self::default();
        let own = format!("guest{number}: ");
        report.emulator = console
            .lines()
            .filter_map(|line| line.strip_prefix(&own))
            .filter(|line| EMULATORS.iter().any(|name| line.starts_with(name)))
            .rfind(|line| !line.contains(": warning: "))
            .map(str::to_owned);
        for text in said::all(console, &format!("guest{number}"), GUEST_MARKER) {
            let words: Vec<&str> = text.split_whitespace().collect();
            match words.as_slice() {
                ["init"] => report.reached_init = true,
                ["kernel", release] => report.kernel = Some((*release).to_owned()),
                ["check", name, "FAILED"] => report.failed.push((*name).to_owned()),
                ["checks", passed, "passed", failed, "failed"] => {
                    report.checks = passed.parse().ok().zip(failed.parse().ok());
                }
                ["power-off"] => report.powered_off = true,
                _ => {}
            }
        }
        report
    }

    /// An error that says what the guest did not do.
    pub(crate) fn check(&self) -> Result<()> {
        if !self.reached_init {
            let why = self.emulator.as_deref();
            bail!(
                "the guest did not reach its init{}",
                why.map(|line| format!(": {line}")).unwrap_or_default()
            );
        }
        match self.checks {
            None => bail!("the guest did not finish its checks"),
            Some((_, 1..)) => bail!("the guest's checks failed: {}", self.failed.join(", ")),
            Some((0, _)) => bail!("the guest made no check"),
            Some(_) => {}
        }
        if !self.powered_off {
            bail!("the guest did not power off");
        }
        Ok(())
    }
}

impl Nested {
    /// The host, with everything its guests need in the folder `share`.
    pub(crate) fn machine(&self, products: &Products, share: &Path) -> Result<Machine> {
        let built_in = self.kvm == Stack::Upstream && products.host_kernel.upstream_kvm().is_none();
        make_share(share, &self.script(built_in))?;
        if self.accel == Stack::Rust {
            let backend = backend::make(products)?;
            for file in [backend.library(), backend.launcher()] {
                copy(&file, &share.join(file.file_name().unwrap_or_default()))?;
            }
        }
        if !built_in {
            copy(&self.kvm.kvm_ko(products)?, &share.join("kvm.ko"))?;
        }
        for (i, guest) in self.guests.iter().enumerate() {
            let kernel = match &guest.kernel {
                Some(kernel) => kernel.clone(),
                None => products.host_kernel.vmlinux(),
            };
            let initrd = match &guest.initrd {
                Some(initrd) => initrd.clone(),
                None => products.initramfs.guest(),
            };
            copy(&kernel, &share.join(format!("guest{i}.kernel")))?;
            copy(&initrd, &share.join(format!("guest{i}.initrd")))?;
        }
        let guest_memory: u32 = self
            .guests
            .iter()
            .fold(0, |sum, guest| sum.saturating_add(guest.memory_mib));
        Ok(Machine {
            kernel: products.host_kernel.vmlinux(),
            initrd: Some(products.initramfs.host()),
            append: [
                ("kvm-la.interactive", self.interactive),
                ("kvm-la.copy-share", self.copy_share),
            ]
            .iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(parameter, _)| *parameter)
            .collect::<Vec<_>>()
            .join(" "),
            smp: self.host_smp,
            memory_mib: guest_memory.saturating_add(HOST_MEMORY_MIB),
            drives: vec![products.userland_drive()],
            share: Some(share.to_owned()),
            ..Machine::default()
        })
    }

    /// The script that the host's init runs, on a kernel that has KVM built in or
    /// takes it as a module.
    fn script(&self, built_in: bool) -> String {
        let (load, unload) = if built_in {
            ("", "")
        } else {
            (
                "insmod /share/kvm.ko || exit 2\n",
                "rmmod kvm || status=4\n",
            )
        };
        let mut script = format!(
            "{RUN_GUEST}set -u\n{load}\
             [ -c /dev/kvm ] || {{ echo 'no /dev/kvm'; exit 3; }}\n",
        );
        if !self.interactive {
            script.push_str(SAY_WHO_SERVES);
        }
        for (i, guest) in self.guests.iter().enumerate() {
            let command = self.qemu(i, guest);
            if self.interactive {
                script.push_str(&format!("{command} -serial mon:stdio\n"));
            } else {
                script.push_str(&format!("guest {i} {command} &\n"));
            }
        }
        if !self.interactive {
            script.push_str("wait\nstatus=0\n");
            for i in 0..self.guests.len() {
                script.push_str(&format!(
                    "s=$(cat /tmp/status{i}) && [ \"$s\" = 0 ] || \
                     {{ echo \"guest{i}: QEMU ended with status $s\"; status=1; }}\n"
                ));
            }
            script.push_str(&format!("{unload}{JUDGE_KERNEL}exit $status\n"));
        }
        script
    }

    /// The command that runs the QEMU of guest `i`, for the shell.
    pub(crate) fn qemu(&self, i: usize, guest: &Guest) -> String {
        let irqchip = if self.kernel_irqchip { "on" } else { "off" };
        let mut append = format!(
            "console=ttyS0 panic=-1 kvm-la.cpus={} kvm-la.seed={} kvm-la.digest={:016x}",
            guest.smp,
            guest.seed,
            workload::digest(guest.seed)
        );
        let mode = match self.interactive {
            true => "kvm-la.shell",
            false => said::PARAMETER,
        };
        for more in [mode, &guest.append] {
            add_parameters(&mut append, more);
        }
        let qemu = match self.accel {
            Stack::Rust => "/share/qemu-kvm-la",
            Stack::Upstream => "qemu-system-loongarch64",
        };
        format!(
            "{qemu} -accel kvm,kernel-irqchip={irqchip} -machine virt -cpu {} \
             -smp {} -m {}M -nodefaults -nographic -no-reboot \
             -kernel /share/guest{i}.kernel -initrd /share/guest{i}.initrd -append {}",
            quote(&guest.cpu),
            guest.smp,
            guest.memory_mib,
            quote(&append)
        )
    }

    /// Runs host and guests to their end; an error unless every guest passed its checks
    /// and powered off.
    pub(crate) fn pass(
        &self,
        machine: &Machine,
        simulator: &Simulator,
        log: &Path,
        limit: Duration,
    ) -> Result<()> {
        machine
            .run(simulator, log, limit, |_| {})
            .and_then(|outcome| self.check(&outcome, limit))
            .with_context(|| format!("see {}", log.display()))
    }

    /// An error that says what went wrong in a run, guests first: a host whose
    /// script failed says less than the guest that made it fail.
    pub(crate) fn check(&self, outcome: &Outcome, limit: Duration) -> Result<()> {
        if !outcome.console.contains("guest0: ") {
            outcome.check(limit).context("KVM host")?;
            bail!("guest 0 said nothing");
        }
        for i in 0..self.guests.len() {
            GuestReport::read(&outcome.console, i)
                .check()
                .with_context(|| match outcome.check(limit) {
                    Ok(()) => format!("guest {i}"),
                    Err(host) => format!("guest {i} (host: {host:#})"),
                })?;
        }
        outcome.check(limit).context("KVM host")?;
        self.check_backend(&outcome.console)
    }

    /// An error unless the backend that was asked for served every CPU of every
    /// guest.
    fn check_backend(&self, console: &str) -> Result<()> {
        for (i, guest) in self.guests.iter().enumerate() {
            let prefix = format!("guest{i}: {BACKEND_MARKER}");
            let served = console
                .lines()
                .filter(|line| line.starts_with(&prefix) && line.contains(BACKEND_SERVES))
                .count();
            let wanted = match self.accel {
                Stack::Rust => usize::try_from(guest.smp)?,
                Stack::Upstream => 0,
            };
            if served != wanted {
                bail!(
                    "guest {i}: the Rust backend ran {served} of {} CPUs, not {wanted}",
                    guest.smp
                );
            }
        }
        Ok(())
    }
}

/// Quotes a word for the shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Puts a copy of a file into a share. Not a link: the machine sees times and
/// link counts, and other runs would change them.
pub(crate) fn copy(source: &Path, target: &Path) -> Result<()> {
    fs::copy(source, target)
        .map(drop)
        .with_context(|| format!("cannot copy {}", source.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_judged_by_its_own_lines() {
        let console = "guest0: KVM-LA-GUEST init\n\
                       guest0: KVM-LA-GUEST kernel 7.2.12\n\
                       guest1: KVM-LA-GUEST check timer FAILED\n\
                       guest0: KVM-LA-GUEST checks 5 passed 0 failed\n\
                       guest0: KVM-LA-GUEST power-off\n\
                       KVM-LA-GUEST power-off\n";
        let report = GuestReport::read(console, 0);
        assert!(report.check().is_ok());
        assert_eq!(report.kernel.as_deref(), Some("7.2.12"));
        let other = GuestReport::read(console, 1);
        assert_eq!(other.failed, ["timer"]);
        assert!(other.check().is_err());
    }

    #[test]
    fn a_guest_that_qemu_did_not_start_has_its_reason() {
        let console = "guest0: qemu-system-loongarch64: unable to find CPU model 'x'\n\
                       guest0: qemu-kvm-la: warning: QEMU was installed after this program\n\
                       guest1: qemu-system-loongarch64: other\n";
        let error = GuestReport::read(console, 0)
            .check()
            .map_err(|error| error.to_string());
        assert!(error.is_err_and(|error| error.ends_with(": unable to find CPU model 'x'")));
    }

    #[test]
    fn a_run_on_the_other_backend_is_no_success() -> Result<()> {
        let mut nested = Nested {
            kvm: Stack::Upstream,
            accel: Stack::Rust,
            host_smp: 1,
            kernel_irqchip: true,
            guests: vec![Guest {
                smp: 2,
                ..Guest::default()
            }],
            interactive: false,
            copy_share: false,
        };
        let one = format!("guest0: {BACKEND_MARKER}info: CPU 0 {BACKEND_SERVES}\n");
        let two = format!("{one}guest0: {BACKEND_MARKER}info: CPU 1 {BACKEND_SERVES}\n");
        nested.check_backend(&two)?;
        assert!(nested.check_backend(&one).is_err());
        nested.accel = Stack::Upstream;
        assert!(nested.check_backend(&two).is_err());
        nested.check_backend("")
    }

    #[test]
    fn no_check_is_no_success() {
        let console = "guest0: KVM-LA-GUEST init\nguest0: KVM-LA-GUEST checks 0 passed 0 failed\n\
                       guest0: KVM-LA-GUEST power-off\n";
        assert!(GuestReport::read(console, 0).check().is_err());
    }
}
