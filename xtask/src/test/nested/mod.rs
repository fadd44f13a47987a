// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Suite `nested`: guests on KVM hosts in the simulator.

mod conditions;
mod printing;
mod walker;

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::report::{Report, Verdict};
use super::{Context, Tier};
use crate::nested::{Guest, Nested, Stack};
use crate::setup::DISTRIBUTION_PARAMETERS;

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// One host with guests.
struct Case {
    host_smp: u32,
    guest_smp: u32,
    guests: u32,
    kernel_irqchip: bool,
    distribution: bool,
}

/// The plain case, from which the others differ.
const PLAIN: Case = Case {
    host_smp: 1,
    guest_smp: 1,
    guests: 1,
    kernel_irqchip: true,
    distribution: false,
};

const CASES: &[Case] = &[
    Case { ..PLAIN },
    Case {
        guest_smp: 2,
        ..PLAIN
    },
    Case {
        guest_smp: 4,
        ..PLAIN
    },
    Case {
        host_smp: 2,
        ..PLAIN
    },
    Case {
        host_smp: 2,
        guest_smp: 2,
        ..PLAIN
    },
    Case {
        host_smp: 2,
        guest_smp: 4,
        ..PLAIN
    },
    Case {
        host_smp: 4,
        ..PLAIN
    },
    Case {
        host_smp: 4,
        guest_smp: 2,
        ..PLAIN
    },
    Case {
        host_smp: 4,
        guest_smp: 4,
        ..PLAIN
    },
    Case {
        kernel_irqchip: false,
        ..PLAIN
    },
    Case {
        host_smp: 2,
        guest_smp: 2,
        kernel_irqchip: false,
        ..PLAIN
    },
    Case {
        distribution: true,
        ..PLAIN
    },
    Case {
        host_smp: 2,
        guest_smp: 2,
        distribution: true,
        ..PLAIN
    },
    Case { guests: 2, ..PLAIN },
    Case {
        host_smp: 2,
        guest_smp: 2,
        guests: 2,
        ..PLAIN
    },
];

impl Case {
    fn name(&self) -> String {
        let mut name = format!("host-smp={},guest-smp={}", self.host_smp, self.guest_smp);
        if self.guest_smp >= 4 * self.host_smp {
            name.push_str(",overcommit");
        }
        if self.guests > 1 {
            name.push_str(&format!(",guests={}", self.guests));
        }
        if !self.kernel_irqchip {
            name.push_str(",kernel-irqchip=off");
        }
        if self.distribution {
            name.push_str(",distribution-kernel");
        }
        name
    }
}

/// The case that is run on stacks other than the run's, of which every mix must
/// work, and on another kernel.
const MIXED: Case = Case {
    host_smp: 2,
    guest_smp: 2,
    ..PLAIN
};

pub(super) fn run(context: &Context, report: &mut Report) -> Result<()> {
    let stacks = (context.kvm, context.accel);
    for case in CASES {
        report.case(&case.name(), || boot(context, stacks, case));
    }
    for kvm in Stack::ALL {
        for accel in Stack::ALL {
            if (kvm, accel) != stacks {
                let name = format!("{},kvm={},accel={}", MIXED.name(), kvm.name(), accel.name());
                report.case(&name, || boot(context, (kvm, accel), &MIXED));
            }
        }
    }
    walker::run(context, report);
    printing::run(context, report);
    if context.runs(Tier::Full) {
        conditions::run(context, report);
    }
    Ok(())
}

/// One guest with two CPUs on a host with two.
pub(super) fn boot_one(context: &Context) -> Result<Verdict> {
    boot(context, (context.kvm, context.accel), &MIXED)
}

fn boot(context: &Context, (kvm, accel): (Stack, Stack), case: &Case) -> Result<Verdict> {
    let products = &context.products;
    let guests = (0..case.guests).map(|i| Guest {
        kernel: case
            .distribution
            .then(|| products.distribution_kernel.vmlinuz()),
        smp: case.guest_smp,
        // A workload of its own each: what one computes must not be found in
        // the other's registers or memory.
        seed: 100 + u64::from(i),
        append: if case.distribution {
            DISTRIBUTION_PARAMETERS.to_owned()
        } else {
            String::new()
        },
        ..Guest::default()
    });
    let nested = Nested {
        kvm,
        accel,
        host_smp: case.host_smp,
        kernel_irqchip: case.kernel_irqchip,
        guests: guests.collect(),
        interactive: false,
        copy_share: false,
    };
    let run = products
        .cache
        .new_run(&format!("nested-{}", case.name().replace([',', '='], "-")))?;
    let mut machine = nested.machine(products, &run.join("share"))?;
    machine.stats = Some(run.join("stats.json"));
    let log = run.join("console.log");
    nested.pass(&machine, &context.simulator, &log, LIMIT)?;
    fs::remove_dir_all(&run)?;
    Ok(Verdict::Passed)
}
