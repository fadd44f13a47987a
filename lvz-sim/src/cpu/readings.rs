// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `--lvz`: which reading of an open question about LVZ the machine follows
//! (`docs/lvz.md` section 12). The default is the reading that is safest for
//! software; each switch chooses another one that the evidence allows too.

use std::str::FromStr;

/// An `--lvz` argument that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadingError {
    /// Not a switch.
    #[error("unknown LVZ switch '{0}': docs/lvz.md 12 and `lvz-sim run --help` list them")]
    Name(String),
    /// Not a value of the switch.
    #[error("'{value}' is no value of LVZ switch {name}: it is {safe} or {other}")]
    Value {
        /// The switch that was named.
        name: &'static str,
        /// Neither of the two.
        value: String,
        /// The default.
        safe: &'static str,
        /// The other reading.
        other: &'static str,
    },
}

/// A switch between two readings.
#[derive(Debug)]
pub(super) struct Switch {
    /// The question that it answers.
    pub reading: Reading,
    /// What stands before the `=` in `--lvz`.
    pub name: &'static str,
    /// Value of the safe choice, which is the default.
    pub safe: &'static str,
    /// Value of the other reading.
    pub other: &'static str,
    /// Number of the question in `docs/lvz.md`.
    pub question: &'static str,
    /// What it decides, as `--help` says it.
    pub about: &'static str,
}

