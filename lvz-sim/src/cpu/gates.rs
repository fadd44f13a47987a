// SPDX-License-Identifier: Apache-2.0 OR MIT

//! EUEN gating of floating point, vectors and binary translation, in guest mode twice
//! (`docs/lvz.md` F-1).

use super::{Cpu, Gate, Gates, Step, Stop};
use la_arch::Exception;

/// Where in a CPU the gate of floating point is; zero is open.
pub(crate) const FP_GATE_AT: usize = std::mem::offset_of!(Cpu, gates.fp);

/// Where that of LSX is.
pub(crate) const LSX_GATE_AT: usize = std::mem::offset_of!(Cpu, gates.lsx);

impl Cpu {
    /// The gates of the mode in force.
    pub(super) fn find_gates(&self) -> Gates {
        let root = self.root().euen();
        let own = self.csr().euen();
        let gate = |own: bool, root: bool| match (own, root || !self.in_guest()) {
            (false, _) => Gate::Disabled,
            (true, false) => Gate::DisabledByRoot,
            (true, true) => Gate::Open,
        };
        Gates {
            fp: gate(own.fpe(), root.fpe()),
            lsx: gate(own.sxe(), root.sxe()),
            lasx: gate(own.asxe(), root.asxe()),
            lbt: gate(own.bte(), root.bte()),
            // GCFG.TOPI has a guest's privileged instructions exit.
            privileged: gate(self.plv == 0, !self.root().gcfg().topi()),
        }
    }

    /// Checks that floating point is enabled (EUEN.FPE of the mode in force,
    /// and of root in guest mode), else raises FPD.
    #[inline(always)]
    pub(crate) fn require_fp(&mut self) -> Step {
        if self.gates.fp == Gate::Open {
            return Ok(());
        }
        Err(self.refuse(self.gates.fp, Exception::FPD))
    }

    /// The same for LSX (EUEN.SXE, SXD).
    #[inline(always)]
    pub(crate) fn require_lsx(&mut self) -> Step {
        if self.gates.lsx == Gate::Open {
            return Ok(());
        }
        Err(self.refuse(self.gates.lsx, Exception::SXD))
    }

    /// The same for LASX (EUEN.ASXE, ASXD).
    #[inline(always)]
    pub(crate) fn require_lasx(&mut self) -> Step {
        if self.gates.lasx == Gate::Open {
            return Ok(());
        }
        Err(self.refuse(self.gates.lasx, Exception::ASXD))
    }

    /// The same for binary translation (EUEN.BTE, BTD).
    #[inline(always)]
    pub(crate) fn require_lbt(&mut self) -> Step {
        if self.gates.lbt == Gate::Open {
            return Ok(());
        }
        Err(self.refuse(self.gates.lbt, Exception::BTD))
    }

    /// Checks that the CPU is at PLV0, else raises IPE; where root wants to see
    /// a guest's privileged instructions (GCFG.TOPI), raises GSPR.
    #[inline(always)]
    pub(crate) fn require_plv0(&mut self) -> Step {
        match self.gates.privileged {
            Gate::Open => Ok(()),
            Gate::Disabled => Err(self.raise(Exception::IPE)),
            Gate::DisabledByRoot => Err(self.raise_to_root(Exception::GSPR)),
        }
    }

    #[cold]
    fn refuse(&mut self, gate: Gate, exception: Exception) -> Stop {
        match gate {
            Gate::DisabledByRoot => self.raise_to_root(exception),
            _ => self.raise(exception),
        }
    }
}
