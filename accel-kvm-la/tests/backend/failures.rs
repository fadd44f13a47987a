// SPDX-License-Identifier: GPL-2.0-or-later

//! Every call to the kernel failing with every error, from the first time on or
//! from some time on, through a vCPU's whole life: nothing crashes or hangs, and
//! QEMU is told which call it was unless a failure is an answer.

use la_arch::csr::number as n;
use std::ffi::c_ulong;
use std::ptr;

use accel_kvm_la::hooks;
use accel_kvm_la::kvm::abi::request::*;
use accel_kvm_la::qemu::cpu::Cpu;

use crate::fake::threads::in_another_thread;
use crate::fake::{
    Exit, Fake, change_run_state, exit, post_init, post_reset, pre_loadvm, reset, synchronize,
};

/// What the documentation in src/kvm names, what any call may give (a closed
/// descriptor, another process, a fatal signal, no memory), and some that no
/// kernel is known to give.
const ERRORS: [i32; 18] = [
    libc::EPERM,
    libc::ENOENT,
    libc::EINTR,
    libc::EIO,
    libc::ENXIO,
    libc::E2BIG,
    libc::EBADF,
    libc::EAGAIN,
    libc::ENOMEM,
    libc::EACCES,
    libc::EFAULT,
    libc::EBUSY,
    libc::EEXIST,
    libc::ENODEV,
    libc::EINVAL,
    libc::ENOTTY,
    libc::EOPNOTSUPP,
    4095,
];

/// What a failing call means.
#[derive(Clone, Copy, PartialEq)]
enum Failure {
    /// QEMU is told, with the name of the call.
    Told,
    /// QEMU is told, unless the error is the normal course.
    ToldUnlessInterrupted,
    /// It answers "no", and QEMU goes on without.
    Answer,
    /// Its caller gets the error.
    Returned,
}

const REQUESTS: [(c_ulong, &str, Failure); 15] = [
    (KVM_RUN, "KVM_RUN", Failure::ToldUnlessInterrupted),
    (KVM_GET_REGS, "KVM_GET_REGS", Failure::Told),
    (KVM_SET_REGS, "KVM_SET_REGS", Failure::Told),
    (KVM_INTERRUPT, "KVM_INTERRUPT", Failure::Returned),
    (KVM_GET_FPU, "KVM_GET_FPU", Failure::Told),
    (KVM_SET_FPU, "KVM_SET_FPU", Failure::Told),
    (KVM_GET_MP_STATE, "KVM_GET_MP_STATE", Failure::Told),
    (KVM_SET_MP_STATE, "KVM_SET_MP_STATE", Failure::Told),
    (KVM_GET_ONE_REG, "KVM_GET_ONE_REG", Failure::Told),
    (KVM_SET_ONE_REG, "KVM_SET_ONE_REG", Failure::Told),
    (KVM_GET_REG_LIST, "KVM_GET_REG_LIST", Failure::Answer),
    (KVM_CREATE_DEVICE, "KVM_CREATE_DEVICE", Failure::Told),
    (KVM_SET_DEVICE_ATTR, "KVM_SET_DEVICE_ATTR", Failure::Told),
    (KVM_GET_DEVICE_ATTR, "KVM_GET_DEVICE_ATTR", Failure::Told),
    (KVM_HAS_DEVICE_ATTR, "KVM_HAS_DEVICE_ATTR", Failure::Answer),
];

