// SPDX-License-Identifier: GPL-2.0-or-later

//! How QEMU translates a vCPU's virtual addresses, for what is put into the guest's memory by one
//! and taken out by it when the vCPU is elsewhere.

use la_arch::csr::{Crmd, Prmd, TlbrEra, number as n};
use la_arch::insn::privileged::ERTN;

use crate::qemu::cpu::Cpu;

/// CSRs on which QEMU's translation depends (QEMU: target/loongarch/cpu_helper.c,
/// get_physical_address), as far as they differ between instructions of a kernel and its processes.
#[derive(Clone, Copy, Debug)]
pub struct Translation {
    crmd: u64,
    page_table: u64,
}

impl Translation {
    /// The one behind the instruction `word`, which the vCPU executes next: `ertn` of a TLB refill
    /// handler leaves direct address mode (Volume 1, 4.2.6).
    pub fn behind(cpu: Cpu, word: u32) -> Self {
        let crmd = Crmd(cpu.csr(n::CRMD));
        let mapped = Prmd(cpu.csr(n::TLBRPRMD)).pplv();
        let leaves_refill = ERTN.matches(word) && TlbrEra(cpu.csr(n::TLBRERA)).istlbr();
        let crmd = match leaves_refill {
            true => crmd.with_da(false).with_pg(true).with_plv(mapped),
            false => crmd,
        };
        Self {
            crmd: crmd.0,
            page_table: cpu.csr(n::PGDL),
        }
    }

    /// Does `f` while QEMU translates so. QEMU's copy of the registers is not the guest's before it
    /// is written back.
    pub fn of<R>(self, cpu: Cpu, f: impl FnOnce() -> R) -> R {
        let current = [n::CRMD, n::PGDL].map(|number| (number, cpu.csr(number)));
        cpu.set_csr(n::CRMD, self.crmd);
        cpu.set_csr(n::PGDL, self.page_table);
        let result = f();
        for (number, value) in current {
            cpu.set_csr(number, value);
        }
        result
    }
}
