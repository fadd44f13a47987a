// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The bare-metal programs have the architecture's numbers and fields from the files of
//! `include`, as an assembler cannot read la-arch: here the two are compared.

use std::collections::BTreeMap;

use la_arch::csr::{Crmd, MsgIr, PerfCtrl, Pwch, TABLE, TlbElo, TlbIdx};
use la_arch::lvz::{Gcfg, Gstat, Gtlbc};
use la_arch::{Exception, Interrupt, eiointc, iocsr, ipi, page_table, pch_pic};

const CSR: &str = include_str!("../include/csr.inc");
const COUNTERS: &str = include_str!("../include/counters.inc");
const EXTERNAL: &str = include_str!("../include/external.inc");
const LVZ: &str = include_str!("../include/lvz.inc");
const MESSAGE: &str = include_str!("../include/message.inc");
const SMP: &str = include_str!("../include/smp.inc");

/// Memory type: coherent cached (Volume 1, 2.1.7).
const COHERENT: u64 = 1;

/// Names and values of the lines `.equ NAME, VALUE`, as text.
fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines()
        .filter_map(|line| line.strip_prefix(".equ ")?.split_once(", "))
}

/// The constants of a file that are numbers, or are made of its earlier ones.
fn values(text: &'static str) -> BTreeMap<&'static str, u64> {
    let mut known = BTreeMap::new();
    for (name, expression) in lines(text) {
        if let Some(value) = value(expression, &known) {
            known.insert(name, value);
        }
    }
    known
}

/// Bits that are joined by `|`, or a sum: terms are in parentheses if they are shifts and there
/// are others.
fn value(expression: &str, known: &BTreeMap<&str, u64>) -> Option<u64> {
    let (joiner, sum) = match expression.contains(" + ") {
        true => (" + ", true),
        false => (" | ", false),
    };
    let mut total: u64 = 0;
    for term in expression.split(joiner) {
        let inner = term.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
        let term = match inner.unwrap_or(term).split_once(" << ") {
            Some((number, shift)) => {
                let shift = u32::try_from(atom(shift, known)?).ok()?;
                atom(number, known)?.checked_shl(shift)?
            }
            None => atom(term, known)?,
        };
        total = match sum {
            true => total.checked_add(term)?,
            false => total | term,
        };
    }
    Some(total)
}

/// A number, in decimal or hexadecimal, or a name.
fn atom(text: &str, known: &BTreeMap<&str, u64>) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok().or_else(|| known.get(text).copied()),
    }
}

/// The number of the CSR with this name.
fn csr(name: &str) -> Option<u64> {
    TABLE.iter().find_map(|csr| {
        let family = csr.name.trim_end_matches('0');
        let element = match csr.elements {
            [only] => (csr.name == name).then_some(only),
            several => several.iter().enumerate().find_map(|(index, element)| {
                (format!("{family}{index}") == name).then_some(element)
            }),
        };
        Some(u64::from(csr.number + element?))
    })
}

/// Compares these constants of a file with what la-arch has.
fn compare(text: &'static str, counterparts: &[(&'static str, u64)]) {
    let found = values(text);
    for (name, counterpart) in counterparts {
        assert_eq!(found.get(name), Some(counterpart), "{name}");
    }
}

#[test]
fn csrs_have_the_numbers_of_the_table() {
    let found = values(CSR);
    let csrs: Vec<_> = lines(CSR)
        .take_while(|(name, _)| !name.starts_with("EXC_"))
        .collect();
    assert!(csrs.len() > 60, "only {} CSRs found", csrs.len());
    for (name, _) in csrs {
        assert_eq!(found.get(name).copied(), csr(name), "{name}");
    }
    let message = values(MESSAGE);
    for name in ["MSGIS0", "MSGIS1", "MSGIS2", "MSGIS3", "MSGIR", "MSGIE"] {
        let number = csr(name);
        assert!(number.is_some(), "la-arch's table lacks {name}");
        assert_eq!(message.get(name).copied(), number, "{name}");
    }
}

#[test]
fn exceptions_have_the_codes_of_la_arch() {
    let mut compared = 0;
    for (name, value) in values(CSR) {
        let Some(name) = name.strip_prefix("EXC_") else {
            continue;
        };
        let exception = Exception::ALL.iter().find(|known| known.name == name);
        let exception = exception.unwrap_or_else(|| panic!("la-arch has no exception {name}"));
        let code = u64::from(exception.code) | u64::from(exception.sub) << 6;
        assert_eq!(value, code, "{name}");
        compared += 1;
    }
    assert!(compared > 20, "only {compared} exceptions found");
}

