// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The switchable features of a CPU: their names, where CPUCFG announces them, and
//! which models have them if nothing else is said.

use la_arch::cpucfg::{word1, word2, word3, word6};

/// Features by number, in a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Features(u32);

macro_rules! features {
    ($($(#[$meta:meta])* $id:ident = $name:literal, [$($word:literal: $bits:expr),*], $models:ident;)*) => {
        /// A switchable feature.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Feature {
            $($(#[$meta])* $id,)*
        }

        /// All of them.
        const TABLE: &[Row] = &[
            $(Row {
                feature: Feature::$id,
                name: $name,
                announced: &[$(($word, $bits)),*],
                models: Models::$models,
            },)*
        ];
    };
}

/// Which models have a feature unless it is switched off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Models {
    All,
    La664,
    None,
}

struct Row {
    feature: Feature,
    name: &'static str,
    /// Words of CPUCFG, and what a CPU with the feature has there.
    announced: &'static [(u64, u32)],
    models: Models,
}

features! {
    /// 128-bit vectors.
    Lsx = "lsx", [2: word2::LSX], All;
    /// 256-bit vectors, which are nothing without the others.
    Lasx = "lasx", [2: word2::LASX], La664;
    /// The virtualization extension, version 1.
    Lvz = "lvz", [2: word2::LVZ | 1 << 11], All;
    /// CRC instructions.
    Crc = "crc", [1: word1::CRC], All;
    /// Unaligned loads and stores.
    Ual = "ual", [1: word1::UAL], All;
    /// What LBT_X86 announces.
    LbtX86 = "lbt_x86", [2: word2::LBT_X86], La664;
    /// What LBT_ARM announces.
    LbtArm = "lbt_arm", [2: word2::LBT_ARM], La664;
    /// What LBT_MIPS announces.
    LbtMips = "lbt_mips", [2: word2::LBT_MIPS], La664;
    /// Approximate reciprocals.
    Frecipe = "frecipe", [2: word2::FRECIPE], La664;
    /// Division of words looks at words alone; it always does here.
    Div32 = "div32", [2: word2::DIV32], La664;
    /// Atomics on bytes and halfwords.
    LamBh = "lam_bh", [2: word2::LAM_BH], La664;
    /// Compare-and-swap.
    Lamcas = "lamcas", [2: word2::LAMCAS], La664;
    /// Load-linked with acquire, store-conditional with release.
    LlacqScrel = "llacq_screl", [2: word2::LLACQ_SCREL], La664;
    /// Store-conditional of a quadword.
    Scq = "scq", [2: word2::SCQ], La664;
    /// `dbar` has hints; each is a full barrier here.
    DbarHints = "dbar_hints", [3: word3::DBAR_HINTS], La664;
    /// The hardware page table walker.
    Ptw = "ptw", [2: word2::PTW], La664;
    /// Message interrupts of the core (3A6000; Linux: "Clarify 3 MSG interrupt features").
    MsgInt = "msgint", [1: word1::MSGINT], La664;
    /// The chip's part of them, which sends messages to cores (3C6000, not 3A6000);
    /// nothing without the core's.
    Avec = "avec", [], None;
    /// Watchpoints, which no word of CPUCFG announces.
    Watch = "watch", [], La664;
    /// Four performance counters of 64 bits, which user mode may be allowed to read.
    Pmu = "pmu", [6: word6::PMP | 3 << word6::PMNUM_SHIFT | word6::PMBITS | word6::UPM], La664;
    /// They can be lent to a guest (GCFG.GPMP).
    Gpmp = "gpmp", [], La664;
    /// Approximate reciprocals are the correctly rounded ones.
    Exact = "exact", [], None;
    /// An instruction that writes less than a whole vector register leaves ones above.
    Spoil = "spoil", [], None;
}

/// What a name of `--cpu` switches: a feature, or for `lbt` three.
fn named(name: &str) -> impl Iterator<Item = &'static Row> {
    let of_group = move |row: &&Row| name == "lbt" && row.name.starts_with("lbt_");
    TABLE
        .iter()
        .filter(move |row| row.name == name || of_group(row))
}

impl Features {
    /// Those of la464.
    pub(super) fn la464() -> Self {
        Self::of(|models| models == Models::All)
    }

    /// Those of la664.
    pub(super) fn la664() -> Self {
        Self::of(|models| models != Models::None)
    }

    fn of(wanted: impl Fn(Models) -> bool) -> Self {
        let mut features = Features(0);
        for row in TABLE.iter().filter(|row| wanted(row.models)) {
            features.set(row.feature, true);
        }
        features
    }

    fn set(&mut self, feature: Feature, on: bool) {
        let bit = 1 << feature as u32;
        self.0 = self.0 & !bit | if on { bit } else { 0 };
    }

    /// Whether the CPU has it.
    #[inline(always)]
    pub(super) fn has(self, feature: Feature) -> bool {
        self.0 >> feature as u32 & 1 != 0
    }

    /// Switches what `name` names; false if that is nothing.
    pub(super) fn switch(&mut self, name: &str, on: bool) -> bool {
        for row in named(name) {
            self.set(row.feature, on);
        }
        named(name).next().is_some()
    }

    /// What CPUCFG word `index` has because of them.
    pub(super) fn announced(self, index: u64) -> u32 {
        TABLE
            .iter()
            .filter(|row| self.has(row.feature))
            .flat_map(|row| row.announced)
            .filter(|(word, _)| *word == index)
            .fold(0, |bits, (_, more)| bits | more)
    }
}

/// Their names, for messages.
pub(super) fn names() -> String {
    let names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    names.join(", ")
}
