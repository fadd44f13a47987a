// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A host and its guest whose kernels print all the time while init and the host's
//! script say lines: every line comes whole.
//!
//! On the console lines are cut: the same machines say theirs there in a case of its
//! own, without which the other would show nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::super::report::{Report, Verdict, detail};
use super::super::{Context, Tier};
use super::LIMIT;
use crate::machine::add_parameters;
use crate::nested::{GUEST_MARKER, Guest, Nested};
use crate::said;

/// How many lines host and guest say.
const LINES: u32 = 100;

/// What stands in a line behind its number: more than a 16550's FIFO takes.
const TEXT: &str = "is longer than the FIFO of a serial port";

/// What the kernels print all the time; tests/guest/guest-init has it too.
const PRINTED: &str = "printing goes on";

/// What the host's lines begin with.
const MARKER: &str = "KVM-LA-HOST";

/// Has an init say its lines on the console; the last such parameter counts.
const ON_THE_CONSOLE: &str = "kvm-la.say=console";

pub(super) fn run(context: &Context, report: &mut Report) {
    report.case("kernels-print", || {
        let cut = lines_cut(context, "kernels-print", "")?;
        if !cut.is_empty() {
            bail!("these lines did not come whole: {}", cut.join(", "));
        }
        Ok(Verdict::Passed)
    });
    if context.runs(Tier::Full) {
        report.case("kernels-print,on-the-console", || {
            let cut = lines_cut(context, "kernels-print-on-the-console", ON_THE_CONSOLE)?;
            detail(format_args!(
                "{} of {} lines were cut",
                cut.len(),
                2 * LINES
            ));
            if cut.is_empty() {
                bail!("a console that user space and kernel share cut no line");
            }
            Ok(Verdict::Passed)
        });
    }
}

/// The lines that did not come whole, by what said them.
fn lines_cut(context: &Context, name: &str, append: &str) -> Result<Vec<String>> {
    let nested = Nested {
        kvm: context.kvm,
        accel: context.accel,
        host_smp: 2,
        kernel_irqchip: true,
        guests: vec![Guest {
            smp: 2,
            append: format!("{append} kvm-la.printing={LINES}"),
            ..Guest::default()
        }],
        interactive: false,
        copy_share: false,
    };
    let run = context.products.cache.new_run(&format!("nested-{name}"))?;
    let share = run.join("share");
    let mut machine = nested.machine(&context.products, &share)?;
    add_parameters(&mut machine.append, append);
    begin_printing(&share.join("run"))?;
    let log = run.join("console.log");
    let outcome = machine.run(&context.simulator, &log, LIMIT, |_| {})?;
    let see = || format!("see {}", log.display());
    // Whether the machine says so on the console is what is in question.
    if append.is_empty() {
        nested.check(&outcome, LIMIT).with_context(see)?;
    }
    check_printed(&outcome.console).with_context(see)?;
    let cut = cut(&outcome.console);
    if append.is_empty() && !cut.is_empty() {
        detail(format_args!("see {}", log.display()));
    } else {
        fs::remove_dir_all(&run)?;
    }
    Ok(cut)
}

/// Has the host's script say its lines before it starts the guest.
fn begin_printing(path: &Path) -> Result<()> {
    let script =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let begun = format!(
        "echo on >/proc/sys/kernel/printk_devkmsg || exit 5\n\
         while :; do echo '{PRINTED}' >/dev/kmsg; done &\n\
         for i in $(seq {LINES}); do echo \"{MARKER} $i {TEXT}\"; sleep 0.002; done\n\
         kill $!\n\
         wait $!\n\
         {script}"
    );
    fs::write(path, begun).with_context(|| format!("cannot write {}", path.display()))
}

/// What says lines: its name on the console, what its lines begin with, and its name for
/// messages.
const SPEAKERS: [(&str, &str, &str); 2] = [("", MARKER, "host"), ("guest0", GUEST_MARKER, "guest")];

/// An error if a kernel was silent between the first and the last line that is said
/// beside it: then it is no wonder that none was cut.
fn check_printed(console: &str) -> Result<()> {
    for (speaker, marker, name) in SPEAKERS {
        // By its number, as each may be cut behind it.
        let is_said = |line: &&str| {
            said::said(line, marker).is_some_and(|(of, text)| {
                of == speaker && text.starts_with(|first: char| first.is_ascii_digit())
            })
        };
        let between = console
            .lines()
            .skip_while(|line| !is_said(line))
            .collect::<Vec<_>>();
        let last = between.iter().rposition(is_said).unwrap_or(0);
        let printed = between[..last]
            .iter()
            .filter(|line| line.contains(PRINTED))
            .count();
        detail(format_args!(
            "{name}: the kernel printed {printed} lines beside {LINES}"
        ));
        if printed == 0 {
            bail!("the {name}'s kernel did not print while lines were said");
        }
    }
    Ok(())
}

/// The lines that a console does not have.
fn cut(console: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (speaker, marker, name) in SPEAKERS {
        let said: Vec<&str> = said::all(console, speaker, marker).collect();
        for number in 1..=LINES {
            let wanted = format!("{number} {TEXT}");
            if !said.contains(&wanted.as_str()) {
                missing.push(format!("{name} {number}"));
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_prints_between_lines_that_are_all_cut() {
        let host = format!("{MARKER} 1 {TEXT}\n{PRINTED}\n{MARKER} 2 {TEXT}\n");
        let guest = |between: &str| {
            let line = |number| format!("guest0: {GUEST_MARKER} {number} i[ 0.1] cut\n");
            format!(
                "guest0: {GUEST_MARKER} init\n{}{between}{}",
                line(1),
                line(2)
            )
        };
        let printed = format!("guest0: {PRINTED}\n");
        assert!(check_printed(&(host.clone() + &guest(&printed))).is_ok());
        assert!(check_printed(&(host + &guest(""))).is_err());
    }

    #[test]
    fn a_line_that_is_cut_is_found() {
        let lines = |speaker: &str, marker: &str| -> String {
            (1..=LINES)
                .map(|number| format!("{speaker}{marker} {number} {TEXT}\n"))
                .collect()
        };
        let all = lines("", MARKER) + &lines("guest0: ", GUEST_MARKER);
        assert!(cut(&all).is_empty());
        let broken = all.replace(
            "KVM-LA-GUEST 7 is",
            "KVM-LA-GUEST 7 i[  0.1] printing goes on\ns",
        );
        assert_eq!(cut(&broken), ["guest 7"]);
    }
}
