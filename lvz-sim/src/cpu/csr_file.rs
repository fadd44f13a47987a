// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Storage of one CSR file: root's or the guest's.

use super::Model;
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
            pub fn $get(&self) -> $t {
                <$t>::from(self.raw(<$t>::NUMBER))
            }
        )*
    };
}

impl CsrFile {
    /// The values after reset: CRMD in direct mode, constants, all else zero.
    pub fn after_reset(model: &Model, id: usize) -> Self {
        let mut file = CsrFile {
            regs: vec![0; COUNT],
        };
        file.put(Crmd::default().with_da(true));
        file.put(Asid::default().with_asidbits(10));
        file.put(StlbPs::default().with_ps(14));
        file.set_raw(number::CPUID, id as u64);
        file.set_raw(number::PRCFG1, model.prcfg1());
        file.set_raw(number::PRCFG2, model.prcfg2());
        file.set_raw(number::PRCFG3, model.prcfg3());
        file
    }

    /// Puts LVZ's capability fields in place; for the root file.
    pub(super) fn reset_lvz(&mut self, model: &Model) {
        self.set_raw(number::GCFG, model.gcfg_capabilities());
        self.put(Gstat::default().with_gidbit(model.gidbits()));
    }

    /// The stored value of register `n`, zero where there is none.
    #[inline(always)]
    pub fn raw(&self, n: u16) -> u64 {
        self.regs.get(n as usize).copied().unwrap_or(0)
    }

    /// Stores a value without any rule.
    #[inline(always)]
    pub fn set_raw(&mut self, n: u16, value: u64) {
        if let Some(r) = self.regs.get_mut(n as usize) {
            *r = value;
        }
    }

    /// Stores a typed register.
    #[inline(always)]
    pub fn put<T: Register>(&mut self, value: T) {
        self.set_raw(T::NUMBER, value.into());
    }

    typed! {
        /// CRMD.
        crmd: Crmd;
        /// PRMD.
        prmd: Prmd;
        /// EUEN.
        euen: Euen;
        /// MISC.
        misc: Misc;
        /// ECFG.
        ecfg: Ecfg;
        /// ESTAT as latched, without interrupt lines.
        estat: Estat;
        /// ASID.
        asid: Asid;
        /// PWCL.
        pwcl: Pwcl;
        /// PWCH.
        pwch: Pwch;
        /// STLBPS.
        stlbps: StlbPs;
        /// RVACFG.
        rvacfg: RvaCfg;
        /// TCFG.
        tcfg: Tcfg;
        /// TLBRERA.
        tlbrera: TlbrEra;
        /// TLBRPRMD.
        tlbrprmd: TlbrPrmd;
        /// MERRCTL.
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
}

/// A typed register that knows its number.
pub trait Register: Into<u64> {
    /// The CSR number.
    const NUMBER: u16;
}

macro_rules! registers {
    ($($t:ty)*) => { $(impl Register for $t { const NUMBER: u16 = <$t>::NUMBER; })* };
}
registers!(Asid Crmd Ecfg Estat Euen Misc MerrCtl Prmd Pwch Pwcl StlbPs Tcfg TlbrEra TlbrPrmd Gcfg Gintc Gstat Gtlbc);
