// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What `monitor` says of a machine whose TLB and CSRs are known.

use super::client::{Client, debug, register};
use super::machines::{CODE, DATA, machine_of};
use crate::cpu::Model;
use la_arch::csr::{Crmd, TlbElo, TlbIdx};
use la_arch::insn::{lvz::GTLBWR, privileged::TLBWR};
use la_arch::lvz::{Gstat, Gtlbc};

/// Where the test has its instructions.
const AT: u64 = 0x2000;

/// What all commands are about.
struct Known<'a> {
    gdb: &'a mut Client,
    model: Model,
}

impl Known<'_> {
    fn set(&mut self, name: &str, value: u64) {
        let number = register(&self.model, name);
        self.gdb.write_register(1, number, value);
    }

    /// Has root write TLB entry `index`: with a GID of a guest's stage 2, or by `gtlbwr` of its
    /// stage 1.
    fn write(&mut self, entry: &Entry) {
        let (prefix, encoding) = match entry.stage1 {
            true => ("gcsr", GTLBWR),
            false => ("csr", TLBWR),
        };
        let gtlbc = Gtlbc(0).with_usetgid(true).with_tgid(entry.gid);
        self.set("csr_gtlbc", gtlbc.0);
        let index = TlbIdx(0).with_index(entry.index).with_ps(entry.ps);
        for (name, value) in [
            ("tlbidx", index.0),
            ("tlbehi", entry.address),
            ("tlbelo0", entry.pages[0].0),
            ("tlbelo1", entry.pages[1].0),
            ("asid", entry.asid),
        ] {
            self.set(&format!("{prefix}_{name}"), value);
        }
        let word = encoding.bits.swap_bytes();
        self.gdb.check(&format!("M{AT:x},4:{word:08x}"));
        self.set("pc", AT);
        self.gdb.ask("vCont;s:1");
        let pc = register(&self.model, "pc");
        assert_eq!(self.gdb.register(1, pc), AT + 4);
    }

    /// The TLB entries that `words` pick, without the heading.
    fn entries(&mut self, words: &str) -> Vec<String> {
        let text = self.gdb.monitor(&format!("tlb {words}"));
        if text == "no entries\n" {
            return Vec::new();
        }
        let mut lines = text.lines().map(str::to_owned);
        assert_eq!(lines.next().as_deref(), Some(HEADING), "{words}");
        lines.collect()
    }
}

const HEADING: &str = "index      kind   gid asid  G page  address            even, odd page";

struct Entry {
    index: u64,
    stage1: bool,
    gid: u64,
    asid: u64,
    ps: u64,
    address: u64,
    pages: [TlbElo; 2],
}

/// A valid page.
fn page(address: u64) -> TlbElo {
    let page = TlbElo(0).with_v(true).with_ppn(address >> 12);
    page.with_mat(1).with_plv(3)
}

/// A small page of the host; large ones of two guests' physical addresses, the second's at an
/// address inside of its page, and over the first's; a global pair of virtual addresses.
fn known() -> [Entry; 4] {
    let guest = |index, stage1, gid, asid, ps, address, pages| Entry {
        index,
        stage1,
        gid,
        asid,
        ps,
        address,
        pages,
    };
    [
        guest(
            2050,
            false,
            0,
            0x2a,
            14,
            0x12_3400_0000,
            [page(0x5_0000).with_d(true), TlbElo(0)],
        ),
        guest(
            2051,
            false,
            3,
            0x2a,
            21,
            0x40_0000,
            [page(0x60_0000).with_d(true), page(0x80_0000).with_nx(true)],
        ),
        guest(
            2052,
            true,
            3,
            7,
            12,
            0xffff_8000_0000_2000,
            [
                page(0x40_2000).with_g(true).with_d(true),
                page(0x40_9000).with_g(true).with_nr(true).with_rplv(true),
            ],
        ),
        guest(
            2053,
            false,
            4,
            0,
            24,
            0x75_2000,
            [page(0x100_0000), page(0x200_0000)],
        ),
    ]
}

const LINES: [&str; 4] = [
    "MTLB 2050  host     0 0x02a 0 2^14  0x0000001234000000 0x50000 PLV3 MAT1 D, -",
    "MTLB 2051  stage2   3 0x02a 0 2^21  0x0000000000400000 0x600000 PLV3 MAT1 D, \
     0x800000 PLV3 MAT1 NX",
    "MTLB 2052  stage1   3 0x007 1 2^12  0xffff800000002000 0x402000 PLV3 MAT1 D, \
     0x409000 PLV3 MAT1 NR RPLV",
    // Where the pair begins.
    "MTLB 2053  stage2   4 0x000 0 2^24  0x0000000000000000 0x1000000 PLV3 MAT1, \
     0x2000000 PLV3 MAT1",
];

/// Has `asks` debug a machine with the TLB entries that are known.
fn with_entries(asks: impl FnOnce(&mut Known<'_>) + Send) {
    let mut machine = machine_of(Model::default(), 1);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let model = Model::default();
        let mut known = Known { gdb, model };
        for entry in &self::known() {
            known.write(entry);
        }
        asks(&mut known);
    });
}

