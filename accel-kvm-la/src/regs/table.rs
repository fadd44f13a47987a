// SPDX-License-Identifier: GPL-2.0-or-later

//! The one table of registers that have an id: where QEMU keeps each, what KVM
//! calls it, and when it can change. The list is that of the C backend
//! (QEMU: target/loongarch/kvm/kvm.c) and the message interrupts, which that
//! forgets. The order is the one in which they are written: CPUCFG words first,
//! because others depend on them, and TCFG last, because it starts the timer.

use std::fmt;

use la_arch::csr::number as n;
use la_arch::one_reg;

use crate::qemu::cpu::{CPUCFG_WORDS, Cpu};
use crate::qemu::layout::{Layout, layout};

/// Counters that QEMU gives a guest (QEMU: kvm_cpu_check_pmu).
pub const COUNTERS: u32 = 4;

/// Registers that come and go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// CPUCFG words.
    Cpucfg,
    /// CSRs that every vCPU has.
    Csr,
    /// Performance counters: only if the `pmu` property is on.
    Pmu,
    /// Message interrupts: only if CPUCFG says so and KVM has them.
    Msgint,
    /// The timer: either both or none are written.
    Timer,
    /// Binary translation: only if CPUCFG says so.
    Lbt,
}

/// When KVM's value may differ from what was last read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Neither guest nor kernel change it.
    Never,
    /// The guest changes it when it runs.
    Guest,
    /// The kernel changes it at any time: pending interrupts show in it. QEMU
    /// itself changes none of these, but in a reset or a load.
    Always,
}

/// Bits of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Word,
    Half,
}

/// A register.
#[derive(Clone, Copy)]
pub struct Register {
    name: &'static str,
    element: Option<u16>,
    /// KVM's id.
    pub id: u64,
    /// CSR number, for those.
    pub csr: Option<u16>,
    field: fn(&Layout) -> usize,
    displacement: u16,
    width: Width,
    /// Its group.
    pub group: Group,
    /// When it changes.
    pub change: Change,
    /// Whether only a full write has it: CPUID can be set but once.
    pub full_only: bool,
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.element {
            Some(element) => write!(f, "{}{element}", self.name),
            None => f.write_str(self.name),
        }
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:#x})", self.id)
    }
}

impl Register {
    fn offset(&self) -> usize {
        (self.field)(layout()) + usize::from(self.displacement)
    }

    /// QEMU's value.
    pub fn load(&self, cpu: Cpu) -> u64 {
        match self.width {
            Width::Word => cpu.word(self.offset()),
            Width::Half => u64::from(cpu.half(self.offset())),
        }
    }

    /// Gives QEMU KVM's value.
    pub fn store(&self, cpu: Cpu, value: u64) {
        match self.width {
            Width::Word => cpu.set_word(self.offset(), value),
            Width::Half => cpu.set_half(self.offset(), value as u32),
        }
    }
}

const fn csr(name: &'static str, number: u16, field: fn(&Layout) -> usize) -> Register {
    Register {
        name,
        element: None,
        id: one_reg::csr(number),
        csr: Some(number),
        field,
        displacement: 0,
        width: Width::Word,
        group: Group::Csr,
        change: Change::Guest,
        full_only: false,
    }
}

const fn element(
    name: &'static str,
    first: u16,
    index: u16,
    field: fn(&Layout) -> usize,
) -> Register {
    let mut register = csr(name, first + index, field);
    register.element = Some(index);
    register.displacement = 8 * index;
    register
}

const fn changes(mut register: Register, change: Change) -> Register {
    register.change = change;
    register
}

const fn of(group: Group, mut register: Register) -> Register {
    register.group = group;
    register
}

const fn lbt(
    name: &'static str,
    id: u64,
    field: fn(&Layout) -> usize,
    displacement: u16,
    width: Width,
) -> Register {
    Register {
        name,
        element: None,
        id,
        csr: None,
        field,
        displacement,
        width,
        group: Group::Lbt,
        change: Change::Guest,
        full_only: false,
    }
}

const fn cpucfg(index: u16) -> Register {
    Register {
        name: "CPUCFG",
        element: Some(index),
        id: one_reg::cpucfg(index),
        csr: None,
        field: |l| l.cpucfg,
        displacement: 4 * index,
        width: Width::Half,
        group: Group::Cpucfg,
        change: Change::Never,
        full_only: false,
    }
}

const CPUID: Register = {
    let mut register = changes(csr("CPUID", n::CPUID, |l| l.cpuid), Change::Never);
    register.full_only = true;
    register
};

