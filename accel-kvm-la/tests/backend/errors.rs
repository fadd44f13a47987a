// SPDX-License-Identifier: GPL-2.0-or-later

//! Every call to the kernel failing with every error it may have: QEMU is told
//! which call it was, the VM stops or QEMU ends, and nothing hangs or crashes.

use la_arch::csr::number as n;
use std::ffi::c_ulong;
use std::ptr;

use accel_kvm_la::hooks;
use accel_kvm_la::kvm::abi::request::*;
use accel_kvm_la::qemu::cpu::Cpu;

use crate::fake::{Exit, Fake, holds_bql, post_init, post_reset, reset, synchronize};

const ERRORS: [i32; 12] = [
    libc::EINVAL,
    libc::ENXIO,
    libc::ENOTTY,
    libc::EFAULT,
    libc::ENOMEM,
    libc::EBADF,
    libc::EIO,
    libc::EPERM,
    libc::E2BIG,
    libc::EBUSY,
    libc::EOPNOTSUPP,
    libc::ENODEV,
];

const REQUESTS: [(c_ulong, &str); 9] = [
    (KVM_GET_REGS, "KVM_GET_REGS"),
    (KVM_SET_REGS, "KVM_SET_REGS"),
    (KVM_GET_FPU, "KVM_GET_FPU"),
    (KVM_SET_FPU, "KVM_SET_FPU"),
    (KVM_GET_ONE_REG, "KVM_GET_ONE_REG"),
    (KVM_SET_ONE_REG, "KVM_SET_ONE_REG"),
    (KVM_GET_DEVICE_ATTR, "KVM_GET_DEVICE_ATTR"),
    (KVM_SET_DEVICE_ATTR, "KVM_SET_DEVICE_ATTR"),
    (KVM_RUN, "KVM_RUN"),
];

fn fail(fake: &Fake, request: c_ulong, errno: i32) {
    fake.state(|state| state.kernel.failures = [(request, errno)].into());
}

fn write_all(cpu: Cpu) -> i32 {
    // SAFETY: A CPU object in its thread.
    unsafe { hooks::kvm_la_kvm_arch_put_registers(cpu.as_ptr(), 3, ptr::null_mut()) }
}

fn read_all(cpu: Cpu) -> i32 {
    // SAFETY: As above.
    unsafe { hooks::kvm_la_kvm_arch_get_registers(cpu.as_ptr(), ptr::null_mut()) }
}

/// A vCPU of which nothing is known and everything differs.
fn strange(fake: &mut Fake) -> Cpu {
    let cpu = fake.started(0);
    fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
    cpu.set_gpr(4, 4);
    cpu.set_fcsr0(1);
    cpu.set_steal_time_address(0x1_0001);
    cpu
}

#[test]
fn reading_and_writing_fail_with_the_calls_error() {
    for (request, name) in REQUESTS {
        for errno in ERRORS {
            let mut fake = Fake::new();
            let cpu = strange(&mut fake);
            fail(&fake, request, errno);
            let write = write_all(cpu);
            fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
            let read = read_all(cpu);
            let is_read = name.contains("_GET_");
            let expected = if request == KVM_RUN { 0 } else { -errno };
            assert_eq!(write, if is_read { 0 } else { expected }, "{name} writing");
            assert_eq!(read, if is_read { expected } else { 0 }, "{name} reading");
        }
    }
}

#[test]
fn a_failing_read_stops_the_vm_once_and_names_the_call() {
    for (request, name) in REQUESTS
        .into_iter()
        .filter(|(_, name)| name.contains("_GET_"))
    {
        for errno in ERRORS {
            let mut fake = Fake::new();
            let cpu = strange(&mut fake);
            fail(&fake, request, errno);
            synchronize(cpu);
            assert!(
                fake.messages().contains(&format!("vCPU 0: {name}")),
                "{}",
                fake.messages()
            );
            fake.state(|state| assert_eq!((&state.stopped[..], state.dumps), (&[2][..], 1)));
        }
    }
}

#[test]
fn a_failing_write_before_entry_stops_the_vm() {
    for (request, name) in [
        (KVM_SET_REGS, "KVM_SET_REGS"),
        (KVM_SET_ONE_REG, "KVM_SET_ONE_REG"),
    ] {
        for errno in ERRORS {
            let mut fake = Fake::new();
            let cpu = strange(&mut fake);
            synchronize(cpu);
            cpu.set_pc(0x55);
            cpu.set_csr(n::ERA, 0x55);
            fail(&fake, request, errno);
            assert_eq!(fake.exec(cpu, vec![]), -1);
            assert!(fake.messages().contains(name), "{}", fake.messages());
            fake.state(|state| {
                assert!(state.stopped.contains(&2) && holds_bql());
                assert!(state.kernel.exits.is_empty());
            });
        }
    }
}

