// SPDX-License-Identifier: GPL-2.0-or-later

//! A vCPU's life: features, thread, stops and starts, breakpoints, controllers.

use accel_kvm_la::hooks;
use accel_kvm_la::kvm::abi::request::*;
use accel_kvm_la::qemu::cpu::{Cpu, OnOffAuto};
use accel_kvm_la::qemu::layout::layout;
use la_arch::cpucfg::word2;
use la_arch::csr::number as n;
use la_arch::kvm::para;
use la_arch::one_reg;

use crate::fake::threads::{plug, without_bql};
use crate::fake::{DIRECT, Fake, change_run_state, exit};

// QEMU's EXCP_INTERRUPT and EXCP_DEBUG.
const INTERRUPT: i32 = 0x1_0000;
const DEBUG: i32 = 0x1_0002;

fn init(fake: &Fake, cpu: Cpu) -> i32 {
    fake.state(|state| {
        state.kernel.vcpus.entry(cpu.index()).or_default();
    });
    // SAFETY: A CPU object under the BQL.
    unsafe { hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr()) }
}

#[test]
fn a_thread_lives_from_creation_to_unplug() {
    let mut fake = Fake::new();
    let cpu = fake.cpu(1);
    cpu.set_pc(0x1c00_0000);
    fake.state(|state| state.kernel.exits.push_back(exit(7, |_| {})));
    plug(cpu);
    without_bql(|| assert!(fake.wait(|state| state.life.contains(&"end"))));
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
        assert!(state.handlers.is_empty() && state.exited.is_none());
    });
}

#[test]
fn a_vcpu_that_qemus_own_backend_initialised_is_taken_over() {
    let mut fake = Fake::new();
    let cpu = fake.cpu(1);
    fake.state(|state| {
        state.only_operations = true;
        state.properties_on = vec!["kvm-pv-ipi"];
        state.kernel.vm_attributes.extend(0..9);
        state.kernel.exits.push_back(exit(7, |_| {}));
    });
    plug(cpu);
    without_bql(|| assert!(fake.wait(|state| state.life.contains(&"end"))));
    fake.state(|state| {
        assert!(state.handlers.is_empty() && state.exited.is_none());
        let written = (KVM_SET_DEVICE_ATTR, u64::from(para::CPUCFG_FEATURE));
        assert!(state.kernel.calls.contains(&written));
        let ipi_and_eiointc = 1 << para::FEATURE_IPI | 1 << para::FEATURE_VIRT_EXTIOI;
        assert_eq!(state.kernel.pv_features, Some(ipi_and_eiointc));
    });
    // The host has LBT; QEMU has settled that the guest has not.
    assert_eq!(
        cpu.cpucfg(2) & (word2::LBT_X86 | word2::LBT_ARM | word2::LBT_MIPS),
        0
    );
}

#[test]
fn a_feature_that_the_host_lacks_is_an_error_only_if_it_is_asked_for() {
    /// Where a feature's property is.
    type Offset = fn() -> usize;
    let cases: [(Offset, &str); 5] = [
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
        (
            || layout().msgint,
            "'msgint' feature not supported by KVM on this host",
        ),
    ];
    for (offset, text) in cases {
        let mut fake = Fake::new();
        fake.state(|state| {
            state.kernel.vm_attributes.clear();
            state.kernel.cpucfg2_mask = Some(0);
        });
        let cpu = fake.cpu(0);
        assert_eq!(init(&fake, cpu), 0, "auto follows the host");
        assert_eq!(cpu.cpucfg(2) >> 6 & 3, 0);
        assert_eq!(cpu.cpucfg(1) >> 26 & 1, 0);
        cpu.set_on_off_auto(offset(), OnOffAuto::On);
        assert_eq!(init(&fake, cpu), -libc::ENOTSUP);
        assert!(fake.messages().contains(text), "{}", fake.messages());
    }
}

/// How a VM comes to message interrupts: whether the kernel has the controllers,
/// which of their devices it has, and whether a CPU that does not say gets them.
const MESSAGES: [(bool, &[u32], bool); 4] = [
    (true, &[12, 13, 14, 15], true),
    (true, &[12, 13, 14], false),
    (false, &[], true),
    (false, &[15], true),
];

