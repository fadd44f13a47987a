// SPDX-License-Identifier: MIT

//! Bound-checking loads and stores (Volume 1, 2.2.9 and 3.2.6).

encodings! {
    ASRTLE_D: "asrtle.d" = 0x00010000, "JK";
    ASRTGT_D: "asrtgt.d" = 0x00018000, "JK";
    FLDGT_S: "fldgt.s" = 0x38740000, "FdJK";
    FLDGT_D: "fldgt.d" = 0x38748000, "FdJK";
    FLDLE_S: "fldle.s" = 0x38750000, "FdJK";
    FLDLE_D: "fldle.d" = 0x38758000, "FdJK";
    FSTGT_S: "fstgt.s" = 0x38760000, "FdJK";
    FSTGT_D: "fstgt.d" = 0x38768000, "FdJK";
    FSTLE_S: "fstle.s" = 0x38770000, "FdJK";
    FSTLE_D: "fstle.d" = 0x38778000, "FdJK";
    LDGT_B: "ldgt.b" = 0x38780000, "DJK";
    LDGT_H: "ldgt.h" = 0x38788000, "DJK";
    LDGT_W: "ldgt.w" = 0x38790000, "DJK";
    LDGT_D: "ldgt.d" = 0x38798000, "DJK";
    LDLE_B: "ldle.b" = 0x387a0000, "DJK";
    LDLE_H: "ldle.h" = 0x387a8000, "DJK";
    LDLE_W: "ldle.w" = 0x387b0000, "DJK";
    LDLE_D: "ldle.d" = 0x387b8000, "DJK";
    STGT_B: "stgt.b" = 0x387c0000, "DJK";
    STGT_H: "stgt.h" = 0x387c8000, "DJK";
    STGT_W: "stgt.w" = 0x387d0000, "DJK";
    STGT_D: "stgt.d" = 0x387d8000, "DJK";
    STLE_B: "stle.b" = 0x387e0000, "DJK";
    STLE_H: "stle.h" = 0x387e8000, "DJK";
    STLE_W: "stle.w" = 0x387f0000, "DJK";
    STLE_D: "stle.d" = 0x387f8000, "DJK";
}
