// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `monitor tlb`: TLB entries, with whose they are.

use super::text::{line, number};
use crate::cpu::Cpu;
use crate::mmu::{Entry, Kind, STLB_SIZE, TLB_SIZE};
use la_arch::csr::TlbElo;

/// Which entries are wanted; what is not said does not matter.
#[derive(Default)]
struct Wanted {
    kinds: Vec<Kind>,
    gid: Option<u64>,
    va: Option<u64>,
}

/// The entries of which `words` speak.
pub(super) fn list(cpu: &Cpu, words: &[&str]) -> Result<String, String> {
    let mut wanted = Wanted::default();
    for word in words {
        match word.split_once('=') {
            None if *word == "host" => wanted.kinds.push(Kind::Host),
            None if *word == "stage1" => wanted.kinds.push(Kind::Stage1),
            None if *word == "stage2" => wanted.kinds.push(Kind::Stage2),
            Some(("gid", gid)) => wanted.gid = Some(number(gid)?),
            Some(("va", va)) => wanted.va = Some(number(va)?),
            _ => {
                return Err(format!(
                    "'{word}' is not host, stage1, stage2, gid=N or va=ADDRESS\n"
                ));
            }
        }
    }
    let text = those(cpu, |entry| {
        (wanted.kinds.is_empty() || wanted.kinds.contains(&entry.kind))
            && wanted.gid.is_none_or(|gid| gid == u64::from(entry.gid))
            && wanted.va.is_none_or(|va| entry.covers(va))
    });
    match text.is_empty() {
        true => Ok("no entries\n".to_owned()),
        false => Ok(text),
    }
}

/// The entries that `select` picks, a line each, and a heading.
pub(super) fn those(cpu: &Cpu, select: impl Fn(&Entry) -> bool) -> String {
    let mut text = String::new();
    for index in 0..TLB_SIZE {
        let entry = cpu.tlb.get(index).filter(|entry| entry.e && select(entry));
        let Some(entry) = entry else {
            continue;
        };
        if text.is_empty() {
            text.push_str(
                "index      kind   gid asid  G page  address            even, odd page\n",
            );
        }
        let part = match index < STLB_SIZE {
            true => "STLB",
            false => "MTLB",
        };
        let kind = match entry.kind {
            Kind::Host => "host",
            Kind::Stage1 => "stage1",
            Kind::Stage2 => "stage2",
        };
        // Where the pair begins; the address repeats its top bit.
        let pair = entry.vppn & u64::MAX.checked_shl(u32::from(entry.ps) + 1).unwrap_or(0);
        let va = (pair << 16) as i64 >> 16;
        let pages = entry.lo.map(|lo| page(TlbElo(lo)));
        line(
            &mut text,
            format_args!(
                "{part} {index:4}  {kind:6} {:3} {:#05x} {} 2^{:2}  {va:#018x} {}, {}",
                entry.gid,
                entry.asid,
                u8::from(entry.g),
                entry.ps,
                pages[0],
                pages[1],
            ),
        );
    }
    text
}

/// A page: its address and attributes.
fn page(page: TlbElo) -> String {
    if !page.v() {
        return "-".to_owned();
    }
    let mut text = format!(
        "{:#x} PLV{} MAT{}",
        page.ppn() << 12,
        page.plv(),
        page.mat()
    );
    let flags = [
        (page.d(), " D"),
        (page.nr(), " NR"),
        (page.nx(), " NX"),
        (page.rplv(), " RPLV"),
    ];
    for (_, name) in flags.iter().filter(|(set, _)| *set) {
        text.push_str(name);
    }
    text
}
