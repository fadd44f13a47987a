// SPDX-License-Identifier: GPL-2.0-or-later

//! The registers that have an id: where QEMU keeps each, what KVM calls it, and when it
//! can change. Control and status registers are those of [`csr::TABLE`] that QEMU has,
//! which are the C backend's (QEMU: target/loongarch/kvm/kvm.c) and the message
//! interrupts, which that forgets. The order is the one in which they are written:
//! CPUCFG words first, because others depend on them, and TCFG last, because it starts
//! the timer.

use std::fmt;
use std::sync::LazyLock;

use la_arch::csr::{self, Class, Csr, number as n};
use la_arch::one_reg;

use super::sync_regs::Slot;
use crate::qemu::cpu::{CPUCFG_WORDS, Cpu};
use crate::qemu::layout::{Layout, layout};

/// Counters that QEMU gives a guest (QEMU: kvm_cpu_check_pmu).
pub const COUNTERS: u32 = 4;

/// Registers that come and go together, in the order of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// CPUCFG words.
    Cpucfg,
    /// CSRs that every vCPU has.
    Csr,
    /// Performance counters: only if the `pmu` property is on.
    Pmu,
    /// Message interrupts: only if CPUCFG says so and KVM has them.
    Msgint,
    /// Binary translation: only if CPUCFG says so.
    Lbt,
    /// The timer: either both or none are written.
    Timer,
}

/// When KVM's value may differ from what was last read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Neither guest nor kernel change it.
    Never,
    /// The guest changes it when it runs.
    Guest,
    /// The kernel changes it at any time: pending interrupts show in it.
    Always,
}

/// Where QEMU has a register.
#[derive(Clone, Copy)]
enum Field {
    /// 64 bits: this row of [`csr::TABLE`] and this element of it.
    Csr(usize, usize),
    /// 64 bits, this far behind a field.
    Word(fn(&Layout) -> usize, usize),
    /// 32 bits, likewise.
    Half(fn(&Layout) -> usize, usize),
}

/// A value that is exchanged with KVM by KVM_GET_ONE_REG and KVM_SET_ONE_REG.
#[derive(Clone)]
pub struct Register {
    name: String,
    /// KVM's id.
    pub id: u64,
    /// CSR number, for those.
    pub csr: Option<u16>,
    field: Field,
    /// Its place in the run page. Message interrupts have none, nor have PGD and TICLR,
    /// which hold no state.
    pub slot: Option<Slot>,
    /// With which others it is exchanged.
    pub group: Group,
    /// When it changes.
    pub change: Change,
    /// Whether only a full write has it: CPUID can be set but once.
    pub full_only: bool,
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({:#x})", self.id)
    }
}

impl Register {
    /// QEMU's value.
    pub fn load(&self, cpu: Cpu) -> u64 {
        match self.field {
            Field::Csr(row, element) => cpu.word(layout().csr_of_row(row, element)),
            Field::Word(field, behind) => cpu.word(field(layout()) + behind),
            Field::Half(field, behind) => u64::from(cpu.half(field(layout()) + behind)),
        }
    }

    /// Gives QEMU KVM's value.
    pub fn store(&self, cpu: Cpu, value: u64) {
        match self.field {
            Field::Csr(row, element) => cpu.set_word(layout().csr_of_row(row, element), value),
            Field::Word(field, behind) => cpu.set_word(field(layout()) + behind, value),
            Field::Half(field, behind) => cpu.set_half(field(layout()) + behind, value as u32),
        }
    }
}

/// The CPUCFG words.
fn cpucfg() -> impl Iterator<Item = Register> {
    (0..CPUCFG_WORDS).map(|index| Register {
        name: format!("CPUCFG{index}"),
        id: one_reg::cpucfg(index as u16),
        csr: None,
        field: Field::Half(|layout| layout.cpucfg, 4 * index),
        slot: Some(Slot::Cpucfg(index)),
        group: Group::Cpucfg,
        change: Change::Never,
        full_only: false,
    })
}

/// The registers of a row of [`csr::TABLE`], if QEMU has them.
fn csrs(row: usize, csr: &'static Csr) -> impl Iterator<Item = Register> {
    let elements = csr.qemu.map(|field| (field, csr.elements));
    elements.into_iter().flat_map(move |(field, elements)| {
        let name = field.name.trim_start_matches("CSR_");
        elements.iter().enumerate().map(move |(index, element)| {
            let number = csr.number + element;
            let place = csr.page.map(|first| usize::from(first + element));
            Register {
                name: match field.length {
                    Some(_) => format!("{name}{index}"),
                    None => name.to_owned(),
                },
                id: one_reg::csr(number),
                csr: Some(number),
                field: Field::Csr(row, index),
                slot: place.map(|place| match csr.class {
                    Class::Counter => Slot::Counter(place),
                    _ => Slot::Csr(place),
                }),
                group: match (number, csr.class) {
                    (n::TVAL | n::TCFG, _) => Group::Timer,
                    (_, Class::Counter) => Group::Pmu,
                    (_, Class::Message) => Group::Msgint,
                    _ => Group::Csr,
                },
                change: match (csr.number, csr.class) {
                    (n::CPUID, _) | (_, Class::Constant) => Change::Never,
                    (n::ESTAT | n::MSGIS0, _) => Change::Always,
                    _ => Change::Guest,
                },
                full_only: number == n::CPUID,
            }
        })
    })
}

/// The registers of binary translation.
fn lbt() -> impl Iterator<Item = Register> {
    let scratch = (0..4).map(|index| {
        let field = Field::Word(|layout| layout.lbt_scr0, 8 * index);
        let id = one_reg::LBT_SCR0 + index as u64;
        (format!("scr{index}"), id, field, Slot::LbtScratch(index))
    });
    let others = [
        (
            "eflags".to_owned(),
            one_reg::LBT_EFLAGS,
            Field::Half(|layout| layout.lbt_eflags, 0),
            Slot::LbtEflags,
        ),
        (
            "ftop".to_owned(),
            one_reg::LBT_FTOP,
            Field::Half(|layout| layout.lbt_ftop, 0),
            Slot::LbtFtop,
        ),
    ];
    scratch
        .chain(others)
        .map(|(name, id, field, slot)| Register {
            name: format!("LBT {name}"),
            id,
            csr: None,
            field,
            slot: Some(slot),
            group: Group::Lbt,
            change: Change::Guest,
            full_only: false,
        })
}

/// All that are exchanged: the CSRs of `la_arch::csr::TABLE`, then the others.
pub static TABLE: LazyLock<Vec<Register>> = LazyLock::new(|| {
    let csrs = csr::TABLE
        .iter()
        .enumerate()
        .flat_map(|(row, csr)| csrs(row, csr));
    let mut table: Vec<_> = cpucfg().chain(csrs).chain(lbt()).collect();
    table.sort_by_key(|register| (register.csr == Some(n::TCFG), register.group, register.csr));
    table
});

/// Index in [`TABLE`] of the CSR `number`.
#[cfg(test)]
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
        // QEMU: target/loongarch/kvm/kvm.c, kvm_loongarch_get_csr and its like.
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
