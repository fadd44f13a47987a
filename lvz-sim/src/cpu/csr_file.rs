// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Storage of the CSR files of root and guest. [`Csrs::put`] is the only way to
//! change a register: it notes what is derived from it, and `Cpu::settle`
//! derives that anew before the next block.

use super::csr_numbers::{DMW3, WATCH_LAST};
use super::model::Model;
use super::watch_registers;
use crate::world::World;
use bitflags::bitflags;
use la_arch::csr::{
    Asid, Crmd, Ecfg, Estat, Euen, MerrCtl, Misc, Prmd, Pwch, Pwcl, RvaCfg, StlbPs, Tcfg, TlbrEra,
    TlbrPrmd, number,
};
use la_arch::lvz::{Gcfg, Gintc, Gstat, Gtlbc};

/// Registers are kept by number, as last written; what is computed on reading
/// (interrupt lines, PGD, TVAL, the LL bit) is in `csr_access`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct CsrFile {
    regs: Vec<u64>,
}

/// Numbers 0 to 0x502 (DSAVE).
const COUNT: usize = 0x503;

macro_rules! typed {
    ($($(#[$meta:meta])* $get:ident: $t:ty;)*) => {
        $(
            $(#[$meta])*
            #[inline(always)]
            pub(crate) fn $get(&self) -> $t {
                <$t>::from(self.raw(<$t>::NUMBER))
            }
        )*
    };
}

impl CsrFile {
    /// The values after reset: CRMD in direct mode, constants, all else zero.
    fn after_reset(model: &Model, id: usize) -> Self {
        let mut regs = vec![0; COUNT];
        let alcl = if model.has_ual() { 0 } else { 0xf };
        for (number, value) in [
            (number::CRMD, Crmd::default().with_da(true).0),
            (number::MISC, Misc::default().with_alcl(alcl).0),
            (number::ASID, Asid::default().with_asidbits(10).0),
            (number::STLBPS, StlbPs::default().with_ps(14).0),
            (number::CPUID, id as u64),
            (number::PRCFG1, model.prcfg1()),
            (number::PRCFG2, model.prcfg2()),
            (number::PRCFG3, model.prcfg3()),
        ] {
            regs[usize::from(number)] = value;
        }
        if model.has_watchpoints() {
            for n in [number::MWPC, number::FWPC] {
                regs[usize::from(n)] = watch_registers::after_reset(n);
            }
        }
        CsrFile { regs }
    }

    /// The stored value of register `n`, zero where there is none.
    #[inline(always)]
    pub(crate) fn raw(&self, n: u16) -> u64 {
        self.regs.get(n as usize).copied().unwrap_or(0)
    }

    /// The numbers of the registers that are stored otherwise in `other`.
    pub(crate) fn differing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u16> + 'a {
        let pairs = (0u16..).zip(self.regs.iter().zip(&other.regs));
        pairs.filter_map(|(number, (mine, theirs))| (mine != theirs).then_some(number))
    }

    typed! {
        crmd: Crmd;
        prmd: Prmd;
        euen: Euen;
        misc: Misc;
        ecfg: Ecfg;
        /// ESTAT as latched, without interrupt lines.
        estat: Estat;
        asid: Asid;
        pwcl: Pwcl;
        pwch: Pwch;
        stlbps: StlbPs;
        rvacfg: RvaCfg;
        tcfg: Tcfg;
        tlbrera: TlbrEra;
        tlbrprmd: TlbrPrmd;
        merrctl: MerrCtl;
        /// GTLBC; meaningful in the root file.
        gtlbc: Gtlbc;
        /// GSTAT; meaningful in the root file.
        gstat: Gstat;
        /// GCFG; meaningful in the root file.
        gcfg: Gcfg;
        /// GINTC; meaningful in the root file.
        gintc: Gintc;
    }

    /// Whether addresses are physical ones, without windows and TLB.
    #[inline(always)]
    pub(crate) fn direct(&self) -> bool {
        let crmd = self.crmd();
        crmd.da() || !crmd.pg()
    }
}

/// A typed register that can be stored by itself. TCFG is none: its timer is
/// loaded with it (`configure_timer`).
pub(crate) trait Register: Into<u64> {
    /// The CSR number.
    const NUMBER: u16;
}

macro_rules! registers {
    ($($t:ty)*) => { $(impl Register for $t { const NUMBER: u16 = <$t>::NUMBER; })* };
}
registers!(Asid Crmd Ecfg Estat Euen Misc MerrCtl Prmd Pwch Pwcl StlbPs TlbrEra TlbrPrmd Gcfg Gintc Gstat Gtlbc);

bitflags! {
    /// What is derived from CSRs and out of date.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Stale: u8 {
        /// Privilege level, width of addresses, gates, context.
        const MODE = 1 << 0;
        /// The number of root's windows, which is part of the context.
        const ROOT_WINDOWS = 1 << 1;
        /// The same of the guest's.
        const GUEST_WINDOWS = 1 << 2;
        /// Every translation that is cached: TLB look-ups give other results.
        const LOOKUPS = 1 << 3;
    }
}

impl Stale {
    pub(super) const fn windows(world: World) -> Self {
        match world {
            World::Root => Stale::ROOT_WINDOWS,
            World::Guest => Stale::GUEST_WINDOWS,
        }
    }
}

/// The fields of CRMD on which the mode depends. IE, which is off and on much
/// more often, is looked at where interrupts are.
const MODE_FIELDS: u64 = Crmd(0)
    .with_plv(3)
    .with_da(true)
    .with_pg(true)
    .with_we(true)
    .0;

/// What a change of the bits `changed` of register `number` makes out of date,
/// if the register is one after whose writes the engine must look up.
#[inline(always)]
const fn derived(world: World, number: u16, changed: u64) -> Option<Stale> {
    let stale = match number {
        number::ECFG | number::ESTAT | number::GINTC => return Some(Stale::empty()),
        number::CRMD if changed & MODE_FIELDS == 0 => return Some(Stale::empty()),
        number::CRMD
        | number::EUEN
        | number::ASID
        | number::GTLBC
        | number::GSTAT
        | number::GCFG => Stale::MODE,
        number::MWPS | number::FWPS => return None,
        number::MWPC..=WATCH_LAST => Stale::MODE,
        // The dirty check of stage 2 is root's (DWPL), but the context of a
        // guest has only the guest's windows.
        number::MISC if matches!(world, World::Root) => Stale::ROOT_WINDOWS.union(Stale::LOOKUPS),
        number::MISC | number::RVACFG | number::DMW0..=DMW3 => Stale::windows(world),
        number::STLBPS => Stale::LOOKUPS,
        _ => return None,
    };
    if changed == 0 {
        return Some(Stale::empty());
    }
    Some(stale)
}

/// The CSR files of root and guest, and which of them is in force.
#[derive(Debug)]
pub(super) struct Csrs {
    files: [CsrFile; 2],
    world: World,
    stale: Stale,
}

impl Csrs {
    /// After reset, in root mode.
    pub(super) fn after_reset(model: &Model, id: usize) -> Self {
        let mut files = [
            CsrFile::after_reset(model, id),
            CsrFile::after_reset(model, id),
        ];
        let gstat = Gstat::default().with_gidbit(model.gidbits());
        files[World::Root.index()].regs[usize::from(number::GCFG)] = model.gcfg_capabilities();
        files[World::Root.index()].regs[usize::from(number::GSTAT)] = gstat.0;
        Csrs {
            files,
            world: World::Root,
            stale: Stale::all(),
        }
    }

    /// The mode.
    #[inline(always)]
    pub(super) fn world(&self) -> World {
        self.world
    }

    /// The file of `world`.
    #[inline(always)]
    pub(super) fn file(&self, world: World) -> &CsrFile {
        &self.files[world.index()]
    }

    /// Stores a register of `world` as it is; whether the engine must look up.
    #[inline(always)]
    pub(super) fn put(&mut self, world: World, number: u16, value: u64) -> bool {
        let regs = &mut self.files[world.index()].regs;
        let Some(register) = regs.get_mut(usize::from(number)) else {
            return false;
        };
        let changed = std::mem::replace(register, value) ^ value;
        let Some(stale) = derived(world, number, changed) else {
            return false;
        };
        self.stale |= stale;
        true
    }

    /// Switches between root and guest mode.
    pub(super) fn switch_to(&mut self, world: World) {
        self.world = world;
        self.stale |= Stale::MODE;
    }

    /// The files and the mode of a snapshot.
    pub(super) fn restored(files: [CsrFile; 2], world: World) -> Self {
        Csrs {
            files,
            world,
            stale: Stale::all(),
        }
    }

    /// Whether nothing that is derived from them is out of date.
    #[inline(always)]
    pub(super) fn settled(&self) -> bool {
        self.stale.is_empty()
    }

    /// What is out of date; the caller renews it.
    pub(super) fn take_stale(&mut self) -> Stale {
        std::mem::replace(&mut self.stale, Stale::empty())
    }
}