#[test]
fn tlb_entries_are_shown_as_they_were_written() {
    with_entries(|known| {
        assert_eq!(known.entries(""), LINES);
        for (words, which) in [
            ("host", &[0][..]),
            ("stage1", &[2]),
            ("stage2", &[1, 3]),
            ("host stage1", &[0, 2]),
            ("gid=0", &[0]),
            ("gid=3", &[1, 2]),
            ("gid=0x4", &[3]),
            ("gid=5", &[]),
            ("stage2 gid=3", &[1]),
            ("stage1 gid=4", &[]),
            // Both pages of a pair, the last byte too, and nothing beside it.
            ("va=0x1234007fff", &[0]),
            ("va=0x1234008000", &[]),
            ("va=0x7fffff", &[1, 3]),
            ("va=0x3fffff", &[3]),
            ("va=0x1ffffff gid=4", &[3]),
            ("va=0x2000000", &[]),
            ("va=0xffff800000003000", &[2]),
            ("stage1 va=0x400000", &[]),
        ] {
            let expected: Vec<&str> = which.iter().map(|at| LINES[*at]).collect();
            assert_eq!(known.entries(words), expected, "{words}");
        }
        for bad in ["stage3", "gid=x", "gid", "va=", "asid=3"] {
            let answer = known.gdb.monitor(&format!("tlb {bad}"));
            assert_eq!(answer.lines().count(), 1, "{bad}: {answer}");
            assert!(answer.contains("not"), "{bad}: {answer}");
        }
    });
}

#[test]
fn addresses_are_translated_through_the_stages() {
    with_entries(|known| {
        let mapped = Crmd::default().with_da(false).with_pg(true);
        known.set("csr_crmd", mapped.0);
        known.set("gcsr_crmd", mapped.0);
        known.set("csr_gstat", Gstat(0).with_gid(3).0);
        known.set("csr_asid", 0x2a);
        let lines = |which: &[usize]| -> String {
            let lines = which.iter().map(|at| format!("{}\n", LINES[*at]));
            lines.collect()
        };
        let host = format!("physical 0x50010\n{HEADING}\n{}", lines(&[0]));
        assert_eq!(known.gdb.monitor("translate 0x1234000010"), host);
        let both = format!(
            "guest physical 0x402018\nphysical 0x602018\n{HEADING}\n{}",
            lines(&[1, 2])
        );
        assert_eq!(known.gdb.monitor("translate 0xfd02800000002018"), both);
        let gpa = known.gdb.monitor("translate 0x0d03000000600004");
        assert_eq!(gpa, "physical 0x800004\n");
        // The odd page of the host's pair is not valid.
        let none = known.gdb.monitor("translate 0x1234004000");
        assert!(none.starts_with("physical none\n"), "{none}");
    });
}

#[test]
fn csrs_are_those_of_their_mode() {
    let model: Model = "la664".parse().expect("a model");
    let mut machine = machine_of(model.clone(), 2);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let mut known = Known { gdb, model };
        for (name, value) in [
            ("csr_save2", 0x55),
            ("gcsr_save2", 0x99),
            ("csr_mwp0cfg1", 0x1234_5678),
            ("csr_mwp7cfg3", 0x302),
            ("csr_fwp3cfg4", 0x3f),
        ] {
            known.set(name, value);
        }
        for (command, answer) in [
            ("csr save2", "csr_save2        0x032 0x55\n"),
            ("gcsr SAVE2", "gcsr_save2       0x032 0x99\n"),
            ("cpu1 csr save2", "csr_save2        0x032 0x0\n"),
            ("csr mwp0cfg1", "csr_mwp0cfg1     0x310 0x12345678\n"),
            ("csr mwp7cfg3", "csr_mwp7cfg3     0x34a 0x302\n"),
            ("csr fwp3cfg4", "csr_fwp3cfg4     0x3ab 0x3f\n"),
            ("gcsr mwp0cfg1", "gcsr_mwp0cfg1    0x310 0x0\n"),
            // A guest has no hypervisor's registers.
            ("csr gstat", "csr_gstat        0x050 0x80\n"),
            ("gcsr gstat", "no CSR has 'gstat' in its name\n"),
        ] {
            assert_eq!(known.gdb.monitor(command), answer, "{command}");
        }
        let all = known.gdb.monitor("csr");
        assert!(all.lines().all(|line| line.starts_with("csr_")), "{all}");
        // Eight of each kind, with four registers.
        let watchpoints = all
            .lines()
            .filter(|line| line.contains("wp") && line.contains("cfg"));
        assert_eq!(watchpoints.count(), 2 * 8 * 4);
    });
}

#[test]
fn history_says_how_far_it_goes() {
    let mut machine = machine_of(Model::default(), 1);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let begins = gdb.monitor("history");
        assert_eq!(begins, "it begins when the machine goes on\n");
        gdb.check(&format!("Z0,{:x},4", CODE + 12));
        gdb.ask("vCont;c");
        let said = |changes: u64| {
            format!("back to instruction 0, by 1 checkpoints; {changes} changes by the debugger\n")
        };
        assert_eq!(gdb.monitor("history"), said(0));
        gdb.write_register(1, 8, 1);
        assert_eq!(gdb.monitor("history"), said(1));
        assert!(gdb.ask("bs").starts_with("T05"));
        assert_eq!(gdb.monitor("history"), said(1));
    });
}

#[test]
fn spaces_are_as_they_are_said_to_be() {
    let mut machine = machine_of(Model::default(), 1);
    debug(&mut machine, Vec::new(), |gdb| {
        gdb.ask("?");
        let text = gdb.monitor("spaces");
        let tags = ["0xd01", "0xd02", "0xd03", "0xd04"];
        assert!(tags.iter().all(|tag| text.contains(tag)), "{text}");
        // Its example of a physical address, moved to where memory is known.
        assert!(text.contains("0xd04000000200000 is physical"), "{text}");
        gdb.check(&format!("M{DATA:x},4:78563412"));
        assert_eq!(gdb.ask(&format!("md04{DATA:012x},4")), "78563412");
        let physical = gdb.monitor(&format!("phys {DATA:#x} 4"));
        assert_eq!(physical, "0x000000008000  78 56 34 12\n");
    });
}
