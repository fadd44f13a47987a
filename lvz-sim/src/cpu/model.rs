// SPDX-License-Identifier: Apache-2.0 OR MIT

//! CPU models and their switchable features: what CPUCFG and the
//! configuration CSRs say (Volume 1, 2.2.10.5 and 7.4.12 to 7.4.14; values of
//! the 3A5000 as its Linux port and QEMU's `la464` know it). `la664` is the core
//! of the 3A6000: la464 and what is new in it.

use super::features::{Feature, Features, names};
use super::{Group, LvzReadings, Reading};
use la_arch::cpucfg::word2;
use la_arch::csr::Euen;
use la_arch::lvz::Gcfg;
use std::str::FromStr;

/// The longest time in nanoseconds that an instruction can take.
pub(crate) const MAX_NS_PER_INSTRUCTION: u16 = 1000;

/// A `--cpu` argument that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelError {
    /// Not a model.
    #[error("unknown CPU model '{0}': known are la464, la664")]
    Model(String),
    /// Not a feature, or not on/off.
    #[error(
        "unknown CPU feature '{0}': known are {names}, lbt (=on or =off), gidbits=2..8",
        names = names()
    )]
    Feature(String),
}

/// The cores, by what CPUCFG.0 says (Linux: `cpu_probe_loongson`): their
/// features differ only in what is on if nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Series {
    /// LA464, of the 3A5000.
    La464,
    /// LA664, of the 3A6000.
    La664,
}

/// A CPU model with its features.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Model {
    series: Series,
    features: Features,
    gidbits: u8,
    readings: LvzReadings,
    ns_per_instruction: u16,
}

impl Default for Model {
    fn default() -> Self {
        Model {
            series: Series::La464,
            features: Features::la464(),
            gidbits: 8,
            readings: LvzReadings::default(),
            ns_per_instruction: 1,
        }
    }
}

impl FromStr for Model {
    type Err = ModelError;

    fn from_str(s: &str) -> Result<Self, ModelError> {
        let mut parts = s.split(',');
        let mut model = match parts.next().unwrap_or_default() {
            "la464" => Model::default(),
            "la664" => Model {
                series: Series::La664,
                features: Features::la664(),
                ..Model::default()
            },
            name => return Err(ModelError::Model(name.to_owned())),
        };
        for part in parts {
            let unknown = || ModelError::Feature(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(unknown)?;
            if name == "gidbits" {
                model.gidbits = value
                    .parse()
                    .ok()
                    .filter(|b| (2..=8).contains(b))
                    .ok_or_else(unknown)?;
                continue;
            }
            let on = match value {
                "on" => true,
                "off" => false,
                _ => return Err(unknown()),
            };
            if !model.features.switch(name, on) {
                return Err(unknown());
            }
        }
        Ok(model)
    }
}

impl Model {
    /// The same model with other readings of what is open about LVZ.
    #[doc(hidden)]
    #[must_use]
    pub fn with_readings(self, readings: LvzReadings) -> Self {
        Model { readings, ..self }
    }

    /// The readings of what is open about LVZ.
    #[inline(always)]
    pub fn readings(&self) -> LvzReadings {
        self.readings
    }

    /// The same model where each instruction takes so many nanoseconds, at least one.
    #[doc(hidden)]
    #[must_use]
    pub fn with_ns_per_instruction(self, ns: u16) -> Self {
        Model {
            ns_per_instruction: ns.max(1),
            ..self
        }
    }

    /// Nanoseconds that an instruction takes.
    pub fn ns_per_instruction(&self) -> u16 {
        self.ns_per_instruction
    }

    /// Whether the model has the instructions of a group that the bits `announced_by` of
    /// CPUCFG word 2 announce, if any do.
    pub(super) fn has_instructions(&self, group: Group, announced_by: u32) -> bool {
        (announced_by == 0 || self.features.announced(2) & announced_by != 0)
            && match group {
                Group::Lsx => self.features.has(Feature::Lsx),
                Group::Lasx => self.has_lasx(),
                Group::Lvz => self.has_lvz(),
                Group::Crc => self.features.has(Feature::Crc),
                _ => true,
            }
    }

