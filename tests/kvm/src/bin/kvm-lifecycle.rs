// SPDX-License-Identifier: GPL-2.0-or-later

//! Virtual machines from creation to end, without QEMU: `kvm-lifecycle ROUNDS`.
//!
//! Each round makes a VM with memory, in-kernel interrupt controllers and some
//! vCPUs, runs every vCPU until it reports, checks what it wrote, and lets go of
//! everything.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use kvm::{Kvm, Memory};

/// vCPUs of a VM.
const VCPUS: u32 = 4;

/// RAM of a VM in bytes.
const MEMORY: usize = 4 << 20;

/// Where the controller of the platform hub is.
const PCH_PIC: u64 = 0x1000_0000;

kvm::guest_code!(
    /// What every vCPU runs from address 0.
    code,
    "lu12i.w $t0, 0x30000", // what it reports, and where
    "lu12i.w $t1, 0x20",
    "1:",
    "st.d $t0, $t1, 0", // through RAM and back
    "ld.d $t2, $t1, 0",
    "st.d $t2, $t0, 0", // exits
    "b 1b",
);

fn round(kvm: &Kvm) -> Result<(), Box<dyn Error>> {
    let vm = kvm.create_vm()?;
    let _irqchip = vm.create_irqchip(VCPUS, 0, PCH_PIC)?;
    let memory = Arc::new(Memory::new(MEMORY)?);
    memory.write(0, code());
    vm.map(0, 0, &memory, 0)?;
    let vcpus: Vec<_> = (0..VCPUS)
        .map(|id| vm.create_vcpu(id))
        .collect::<Result<_, _>>()?;
    for vcpu in &vcpus {
        vcpu.start_at(0)?;
        let report = vcpu.next_report()?;
        kvm::ensure_eq!(report, (0, kvm::guest::REPORT), "the guest's report");
    }
    Ok(())
}

fn main() -> ExitCode {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|word| word.parse::<u32>().ok());
    let Some(rounds) = rounds else {
        eprintln!("kvm-lifecycle: how many rounds?");
        return ExitCode::FAILURE;
    };
    let result = Kvm::open()
        .map_err(Into::into)
        .and_then(|kvm| (0..rounds).try_for_each(|_| round(&kvm)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kvm-lifecycle: {error}");
            ExitCode::FAILURE
        }
    }
}
