// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU's life: features, thread, stops and starts, breakpoints, controllers.

use accel_kvm_la::hooks;
use accel_kvm_la::kvm::abi::request::*;
use accel_kvm_la::qemu::cpu::OnOffAuto;
use accel_kvm_la::qemu::layout::layout;
use la_arch::one_reg;

use crate::fake::{Fake, change_run_state, exit};

fn init(fake: &Fake, cpu: accel_kvm_la::qemu::cpu::Cpu) -> i32 {
    fake.state(|state| {
        state.vcpus.entry(cpu.index()).or_default();
    });
    // SAFETY: A CPU object under the BQL.
    unsafe { hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr()) }
}

#[test]
fn a_thread_lives_from_creation_to_unplug() {
    let mut fake = Fake::new();
    let cpu = fake.cpu(1);
    cpu.set_pc(0x1c00_0000);
    fake.state(|state| state.exits.push_back(exit(7, |_| {})));
    // SAFETY: A CPU object, under the BQL, that outlives the thread.
    unsafe { hooks::kvm_la_create_vcpu_thread(cpu.as_ptr()) };
    assert!(fake.wait(|state| state.life.contains(&"end")));
    fake.state(|state| {
        assert_eq!(state.threads, ["CPU 1/KVM"]);
        assert_eq!(
            state.life,
            [
                "current_cpu",
                "init",
                "created",
                "destroy",
                "destroyed",
                "end"
            ]
        );
        assert!(state.handlers.is_empty() && !state.bql && state.exited.is_none());
    });
}

#[test]
fn a_feature_that_the_host_lacks_is_an_error_only_if_it_is_asked_for() {
    /// Where a feature's property is.
    type Offset = fn() -> usize;
    let cases: [(Offset, &str); 4] = [
        (
            || layout().lasx,
            "'lasx' feature not supported by KVM on host",
        ),
        (
            || layout().pmu,
            "'pmu' feature not supported by KVM on the host",
        ),
        (
            || layout().ptw,
            "'ptw' feature not supported by KVM on the host",
        ),
        (
            || layout().lsx,
            "'lsx' feature not supported by KVM on this host",
        ),
    ];
    for (offset, text) in cases {
        let mut fake = Fake::new();
        fake.state(|state| {
            state.vm_attributes.clear();
            state.cpucfg2_mask = Some(0);
        });
        let cpu = fake.cpu(0);
        assert_eq!(init(&fake, cpu), 0, "auto follows the host");
        assert_eq!(cpu.cpucfg(2) >> 6 & 3, 0);
        cpu.set_on_off_auto(offset(), OnOffAuto::On);
        assert_eq!(init(&fake, cpu), -libc::ENOTSUP);
        assert!(fake.messages().contains(text), "{}", fake.messages());
    }
}

#[test]
fn old_kernels_show_vectors_in_the_mask() {
    let mut fake = Fake::new();
    fake.state(|state| {
        state.vm_attributes.clear();
        state.cpucfg2_mask = Some(0xc0 | 1);
    });
    let cpu = fake.cpu(0);
    assert_eq!(init(&fake, cpu), 0);
    assert_eq!(cpu.cpucfg(2) >> 6 & 3, 3);
}

#[test]
fn a_feature_that_is_off_stays_off() {
    let mut fake = Fake::new();
    let cpu = fake.cpu(0);
    cpu.set_on_off_auto(layout().lsx, OnOffAuto::Off);
    assert_eq!(init(&fake, cpu), 0);
    assert_eq!(cpu.cpucfg(2) & 1 << 6, 0);
}

#[test]
fn properties_have_the_names_that_tools_know() {
    let mut fake = Fake::new();
    fake.cpu(0);
    fake.state(|state| {
        assert_eq!(
            state.properties,
            ["lbt", "pmu", "kvm-pv-ipi", "kvm-steal-time"]
        );
    });
}