/// Everything that QEMU asks for, in the vCPU's thread; an error of one part
/// does not spare the backend the next. Returns what an interrupt came to.
fn live(cpu: Cpu) -> i32 {
    // SAFETY: In each: a CPU object under the BQL.
    unsafe {
        hooks::kvm_la_kvm_arch_irqchip_create(Fake::kvm_state());
        if hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr()) < 0 {
            return 0;
        }
    }
    post_init(cpu);
    let run = |exits| crate::fake::exec(cpu, exits);
    run(vec![exit(6, |part| part[16] = 4), Exit::Errno(libc::EINTR)]);
    run(vec![exit(4, |_| {}), Exit::Errno(libc::EINTR)]);
    synchronize(cpu);
    cpu.set_gpr(4, cpu.gpr(4).wrapping_add(1));
    cpu.set_csr(n::ERA, cpu.gpr(4));
    cpu.set_fcsr0(cpu.fcsr0() ^ 1);
    run(vec![Exit::Errno(libc::EAGAIN)]);
    change_run_state(false);
    synchronize(cpu);
    reset(cpu);
    post_reset(cpu);
    change_run_state(true);
    pre_loadvm(cpu);
    cpu.set_steal_time_address(cpu.steal_time_address().wrapping_add(0x40) | 1);
    post_init(cpu);
    run(vec![Exit::Errno(libc::EINTR)]);
    // SAFETY: As above.
    let result = unsafe { hooks::kvm_la_kvm_loongarch_set_interrupt(cpu.as_ptr(), 3, 1) };
    // Unplugged and plugged: nothing is known of it any more.
    let mut error = ptr::null_mut();
    // SAFETY: As above; a place for an error.
    unsafe {
        hooks::kvm_la_kvm_arch_destroy_vcpu(cpu.as_ptr());
        hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr());
        hooks::kvm_la_kvm_arch_get_registers(cpu.as_ptr(), &raw mut error);
    }
    // Its run state was another.
    reset(cpu);
    post_reset(cpu);
    // SAFETY: As above.
    unsafe { hooks::kvm_la_kvm_arch_destroy_vcpu(cpu.as_ptr()) };
    result
}

/// One life, in which `request` fails with `errno` after `good` successes.
/// Whether it came to fail.
fn case(
    mut fake: Fake,
    (request, name, failure): (c_ulong, &str, Failure),
    errno: i32,
    good: u32,
) -> bool {
    let what = format!("{name} failing with {errno} after {good}");
    let cpu = fake.cpu(0);
    fake.state(|state| {
        state.kernel.vcpus.entry(0).or_default().mp_state = 1;
        // Steal time is there to be read and written.
        state.kernel.vm_attributes.extend(0..9);
        state.kernel.failures = [(request, errno)].into();
        state.kernel.good = good;
    });
    let result = in_another_thread(&fake, move || live(cpu));
    let (ended, messages) = fake.state(|state| (state.exited, state.messages.join("\n")));
    match (result, ended) {
        (Some(_), None) | (None, Some(1)) => {}
        (_, ended) => panic!("{what}: QEMU came to {ended:?}, {messages}"),
    }
    if fake.state(|state| state.kernel.failed) == 0 {
        return false;
    }
    let told = match failure {
        Failure::Told => true,
        Failure::ToldUnlessInterrupted => errno != libc::EINTR && errno != libc::EAGAIN,
        Failure::Answer | Failure::Returned => false,
    };
    if told && good == 0 {
        assert!(messages.contains(name), "{what}: {messages}");
    }
    if failure == Failure::Returned && ended.is_none() {
        assert_eq!(result, Some(-errno), "{what}");
    }
    true
}

/// All lives; which of the calls came to fail.
fn all(new: fn() -> Fake) -> Vec<&'static str> {
    let mut failed = Vec::new();
    for request in REQUESTS {
        for errno in ERRORS {
            for good in [0, 2, 20] {
                if case(new(), request, errno, good) && failed.last() != Some(&request.1) {
                    failed.push(request.1);
                }
            }
        }
    }
    failed
}

#[test]
fn upstreams_kernel() {
    // There is no call that these lives do not make.
    assert_eq!(all(Fake::new), REQUESTS.map(|(_, name, _)| name));
}

/// What goes through the run page has no call of its own.
#[test]
fn our_modules_kernel() {
    let failed = all(Fake::with_module);
    let names = REQUESTS.map(|(_, name, _)| name);
    let never: Vec<_> = names.iter().filter(|name| !failed.contains(name)).collect();
    assert_eq!(never, [&"KVM_GET_FPU", &"KVM_GET_REG_LIST"]);
}
