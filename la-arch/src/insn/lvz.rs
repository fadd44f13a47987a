// SPDX-License-Identifier: MIT

//! Virtualization extension LVZ (`docs/lvz.md`).

encodings! {
    HVCL: "hvcl" = 0x002b8000, "Ud15";
    GCSRXCHG: "gcsrxchg" = 0x05000000, "DJUk14";
    GTLBCLR: "gtlbclr" = 0x06482001, "";
    GTLBFLUSH: "gtlbflush" = 0x06482401, "";
    GTLBSRCH: "gtlbsrch" = 0x06482801, "";
    GTLBRD: "gtlbrd" = 0x06482c01, "";
    GTLBWR: "gtlbwr" = 0x06483001, "";
    GTLBFILL: "gtlbfill" = 0x06483401, "";
}