const CSRS: [Register; 53] = [
    csr("CRMD", n::CRMD, |l| l.crmd),
    csr("PRMD", n::PRMD, |l| l.prmd),
    csr("EUEN", n::EUEN, |l| l.euen),
    csr("MISC", n::MISC, |l| l.misc),
    csr("ECFG", n::ECFG, |l| l.ecfg),
    changes(csr("ESTAT", n::ESTAT, |l| l.estat), Change::Always),
    csr("ERA", n::ERA, |l| l.era),
    csr("BADV", n::BADV, |l| l.badv),
    csr("BADI", n::BADI, |l| l.badi),
    csr("EENTRY", n::EENTRY, |l| l.eentry),
    csr("TLBIDX", n::TLBIDX, |l| l.tlbidx),
    csr("TLBEHI", n::TLBEHI, |l| l.tlbehi),
    csr("TLBELO0", n::TLBELO0, |l| l.tlbelo0),
    csr("TLBELO1", n::TLBELO1, |l| l.tlbelo1),
    csr("ASID", n::ASID, |l| l.asid),
    csr("PGDL", n::PGDL, |l| l.pgdl),
    csr("PGDH", n::PGDH, |l| l.pgdh),
    csr("PGD", n::PGD, |l| l.pgd),
    csr("PWCL", n::PWCL, |l| l.pwcl),
    csr("PWCH", n::PWCH, |l| l.pwch),
    csr("STLBPS", n::STLBPS, |l| l.stlbps),
    csr("RVACFG", n::RVACFG, |l| l.rvacfg),
    CPUID,
    changes(csr("PRCFG1", n::PRCFG1, |l| l.prcfg1), Change::Never),
    changes(csr("PRCFG2", n::PRCFG2, |l| l.prcfg2), Change::Never),
    changes(csr("PRCFG3", n::PRCFG3, |l| l.prcfg3), Change::Never),
    element("SAVE", n::SAVE0, 0, |l| l.save),
    element("SAVE", n::SAVE0, 1, |l| l.save),
    element("SAVE", n::SAVE0, 2, |l| l.save),
    element("SAVE", n::SAVE0, 3, |l| l.save),
    element("SAVE", n::SAVE0, 4, |l| l.save),
    element("SAVE", n::SAVE0, 5, |l| l.save),
    element("SAVE", n::SAVE0, 6, |l| l.save),
    element("SAVE", n::SAVE0, 7, |l| l.save),
    csr("TID", n::TID, |l| l.tid),
    csr("CNTC", n::CNTC, |l| l.cntc),
    csr("TICLR", n::TICLR, |l| l.ticlr),
    csr("LLBCTL", n::LLBCTL, |l| l.llbctl),
    csr("IMPCTL1", n::IMPCTL1, |l| l.impctl1),
    csr("IMPCTL2", n::IMPCTL2, |l| l.impctl2),
    csr("TLBRENTRY", n::TLBRENTRY, |l| l.tlbrentry),
    csr("TLBRBADV", n::TLBRBADV, |l| l.tlbrbadv),
    csr("TLBRERA", n::TLBRERA, |l| l.tlbrera),
    csr("TLBRSAVE", n::TLBRSAVE, |l| l.tlbrsave),
    csr("TLBRELO0", n::TLBRELO0, |l| l.tlbrelo0),
    csr("TLBRELO1", n::TLBRELO1, |l| l.tlbrelo1),
    csr("TLBREHI", n::TLBREHI, |l| l.tlbrehi),
    csr("TLBRPRMD", n::TLBRPRMD, |l| l.tlbrprmd),
    element("DMW", n::DMW0, 0, |l| l.dmw),
    element("DMW", n::DMW0, 1, |l| l.dmw),
    element("DMW", n::DMW0, 2, |l| l.dmw),
    element("DMW", n::DMW0, 3, |l| l.dmw),
    of(Group::Timer, csr("TVAL", n::TVAL, |l| l.tval)),
];

const TCFG: Register = of(Group::Timer, csr("TCFG", n::TCFG, |l| l.tcfg));

/// Messages that wait.
const fn messages(index: u16) -> Register {
    let register = element("MSGIS", n::MSGIS0, index, |l| l.msgis);
    of(Group::Msgint, changes(register, Change::Always))
}

/// Not MSGIR, which KVM does not keep (Linux: kvm_init_gcsr_flag): a read of it takes
/// a message out of MSGIS.
const MSGINT: [Register; 5] = [
    messages(0),
    messages(1),
    messages(2),
    messages(3),
    of(Group::Msgint, csr("MSGIE", n::MSGIE, |l| l.msgie)),
];