macro_rules! switches {
    ($($(#[$doc:meta])* $variant:ident: $question:literal $name:literal $safe:literal $other:literal $about:literal;)*) => {
        /// A question with two plausible answers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Reading {
            $($(#[$doc])* $variant,)*
        }

        /// Every switch, in the order of the questions.
        pub(super) const SWITCHES: &[Switch] = &[
            $(Switch {
                reading: Reading::$variant,
                name: $name,
                safe: $safe,
                other: $other,
                question: $question,
                about: $about,
            },)*
        ];
    };
}

switches! {
    /// A general exception in root records its (root) origin in GSTAT.PGM.
    RootExceptionPgm: "Q-1" "root-exception-pgm" "keep" "clear"
        "whether a general exception in root leaves GSTAT.PGM or clears it";
    /// A stage-2 refill out of guest mode leaves GSTAT.PGM as it is.
    RefillPgm: "Q-2" "refill-pgm" "set" "keep"
        "whether a stage-2 refill sets GSTAT.PGM, like other exits, or leaves it";
    /// The `ertn` that enters the guest clears GSTAT.PGM.
    EntryPgm: "Q-3" "entry-pgm" "keep" "clear"
        "whether entering the guest leaves GSTAT.PGM or clears it";
    /// A stage-2 entry matches only under root's ASID, unless it is global.
    Stage2Asid: "Q-4" "stage2-asid" "ignore" "match"
        "whether root's ASID and G take part in the stage-2 look-up";
    /// Root's mapped accesses use stage-2 entries while TGID is not 0.
    RootLookup: "Q-5" "root-lookup" "host" "tgid"
        "whose entries mapped accesses in root use while the GID of TLB instructions is not 0";
    /// PGD chooses by address bit 47, the top implemented one.
    PgdBit: "Q-6" "pgd-bit" "63" "47"
        "the bit of the bad address by which CSR.PGD is PGDL or PGDH";
    /// `hvcl` exits from every guest privilege level.
    HvclUser: "Q-8" "hvcl-user" "ipe" "exit"
        "what hvcl does at guest PLV1 to 3";
    /// `hvcl` in root is privileged before it is undefined.
    HvclRoot: "Q-9" "hvcl-root" "ine" "ipe"
        "the exception of hvcl at root PLV1 to 3";
    /// A line that GINTC.PIP passes to the guest is not root's.
    PipRoot: "Q-10" "pip-root" "shown" "hidden"
        "whether root's ESTAT still shows a line that GINTC.PIP passes to the guest";
    /// A falling line clears the VIP bit, where HC is set.
    HwicLine: "Q-10" "hwic-line" "inert" "clear"
        "whether the fall of a line clears its GINTC.VIP bit where HC is set (MIPS VZ)";
    /// Injecting hides root's line, where HC is set.
    HwicRoot: "Q-10" "hwic-root" "inert" "hide"
        "whether a VIP bit hides the line of that number in root where HC is set";
    /// `gcsrrd ESTAT` has no GINTC lines.
    GcsrEstat: "Q-11" "gcsr-estat" "lines" "latched"
        "whether gcsrrd ESTAT shows the lines of GINTC or only what is latched";
    /// Registers that do not exist read zero in guest mode.
    UndefinedCsr: "Q-12" "undefined-csr" "exit" "zero"
        "what a guest's access to a CSR that does not exist does";
    /// Watchpoint registers are the guest's own; it has no watchpoints.
    WatchCsr: "Q-13" "watch-csr" "exit" "guest"
        "whether watchpoint CSRs (0x300 to 0x3ff) exit or are the guest's own (none implemented)";
    /// SAVE8 to SAVE15 exist beyond what PRCFG1 says.
    Save8: "Q-14" "save8" "absent" "present"
        "whether SAVE8 to SAVE15 exist, in root and as guest CSRs";
    /// `gcsrxchg ESTAT` may lose a timer interrupt.
    EstatExchange: "Q-15" "estat-exchange" "atomic" "lossy"
        "whether gcsrxchg ESTAT can lose the TI of a timer that expires at the same time";
    /// The guest's TVAL stands at -1 after a one-shot.
    ShotTval: "Q-16" "shot-tval" "running" "frozen"
        "whether the guest's TVAL counts on after a one-shot or stands at 2^48-1";
    /// Guest `rdtime` does not have root's CNTC in it.
    RdtimeBase: "Q-17" "rdtime-base" "root" "raw"
        "whether guest rdtime counts from root's rdtime or from the raw counter, without root's CNTC";
    /// A guest exit clears the guest's LL bit.
    ExitLl: "Q-18" "exit-ll" "keep" "clear"
        "whether a guest exit leaves the guest's LL bit or clears it";
    /// GCFG offers the traps TOPI, TOTI and TOHU.
    GcfgTraps: "Q-21" "gcfg-traps" "absent" "present"
        "whether GCFG offers TOPI, TOTI and TOHU (TOP and TOE are never offered)";
    /// With TOCI = 2 a cache that does not exist exits.
    Toci2Cache: "Q-22" "toci2-cache" "any" "existing"
        "which caches Hit and Index-Writeback operations may name without an exit when TOCI is 2";
    /// `invtlb` operations above 6 are privileged in a guest.
    GuestInvtlb: "Q-24" "guest-invtlb" "ine" "ipe"
        "the guest's exception for invtlb operations above 6";
    /// What reset leaves in LVZ's state is not zero.
    ResetOnes: "Q-26" "reset" "zero" "ones"
        "what guest CSRs, GINTC, GCNTC and GSTAT.GID hold after reset";
    /// `idle` with an interrupt pending goes on without an exit.
    GuestIdle: "Q-30" "guest-idle" "exit" "unless-pending"
        "whether a guest's idle exits even while an enabled guest interrupt is pending";
    /// All bits of a table's base are part of its entries' addresses.
    WalkBase: "Q-31" "walk-base" "masked" "raw"
        "whether bits 11:0 of a page table's base are ignored or part of its entries' addresses";
    /// The TLB knows W, and a store is refused without a walk.
    WalkDirty: "Q-32" "walk-dirty" "tables" "entry"
        "where a store to a page with D=0 in the TLB finds out if it may be written, with the hardware walker";
    /// A stage-2 fault on a guest's table has the code of the guest's access.
    WalkFault: "Q-33" "walk-fault" "load" "access"
        "the code of a stage-2 fault on a table that a guest's hardware walk reads";
    /// The message interrupt has no mask in ECFG.
    MsgintMask: "Q-35" "msgint-mask" "ecfg" "none"
        "whether ECFG bit 14 masks the message interrupt or CRMD.IE alone does";
    /// A guest's ESTAT follows what root writes into its message interrupt registers.
    GuestMsgint: "Q-36" "guest-msgint" "latched" "derived"
        "whether bit 14 of a guest's ESTAT is what root wrote or what MSGIS and MSGIE give";
    /// A lent performance counter counts in root mode too.
    LentCounter: "Q-37" "lent-counter" "guest" "both"
        "the modes in which a counter counts that GCFG lends to the guest";
    /// A counter of root's does not count in guest mode.
    RootCounter: "Q-38" "root-counter" "both" "root"
        "the modes in which a counter counts that is not lent";
}

/// The readings of open questions about LVZ that a machine follows: all safe ones by default,
/// others with `"exit-ll=clear,hvcl-user=exit".parse()?`. The switches are in `docs/lvz.md` 12.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LvzReadings {
    /// A bit for each [`Reading`] whose other value holds.
    other: u32,
}

const _: () = assert!(SWITCHES.len() <= 32);

impl LvzReadings {
    /// Whether the other reading holds, not the safe one.
    #[doc(hidden)]
    #[inline(always)]
    pub fn other(self, reading: Reading) -> bool {
        self.other & 1 << reading as u8 != 0
    }

    /// With the other reading chosen.
    #[doc(hidden)]
    #[must_use]
    pub fn with_other(self, reading: Reading) -> Self {
        LvzReadings {
            other: self.other | 1 << reading as u8,
        }
    }
}

impl FromStr for LvzReadings {
    type Err = ReadingError;

    fn from_str(s: &str) -> Result<Self, ReadingError> {
        let mut readings = LvzReadings::default();
        for part in s.split(',').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let switch = SWITCHES
                .iter()
                .find(|switch| switch.name == name)
                .ok_or_else(|| ReadingError::Name(name.to_owned()))?;
            let bit = 1 << switch.reading as u8;
            if value == switch.other {
                readings.other |= bit;
            } else if value == switch.safe {
                readings.other &= !bit;
            } else {
                return Err(ReadingError::Value {
                    name: switch.name,
                    value: value.to_owned(),
                    safe: switch.safe,
                    other: switch.other,
                });
            }
        }
        Ok(readings)
    }
}

/// What `--help` says about `--lvz`.
pub fn help() -> String {
    let mut text = String::from(
        "Other readings of open questions about LVZ: NAME=VALUE, comma-separated. \
         The first value is the default; docs/lvz.md section 12 has the questions\n",
    );
    for switch in SWITCHES {
        text.push_str(&format!(
            "\n{}={}|{} ({}): {}",
            switch.name, switch.safe, switch.other, switch.question, switch.about
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_has_both_values() {
        for (i, switch) in SWITCHES.iter().enumerate() {
            assert_eq!(switch.reading as usize, i);
            let name = switch.name;
            let other: LvzReadings = format!("{name}={}", switch.other).parse().unwrap();
            assert!(other.other(switch.reading), "{name}");
            let safe: LvzReadings = format!("{name}={}", switch.safe).parse().unwrap();
            assert_eq!(safe, LvzReadings::default(), "{name}");
            assert_eq!(
                LvzReadings::default().with_other(switch.reading),
                other,
                "{name}"
            );
            assert_eq!(
                SWITCHES.iter().filter(|s| s.name == name).count(),
                1,
                "{name}"
            );
        }
    }

    #[test]
    fn lists_and_mistakes() {
        let two: LvzReadings = "entry-pgm=clear,hvcl-user=exit".parse().unwrap();
        assert!(two.other(Reading::EntryPgm) && two.other(Reading::HvclUser));
        assert!(!two.other(Reading::RefillPgm));
        // The last one counts.
        let last: LvzReadings = "entry-pgm=clear,entry-pgm=keep".parse().unwrap();
        assert_eq!(last, LvzReadings::default());
        assert_eq!(
            "frob=1".parse::<LvzReadings>(),
            Err(ReadingError::Name("frob".into()))
        );
        for text in ["entry-pgm=maybe", "entry-pgm"] {
            let error = text.parse::<LvzReadings>().unwrap_err().to_string();
            assert!(error.contains("keep or clear"), "{error}");
        }
    }
}
