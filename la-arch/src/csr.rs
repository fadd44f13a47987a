// SPDX-License-Identifier: MIT

//! Control and status registers (Volume 1, chapter 7): numbers and fields.

use crate::register;

/// Registers with no fields worth a type, by number.
pub mod number {
    macro_rules! numbers {
        ($($(#[$meta:meta])* $name:ident = $number:literal;)*) => {
            $($(#[$meta])* pub const $name: u16 = $number;)*
            /// Name of the CSR `number`, if it has one.
            pub const fn name(number: u16) -> Option<&'static str> {
                match number {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        };
    }
    numbers! {
        /// Current mode information.
        CRMD = 0x0;
        /// Pre-exception mode information.
        PRMD = 0x1;
        /// Extended component unit enable.
        EUEN = 0x2;
        /// Miscellaneous controls.
        MISC = 0x3;
        /// Exception configuration.
        ECFG = 0x4;
        /// Exception status.
        ESTAT = 0x5;
        /// Exception return address.
        ERA = 0x6;
        /// Bad virtual address.
        BADV = 0x7;
        /// Bad instruction.
        BADI = 0x8;
        /// Exception entry address.
        EENTRY = 0xc;
        /// TLB index.
        TLBIDX = 0x10;
        /// TLB entry high.
        TLBEHI = 0x11;
        /// TLB entry low, even page.
        TLBELO0 = 0x12;
        /// TLB entry low, odd page.
        TLBELO1 = 0x13;
        /// LVZ: guest TLB control.
        GTLBC = 0x15;
        /// LVZ: guest information of the entry read by `tlbrd`.
        TRGP = 0x16;
        /// Address space identifier.
        ASID = 0x18;
        /// Page directory base, lower half of the address space.
        PGDL = 0x19;
        /// Page directory base, upper half.
        PGDH = 0x1a;
        /// Page directory base for the current bad address, read-only.
        PGD = 0x1b;
        /// Page walk control, lower levels.
        PWCL = 0x1c;
        /// Page walk control, upper levels.
        PWCH = 0x1d;
        /// Page size of the STLB.
        STLBPS = 0x1e;
        /// Reduced virtual address configuration.
        RVACFG = 0x1f;
        /// Processor identity.
        CPUID = 0x20;
        /// Privileged resource configuration 1.
        PRCFG1 = 0x21;
        /// Privileged resource configuration 2.
        PRCFG2 = 0x22;
        /// Privileged resource configuration 3.
        PRCFG3 = 0x23;
        /// First of the data save registers (0x30 to 0x3f).
        SAVE0 = 0x30;
        /// Timer identity.
        TID = 0x40;
        /// Timer configuration.
        TCFG = 0x41;
        /// Timer value.
        TVAL = 0x42;
        /// Counter compensation.
        CNTC = 0x43;
        /// Timer interrupt clear.
        TICLR = 0x44;
        /// LVZ: guest status.
        GSTAT = 0x50;
        /// LVZ: guest configuration.
        GCFG = 0x51;
        /// LVZ: guest interrupt control.
        GINTC = 0x52;
        /// LVZ: guest counter compensation.
        GCNTC = 0x53;
        /// LL/SC bit control.
        LLBCTL = 0x60;
        /// Implementation-specific control 1.
        IMPCTL1 = 0x80;
        /// Implementation-specific control 2.
        IMPCTL2 = 0x81;
        /// TLB refill exception entry address.
        TLBRENTRY = 0x88;
        /// TLB refill bad virtual address.
        TLBRBADV = 0x89;
        /// TLB refill exception return address.
        TLBRERA = 0x8a;
        /// TLB refill save register.
        TLBRSAVE = 0x8b;
        /// TLB refill entry low, even page.
        TLBRELO0 = 0x8c;
        /// TLB refill entry low, odd page.
        TLBRELO1 = 0x8d;
        /// TLB refill entry high.
        TLBREHI = 0x8e;
        /// TLB refill pre-exception mode.
        TLBRPRMD = 0x8f;
        /// Machine error control.
        MERRCTL = 0x90;
        /// Machine error information 1.
        MERRINFO1 = 0x91;
        /// Machine error information 2.
        MERRINFO2 = 0x92;
        /// Machine error entry address.
        MERRENTRY = 0x93;
        /// Machine error return address.
        MERRERA = 0x94;
        /// Machine error save register.
        MERRSAVE = 0x95;
        /// Cache tag.
        CTAG = 0x98;
        /// Message interrupt status 0 (to 3 at 0xa3).
        MSGIS0 = 0xa0;
        /// Message interrupt request.
        MSGIR = 0xa4;
        /// Message interrupt enable.
        MSGIE = 0xa5;
        /// First direct mapping window (to 3 at 0x183).
        DMW0 = 0x180;
        /// First performance counter configuration; configurations and
        /// counters alternate.
        PERFCTRL0 = 0x200;
        /// First performance counter.
        PERFCNTR0 = 0x201;
        /// Load/store watchpoint overall configuration.
        MWPC = 0x300;
        /// Load/store watchpoint status.
        MWPS = 0x301;
        /// Fetch watchpoint overall configuration.
        FWPC = 0x380;
        /// Fetch watchpoint status.
        FWPS = 0x381;
        /// Debug status.
        DBG = 0x500;
        /// Debug exception return address.
        DERA = 0x501;
        /// Debug save register.
        DSAVE = 0x502;
    }
}

register! {
    /// CRMD, current mode information (7.4.1).
    Crmd @ 0x0 {
        /// Privilege level, 0 to 3.
        plv / with_plv: 1:0,
        /// Global interrupt enable.
        ie / with_ie: 2,
        /// Direct address translation mode.
        da / with_da: 3,
        /// Mapped address translation mode.
        pg / with_pg: 4,
        /// Memory type of fetches in direct mode.
        datf / with_datf: 6:5,
        /// Memory type of loads and stores in direct mode.
        datm / with_datm: 8:7,
        /// Watchpoint enable.
        we / with_we: 9,
    }
    /// PRMD, mode before the exception (7.4.2). TLBRPRMD has the same fields
    /// at bits 1:0, 2 and 4 and, with LVZ, PGM at bit 3.
    Prmd @ 0x1 {
        /// Privilege level before the exception.
        pplv / with_pplv: 1:0,
        /// Interrupt enable before the exception.
        pie / with_pie: 2,
        /// Watchpoint enable before the exception.
        pwe / with_pwe: 3,
    }
    /// EUEN, extended units (7.4.3).
    Euen @ 0x2 {
        /// Floating point.
        fpe / with_fpe: 0,
        /// LSX.
        sxe / with_sxe: 1,
        /// LASX.
        asxe / with_asxe: 2,
        /// Binary translation.
        bte / with_bte: 3,
    }
    /// MISC (7.4.4).
    Misc @ 0x3 {
        /// 32-bit addresses at PLV0 to PLV3.
        va32l / with_va32l: 3:0,
        /// `rdtime` is privileged at PLV0 to PLV3 (bits 1 to 3 are meaningful).
        drdtl / with_drdtl: 7:4,
        /// Performance counters readable at PLV1 to PLV3.
        rpcntl / with_rpcntl: 11:8,
        /// Unaligned access raises ALE at PLV0 to PLV3.
        alcl / with_alcl: 15:12,
        /// Disable the dirty check at PLV0 to PLV2.
        dwpl / with_dwpl: 18:16,
    }
    /// ECFG (7.4.5).
    Ecfg @ 0x4 {
        /// Local interrupt enables.
        lie / with_lie: 12:0,
        /// Vector spacing: 2^VS instructions, 0 is one common entry.
        vs / with_vs: 18:16,
    }
    /// ESTAT (7.4.6).
    Estat @ 0x5 {
        /// Interrupt status.
        is / with_is: 14:0,
        /// Exception code.
        ecode / with_ecode: 21:16,
        /// Exception subcode.
        esubcode / with_esubcode: 30:22,
    }
    /// TLBIDX (7.5.1).
    TlbIdx @ 0x10 {
        /// TLB index.
        index / with_index: 15:0,
        /// Page size, log2.
        ps / with_ps: 29:24,
        /// Entry does not exist.
        ne / with_ne: 31,
    }
    /// TLBEHI (7.5.2): virtual page pair number at bits 47:13.
    TlbEhi @ 0x11 {
        /// Virtual page pair number (address bits 47:13).
        vppn / with_vppn: 47:13,
    }
    /// TLBELO0, TLBELO1, TLBRELO0, TLBRELO1 (7.5.3).
    TlbElo @ 0x12 {
        /// Valid.
        v / with_v: 0,
        /// Dirty: writable.
        d / with_d: 1,
        /// Privilege level.
        plv / with_plv: 3:2,
        /// Memory access type.
        mat / with_mat: 5:4,
        /// Global.
        g / with_g: 6,
        /// Physical page number (address bits 47:12).
        ppn / with_ppn: 47:12,
        /// No read.
        nr / with_nr: 61,
        /// No execute.
        nx / with_nx: 62,
        /// Only PLV equal to `plv` may access.
        rplv / with_rplv: 63,
    }
    /// ASID (7.5.4).
    Asid @ 0x18 {
        /// Address space identifier.
        asid / with_asid: 9:0,
        /// Width of the identifier, read-only.
        asidbits / with_asidbits: 23:16,
    }
    /// PWCL (7.5.8).
    Pwcl @ 0x1c {
        /// Lowest table: start bit of its index.
        pt_base / with_pt_base: 4:0,
        /// Lowest table: index width.
        pt_width / with_pt_width: 9:5,
        /// Directory 1: start bit.
        dir1_base / with_dir1_base: 14:10,
        /// Directory 1: width.
        dir1_width / with_dir1_width: 19:15,
        /// Directory 2: start bit.
        dir2_base / with_dir2_base: 24:20,
        /// Directory 2: width.
        dir2_width / with_dir2_width: 29:25,
        /// Entry width: 0 is 64 bits, n is 64 << n bits.
        pte_width / with_pte_width: 31:30,
    }
    /// PWCH (7.5.9).
    Pwch @ 0x1d {
        /// Directory 3: start bit.
        dir3_base / with_dir3_base: 5:0,
        /// Directory 3: width.
        dir3_width / with_dir3_width: 11:6,
        /// Directory 4: start bit.
        dir4_base / with_dir4_base: 17:12,
        /// Directory 4: width.
        dir4_width / with_dir4_width: 23:18,
        /// Hardware page table walker enable.
        hptw_en / with_hptw_en: 24,
    }
    /// STLBPS (7.5.10).
    StlbPs @ 0x1e {
        /// Page size of all STLB entries, log2.
        ps / with_ps: 5:0,
    }
    /// RVACFG (7.5.11).
    RvaCfg @ 0x1f {
        /// Number of high address bits that are not used.
        rbits / with_rbits: 3:0,
    }
    /// TCFG (7.6.2).
    Tcfg @ 0x41 {
        /// Enable.
        en / with_en: 0,
        /// Periodic.
        periodic / with_periodic: 1,
        /// Initial value in units of four ticks.
        initval / with_initval: 47:2,
    }
    /// LLBCTL (7.4.16).
    Llbctl @ 0x60 {
        /// The LL bit, read-only.
        rollb / with_rollb: 0,
        /// Write 1 to clear the LL bit.
        wcllb / with_wcllb: 1,
        /// The next `ertn` keeps the LL bit.
        klo / with_klo: 2,
    }
    /// TLBRERA (7.5.15).
    TlbrEra @ 0x8a {
        /// A TLB refill exception is being handled.
        istlbr / with_istlbr: 0,
        /// Return address bits 63:2.
        pc / with_pc: 63:2,
    }
    /// TLBREHI (7.5.17).
    TlbrEhi @ 0x8e {
        /// Page size, log2.
        ps / with_ps: 5:0,
        /// Virtual page pair number.
        vppn / with_vppn: 47:13,
    }
    /// TLBRPRMD (7.5.18); PGM is LVZ's (docs/lvz.md R-18).
    TlbrPrmd @ 0x8f {
        /// Privilege level before the refill.
        pplv / with_pplv: 1:0,
        /// Interrupt enable before the refill.
        pie / with_pie: 2,
        /// The refill interrupted guest mode.
        pgm / with_pgm: 3,
        /// Watchpoint enable before the refill.
        pwe / with_pwe: 4,
    }
    /// MERRCTL (7.7.1).
    MerrCtl @ 0x90 {
        /// A machine error is being handled.
        ismerr / with_ismerr: 0,
        /// Repaired by hardware.
        repairable / with_repairable: 1,
        /// Privilege level before the error.
        pplv / with_pplv: 3:2,
        /// Interrupt enable before the error.
        pie / with_pie: 4,
        /// The error interrupted guest mode (LVZ).
        pgm / with_pgm: 5,
        /// Watchpoint enable before the error.
        pwe / with_pwe: 6,
        /// Direct mode before the error.
        pda / with_pda: 7,
        /// Mapped mode before the error.
        ppg / with_ppg: 8,
    }
    /// DMW0 to DMW3 (7.5.19).
    Dmw @ 0x180 {
        /// Usable at PLV0 to PLV3.
        plv / with_plv: 3:0,
        /// Memory access type.
        mat / with_mat: 5:4,
        /// Virtual segment, address bits 63:60.
        vseg / with_vseg: 63:60,
    }
}
