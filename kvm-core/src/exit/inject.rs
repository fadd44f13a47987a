// SPDX-License-Identifier: GPL-2.0

//! Giving the guest an exception, as its CPU would (Volume 1, 6.2.4; Linux:
//! kvm/interrupt.c _kvm_deliver_exception).

use crate::decode::{data_address, Gprs};
use la_arch::csr::{Crmd, Ecfg, Estat, Prmd};
use la_arch::Exception;

/// An exception to inject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Code and subcode.
    pub exception: Exception,
    /// The instruction, for BADI.
    pub badi: u32,
    /// The address, for BADV, of exceptions that have one.
    pub badv: Option<u64>,
}

impl Fault {
    /// The instruction `badi` does not exist.
    pub const fn instruction_non_existent(badi: u32) -> Self {
        Fault {
            exception: Exception::INE,
            badi,
            badv: None,
        }
    }

    /// The instruction `badi` is privileged.
    pub const fn instruction_privilege(badi: u32) -> Self {
        Fault {
            exception: Exception::IPE,
            badi,
            badv: None,
        }
    }

    /// A fetch from `pc` failed.
    pub const fn fetch_address(badi: u32, pc: u64) -> Self {
        Fault {
            exception: Exception::ADEF,
            badi,
            badv: Some(pc),
        }
    }

    /// The instruction `badi` accessed guest-virtual `address`, where nothing
    /// can be accessed.
    pub const fn data_address(badi: u32, address: u64) -> Self {
        Fault {
            exception: Exception::ADEM,
            badi,
            badv: Some(address),
        }
    }

    /// The instruction `badi` accessed guest-physical `gpa`, where it can
    /// access nothing. BADV gets the guest-virtual address that it names, if
    /// it can be told: upstream always shows the guest-physical one.
    pub const fn refused_access(badi: u32, gprs: &Gprs, gpa: u64) -> Self {
        match data_address(badi, gprs) {
            Some(address) => Self::data_address(badi, address),
            None => Self::data_address(badi, gpa),
        }
    }
}

/// The guest registers that an exception reads or writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceptionState {
    /// GCSR.CRMD.
    pub crmd: u64,
    /// GCSR.PRMD; only written.
    pub prmd: u64,
    /// GCSR.ECFG; only read.
    pub ecfg: u64,
    /// GCSR.ESTAT.
    pub estat: u64,
    /// GCSR.ERA; only written.
    pub era: u64,
    /// GCSR.BADV; written if the exception has an address.
    pub badv: u64,
    /// GCSR.BADI; only written.
    pub badi: u64,
    /// GCSR.EENTRY; only read.
    pub eentry: u64,
    /// The guest's pc: of the instruction that faults, then of the handler.
    pub pc: u64,
}

/// The registers after `fault` at `state`.
///
/// PRMD receives PLV, IE and WE at its own positions: upstream copies all of
/// CRMD, whose DA is where PRMD has PWE. ESTAT keeps its interrupts and
/// receives the code in its field: upstream puts the code over the interrupts
/// (`docs/lvz.md` 7.5).
pub const fn inject(state: ExceptionState, fault: &Fault) -> ExceptionState {
    let crmd = Crmd(state.crmd);
    let code = fault.exception.code as u64;
    let spacing = match Ecfg(state.ecfg).vs() {
        0 => 0,
        vs => 4 << vs,
    };
    ExceptionState {
        crmd: crmd.with_plv(0).with_ie(false).with_we(false).0,
        prmd: Prmd(0)
            .with_pplv(crmd.plv())
            .with_pie(crmd.ie())
            .with_pwe(crmd.we())
            .0,
        ecfg: state.ecfg,
        estat: Estat(state.estat)
            .with_ecode(code)
            .with_esubcode(fault.exception.sub as u64)
            .0,
        era: state.pc,
        badv: match fault.badv {
            Some(address) => address,
            None => state.badv,
        },
        badi: fault.badi as u64,
        eentry: state.eentry,
        pc: state.eentry.wrapping_add(code * spacing),
    }
}
