// SPDX-License-Identifier: MIT

//! The table of control and status registers: what each is called, how KVM treats a
//! guest's, and where the run page and QEMU have it. Everything else that lists
//! registers is made from it; the simulator alone has a list of its own, and
//! `lvz-sim/tests/guest_csrs.rs` compares the two.

/// How KVM treats a register of a guest (`docs/lvz.md` 3; Linux: kvm/main.c
/// kvm_init_gcsr_flag).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The CPU has a copy for the guest, which changes only by the guest's own accesses
    /// and by exceptions in it: KVM moves it when the vCPU comes to a CPU or leaves one.
    Guest,
    /// As [`Class::Guest`], on a CPU that has message interrupts.
    Message,
    /// The CPU has a copy for the guest that changes by itself: ESTAT and the timer.
    Volatile,
    /// The CPU has a copy for the guest that never changes: KVM only reports it.
    Constant,
    /// The CPU has a copy for the guest that holds no state: it shows what another
    /// register holds (PGD), or only a write does something (TICLR).
    Stateless,
    /// In memory: KVM emulates each access of the guest.
    Software,
    /// A performance counter: in memory until KVM lends it to the guest.
    Counter,
    /// The hypervisor's own (LVZ): a guest has none.
    Root,
    /// None that KVM keeps: a guest reads zero.
    Absent,
}

/// A register, or an array of registers that have one name.
#[derive(Clone, Copy, Debug)]
pub struct Csr {
    /// Name of the first.
    pub name: &'static str,
    /// Number of the first.
    pub number: u16,
    /// Distance of each one's number from the first; `[0]` for a single register.
    pub elements: &'static [u16],
    /// How KVM treats it.
    pub class: Class,
    /// Place of the first in [`crate::sync_regs::CSRS`], of a counter in
    /// [`crate::sync_regs::COUNTER_CSRS`]; the others are as far behind as their
    /// numbers.
    pub page: Option<u16>,
    /// The member of QEMU's CPUSysState, if the backend exchanges it with KVM.
    pub qemu: Option<QemuField>,
}

/// A member of QEMU's CPUSysState (QEMU: target/loongarch/cpu.h), whose name is also
/// that of its entry in the migration tables (machine.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QemuField {
    /// As QEMU spells it.
    pub name: &'static str,
    /// Elements of an array.
    pub length: Option<usize>,
}

/// What is to be done with a register whose number must be a constant, because an
/// instruction encodes it.
pub trait Visitor {
    /// Does it with register `N`.
    fn visit<const N: u16>(&mut self);
}