#[test]
fn message_interrupts_need_a_controller() {
    for (in_kernel, devices, gets) in MESSAGES {
        for wish in [OnOffAuto::Auto, OnOffAuto::On, OnOffAuto::Off] {
            let mut fake = Fake::new();
            fake.set_flag(0, in_kernel);
            fake.state(|state| {
                state.kernel.vm_attributes.insert(9);
                state.kernel.devices = devices.iter().copied().collect();
            });
            let cpu = fake.cpu(0);
            // A model that has them.
            cpu.set_cpucfg(1, cpu.cpucfg(1) | 1 << 26);
            cpu.set_on_off_auto(layout().msgint, wish);
            let result = init(&fake, cpu);
            if wish == OnOffAuto::On && !gets {
                assert_eq!(result, -libc::ENOTSUP);
                let told = "'msgint' feature not supported with kernel-irqchip=on";
                assert!(fake.messages().contains(told), "{}", fake.messages());
                continue;
            }
            assert_eq!(result, 0);
            let gets = gets && wish != OnOffAuto::Off;
            assert_eq!(cpu.cpucfg(1) >> 26 & 1, u32::from(gets));
            // By this the board makes a controller of messages, or none.
            let off = cpu.on_off_auto(layout().msgint) == OnOffAuto::Off;
            assert_eq!(off, !gets);
        }
    }
}

#[test]
fn a_32_bit_cpu_is_refused() {
    let mut fake = Fake::new();
    let cpu = fake.cpu(0);
    // QEMU's la132.
    cpu.set_cpucfg(1, 0x0041_f1fd);
    cpu.set_cpucfg(2, 0);
    assert_eq!(init(&fake, cpu), -libc::ENOTSUP);
    let told = "the CPU model is an LA32 one, and KVM's CPUs are LA64";
    assert!(fake.messages().contains(told), "{}", fake.messages());
}

