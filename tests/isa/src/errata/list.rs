// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The list.

use super::{
    Erratum, absent, alignment, bounded_float, exact_underflow, is_lsx, needs_untrapped,
    no_partial_load, no_partial_store, reserved_fcsr_bits, same_rd_rj, signed_assertion,
    upper_half_kept, vector_float_trap,
};
use crate::generate::{ABSENT, UNDEFINED};

/// All that are known, of QEMU 11.1. "The manual" is the LoongArch Reference
/// Manual, Volume 1.
pub const ERRATA: &[Erratum] = &[
    Erratum {
        name: "assertion-signed",
        instructions: "asrtle.d, asrtgt.d",
        argument: "The manual (2.2.10, ASRT{LE/GT}.D) compares signed numbers; QEMU compares \
                   unsigned ones. QEMU's developers agree: a patch series on qemu-devel, \
                   \"target/loongarch: Change asrtle_d()/asrtgt_d() for signed integer \
                   comparison\", corrects it.",
        concerns: |name| name.starts_with("asrt"),
        correct: signed_assertion,
    },
    Erratum {
        name: "bound-alignment",
        instructions: "ldgt.*, ldle.*, stgt.*, stle.*",
        argument: "The manual (2.2.6) requires the addresses of bound-checking accesses to be \
                   naturally aligned, else ALE, which goes before BCE (\"Exception \
                   Priority\"); QEMU checks the \
                   bound only.",
        concerns: |name| {
            ["ldgt", "ldle", "stgt", "stle"]
                .iter()
                .any(|s| name.starts_with(s))
        },
        correct: alignment,
    },
    Erratum {
        name: "float-bound-address",
        instructions: "fldgt.*, fldle.*, fstgt.*, fstle.*",
        argument: "The manual (3.2.7): the address is the value of rj, and must be aligned. \
                   QEMU's gen_fload_gt() and its like access rj + rk, the bound added to the \
                   address. What is expected is computed from the manual's pseudo-code instead.",
        concerns: |name| {
            ["fldgt", "fldle", "fstgt", "fstle"]
                .iter()
                .any(|s| name.starts_with(s))
        },
        correct: bounded_float,
    },
    Erratum {
        name: "atomic-same-register-zero",
        instructions: "am*.{w,d,wu,du}",
        argument: "The manual (2.2.7.1): with the same register as rd and rj, INE. QEMU's \
                   gen_am() makes an exception of r0, which the manual does not.",
        concerns: |name| name.starts_with("am"),
        correct: same_rd_rj,
    },
    Erratum {
        name: "fcsr-reserved",
        instructions: "movgr2fcsr",
        argument: "The manual (3.1.3) gives FCSR0 the fields 4:0, 9:8, 20:16 and 28:24 and \
                   nothing else to keep. QEMU stores all 32 bits and returns them.",
        concerns: |name| name == "movgr2fcsr",
        correct: reserved_fcsr_bits,
    },
    Erratum {
        name: "exact-underflow",
        instructions: "fadd, fsub, fmul, fdiv, fmadd, fmsub, fnmadd, fnmsub, fscaleb, frecip, fcvt",
        argument: "The manual (3.1.4, underflow): with Enables.U set a tiny result that is not \
                   zero traps whether it is exact or not. QEMU's softfloat has only the untrapped \
                   rule, where an exact tiny result is no exception.",
        concerns: |name| name.starts_with('f'),
        correct: exact_underflow,
    },
    Erratum {
        name: "vector-float-trap",
        instructions: "vf* and xvf* with an enabled exception",
        argument: "An instruction that traps has not modified its destination (3.1.4), and Cause \
                   has what its elements raised. QEMU's vector helpers stop at the first element \
                   whose exception is enabled: elements before it are already written for some \
                   instructions, and exceptions of elements behind it are missing from Cause. \
                   What is expected comes from QEMU's own run of the same case with all \
                   exceptions disabled (and from the rule of exact-underflow).",
        concerns: needs_untrapped,
        correct: vector_float_trap,
    },
    Erratum {
        name: "partial-vector-store",
        instructions: "vst, vstx, xvst, xvstx",
        argument: "A store that traps has stored nothing. QEMU's user mode does a vector store as \
                   two or more stores of the host, of which the first stays when the second faults.",
        concerns: |name| matches!(name, "vst" | "vstx" | "xvst" | "xvstx"),
        correct: no_partial_store,
    },
    Erratum {
        name: "partial-vector-load",
        instructions: "xvld, xvldx",
        argument: "A load that traps has loaded nothing. QEMU's user mode does a load of 32 bytes \
                   as two, of which the first stays when the second faults.",
        concerns: |name| matches!(name, "xvld" | "xvldx"),
        correct: no_partial_load,
    },
    Erratum {
        name: "lsx-upper-half",
        instructions: "all of LSX",
        argument: "No choice of QEMU's is compared here: it clears bits 255:128 of the destination \
                   of vadd.b, for one, and the manual does not say what LSX leaves there. lvz-sim \
                   keeps them unless the model says spoil=on, and that is what is expected.",
        concerns: is_lsx,
        correct: upper_half_kept,
    },
    Erratum {
        name: "absent",
        instructions: "those that only other models have",
        argument: "No mistake of QEMU's but its models: its la464 has LASX, and its \
                   trans_sc_q() does not look at CPUCFG.2.SCQ, which is 0 there; without LASX its \
                   signal frames could not be compared. An instruction that the model does not \
                   have is INE (Volume 1, 2.2.10.5: CPUCFG announces what there is).",
        concerns: |name| [UNDEFINED, ABSENT].contains(&name),
        correct: absent,
    },
];
