//! Suite `module`: kvm.ko comes and goes, with virtual machines between, and
//! leaves nothing behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::report::{Report, Verdict};
use super::{Context, Tier};
use crate::cache::Key;
use crate::machine::{Machine, make_share};
use crate::nested::copy;
use crate::progress::Step;
use crate::setup::Products;

const SCRIPT: &str = include_str!("../../guest/module-test");
const LIFECYCLE: &str = include_str!("../../guest/kvm-lifecycle.rs");

/// What the script's lines begin with.
const MARKER: &str = "KVM-LA-MODULE ";

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// By how much the host's available memory may shrink, in KiB: half a page for
/// each VM that the script's 20 rounds of 8 make.
const MAY_SHRINK_KIB: i64 = 20 * 8 * 16 / 2;

/// Runs the suite.
pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    // Not CI's before it has shown that it passes every time.
    if !context.runs(Tier::Full) {
        return Ok(());
    }
    for host_smp in [1, 4] {
        report.case(&format!("load-and-unload,host-smp={host_smp}"), || {
            load_and_unload(context, host_smp)
        });
    }
    Ok(())
}

fn load_and_unload(context: &Context, host_smp: u32) -> Result<Verdict> {
    let products = &context.products;
    let kvm_ko = context.kvm.kvm_ko(products)?;
    let program = lifecycle(products)?;
    let run = products.cache.new_run("module")?;
    let share = run.join("share");
    make_share(&share, SCRIPT)?;
    copy(&kvm_ko, &share.join("kvm.ko"))?;
    copy(&program, &share.join("kvm-lifecycle"))?;
    let machine = Machine {
        kernel: products.host_kernel.vmlinux(),
        initrd: Some(products.initramfs.host()),
        smp: host_smp,
        memory_mib: 1024,
        drives: vec![products.userland_drive()],
        share: Some(share),
        ..Machine::default()
    };
    let log = run.join("console.log");
    let outcome = machine.run(&context.simulator, &log, LIMIT, |_| {})?;
    judge(&outcome.console)
        .and_then(|()| outcome.check(LIMIT))
        .with_context(|| format!("see {}", log.display()))?;
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}

/// What the script said of itself.
fn judge(console: &str) -> Result<()> {
    let said = || {
        console
            .lines()
            .filter_map(|line| line.trim_end().split_once(MARKER))
    };
    if let Some(reason) = said().find_map(|(_, text)| text.strip_prefix("failed: ")) {
        bail!("{reason}");
    }
    let (before, after) = said()
        .find_map(|(_, text)| text.strip_prefix("memory ")?.split_once(' '))
        .and_then(|(before, after)| Some((before.parse::<i64>().ok()?, after.parse::<i64>().ok()?)))
        .ok_or_else(|| anyhow!("the host did not come to the end of its rounds"))?;
    println!("    available memory {before} KiB before, {after} KiB after");
    if before.saturating_sub(after) > MAY_SHRINK_KIB {
        bail!(
            "the rounds cost {} KiB of memory",
            before.saturating_sub(after)
        );
    }
    Ok(())
}

/// The program that makes the virtual machines, statically linked for LoongArch.
fn lifecycle(products: &Products) -> Result<std::path::PathBuf> {
    let cache = &products.cache;
    let key = Key::new(1)
        .with("kernel", products.host_kernel.name())
        .with("source", LIFECYCLE);
    let lock = cache.lock()?;
    let dir = match cache.get("kvm-lifecycle", &key) {
        Some(dir) => dir,
        None => cache.make("kvm-lifecycle", &key, |dir| {
            let mut step = Step::start("kvm-lifecycle: building");
            fs::write(dir.join("main.rs"), LIFECYCLE)?;
            let inside = Path::new("/kvm-la/lifecycle");
            let bound = products.tools.clone().with_bind(dir, inside);
            let mut rustc = bound.command_in(inside, "rustc");
            rustc.args(["--edition", "2024", "-O"]);
            rustc.args(["--target", "loongarch64-unknown-linux-gnu"]);
            rustc.args(["-C", "linker=loongarch64-linux-gnu-gcc"]);
            rustc.args(["-C", "target-feature=+crt-static", "-C", "strip=symbols"]);
            rustc.args(["main.rs", "-o", "kvm-lifecycle"]);
            step.run(rustc, &cache.logs()?.join("setup.log"))?;
            step.done();
            Ok(())
        })?,
    };
    drop(lock);
    Ok(dir.join("kvm-lifecycle"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leak_and_a_silent_host_are_failures() {
        assert!(judge("KVM-LA-MODULE memory 700000 699900\r\n").is_ok());
        assert!(judge("KVM-LA-MODULE memory 700000 690000\n").is_err());
        assert!(judge("KVM-LA-MODULE round 20 ok\n").is_err());
        assert!(
            judge("KVM-LA-MODULE memory 7 7\nKVM-LA-MODULE failed: the kernel complained\n")
                .is_err()
        );
    }
}