macro_rules! csrs {
    ($(
        $(#[$doc:meta])*
        $name:ident = $number:literal $([$($element:literal)*])?, $class:ident
            $(, page $page:literal)? $(, qemu $field:ident $([$length:literal])?)?;
    )*) => {
        /// CSR numbers, by the manual's names (Volume 1, 7.1; Linux: asm/loongarch.h).
        pub mod number {
            $($(#[$doc])* pub const $name: u16 = $number;)*

            /// Name of the CSR `number`, if it has one of its own.
            pub const fn name(number: u16) -> Option<&'static str> {
                match number {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }

        /// The table, by number.
        pub const TABLE: &[Csr] = &[$(
            Csr {
                name: stringify!($name),
                number: $number,
                elements: csrs!(@elements $($($element)*)?),
                class: Class::$class,
                page: csrs!(@option $($page)?),
                qemu: csrs!(@qemu $($field $($length)?)?),
            },
        )*];

        /// Shows `visitor` all registers of `class`. With a constant class nothing but
        /// the visits is left of it.
        #[inline(always)]
        pub fn visit(class: Class, visitor: &mut impl Visitor) {
            $(if class == Class::$class {
                csrs!(@visit visitor $number $($($element)*)?);
            })*
        }
    };
    (@elements) => { &[0] };
    (@elements $($element:literal)*) => { &[$($element),*] };
    (@option) => { None };
    (@option $value:literal) => { Some($value) };
    (@qemu) => { None };
    (@qemu $field:ident $($length:literal)?) => {
        Some(QemuField { name: stringify!($field), length: csrs!(@option $($length)?) })
    };
    (@visit $visitor:ident $number:literal) => { $visitor.visit::<$number>() };
    (@visit $visitor:ident $number:literal $($element:literal)*) => {
        $($visitor.visit::<{ $number + $element }>();)*
    };
}

// Name, number and elements of an array; class; place in the run page, which both of
// its sides must agree about: a new register gets the next one; QEMU's member.
csrs! {
    /// Current mode information.
    CRMD = 0x0, Guest, page 0, qemu CSR_CRMD;
    /// Pre-exception mode information.
    PRMD = 0x1, Guest, page 1, qemu CSR_PRMD;
    /// Extended component unit enable.
    EUEN = 0x2, Guest, page 2, qemu CSR_EUEN;
    /// Miscellaneous controls.
    MISC = 0x3, Guest, page 3, qemu CSR_MISC;
    /// Exception configuration.
    ECFG = 0x4, Guest, page 4, qemu CSR_ECFG;
    /// Exception status.
    ESTAT = 0x5, Volatile, page 5, qemu CSR_ESTAT;
    /// Exception return address.
    ERA = 0x6, Guest, page 6, qemu CSR_ERA;
    /// Bad virtual address.
    BADV = 0x7, Guest, page 7, qemu CSR_BADV;
    /// Bad instruction.
    BADI = 0x8, Guest, page 8, qemu CSR_BADI;
    /// Exception entry address.
    EENTRY = 0xc, Guest, page 9, qemu CSR_EENTRY;
    /// TLB index.
    TLBIDX = 0x10, Guest, page 10, qemu CSR_TLBIDX;
    /// TLB entry high.
    TLBEHI = 0x11, Guest, page 11, qemu CSR_TLBEHI;
    /// TLB entry low, even page.
    TLBELO0 = 0x12, Guest, page 12, qemu CSR_TLBELO0;
    /// TLB entry low, odd page.
    TLBELO1 = 0x13, Guest, page 13, qemu CSR_TLBELO1;
    /// LVZ: guest TLB control.
    GTLBC = 0x15, Root;
    /// LVZ: guest information of the entry read by `tlbrd`.
    TRGP = 0x16, Root;
    /// Address space identifier.
    ASID = 0x18, Guest, page 14, qemu CSR_ASID;
    /// Page directory base, lower half of the address space.
    PGDL = 0x19, Guest, page 15, qemu CSR_PGDL;
    /// Page directory base, upper half.
    PGDH = 0x1a, Guest, page 16, qemu CSR_PGDH;
    /// Page directory base for the current bad address, read-only.
    PGD = 0x1b, Stateless, qemu CSR_PGD;
    /// Page walk control, lower levels.
    PWCL = 0x1c, Guest, page 17, qemu CSR_PWCL;
    /// Page walk control, upper levels.
    PWCH = 0x1d, Guest, page 18, qemu CSR_PWCH;
    /// Page size of the STLB.
    STLBPS = 0x1e, Guest, page 19, qemu CSR_STLBPS;
    /// Reduced virtual address configuration.
    RVACFG = 0x1f, Guest, page 20, qemu CSR_RVACFG;
    /// Processor identity.
    CPUID = 0x20, Guest, page 21, qemu CSR_CPUID;
    /// Privileged resource configuration 1.
    PRCFG1 = 0x21, Constant, page 22, qemu CSR_PRCFG1;
    /// Privileged resource configuration 2.
    PRCFG2 = 0x22, Constant, page 23, qemu CSR_PRCFG2;
    /// Privileged resource configuration 3.
    PRCFG3 = 0x23, Constant, page 24, qemu CSR_PRCFG3;
    /// Data save registers, of which guests have the first eight.
    SAVE0 = 0x30 [0 1 2 3 4 5 6 7], Guest, page 25, qemu CSR_SAVE[16];
    /// Timer identity.
    TID = 0x40, Guest, page 33, qemu CSR_TID;
    /// Timer configuration.
    TCFG = 0x41, Volatile, page 34, qemu CSR_TCFG;
    /// Timer value.
    TVAL = 0x42, Volatile, page 35, qemu CSR_TVAL;
    /// Counter compensation.
    CNTC = 0x43, Guest, page 36, qemu CSR_CNTC;
    /// Timer interrupt clear.
    TICLR = 0x44, Stateless, qemu CSR_TICLR;
    /// LVZ: guest status.
    GSTAT = 0x50, Root;
    /// LVZ: guest configuration.
    GCFG = 0x51, Root;
    /// LVZ: guest interrupt control.
    GINTC = 0x52, Root, page 52;
    /// LVZ: guest counter compensation.
    GCNTC = 0x53, Root;
    /// LL/SC bit control.
    LLBCTL = 0x60, Guest, page 37, qemu CSR_LLBCTL;
    /// Implementation-specific control 1.
    IMPCTL1 = 0x80, Software, page 50, qemu CSR_IMPCTL1;
    /// Implementation-specific control 2.
    IMPCTL2 = 0x81, Software, page 51, qemu CSR_IMPCTL2;
    /// TLB refill exception entry address.
    TLBRENTRY = 0x88, Guest, page 38, qemu CSR_TLBRENTRY;
    /// TLB refill bad virtual address.
    TLBRBADV = 0x89, Guest, page 39, qemu CSR_TLBRBADV;
    /// TLB refill exception return address.
    TLBRERA = 0x8a, Guest, page 40, qemu CSR_TLBRERA;
    /// TLB refill save register.
    TLBRSAVE = 0x8b, Guest, page 41, qemu CSR_TLBRSAVE;
    /// TLB refill entry low, even page.
    TLBRELO0 = 0x8c, Guest, page 42, qemu CSR_TLBRELO0;
    /// TLB refill entry low, odd page.
    TLBRELO1 = 0x8d, Guest, page 43, qemu CSR_TLBRELO1;
    /// TLB refill entry high.
    TLBREHI = 0x8e, Guest, page 44, qemu CSR_TLBREHI;
    /// TLB refill pre-exception mode.
    TLBRPRMD = 0x8f, Guest, page 45, qemu CSR_TLBRPRMD;
    /// Machine error control.
    MERRCTL = 0x90, Software;
    /// Machine error information 1.
    MERRINFO1 = 0x91, Software;
    /// Machine error information 2.
    MERRINFO2 = 0x92, Software;
    /// Machine error entry address.
    MERRENTRY = 0x93, Software;
    /// Machine error return address.
    MERRERA = 0x94, Software;
    /// Machine error save register.
    MERRSAVE = 0x95, Software;
    /// Cache tag.
    CTAG = 0x98, Software, page 53;
    /// Message interrupt status.
    MSGIS0 = 0xa0 [0 1 2 3], Message, qemu CSR_MSGIS[4];
    /// Message interrupt request.
    MSGIR = 0xa4, Absent;
    /// Message interrupt enable.
    MSGIE = 0xa5, Message, qemu CSR_MSGIE;
    /// Direct mapping windows.
    DMW0 = 0x180 [0 1 2 3], Guest, page 46, qemu CSR_DMW[4];
    /// Performance counter configurations, which alternate with the counters.
    PERFCTRL0 = 0x200 [0 2 4 6], Counter, page 0, qemu CSR_PERFCTRL[16];
    /// Performance counters.
    PERFCNTR0 = 0x201 [0 2 4 6], Counter, page 1, qemu CSR_PERFCNTR[16];
    /// Load/store watchpoint overall configuration.
    MWPC = 0x300, Software;
    /// Load/store watchpoint status.
    MWPS = 0x301, Software;
    /// Fetch watchpoint overall configuration.
    FWPC = 0x380, Software;
    /// Fetch watchpoint status.
    FWPS = 0x381, Software;
    /// Debug status.
    DBG = 0x500, Software;
    /// Debug exception return address.
    DERA = 0x501, Software;
    /// Debug save register.
    DSAVE = 0x502, Software;
}

/// Numbers below this can be a CSR's.
const NUMBERS: usize = crate::kvm::CSR_NUMBERS as usize;

static CLASSES: [Class; NUMBERS] = {
    let mut classes = [Class::Absent; NUMBERS];
    let mut row = 0;
    while row < TABLE.len() {
        let csr = &TABLE[row];
        let mut i = 0;
        while i < csr.elements.len() {
            let number = (csr.number + csr.elements[i]) as usize;
            assert!(
                matches!(classes[number], Class::Absent),
                "a CSR is in the table twice"
            );
            classes[number] = csr.class;
            i += 1;
        }
        row += 1;
    }
    classes
};

/// The class of the CSR `number`; [`Class::Absent`] for what is not in the table.
pub const fn class(number: u16) -> Class {
    if (number as usize) < NUMBERS {
        CLASSES[number as usize]
    } else {
        Class::Absent
    }
}
