// SPDX-License-Identifier: MIT

//! Privileged instructions (Volume 1, chapter 4).

encodings! {
    CSRXCHG: "csrxchg" = 0x04000000, "DJUk14";
    CACOP: "cacop" = 0x06000000, "JUd5Sk12";
    LDDIR: "lddir" = 0x06400000, "DJUk8";
    LDPTE: "ldpte" = 0x06440000, "JUk8";
    IOCSRRD_B: "iocsrrd.b" = 0x06480000, "DJ";
    IOCSRRD_H: "iocsrrd.h" = 0x06480400, "DJ";
    IOCSRRD_W: "iocsrrd.w" = 0x06480800, "DJ";
    IOCSRRD_D: "iocsrrd.d" = 0x06480c00, "DJ";
    IOCSRWR_B: "iocsrwr.b" = 0x06481000, "DJ";
    IOCSRWR_H: "iocsrwr.h" = 0x06481400, "DJ";
    IOCSRWR_W: "iocsrwr.w" = 0x06481800, "DJ";
    IOCSRWR_D: "iocsrwr.d" = 0x06481c00, "DJ";
    TLBCLR: "tlbclr" = 0x06482000, "";
    TLBFLUSH: "tlbflush" = 0x06482400, "";
    TLBSRCH: "tlbsrch" = 0x06482800, "";
    TLBRD: "tlbrd" = 0x06482c00, "";
    TLBWR: "tlbwr" = 0x06483000, "";
    TLBFILL: "tlbfill" = 0x06483400, "";
    ERTN: "ertn" = 0x06483800, "";
    IDLE: "idle" = 0x06488000, "Ud15";
    INVTLB: "invtlb" = 0x06498000, "JKUd5";
}