#[test]
fn a_failing_write_after_reset_stops_the_vm() {
    for errno in ERRORS {
        let mut fake = Fake::new();
        let cpu = strange(&mut fake);
        reset(cpu);
        fail(&fake, KVM_SET_ONE_REG, errno);
        post_reset(cpu);
        assert!(
            fake.messages().contains("after reset"),
            "{}",
            fake.messages()
        );
        fake.state(|state| assert_eq!(state.stopped, [2]));
    }
}

#[test]
fn a_failing_write_after_init_ends_qemu() {
    for errno in [libc::EINVAL, libc::ENOMEM] {
        let mut fake = Fake::new();
        let cpu = strange(&mut fake);
        fail(&fake, KVM_SET_REGS, errno);
        // The fake's exit does not return either.
        std::thread::spawn(move || post_init(cpu));
        assert!(fake.wait(|state| state.exited == Some(1)));
        assert!(fake.messages().contains("after init: vCPU 0: KVM_SET_REGS"));
        // The thread that waits holds this vCPU's record; each has its own.
    }
}

#[test]
fn a_failing_reset_ends_qemu() {
    let mut fake = Fake::new();
    let cpu = strange(&mut fake);
    fail(&fake, KVM_SET_ONE_REG, libc::EINVAL);
    std::thread::spawn(move || reset(cpu));
    assert!(fake.wait(|state| state.exited == Some(1)));
    assert!(fake.messages().contains("KVM_REG_LOONGARCH_VCPU_RESET"));
}

#[test]
fn a_failing_run_stops_the_vm() {
    for errno in ERRORS {
        let mut fake = Fake::new();
        let cpu = strange(&mut fake);
        assert_eq!(
            fake.exec(cpu, vec![Exit::Errno(errno)]),
            -1,
            "errno {errno}"
        );
        assert!(fake.messages().contains("kvm run failed: vCPU 0: KVM_RUN"));
        fake.state(|state| assert_eq!(state.stopped, [2]));
    }
    for errno in [libc::EINTR, libc::EAGAIN] {
        let mut fake = Fake::new();
        let cpu = strange(&mut fake);
        assert_eq!(fake.exec(cpu, vec![Exit::Errno(errno)]), 0x1_0000);
        fake.state(|state| assert!(state.stopped.is_empty()));
    }
}

#[test]
fn probes_that_fail_mean_no() {
    for errno in ERRORS {
        let mut fake = Fake::new();
        fail(&fake, KVM_HAS_DEVICE_ATTR, errno);
        let cpu = fake.vcpu(0);
        assert_eq!(cpu.cpucfg(2) >> 6 & 3, 0, "no vectors");
        assert_eq!(write_all(cpu), 0);
    }
}

#[test]
fn a_kernel_whose_page_does_not_work_is_asked_register_by_register() {
    for errno in ERRORS {
        let mut fake = Fake::with_module();
        let cpu = strange(&mut fake);
        fail(&fake, KVM_RUN, errno);
        assert_eq!(write_all(cpu), 0);
        assert_eq!(read_all(cpu), 0);
    }
}

#[test]
fn a_vcpu_that_nobody_initialised_is_an_error() {
    let mut fake = Fake::new();
    let cpu = fake.cpu(9);
    // SAFETY: A CPU object under the BQL.
    unsafe { hooks::kvm_la_kvm_arch_destroy_vcpu(cpu.as_ptr()) };
    assert_eq!(read_all(cpu), -libc::EINVAL);
    assert_eq!(write_all(cpu), -libc::EINVAL);
    synchronize(cpu);
    post_reset(cpu);
    assert_eq!(fake.exec(cpu, vec![]), -1);
    // SAFETY: A null pointer is refused.
    let result = unsafe { hooks::kvm_la_kvm_arch_init_vcpu(ptr::null_mut()) };
    assert_eq!(result, -libc::EINVAL);
}

#[test]
fn a_failing_interrupt_is_returned() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    for errno in ERRORS {
        fail(&fake, KVM_INTERRUPT, errno);
        // SAFETY: A CPU object.
        let result = unsafe { hooks::kvm_la_kvm_loongarch_set_interrupt(cpu.as_ptr(), 2, 1) };
        assert_eq!(result, -errno);
    }
}
