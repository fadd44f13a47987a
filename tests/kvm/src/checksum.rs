// SPDX-License-Identifier: GPL-2.0-or-later

//! A guest that computes what this process computes too: a change of its registers
//! or its memory by anything else shows in the result.

use std::sync::Arc;

use crate::error::errno::EINTR;
use crate::guest::REPORT;
use crate::run::{Access, Exit, Unexpected};
use crate::{Memory, Vcpu, Vm, guest_code, uapi};

/// The guest's RAM: code, and the table behind it.
pub const MEMORY: usize = 0x4_0000;

/// Where each vCPU's table begins, and how long it is.
const TABLES: u64 = 0x2_0000;
const TABLE: u64 = 0x8000;

/// vCPUs that the tables suffice for.
pub const VCPUS: u32 = 4;

/// The step's factor and addend.
const FACTOR: u64 = 0x5851_f42d_4c95_7f2d;
const ADDEND: u64 = 0x1405_7b7e_f767_814f;

guest_code! {
    /// a0 state, a1 steps, a2 factor, a3 addend, a4 sum, s0 where to report,
    /// s1 the table.
    checksum_guest,
    "1:",
    "mul.d $a0, $a0, $a2",
    "add.d $a0, $a0, $a3",
    "srli.d $t0, $a0, 49",
    "bstrins.d $t0, $zero, 2, 0",
    "ldx.d $t1, $s1, $t0",
    "xor $t1, $t1, $a0",
    "stx.d $t1, $s1, $t0",
    "add.d $a4, $a4, $t1",
    "addi.d $a1, $a1, -1",
    "bnez $a1, 1b",
    "st.d $a4, $s0, 0",
    "2:",
    "b 2b",
}

/// What the guest comes to.
pub fn expected(seed: u64, steps: u64) -> u64 {
    let mut table = vec![0u64; (TABLE / 8) as usize];
    let (mut state, mut sum) = (seed, 0u64);
    for _ in 0..steps {
        state = state.wrapping_mul(FACTOR).wrapping_add(ADDEND);
        if let Some(word) = table.get_mut((state >> 52) as usize) {
            *word ^= state;
            sum = sum.wrapping_add(*word);
        }
    }
    sum
}

/// Gives a VM without memory the guest's RAM at 0.
pub fn load(vm: &Vm) -> crate::Result<Arc<Memory>> {
    let memory = Arc::new(Memory::new(MEMORY)?);
    memory.write(0, checksum_guest());
    vm.map(0, 0, &memory, 0)?;
    Ok(memory)
}

/// Makes a vCPU ready to compute, with an empty table.
pub fn start(vcpu: &Vcpu, memory: &Memory, id: u32, seed: u64, steps: u64) -> crate::Result<()> {
    let table = TABLES + u64::from(id % VCPUS) * TABLE;
    memory.write(table as usize, &vec![0; TABLE as usize]);
    vcpu.start_at(0)?;
    let mut regs = uapi::Regs {
        gpr: [0; 32],
        pc: 0,
    };
    // a0 to a4 are r4 to r8, s0 and s1 r23 and r24.
    for (register, value) in [
        (4, seed),
        (5, steps.max(1)),
        (6, FACTOR),
        (7, ADDEND),
        (23, REPORT),
        (24, table),
    ] {
        regs.gpr[register] = value;
    }
    vcpu.set_regs(&regs)
}

/// Runs a vCPU until it reports, through whatever signals come.
pub fn finish(vcpu: &Vcpu) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    loop {
        match vcpu.run() {
            Ok(Exit::Mmio(Access {
                address: REPORT,
                written: Some(sum),
                ..
            })) => return Ok(sum),
            Ok(Exit::Interrupted) => {}
            Err(error) if error.errno == EINTR => {}
            Ok(exit) => return Err(Unexpected(exit).to_string().into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// All of it for one vCPU, with an error if the sum is wrong.
pub fn check(
    vcpu: &Vcpu,
    memory: &Memory,
    id: u32,
    seed: u64,
    steps: u64,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    start(vcpu, memory, id, seed, steps)?;
    let (sum, wanted) = (finish(vcpu)?, expected(seed, steps.max(1)));
    if sum != wanted {
        return Err(format!("vCPU {id} computed {sum:#x} instead of {wanted:#x}").into());
    }
    Ok(())
}