    /// CPUCFG word `index`; words that do not exist read zero.
    pub fn cpucfg(&self, index: u64) -> u32 {
        let always = match index {
            // Vendor 0x14 Loongson; series 0xc0 LA464, revision 0x10; 0xd0 LA664.
            0 => match self.series {
                Series::La464 => 0x0014_c010,
                Series::La664 => 0x0014_d000,
            },
            // LA64, page MMU, IOCSR, PALEN and VALEN 48 bits, RI, EP, RPLV, huge pages.
            1 => 0x2 | 1 << 2 | 1 << 3 | 0x2f << 4 | 0x2f << 12 | 0xf << 21,
            // FP single and double, version 1; LLFTP version 1; LSPW; LAM.
            2 => 0x7 | 1 << 3 | 1 << 14 | 1 << 15 | 1 << 21 | 1 << 22,
            // CCDMA, UCACC, LLEXC, SCDLY, LLDBAR, ITLB and ICache coherent in
            // hardware, software walk of 4 levels with huge pages halved,
            // reduced virtual addresses by up to 8 bits (QEMU offers guests
            // RVA under KVM, so the host must have it).
            3 => {
                1 | 1 << 2
                    | 1 << 3
                    | 1 << 4
                    | 1 << 5
                    | 1 << 6
                    | 1 << 7
                    | 4 << 8
                    | 1 << 11
                    | 1 << 12
                    | 7 << 13
            }
            // Crystal frequency, and the ratio of the stable counter to it.
            4 => 100_000_000,
            5 => 1 << 16 | 1,
            // Cache hierarchy: L1 I and D 64 KiB, L2 256 KiB unified private,
            // L3 16 MiB unified inclusive.
            16 => 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 11 | 1 << 13,
            17 | 18 => 3 | 8 << 16 | 6 << 24,
            19 => 15 | 8 << 16 | 6 << 24,
            20 => 15 | 14 << 16 | 6 << 24,
            _ => 0,
        };
        // LASX without LSX is none.
        let lasx = if index == 2 && !self.has_lasx() {
            word2::LASX
        } else {
            0
        };
        always | self.features.announced(index) & !lasx
    }

    /// Whether it has LASX, which is nothing without LSX.
    pub fn has_lasx(&self) -> bool {
        self.features.has(Feature::Lasx) && self.features.has(Feature::Lsx)
    }

    /// Whether an instruction that writes less than a whole vector register leaves
    /// ones above its result. Otherwise it leaves what was there. QEMU clears it for
    /// vadd.b; what silicon does is not known here.
    pub fn spoils_upper(&self) -> bool {
        self.features.has(Feature::Spoil)
    }

    /// Whether it has the virtualization extension.
    pub fn has_lvz(&self) -> bool {
        self.features.has(Feature::Lvz)
    }

    /// Whether it has binary translation for any instruction set.
    pub fn has_lbt(&self) -> bool {
        self.cpucfg(2) & word2::LBT != 0
    }

    /// Whether it can walk page tables by itself.
    pub fn has_walker(&self) -> bool {
        self.features.has(Feature::Ptw)
    }

    /// Whether it has message interrupts.
    #[inline(always)]
    pub fn has_msgint(&self) -> bool {
        self.features.has(Feature::MsgInt)
    }

    /// Whether its chip sends messages to the cores.
    pub fn has_avec(&self) -> bool {
        self.has_msgint() && self.features.has(Feature::Avec)
    }

    /// Whether it has watchpoints.
    pub fn has_watchpoints(&self) -> bool {
        self.features.has(Feature::Watch)
    }

    /// Whether it has performance counters.
    pub fn has_counters(&self) -> bool {
        self.features.has(Feature::Pmu)
    }

    /// Whether it can lend them to a guest.
    pub fn lends_counters(&self) -> bool {
        self.has_lvz() && self.has_counters() && self.features.has(Feature::Gpmp)
    }

    /// Whether `frecipe` and `frsqrte` give the correctly rounded result instead of one
    /// within the manual's error.
    pub fn has_exact_estimates(&self) -> bool {
        self.features.has(Feature::Exact)
    }

    /// Whether loads and stores may be unaligned.
    pub fn has_ual(&self) -> bool {
        self.features.has(Feature::Ual)
    }

    /// GSTAT.GIDBIT, 2 to 8.
    pub fn gidbits(&self) -> u64 {
        match self.has_lvz() {
            true => u64::from(self.gidbits),
            false => 0,
        }
    }

    /// GCFG's read-only fields: every MATC and TOCI value; no optional trap
    /// unless the reading of Q-21 has those whose rules are known (`docs/lvz.md`
    ///
    pub fn gcfg_capabilities(&self) -> u64 {
        if !self.has_lvz() {
            return 0;
        }
        let traps = self.readings.other(Reading::GcfgTraps);
        Gcfg::default()
            .with_matp(0b111)
            .with_tocip(0b111)
            .with_topip(traps)
            .with_totip(traps)
            .with_tohup(traps)
            .with_gpmp(self.lends_counters())
            .0
    }