#[test]
fn the_counter_stands_still_while_the_vm_does() {
    let mut fake = Fake::new();
    let cpus = [fake.started(0), fake.started(1), fake.started(2)];
    fake.state(|state| {
        for vcpu in state.vcpus.values_mut() {
            vcpu.words.insert(one_reg::COUNTER, 0x1234);
        }
    });
    change_run_state(false);
    assert_eq!(fake.take_calls(), [(KVM_GET_ONE_REG, one_reg::COUNTER)]);
    for cpu in cpus {
        assert_eq!(cpu.state_counter(), 0x1234);
    }
    change_run_state(true);
    assert_eq!(
        fake.take_calls(),
        [(KVM_SET_ONE_REG, one_reg::COUNTER); 3],
        "each vCPU takes the new counter"
    );
    fake.state(|state| {
        state
            .vcpus
            .get_mut(&0)
            .unwrap()
            .words
            .insert(one_reg::COUNTER, 0x9999)
    });
    change_run_state(false);
    assert_eq!(cpus[0].state_counter(), 0x9999, "each stop reads anew");
}

#[repr(C)]
struct Breakpoint {
    pc: u64,
    saved: u64,
}

#[test]
fn breakpoints_are_put_and_taken() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    fake.state(|state| state.memory.insert(0x100, [1, 2, 3, 4]));
    let mut breakpoint = Breakpoint {
        pc: 0x100,
        saved: 0,
    };
    let insert = |breakpoint: &mut Breakpoint| {
        // SAFETY: A CPU object under the BQL; the structure's shape is QEMU's.
        unsafe {
            hooks::kvm_la_kvm_arch_insert_sw_breakpoint(cpu.as_ptr(), (&raw mut *breakpoint).cast())
        }
    };
    let remove = |breakpoint: &mut Breakpoint| {
        // SAFETY: As above.
        unsafe {
            hooks::kvm_la_kvm_arch_remove_sw_breakpoint(cpu.as_ptr(), (&raw mut *breakpoint).cast())
        }
    };
    assert_eq!(insert(&mut breakpoint), 0);
    assert_eq!(breakpoint.saved, 0x0403_0201);
    fake.state(|state| assert_eq!(u32::from_le_bytes(state.memory[&0x100]), 0x002b_8101));
    assert_eq!(remove(&mut breakpoint), 0);
    fake.state(|state| assert_eq!(state.memory[&0x100], [1, 2, 3, 4]));
    assert_eq!(
        remove(&mut breakpoint),
        -libc::EINVAL,
        "there is none any more"
    );
    breakpoint.pc = 0x999;
    assert_eq!(insert(&mut breakpoint), -libc::EINVAL, "no memory");
}

#[test]
fn controllers_that_the_kernel_lacks_are_qemus() {
    let mut fake = Fake::new();
    fake.state(|state| state.devices.clear());
    // SAFETY: The accelerator under the BQL.
    let created = unsafe { hooks::kvm_la_kvm_arch_irqchip_create(Fake::kvm_state()) };
    assert!(created > 0, "QEMU must go on");
    assert!(fake.messages().contains("slower"), "{}", fake.messages());
    fake.cpu(0);
    assert!(!fake.flag(0) && !fake.flag(1) && !fake.flag(2));
}

#[test]
fn controllers_that_the_kernel_has_get_routes() {
    let mut fake = Fake::new();
    // SAFETY: The accelerator under the BQL.
    assert!(unsafe { hooks::kvm_la_kvm_arch_irqchip_create(Fake::kvm_state()) } > 0);
    fake.cpu(0);
    assert!(fake.flag(0) && fake.flag(2));
    // SAFETY: Under the BQL.
    unsafe { hooks::kvm_la_kvm_loongarch_init_irq_routing() };
    fake.state(|state| {
        assert_eq!(state.routes.len(), 64);
        assert!(state.routes.iter().all(|(gsi, pin)| gsi == pin));
    });
    assert!(fake.flag(3) && fake.flag(4));
}