/// All that csr.inc has behind the exceptions.
fn fields() -> Vec<(&'static str, u64)> {
    let cached = Crmd(0).with_datf(COHERENT).with_datm(COHERENT);
    let entry = TlbElo(0);
    let coherent = entry.with_mat(COHERENT);
    vec![
        ("CRMD_IE", Crmd(0).with_ie(true).0),
        ("CRMD_DA", Crmd(0).with_da(true).0),
        ("CRMD_PG", Crmd(0).with_pg(true).0),
        ("CRMD_RUN", cached.with_pg(true).0),
        ("CRMD_DIRECT", cached.with_da(true).0),
        ("IS_SWI0", Interrupt::SWI0.bit().into()),
        ("IS_SWI1", Interrupt::SWI1.bit().into()),
        ("IS_HWI0", Interrupt::HWI0.bit().into()),
        ("IS_PMI", Interrupt::PMI.bit().into()),
        ("IS_TI", Interrupt::TI.bit().into()),
        ("IS_IPI", Interrupt::IPI.bit().into()),
        ("PTE_V", entry.with_v(true).0),
        ("PTE_D", entry.with_d(true).0),
        ("PTE_PLV3", entry.with_plv(3).0),
        ("PTE_MAT_CC", coherent.0),
        ("PTE_G", entry.with_g(true).0),
        ("PTE_HUGE", page_table::HUGE),
        ("PTE_P", page_table::PRESENT),
        ("PTE_W", page_table::WRITE),
        ("PTE_HGLOBAL", page_table::HUGE_GLOBAL),
        ("PTE_NR", entry.with_nr(true).0),
        ("PTE_NX", entry.with_nx(true).0),
        ("PTE_RPLV", entry.with_rplv(true).0),
        ("PTE_NEW", page_table::PRESENT | coherent.0),
        ("PTE_RW", coherent.with_v(true).with_d(true).0),
        ("HPTW_EN", Pwch(0).with_hptw_en(true).0),
        ("TLBIDX_NE", TlbIdx(0).with_ne(true).0),
    ]
}

#[test]
fn fields_are_those_of_la_arch() {
    let fields = fields();
    compare(CSR, &fields);
    let behind = lines(CSR)
        .skip_while(|(name, _)| !name.starts_with("EXC_"))
        .filter(|(name, _)| !name.starts_with("EXC_"));
    for (name, _) in behind {
        assert!(
            fields.iter().any(|(known, _)| *known == name),
            "{name} of csr.inc is compared with nothing"
        );
    }
}

#[test]
fn root_registers_of_lvz_are_those_of_la_arch() {
    let capabilities = Gcfg(0)
        .with_matp(0xf)
        .with_topip(true)
        .with_totip(true)
        .with_toep(true)
        .with_topp(true)
        .with_tohup(true)
        .with_tocip(0xf)
        .with_gpmp(true);
    compare(
        LVZ,
        &[
            ("GSTAT_VM", Gstat(0).with_vm(true).0),
            ("GSTAT_PGM", Gstat(0).with_pgm(true).0),
            ("GTLBC_USETGID", Gtlbc(0).with_usetgid(true).0),
            ("GCFG_MATC", Gcfg(0).with_matc(3).0),
            ("GCFG_TOCI", Gcfg(0).with_toci(3).0),
            ("GCFG_CAPS", capabilities.0),
        ],
    );
}

#[test]
fn performance_counters_are_those_of_la_arch() {
    compare(
        COUNTERS,
        &[
            ("AT_PLV0", PerfCtrl(0).with_plv(1).0),
            ("AT_PLV1", PerfCtrl(0).with_plv(2).0),
            ("AT_PLV2", PerfCtrl(0).with_plv(4).0),
            ("AT_PLV3", PerfCtrl(0).with_plv(8).0),
            ("AT_ALL", PerfCtrl(0).with_plv(0xf).0),
            ("COUNTER_IE", PerfCtrl(0).with_ie(true).0),
        ],
    );
}

#[test]
fn interrupt_controllers_are_those_of_la_arch() {
    let eio = |offset| iocsr::EIOINTC_BASE + offset;
    compare(
        EXTERNAL,
        &[
            ("MISC_FUNC", iocsr::MISC_FUNC),
            ("EXT_IOI_EN", iocsr::EXT_IOI_EN),
            ("EIO_NODEMAP", eio(eiointc::NODETYPE)),
            ("EIO_IPMAP", eio(eiointc::IPMAP)),
            ("EIO_ENABLE", eio(eiointc::ENABLE)),
            ("EIO_BOUNCE", eio(eiointc::BOUNCE)),
            ("EIO_COREISR", eio(eiointc::COREISR)),
            ("EIO_ROUTE", eio(eiointc::COREMAP)),
            ("PIC_MASK", pch_pic::MASK),
            ("PIC_HTMSI_EN", pch_pic::HTMSI_EN),
            ("PIC_CLEAR", pch_pic::CLEAR),
            ("PIC_HTMSI_VECTOR", pch_pic::HTMSI_VECTOR),
            ("IS_UART", Interrupt::hwi(1).bit().into()),
        ],
    );
    let of_ipi = |offset| iocsr::IPI_BASE + offset;
    compare(
        SMP,
        &[
            ("IPI_STATUS", of_ipi(ipi::STATUS)),
            ("IPI_ENABLE", of_ipi(ipi::ENABLE)),
            ("IPI_SET", of_ipi(ipi::SET)),
            ("IPI_CLEAR", of_ipi(ipi::CLEAR)),
            ("IPI_MAILBOX", of_ipi(ipi::MAILBOX)),
            ("IPI_SEND", of_ipi(ipi::IPI_SEND)),
            ("MAIL_SEND", of_ipi(ipi::MAIL_SEND)),
        ],
    );
    compare(
        MESSAGE,
        &[
            ("NO_MESSAGE", MsgIr(0).with_null(true).0),
            ("IS_MESSAGE", Interrupt::AVEC.bit().into()),
            ("IOCSR_FEATURES", iocsr::FEATURES),
            ("IOCSR_MISC", iocsr::MISC_FUNC),
            ("AVEC_EN", iocsr::AVEC_EN),
        ],
    );
}