    /// The bits of EUEN that can be set.
    pub fn euen_mask(&self) -> u64 {
        Euen(0)
            .with_fpe(true)
            .with_sxe(self.features.has(Feature::Lsx))
            .with_asxe(self.has_lasx())
            .with_bte(self.has_lbt())
            .0
    }

    /// PRCFG1: 8 SAVE registers, 48 timer bits, vector spacing up to 2^7.
    pub fn prcfg1(&self) -> u64 {
        8 | 47 << 4 | 7 << 12
    }

    /// PRCFG2: page sizes 4 KiB to 512 MiB.
    pub fn prcfg2(&self) -> u64 {
        0x3fff_f000
    }

    /// PRCFG3: STLB and MTLB, 64 MTLB entries, 8 ways of 256 sets.
    pub fn prcfg3(&self) -> u64 {
        2 | 63 << 4 | 7 << 12 | 8 << 20
    }

    /// Whether pages of 2^`ps` bytes exist.
    pub fn has_page_size(&self, ps: u64) -> bool {
        ps < 64 && self.prcfg2() >> ps & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use la_arch::cpucfg::word1;

    #[test]
    fn features_can_be_switched() {
        let m: Model = "la464,lsx=off,gidbits=2".parse().unwrap();
        assert_eq!(m.cpucfg(2) >> 6 & 1, 0);
        assert_eq!(m.gidbits(), 2);
        let error = ModelError::Feature("lsx=maybe".into());
        assert_eq!("la464,lsx=maybe".parse::<Model>(), Err(error));
        let error = ModelError::Model("la364".into());
        assert_eq!("la364".parse::<Model>(), Err(error));
    }

    #[test]
    fn cpucfg_tells_each_feature() {
        let word2 = |name: &str| name.parse::<Model>().unwrap().cpucfg(2);
        for (feature, bits) in [
            ("lbt", word2::LBT),
            ("lbt_x86", word2::LBT_X86),
            ("lbt_arm", word2::LBT_ARM),
            ("lbt_mips", word2::LBT_MIPS),
            ("frecipe", word2::FRECIPE),
            ("div32", word2::DIV32),
            ("lam_bh", word2::LAM_BH),
            ("lamcas", word2::LAMCAS),
            ("llacq_screl", word2::LLACQ_SCREL),
            ("scq", word2::SCQ),
            ("ptw", word2::PTW),
        ] {
            assert_eq!(word2("la464") & bits, 0, "{feature}");
            assert_eq!(word2(&format!("la464,{feature}=on")) & bits, bits);
            let off = word2(&format!("la664,{feature}=off"));
            assert_eq!(off ^ word2("la664"), bits, "{feature}");
        }
        let bte = |name: &str| name.parse::<Model>().unwrap().euen_mask() >> 3;
        assert_eq!(
            (bte("la464"), bte("la664"), bte("la664,lbt=off")),
            (0, 1, 0)
        );
        assert_eq!(bte("la664,lbt_x86=off"), 1);
    }

    #[test]
    fn messages_need_the_core() {
        for (name, announced, avec) in [
            ("la464", 0, false),
            ("la464,avec=on", 0, false),
            ("la664", word1::MSGINT, false),
            ("la664,avec=on", word1::MSGINT, true),
            ("la664,avec=on,msgint=off", 0, false),
        ] {
            let model: Model = name.parse().unwrap();
            assert_eq!(model.cpucfg(1) & word1::MSGINT, announced, "{name}");
            assert_eq!(model.has_avec(), avec, "{name}");
        }
    }

    #[test]
    fn la664_has_lasx_unless_it_is_switched_off() {
        for (name, lasx) in [
            ("la464", 0),
            ("la464,lasx=on", 1),
            ("la664", 1),
            ("la664,lasx=off", 0),
            ("la664,lsx=off", 0),
        ] {
            let m: Model = name.parse().unwrap();
            assert_eq!(u64::from(m.cpucfg(2) >> 7 & 1), lasx, "{name}");
            assert_eq!(m.euen_mask() >> 2 & 1, lasx, "{name}");
            let series = if name.starts_with("la464") {
                0xc0
            } else {
                0xd0
            };
            assert_eq!(m.cpucfg(0) >> 8 & 0xff, series, "{name}");
        }
    }
}
