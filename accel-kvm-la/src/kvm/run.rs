// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM_RUN. A guest that uses devices makes thousands a second, so this is
//! `kvm_vcpu_ioctl` without what only other calls need: variable arguments, libc's `ioctl`
//! and `errno`. Where QEMU exports too little for that, and while its trace event
//! `kvm_vcpu_ioctl` is on, `kvm_vcpu_ioctl` does it.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU16, Ordering};

use super::abi::request;
use crate::qemu::cpu::Cpu;
use crate::qemu::opaque::CPUState;
use crate::qemu::services::{Services, services};

/// KVM_RUN of a vCPU, for a time in which its file descriptor stays: its thread, between two
/// times that it does queued work.
#[derive(Clone, Copy)]
pub struct Run {
    cpu: Cpu,
    kvm_vcpu_ioctl: unsafe extern "C" fn(*mut CPUState, std::ffi::c_ulong, ...) -> i32,
    direct: Option<Direct>,
}

/// What `kvm_vcpu_ioctl` is made of (QEMU: accel/kvm/kvm-all.c).
#[derive(Clone, Copy)]
struct Direct {
    fd: i32,
    begin: unsafe extern "C" fn(*mut CPUState),
    end: unsafe extern "C" fn(*mut CPUState),
    traced: &'static AtomicU16,
}

impl Direct {
    fn of(cpu: Cpu, services: &Services) -> Option<Direct> {
        let traced = services._TRACE_KVM_VCPU_IOCTL_DSTATE?;
        Some(Direct {
            fd: cpu.kvm_fd(),
            begin: services.accel_cpu_ioctl_begin?,
            end: services.accel_cpu_ioctl_end?,
            // SAFETY: A variable of QEMU's of this type (trace/control-internal.h), which stays;
            // QEMU's own accesses are whole words too.
            traced: unsafe { AtomicU16::from_ptr(traced) },
        })
    }
}

impl Run {
    /// For `cpu`, between `kvm_init_vcpu` and `kvm_destroy_vcpu`.
    pub fn of(cpu: Cpu) -> Run {
        let services = services();
        Run {
            cpu,
            kvm_vcpu_ioctl: services.kvm_vcpu_ioctl,
            direct: Direct::of(cpu, services),
        }
    }

    /// KVM_RUN (no argument): runs the guest until it needs user space.
    ///
    /// Plain -errno, because EINTR and EAGAIN (a signal, or `immediate_exit`)
    /// and EFAULT (with a memory fault in the run page) are the normal course.
    /// EINVAL for what the run page marks dirty and the kernel refuses.
    #[inline(always)]
    pub fn run(&self) -> i32 {
        let cpu = self.cpu.as_ptr();
        match &self.direct {
            Some(direct) if direct.traced.load(Ordering::Relaxed) == 0 => {
                // SAFETY: The CPU object is alive.
                unsafe { (direct.begin)(cpu) };
                let result = kvm_run(direct.fd);
                // SAFETY: Pairs with `begin`.
                unsafe { (direct.end)(cpu) };
                result
            }
            // SAFETY: The CPU object is alive; there is no argument.
            _ => unsafe {
                (self.kvm_vcpu_ioctl)(cpu, request::KVM_RUN, std::ptr::null_mut::<c_void>())
            },
        }
    }
}

/// The system call: -errno on an error (Linux: arch/loongarch/kernel/syscall.c, and entry.S
/// for the registers that it changes).
#[cfg(target_arch = "loongarch64")]
#[inline(always)]
fn kvm_run(fd: i32) -> i32 {
    let result: i64;
    // SAFETY: KVM_RUN changes what is behind the run page and guest memory, neither of which
    // is borrowed meanwhile.
    unsafe {
        std::arch::asm!(
            "syscall 0",
            in("$a7") libc::SYS_ioctl,
            inlateout("$a0") i64::from(fd) => result,
            in("$a1") request::KVM_RUN,
            in("$a2") 0,
            lateout("$t0") _,
            lateout("$t1") _,
            lateout("$t2") _,
            lateout("$t3") _,
            lateout("$t4") _,
            lateout("$t5") _,
            lateout("$t6") _,
            lateout("$t7") _,
            lateout("$t8") _,
            options(nostack),
        );
    }
    result as i32
}

/// Elsewhere, for tests.
#[cfg(not(target_arch = "loongarch64"))]
fn kvm_run(fd: i32) -> i32 {
    // SAFETY: There is no argument.
    let result = unsafe { libc::ioctl(fd, request::KVM_RUN as _, 0) };
    if result < 0 {
        -nix::errno::Errno::last_raw()
    } else {
        result
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_is_its_negative_number() {
        assert_eq!(super::kvm_run(-1), -libc::EBADF);
    }
}
