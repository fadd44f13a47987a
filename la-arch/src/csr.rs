// SPDX-License-Identifier: MIT

//! Control and status registers (Volume 1, chapter 7): numbers and fields.

use crate::register;

mod table;

pub use table::{class, number, visit, Class, Csr, QemuField, Visitor, TABLE};

register! {
    /// CRMD, current mode information (7.4.1).
    Crmd @ number::CRMD {
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
    Prmd @ number::PRMD {
        /// Privilege level before the exception.
        pplv / with_pplv: 1:0,
        /// Interrupt enable before the exception.
        pie / with_pie: 2,
        /// Watchpoint enable before the exception.
        pwe / with_pwe: 3,
    }
    /// EUEN, extended units (7.4.3).
    Euen @ number::EUEN {
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
    Misc @ number::MISC {
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
    /// PERFCTRL0 to 3, configuration of a performance counter (7.7; Linux:
    /// `asm/loongarch.h` CSR_PERFCTRL_*).
    PerfCtrl @ number::PERFCTRL0 {
        /// What is counted.
        event / with_event: 9:0,
        /// Counts at PLV0 to PLV3, a bit each.
        plv / with_plv: 19:16,
        /// An overflow (bit 63 of the counter) raises PMI.
        ie / with_ie: 20,
        /// A mode filter of hypervisors (`docs/lvz.md` R-20).
        gmod / with_gmod: 22:21,
    }
    /// ECFG (7.4.5).
    Ecfg @ number::ECFG {
        /// Local interrupt enables.
        lie / with_lie: 12:0,
        /// Enable of the message interrupt (Linux: ECFG0_IM).
        msgint / with_msgint: 14,
        /// Vector spacing: 2^VS instructions, 0 is one common entry.
        vs / with_vs: 18:16,
    }
    /// ESTAT (7.4.6).
    Estat @ number::ESTAT {
        /// Interrupt status.
        is / with_is: 14:0,
        /// Exception code.
        ecode / with_ecode: 21:16,
        /// Exception subcode.
        esubcode / with_esubcode: 30:22,
    }
    /// TLBIDX (7.5.1).
    TlbIdx @ number::TLBIDX {
        /// TLB index.
        index / with_index: 15:0,
        /// Page size, log2.
        ps / with_ps: 29:24,
        /// Entry does not exist.
        ne / with_ne: 31,
    }
    /// TLBEHI (7.5.2): virtual page pair number at bits 47:13.
    TlbEhi @ number::TLBEHI {
        /// Virtual page pair number (address bits 47:13).
        vppn / with_vppn: 47:13,
    }
    /// TLBELO0, TLBELO1, TLBRELO0, TLBRELO1 (7.5.3).
    TlbElo @ number::TLBELO0 {
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
    Asid @ number::ASID {
        /// Address space identifier.
        asid / with_asid: 9:0,
        /// Width of the identifier, read-only.
        asidbits / with_asidbits: 23:16,
    }
    /// PWCL (7.5.8).
    Pwcl @ number::PWCL {
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
        /// Entry width: n is 64 * (n + 1) bits.
        pte_width / with_pte_width: 31:30,
    }
    /// PWCH (7.5.9).
    Pwch @ number::PWCH {
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
    StlbPs @ number::STLBPS {
        /// Page size of all STLB entries, log2.
        ps / with_ps: 5:0,
    }
    /// RVACFG (7.5.11).
    RvaCfg @ number::RVACFG {
        /// Number of high address bits that are not used.
        rbits / with_rbits: 3:0,
    }
    /// TCFG (7.6.2).
    Tcfg @ number::TCFG {
        /// Enable.
        en / with_en: 0,
        /// The timer starts again when it has ended.
        periodic / with_periodic: 1,
        /// Initial value in units of four ticks.
        initval / with_initval: 47:2,
    }
    /// LLBCTL (7.4.16).
    Llbctl @ number::LLBCTL {
        /// The LL bit, read-only.
        rollb / with_rollb: 0,
        /// Write 1 to clear the LL bit.
        wcllb / with_wcllb: 1,
        /// The next `ertn` keeps the LL bit.
        klo / with_klo: 2,
    }
    /// TLBRERA (7.5.15).
    TlbrEra @ number::TLBRERA {
        /// A TLB refill exception is being handled.
        istlbr / with_istlbr: 0,
        /// Return address bits 63:2.
        pc / with_pc: 63:2,
    }
    /// TLBREHI (7.5.17).
    TlbrEhi @ number::TLBREHI {
        /// Page size, log2.
        ps / with_ps: 5:0,
        /// Virtual page pair number.
        vppn / with_vppn: 47:13,
    }
    /// TLBRPRMD (7.5.18); PGM is LVZ's (docs/lvz.md R-18).
    TlbrPrmd @ number::TLBRPRMD {
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
    MerrCtl @ number::MERRCTL {
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
        /// Memory access type of fetches before the error.
        pdatf / with_pdatf: 10:9,
        /// Memory access type of loads and stores before the error.
        pdatm / with_pdatm: 12:11,
    }
    /// MSGIR, the message interrupt that is due (6.2.4); reading takes it.
    MsgIr @ number::MSGIR {
        /// Its vector.
        intnum / with_intnum: 7:0,
        /// There is none.
        null / with_null: 31,
    }
    /// MSGIE (6.2.2).
    MsgIe @ number::MSGIE {
        /// The lowest vector that interrupts.
        pt / with_pt: 7:0,
    }
    /// DMW0 to DMW3 (7.5.19).
    Dmw @ number::DMW0 {
        /// Usable at PLV0 to PLV3.
        plv / with_plv: 3:0,
        /// Memory access type.
        mat / with_mat: 5:4,
        /// Virtual segment, address bits 63:60.
        vseg / with_vseg: 63:60,
    }
}
