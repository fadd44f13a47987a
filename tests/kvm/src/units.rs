// SPDX-License-Identifier: GPL-2.0-or-later

//! System calls of a thread that keeps values in its vector registers meanwhile. The
//! floating-point registers are their lower halves.

use std::os::fd::{AsFd as _, AsRawFd as _};

use crate::vcpu::Vcpu;

/// 32 registers of LSX.
pub type Vectors = [[u64; 2]; 32];

/// A system call, and what it returned: -errno if it failed.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Call {
    number: u64,
    arguments: [u64; 5],
    /// Of the last time.
    pub result: i64,
}

impl Call {
    /// KVM_RUN, which must not fail a test by what the guest does: `result` says.
    pub fn run(vcpu: &Vcpu) -> Self {
        let run = 0xae80;
        Self::new(29, [vcpu.as_fd().as_raw_fd() as u64, run, 0, 0, 0])
    }

    /// A call with numbers for arguments (asm-generic/unistd.h).
    pub(crate) fn new(number: u64, arguments: [u64; 5]) -> Self {
        Self {
            number,
            arguments,
            result: 0,
        }
    }

    /// fork, of the calling thread alone.
    pub fn fork() -> Self {
        let sigchld = 17;
        Self::new(220, [sigchld, 0, 0, 0, 0])
    }

    /// The calling process stops, until another lets it go on.
    pub fn stop() -> Self {
        let sigstop = 19;
        Self::new(129, [std::process::id().into(), sigstop, 0, 0, 0])
    }

    /// Another thread may run here first.
    pub fn give_way() -> Self {
        Self::new(124, [0; 5])
    }
}

/// Values that tell registers and threads apart.
pub fn pattern(seed: u64) -> Vectors {
    std::array::from_fn(|n| [seed << 32 | n as u64, !(seed << 32) ^ (n as u64) << 8])
}

/// What is in the registers after the calls, which begin with `values` there. Nothing
/// but the calls is executed in between, in a child of [`Call::fork`] as well.
#[cfg(target_arch = "loongarch64")]
pub fn hold(values: &Vectors, calls: &mut [Call]) -> Vectors {
    let mut found = [[0; 2]; 32];
    macro_rules! execute {
        ($($register:tt)*) => {
            // SAFETY: loads 32 registers from `values`, makes the calls, whose arguments
            // are numbers or null, and stores the registers to `found`.
            unsafe {
                core::arch::asm!(
                    ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                    "vld $vr\\i, {values}, 16 * \\i",
                    ".endr",
                    "1:",
                    "beq $r24, $r25, 2f",
                    "ld.d $a7, $r24, 0",
                    "ld.d $a0, $r24, 8",
                    "ld.d $a1, $r24, 16",
                    "ld.d $a2, $r24, 24",
                    "ld.d $a3, $r24, 32",
                    "ld.d $a4, $r24, 40",
                    "syscall 0",
                    "st.d $a0, $r24, 48",
                    "addi.d $r24, $r24, 56",
                    "b 1b",
                    "2:",
                    ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                    "vst $vr\\i, $r26, 16 * \\i",
                    ".endr",
                    values = in(reg) values.as_ptr(),
                    inout("$r24") calls.as_mut_ptr_range().start => _,
                    in("$r25") calls.as_mut_ptr_range().end,
                    in("$r26") found.as_mut_ptr(),
                    $(out($register) _,)*
                    out("$r4") _, out("$r5") _, out("$r6") _, out("$r7") _, out("$r8") _,
                    out("$r9") _, out("$r10") _, out("$r11") _, out("$r12") _, out("$r13") _,
                    out("$r14") _, out("$r15") _, out("$r16") _, out("$r17") _, out("$r18") _,
                    out("$r19") _, out("$r20") _,
                )
            }
        };
    }
    execute!("$f0" "$f1" "$f2" "$f3" "$f4" "$f5" "$f6" "$f7" "$f8" "$f9" "$f10" "$f11" "$f12"
        "$f13" "$f14" "$f15" "$f16" "$f17" "$f18" "$f19" "$f20" "$f21" "$f22" "$f23" "$f24" "$f25"
        "$f26" "$f27" "$f28" "$f29" "$f30" "$f31");
    found
}

/// Nothing: there is no KVM for LoongArch on this computer.
#[cfg(not(target_arch = "loongarch64"))]
pub fn hold(values: &Vectors, calls: &mut [Call]) -> Vectors {
    for call in calls {
        std::hint::black_box((call.number, call.arguments));
    }
    *values
}

/// Takes all the registers for something else.
pub(crate) fn scramble() {
    hold(&pattern(0xdead), &mut []);
}