const LBT: [Register; 6] = [
    lbt(
        "LBT scr0",
        one_reg::LBT_SCR0,
        |l| l.lbt_scr0,
        0,
        Width::Word,
    ),
    lbt(
        "LBT scr1",
        one_reg::LBT_SCR1,
        |l| l.lbt_scr0,
        8,
        Width::Word,
    ),
    lbt(
        "LBT scr2",
        one_reg::LBT_SCR2,
        |l| l.lbt_scr0,
        16,
        Width::Word,
    ),
    lbt(
        "LBT scr3",
        one_reg::LBT_SCR3,
        |l| l.lbt_scr0,
        24,
        Width::Word,
    ),
    lbt(
        "LBT eflags",
        one_reg::LBT_EFLAGS,
        |l| l.lbt_eflags,
        0,
        Width::Half,
    ),
    lbt(
        "LBT ftop",
        one_reg::LBT_FTOP,
        |l| l.lbt_ftop,
        0,
        Width::Half,
    ),
];

/// CPUCFG words, CSRs without TCFG, counters, message interrupts, LBT, TCFG.
const LENGTH: usize =
    CPUCFG_WORDS + CSRS.len() + 2 * COUNTERS as usize + MSGINT.len() + LBT.len() + 1;

/// The table.
pub static TABLE: [Register; LENGTH] = build();

const fn build() -> [Register; LENGTH] {
    let mut table = [TCFG; LENGTH];
    let mut at = 0;
    let mut i = 0;
    while i < CPUCFG_WORDS {
        table[at] = cpucfg(i as u16);
        at += 1;
        i += 1;
    }
    i = 0;
    // All but TVAL, which is the last.
    while i < CSRS.len() - 1 {
        table[at] = CSRS[i];
        at += 1;
        i += 1;
    }
    i = 0;
    while i < COUNTERS as usize {
        let mut control = element("PERFCTRL", n::PERFCTRL0, i as u16, |l| l.perfctrl);
        control.id = one_reg::csr(n::PERFCTRL0 + 2 * i as u16);
        control.csr = Some(n::PERFCTRL0 + 2 * i as u16);
        table[at] = of(Group::Pmu, control);
        let mut counter = element("PERFCNTR", n::PERFCNTR0, i as u16, |l| l.perfcntr);
        counter.id = one_reg::csr(n::PERFCNTR0 + 2 * i as u16);
        counter.csr = Some(n::PERFCNTR0 + 2 * i as u16);
        table[at + 1] = of(Group::Pmu, counter);
        at += 2;
        i += 1;
    }
    i = 0;
    while i < MSGINT.len() {
        table[at] = MSGINT[i];
        at += 1;
        i += 1;
    }
    i = 0;
    while i < LBT.len() {
        table[at] = LBT[i];
        at += 1;
        i += 1;
    }
    table[at] = CSRS[CSRS.len() - 1];
    // TCFG fills the last place from the start.
    table
}

/// Index in [`TABLE`] of the CSR `number`.
pub fn index_of_csr(number: u16) -> Option<usize> {
    TABLE
        .iter()
        .position(|register| register.csr == Some(number))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_register_is_there_twice() {
        let ids: HashSet<u64> = TABLE.iter().map(|register| register.id).collect();
        assert_eq!(ids.len(), TABLE.len());
    }

    #[test]
    fn the_c_backends_list_is_complete() {
        // qemu-abi: 21 CPUCFG words, 10 + 12 + 1 + 3 + 8 + 6 + 8 + 4 CSRs, 8 of
        // counters, 2 of the timer, 6 of LBT.
        let count = |group| {
            TABLE
                .iter()
                .filter(|register| register.group == group)
                .count()
        };
        assert_eq!(count(Group::Cpucfg), 21);
        assert_eq!(count(Group::Csr), 10 + 12 + 1 + 3 + 8 + 6 + 8 + 4);
        assert_eq!(count(Group::Pmu), 8);
        assert_eq!(count(Group::Timer), 2);
        assert_eq!(count(Group::Lbt), 6);
    }

    #[test]
    fn the_message_interrupts_are_those_that_kvm_keeps() {
        // Linux: kvm_init_gcsr_flag with cpu_has_msgint, by the names ISR0 to ISR3
        // and IPR.
        let ids: Vec<u64> = TABLE
            .iter()
            .filter(|register| register.group == Group::Msgint)
            .map(|register| register.id)
            .collect();
        assert_eq!(ids, [0xa0, 0xa1, 0xa2, 0xa3, 0xa5].map(one_reg::csr));
    }

    #[test]
    fn the_timer_is_last_and_tcfg_after_tval() {
        let names: Vec<String> = TABLE
            .iter()
            .rev()
            .take(2)
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["TCFG", "TVAL"]);
    }

    #[test]
    fn counters_alternate() {
        let ids: Vec<u64> = TABLE
            .iter()
            .filter(|r| r.group == Group::Pmu)
            .map(|register| register.id)
            .collect();
        let expected: Vec<u64> = (0x200..0x208).map(one_reg::csr).collect();
        assert_eq!(ids, expected);
    }
}
