// SPDX-License-Identifier: GPL-2.0

//! CSR accesses of a guest and ONE_REG of user space.

use super::bytes::Bytes;
use kvm_core::cpucfg::{GuestCpucfg, Host};
use kvm_core::csr::{
    classify, emulate, get_estat, get_gintc, set_cpuid, set_estat, set_gintc, user_access, Class,
    CpuidChange, CsrFile, Emulated, PhysIdOwner, Status, UserCsr, GINTC_LINES,
};
use kvm_core::decode::{CsrAccess, CsrOp, Gpr};
use kvm_core::one_reg::{list, Intent, OneReg};
use la_arch::kvm::CPUCFG_WORDS;
use la_arch::lvz::Gintc;

/// A vCPU under a sequence of CSR instructions and register ioctls.
pub fn registers(data: &[u8]) {
    let mut bytes = Bytes(data);
    // A kernel need not use all that its CPU has.
    let host = Host {
        words: [bytes.word(); CPUCFG_WORDS],
        lsx: bytes.flag(),
        lasx: bytes.flag(),
        lbt_x86: bytes.flag(),
        lbt_arm: bytes.flag(),
        lbt_mips: bytes.flag(),
        ptw: bytes.flag(),
        msgint: bytes.flag(),
        pmp: bytes.flag(),
    };
    let mut cpucfg = GuestCpucfg::default();
    let mut file = CsrFile::new(bytes.byte().into());
    let mut status = Status::default();
    let mut gprs = [0; 32];
    let mut cpuid = None;
    while bytes.more() {
        match bytes.byte() % 5 {
            0 => {
                let rd = Gpr::new(bytes.word());
                rd.write(&mut gprs, bytes.long());
                let op = match bytes.byte() % 3 {
                    0 => CsrOp::Read,
                    1 => CsrOp::Write,
                    _ => CsrOp::Exchange {
                        mask: Gpr::new(bytes.word()),
                    },
                };
                let number = bytes.half() & 0x3fff;
                let access = CsrAccess { op, number, rd };
                let features = cpucfg.csr_features();
                let old = file.get(number);
                if emulate(&mut file, access, &mut gprs, features) == Emulated::Done {
                    let software = classify(number, features) == Class::Software;
                    assert!(
                        software || file.get(number) == old,
                        "{number:#x} was written"
                    );
                    let seen = if software && rd.number() != 0 { old } else { 0 };
                    assert_eq!(rd.read(&gprs), seen, "{number:#x}");
                }
                assert_eq!(gprs[0], 0);
            }
            1 => {
                let id = if bytes.flag() {
                    bytes.long()
                } else {
                    OneReg::Csr(bytes.half() % 0x800).id()
                };
                let intent = if bytes.flag() {
                    Intent::Get
                } else {
                    Intent::Set
                };
                let value = bytes.long();
                let Ok(found) = OneReg::open(id, intent, &cpucfg) else {
                    continue;
                };
                assert_eq!(found.id(), id);
                assert_eq!(OneReg::from_id(id), Ok(found));
                match found {
                    OneReg::Cpucfg(index)
                        if intent == Intent::Set && cpucfg.set(&host, index, value).is_ok() =>
                    {
                        assert_eq!(cpucfg.get(index).map(u64::from), Some(value));
                        // What is read can be set.
                        assert_eq!(cpucfg.set(&host, index, value), Ok(()));
                    }
                    OneReg::Csr(number) => {
                        let Ok(access) = user_access(number, cpucfg.csr_features()) else {
                            continue;
                        };
                        match access {
                            UserCsr::Estat => {
                                status = set_estat(status, value, cpucfg.msgint());
                                let seen = get_estat(status);
                                assert_eq!(seen & !value, 0, "bits that were not set");
                                assert_eq!(set_estat(status, seen, cpucfg.msgint()), status);
                            }
                            UserCsr::Gintc => {
                                status = set_gintc(status, value);
                                assert_eq!(get_gintc(status), value & GINTC_LINES);
                            }
                            UserCsr::Cpuid => {
                                let owner = match bytes.byte() % 3 {
                                    0 => PhysIdOwner::Nobody,
                                    1 => PhysIdOwner::This,
                                    _ => PhysIdOwner::Other,
                                };
                                let change = set_cpuid(cpuid, value, |_| owner);
                                if let Ok(CpuidChange::Assign(id)) = change {
                                    assert_eq!((cpuid, u64::from(id)), (None, value));
                                    cpuid = Some(id);
                                }
                            }
                            UserCsr::Plain(number) | UserCsr::Counter(number) => {
                                file.set(number, value);
                                assert_eq!(file.get(number), value);
                            }
                            UserCsr::Ignored => {}
                        }
                    }
                    _ => {}
                }
                // Physical lines are never passed to a guest.
                assert_eq!(Gintc(status.gintc).hwip() | Gintc(status.gintc).hwic(), 0);
            }
            2 => file.reset(bytes.byte().into()),
            3 => {
                for id in list(&cpucfg) {
                    assert!(OneReg::open(id, Intent::Get, &cpucfg).is_ok(), "{id:#x}");
                    assert!(OneReg::open(id, Intent::Set, &cpucfg).is_ok(), "{id:#x}");
                }
            }
            _ => {
                let number = bytes.half();
                let value = bytes.long();
                file.set(number, value);
                let kept = CsrFile::slot(number).is_some();
                assert_eq!(file.get(number), if kept { value } else { 0 });
            }
        }
    }
}