#[test]
fn old_kernels_show_vectors_in_the_mask() {
    let mut fake = Fake::new();
    fake.state(|state| {
        state.kernel.vm_attributes.clear();
        state.kernel.cpucfg2_mask = Some(0xc0 | 1);
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
        for vcpu in state.kernel.vcpus.values_mut() {
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
            .kernel
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

/// The debugger begins or ends a step of a vCPU; KVM_SET_GUEST_DEBUG's flags of it.
fn set_step(fake: &Fake, cpu: Cpu, on: bool) -> u32 {
    cpu.set_half(layout().singlestep_flags, on.into());
    // SAFETY: A CPU object under the BQL.
    assert_eq!(unsafe { hooks::kvm_la_update_guest_debug(cpu.as_ptr()) }, 0);
    flags_of(fake, cpu)
}

fn flags_of(fake: &Fake, cpu: Cpu) -> u32 {
    fake.state(|state| {
        state
            .debug_flags
            .get(&(cpu.as_ptr() as usize))
            .copied()
            .unwrap_or(0)
    })
}

#[test]
fn a_step_is_made_of_breakpoints() {
    const ENABLE: u32 = 1;
    const USE_SW_BP: u32 = 0x1_0000;
    const NOP: [u8; 4] = 0x0340_0000u32.to_le_bytes();
    let mut fake = Fake::new();
    let (cpu, other) = (fake.started(0), fake.started(1));
    let at = |fake: &mut Fake, number: i32, pc: u64| {
        fake.state(|state| state.kernel.vcpus.get_mut(&number).unwrap().regs.pc = pc);
    };
    fake.exec(cpu, vec![]);
    fake.exec(other, vec![]);
    fake.state(|state| {
        for word in [0x100, 0x104, 0x108] {
            state.memory.insert(word, NOP);
        }
    });
    at(&mut fake, 0, 0x100);
    assert_eq!(set_step(&fake, cpu, true), ENABLE | USE_SW_BP);
    // Or its kernel would take the breakpoint for a hypercall.
    assert_eq!(flags_of(&fake, other), ENABLE | USE_SW_BP);
    // An interruption of the thread is not the step's end.
    assert_eq!(fake.exec(cpu, vec![]), INTERRUPT);
    fake.state(|state| assert_eq!(u32::from_le_bytes(state.memory[&0x104]), 0x002b_8101));
    // Another vCPU that comes to the place is told of, and it stays.
    at(&mut fake, 1, 0x104);
    assert_eq!(fake.exec(other, vec![exit(4, |_| {})]), DEBUG);
    // A stop for another reason leaves nothing in the guest; the step is made anew.
    change_run_state(false);
    fake.state(|state| assert!(state.memory.values().all(|word| *word == NOP)));
    change_run_state(true);
    assert_eq!(fake.exec(cpu, vec![]), INTERRUPT);
    at(&mut fake, 0, 0x104);
    assert_eq!(fake.exec(cpu, vec![exit(4, |_| {})]), DEBUG);
    fake.state(|state| assert!(state.memory.values().all(|word| *word == NOP)));
    // Given up: the debugger stops the machine before the step is at its end.
    assert_eq!(fake.exec(cpu, vec![]), INTERRUPT);
    fake.state(|state| assert_ne!(state.memory[&0x108], NOP));
    assert_eq!(set_step(&fake, cpu, false), 0);
    assert_eq!(flags_of(&fake, other), 0);
    fake.state(|state| assert!(state.memory.values().all(|word| *word == NOP)));
    // Unplugged in the middle of a step.
    other.set_half(layout().singlestep_flags, 1);
    assert_eq!(fake.exec(other, vec![]), INTERRUPT);
    fake.state(|state| assert_ne!(state.memory[&0x108], NOP));
    // SAFETY: A CPU object under the BQL.
    unsafe { hooks::kvm_la_kvm_arch_destroy_vcpu(other.as_ptr()) };
    fake.state(|state| assert!(state.memory.values().all(|word| *word == NOP)));
    // Into nowhere there is no step.
    cpu.set_pc(0x108);
    cpu.set_half(layout().singlestep_flags, 1);
    fake.take_calls();
    assert_eq!(fake.exec(cpu, vec![]), DEBUG);
    assert_eq!(fake.count(KVM_RUN), 0);
    assert!(
        fake.messages().contains("cannot step"),
        "{}",
        fake.messages()
    );
}

/// A step is put in and taken out by the translation that its addresses are of, whatever the CPU
/// is about then.
#[test]
fn a_step_is_taken_out_where_it_was_put_in() {
    const NOP: [u8; 4] = 0x0340_0000u32.to_le_bytes();
    const ERTN: [u8; 4] = 0x0648_3800u32.to_le_bytes();
    const DA: u64 = 1 << 3;
    let fake_memory = |fake: &Fake, at: u64| fake.state(|state| state.memory[&at]);
    let set = |fake: &mut Fake, csr: u16, value: u64| {
        let word = one_reg::csr(csr);
        fake.state(|state| {
            let vcpu = state.kernel.vcpus.get_mut(&0).unwrap();
            vcpu.words.insert(word, value);
        });
    };
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    fake.exec(cpu, vec![]);
    fake.state(|state| {
        for word in [0x100, 0x104, DIRECT | 0x104, DIRECT | 0x200] {
            state.memory.insert(word, NOP);
        }
        state.memory.insert(DIRECT | 0x500, ERTN);
        state.kernel.vcpus.get_mut(&0).unwrap().regs.pc = 0x100;
    });
    // The VM stops while the vCPU is in a TLB refill handler, which is in direct mode.
    set_step(&fake, cpu, true);
    assert_eq!(fake.exec(cpu, vec![]), INTERRUPT);
    assert_ne!(fake_memory(&fake, 0x104), NOP);
    set(&mut fake, n::CRMD, DA);
    change_run_state(false);
    for at in [0x104, DIRECT | 0x104] {
        assert_eq!(fake_memory(&fake, at), NOP, "{at:#x}");
    }
    // A step out of the handler.
    change_run_state(true);
    cpu.set_pc(0x500);
    cpu.set_csr(n::TLBRERA, 0x104 | 1);
    assert_eq!(fake.exec(cpu, vec![]), INTERRUPT);
    assert_ne!(fake_memory(&fake, 0x104), NOP);
    assert_eq!(fake_memory(&fake, DIRECT | 0x104), NOP);
    set(&mut fake, n::CRMD, 0);
    assert_eq!(set_step(&fake, cpu, false), 0);
    assert_eq!(fake_memory(&fake, 0x104), NOP);
}

#[test]
fn at_a_breakpoint_qemu_has_all_registers() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    fake.exec(cpu, vec![]);
    fake.state(|state| {
        state.breakpoints.insert(0x100);
        let vcpu = state.kernel.vcpus.get_mut(&0).unwrap();
        (vcpu.regs.pc, vcpu.regs.gpr[4]) = (0x100, 0x1234);
    });
    assert_eq!(fake.exec(cpu, vec![exit(4, |_| {})]), DEBUG);
    // The stub looks at a single register without asking, and changes it.
    assert_eq!((cpu.pc(), cpu.gpr(4)), (0x100, 0x1234));
    cpu.set_gpr(4, 0x5678);
    fake.exec(cpu, vec![]);
    fake.state(|state| assert_eq!(state.kernel.vcpus[&0].regs.gpr[4], 0x5678));
}

#[test]
fn controllers_that_the_kernel_lacks_are_qemus() {
    let mut fake = Fake::new();
    fake.state(|state| state.kernel.devices.clear());
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
