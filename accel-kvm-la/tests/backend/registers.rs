// SPDX-License-Identifier: GPL-2.0-or-later

//! Registers between QEMU's copy and KVM's.

use accel_kvm_la::kvm::abi::request::*;
use accel_kvm_la::qemu::cpu::{Cpu, OnOffAuto};
use accel_kvm_la::qemu::layout::layout;
use accel_kvm_la::regs::table::{Change, Group, TABLE};
use la_arch::csr::number as n;
use la_arch::one_reg;

use crate::fake::{Exit, Fake, post_init, post_reset, pre_loadvm, reset, synchronize};

fn both() -> [fn() -> Fake; 2] {
    [Fake::new, Fake::with_module]
}

/// A value that fits the register and no other has.
fn pattern(index: usize) -> u64 {
    0x1000 + index as u64
}

/// Registers that a vCPU has without `pmu`, LBT and message interrupts.
fn common() -> impl Iterator<Item = (usize, &'static accel_kvm_la::regs::table::Register)> {
    TABLE.iter().enumerate().filter(|(_, register)| {
        matches!(register.group, Group::Csr | Group::Timer)
            && ![Some(n::PGD), Some(n::TICLR)].contains(&register.csr)
    })
}

fn fill(cpu: Cpu) {
    for (index, register) in common() {
        register.store(cpu, pattern(index));
    }
    for i in 0..32 {
        cpu.set_gpr(i, 0x100 + i as u64);
        for lane in 0..4 {
            cpu.set_fpr(i, lane, (i * 4 + lane) as u64);
        }
    }
    for i in 0..8 {
        cpu.set_cf(i, i % 3 == 0);
    }
    cpu.set_fcsr0(0x1f);
    cpu.set_pc(0x9000_0000_0020_0000);
}

#[test]
fn a_full_write_reaches_kvm_and_a_read_brings_it_back() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.vcpu(0);
        fill(cpu);
        post_init(cpu);
        fake.state(|state| {
            let vcpu = &state.kernel.vcpus[&0];
            for (index, register) in common() {
                assert_eq!(
                    vcpu.words.get(&register.id),
                    Some(&pattern(index)),
                    "{register}"
                );
            }
            assert_eq!(vcpu.regs.pc, 0x9000_0000_0020_0000);
            assert_eq!((vcpu.regs.gpr[0], vcpu.regs.gpr[31]), (0, 0x11f));
            assert_eq!(vcpu.fpu.fpr[5], [20, 21, 22, 23]);
            assert_eq!(vcpu.fpu.fcc, 0x0001_0000_0100_0001);
            assert_eq!(vcpu.fpu.fcsr, 0x1f);
        });
        // The guest changes everything.
        let change = Exit::Guest(Box::new(|vcpu| {
            for (index, register) in common() {
                if register.change != Change::Never {
                    vcpu.words.insert(register.id, !pattern(index));
                }
            }
            vcpu.regs.gpr = [7; 32];
            vcpu.regs.pc = 0x42;
            vcpu.fpu.fpr[31] = [9; 4];
            vcpu.fpu.fcc = 0x0100_0000_0000_0000;
            vcpu.fpu.fcsr = 3;
        }));
        assert_eq!(fake.exec(cpu, vec![change]), 0x1_0000);
        synchronize(cpu);
        for (index, register) in common() {
            let expected = match register.change {
                Change::Never => pattern(index),
                _ => !pattern(index),
            };
            assert_eq!(register.load(cpu), expected, "{register}");
        }
        assert_eq!((cpu.gpr(0), cpu.gpr(1), cpu.pc()), (0, 7, 0x42));
        assert_eq!((cpu.fpr(31, 3), cpu.fcsr0()), (9, 3));
        assert_eq!((cpu.cf(7), cpu.cf(0)), (true, false));
    }
}

#[test]
fn what_did_not_change_is_not_written() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        synchronize(cpu);
        fake.take_calls();
        // Resume after a look: only KVM_RUN.
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        assert_eq!(fake.take_calls(), [(KVM_RUN, 0)]);
        // The debugger moved pc.
        synchronize(cpu);
        fake.take_calls();
        cpu.set_pc(0x5000);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        assert_eq!(fake.take_calls(), [(KVM_SET_REGS, 0), (KVM_RUN, 0)]);
        // One CSR.
        synchronize(cpu);
        fake.take_calls();
        cpu.set_csr(n::ERA, 0x77);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        assert_eq!(
            fake.take_calls(),
            [(KVM_SET_ONE_REG, one_reg::csr(n::ERA)), (KVM_RUN, 0)]
        );
    }
}

#[test]
fn the_timer_is_written_whole_and_tcfg_last() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        synchronize(cpu);
        fake.take_calls();
        cpu.set_csr(n::TVAL, 1000);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        let timer = [n::TVAL, n::TCFG].map(|csr| (KVM_SET_ONE_REG, one_reg::csr(csr)));
        assert_eq!(fake.take_calls()[..2], timer);
    }
}

#[test]
fn reading_costs_what_is_unknown() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    // Never ran: only ESTAT can have changed. Whether there is steal time is
    // asked once a VM.
    synchronize(cpu);
    assert_eq!(
        fake.take_calls(),
        [
            (KVM_GET_ONE_REG, one_reg::csr(n::ESTAT)),
            (KVM_HAS_DEVICE_ATTR, 0)
        ]
    );
    // Already read, but for what changes by itself.
    synchronize(cpu);
    let estat = (KVM_GET_ONE_REG, one_reg::csr(n::ESTAT));
    assert_eq!(fake.take_calls(), [estat]);
    fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
    fake.take_calls();
    synchronize(cpu);
    let calls = fake.take_calls();
    // The C backend has 94; constants are 21 CPUCFG words, CPUID and PRCFG.
    assert!(calls.len() <= 94 - 21 - 4, "{} calls", calls.len());
    assert!(
        !calls
            .iter()
            .any(|(_, id)| (one_reg::cpucfg(0)..one_reg::LBT_SCR0).contains(id))
    );
}

#[test]
fn our_module_needs_a_tenth_of_the_calls() {
    let mut fake = Fake::with_module();
    let cpu = fake.vcpu(0);
    let probes = fake.take_calls().len();
    reset(cpu);
    cpu.set_pc(0x1c00_0000);
    cpu.set_csr(n::CPUID, 0);
    cpu.set_csr(n::CRMD, 8);
    cpu.set_csr(n::ASID, 0xa_0000);
    cpu.set_csr(n::TID, 5);
    post_init(cpu);
    synchronize(cpu);
    reset(cpu);
    post_reset(cpu);
    let start = fake.take_calls().len() + probes;
    // 180 writes, 90 reads and the probes in the C backend.
    assert!(start <= 22, "{start} calls to start");
    fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
    fake.take_calls();
    synchronize(cpu);
    let read = fake.take_calls().len();
    assert!(read <= 3, "{read} calls to read");
    fill(cpu);
    pre_loadvm(cpu);
    post_init(cpu);
    let write = fake.take_calls().len();
    assert!(write <= 3, "{write} calls to write");
}

#[test]
fn a_word_that_the_host_refuses_does_not_spoil_the_bulk() {
    let mut fake = Fake::with_module();
    fake.state(|state| state.kernel.refused.registers.insert(one_reg::cpucfg(4)));
    let cpu = fake.vcpu(0);
    fill(cpu);
    fake.take_calls();
    post_init(cpu);
    let calls = fake.take_calls();
    assert_eq!(cpu.cpucfg(4), 0, "the guest's, not what was asked for");
    assert!(fake.messages().contains("CPUCFG4"), "{}", fake.messages());
    // The words one by one, and the rest at once.
    assert!(calls.len() <= 12, "{} calls", calls.len());
    fake.state(|state| {
        let vcpu = &state.kernel.vcpus[&0];
        for (index, register) in common() {
            let value = vcpu.words.get(&register.id);
            assert_eq!(value, Some(&pattern(index)), "{register}");
        }
    });
}

#[test]
fn after_a_reset_estat_is_written_even_if_it_looks_the_same() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        cpu.set_csr(n::ESTAT, 0x800);
        pre_loadvm(cpu);
        post_init(cpu);
        let estat = one_reg::csr(n::ESTAT);
        let kvm = |fake: &Fake| fake.state(|state| state.kernel.vcpus[&0].words[&estat]);
        assert_eq!(kvm(&fake), 0x800);
        reset(cpu);
        assert_eq!(kvm(&fake), 0);
        post_reset(cpu);
        assert_eq!(kvm(&fake), 0x800);
        assert_eq!(fake.count(KVM_SET_MP_STATE), 0, "only RUNNABLE exists");
    }
}

#[test]
fn a_reset_does_not_set_cpuid_again() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(3);
        reset(cpu);
        post_reset(cpu);
        let cpuid = (KVM_SET_ONE_REG, one_reg::csr(n::CPUID));
        assert!(!fake.take_calls().contains(&cpuid));
        assert_eq!(
            fake.state(|state| state.kernel.vcpus[&3].words[&cpuid.1]),
            3
        );
    }
}

/// Line 2 of a vCPU in KVM: KVM_INTERRUPT, and what the next entry makes of it.
fn set_line(cpu: Cpu, level: i32) {
    // SAFETY: A CPU object under the BQL.
    let result =
        unsafe { accel_kvm_la::hooks::kvm_la_kvm_loongarch_set_interrupt(cpu.as_ptr(), 2, level) };
    assert_eq!(result, 0);
}

fn estat_of_guest(fake: &mut Fake, cpu: Cpu) -> u64 {
    fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
    fake.state(|state| state.kernel.vcpus[&0].words[&one_reg::csr(n::ESTAT)])
}

#[test]
fn an_interrupt_that_comes_after_a_look_is_saved() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        synchronize(cpu);
        cpu.set_pc(0x5000);
        set_line(cpu, 1);
        synchronize(cpu);
        assert_eq!(cpu.csr(n::ESTAT), 1 << 2);
        assert_eq!(cpu.pc(), 0x5000, "the debugger's");
        set_line(cpu, 0);
        synchronize(cpu);
        assert_eq!(cpu.csr(n::ESTAT), 0);
        set_line(cpu, 1);
        assert_eq!(estat_of_guest(&mut fake, cpu), 1 << 2);
    }
}

#[test]
fn lines_that_a_reset_lowers_do_not_lower_what_is_loaded() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        set_line(cpu, 1);
        assert_eq!(estat_of_guest(&mut fake, cpu), 1 << 2);
        synchronize(cpu);
        // The CPU is reset before the devices (QEMU: qemu_devices_reset).
        reset(cpu);
        cpu.set_csr(n::ESTAT, 0);
        set_line(cpu, 0);
        post_reset(cpu);
        pre_loadvm(cpu);
        cpu.set_csr(n::ESTAT, 1 << 2);
        // A device's post_load may look.
        synchronize(cpu);
        assert_eq!(cpu.csr(n::ESTAT), 1 << 2);
        post_init(cpu);
        assert_eq!(estat_of_guest(&mut fake, cpu), 1 << 2);
    }
}

#[test]
fn a_reset_lowers_the_lines_of_interrupt_controllers() {
    // HWI0 to HWI7, the IPI and messages; counters and timer stay.
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        synchronize(cpu);
        cpu.set_csr(n::ESTAT, 1 << 14 | 0x1ffc);
        cpu.set_csr(n::MSGIS0 + 3, 1);
        reset(cpu);
        assert_eq!(cpu.csr(n::MSGIS0 + 3), 0);
        set_line(cpu, 1);
        post_reset(cpu);
        assert_eq!(
            estat_of_guest(&mut fake, cpu),
            3 << 10 | 1 << 2,
            "with a line that was raised since"
        );
    }
}

#[test]
fn loading_a_state_reads_no_more_than_estat_and_writes_all() {
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        fake.take_calls();
        pre_loadvm(cpu);
        let estat = (KVM_GET_ONE_REG, one_reg::csr(n::ESTAT));
        assert_eq!(fake.take_calls(), [estat]);
        synchronize(cpu);
        assert_eq!(fake.take_calls(), []);
        fill(cpu);
        cpu.set_steal_time_address(0x4_0001);
        post_init(cpu);
        fake.state(|state| {
            let vcpu = &state.kernel.vcpus[&0];
            for (index, register) in common().filter(|(_, register)| !register.full_only) {
                assert_eq!(
                    vcpu.words.get(&register.id),
                    Some(&pattern(index)),
                    "{register}"
                );
            }
            assert_eq!(vcpu.steal_time, 0x4_0001);
        });
    }
}

#[test]
fn steal_time_is_the_guests() {
    let mut fake = Fake::new();
    let cpu = fake.started(0);
    fake.exec(
        cpu,
        vec![Exit::Guest(Box::new(|vcpu| vcpu.steal_time = 0x8_0001))],
    );
    synchronize(cpu);
    assert_eq!(cpu.steal_time_address(), 0x8_0001);
}

#[test]
fn paravirtual_features_are_written_once_a_vm() {
    let mut fake = Fake::new();
    let first = fake.vcpu(0);
    let second = fake.vcpu(1);
    post_init(first);
    post_init(second);
    assert_eq!(fake.count(KVM_SET_DEVICE_ATTR), 1);
    // IPI 1, steal time 2, virtual EIOINTC 24.
    assert_eq!(
        fake.state(|state| state.kernel.pv_features),
        Some(1 << 1 | 1 << 2 | 1 << 24)
    );
}

#[test]
fn probes_are_asked_once_a_vm() {
    let mut fake = Fake::new();
    fake.vcpu(0);
    assert!(!fake.take_calls().is_empty());
    fake.vcpu(1);
    assert_eq!(fake.take_calls(), []);
}

#[test]
fn a_cpucfg_word_that_the_host_refuses_is_told_once() {
    let mut fake = Fake::new();
    fake.state(|state| state.kernel.refused.registers.insert(one_reg::cpucfg(4)));
    let cpu = fake.started(0);
    assert_eq!(cpu.cpucfg(4), 0, "the guest's, not what was asked for");
    assert_eq!(
        fake.messages().matches("CPUCFG4").count(),
        1,
        "{}",
        fake.messages()
    );
    reset(cpu);
    post_reset(cpu);
    assert!(
        !fake
            .take_calls()
            .contains(&(KVM_SET_ONE_REG, one_reg::cpucfg(4)))
    );
}

#[test]
fn a_kernel_that_refuses_message_interrupts_gets_cpucfg1_without_them() {
    for make in [Fake::new, Fake::with_module] {
        let mut fake = make();
        // It offers them, so that the guest is to have them.
        fake.state(|state| {
            state.kernel.vm_attributes.insert(9);
            state.kernel.devices.insert(15);
        });
        let cpu = fake.started(0);
        let without = 0x3f2_f2fe;
        assert_eq!(cpu.cpucfg(1), without);
        fake.state(|state| {
            let words = &state.kernel.vcpus[&0].words;
            assert_eq!(words[&one_reg::cpucfg(1)], u64::from(without));
        });
        let told = "CPUCFG1 = 0x7f2f2fe; the guest sees 0x3f2f2fe";
        assert_eq!(fake.messages().matches(told).count(), 1);
        reset(cpu);
        fake.take_calls();
        post_reset(cpu);
        let again = (KVM_SET_ONE_REG, one_reg::cpucfg(1));
        assert!(!fake.take_calls().contains(&again));
    }
}

#[test]
fn groups_come_with_their_features() {
    let mut fake = Fake::with_module();
    fake.state(|state| {
        state.kernel.vm_attributes.extend([2, 3, 4, 5, 9]);
        state.kernel.devices.insert(15);
        state.kernel.refused.takes_msgint = true;
    });
    let cpu = fake.cpu(0);
    fake.state(|state| {
        state.kernel.vcpus.entry(0).or_default();
    });
    // SAFETY: A CPU object under the BQL.
    let result = unsafe { accel_kvm_la::hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr()) };
    assert_eq!(result, 0);
    assert_eq!(cpu.on_off_auto(layout().pmu), OnOffAuto::On);
    assert_eq!(cpu.cpucfg(6), 1 | 3 << 4 | 63 << 8 | 1 << 14);
    assert_eq!(cpu.cpucfg(2) >> 18 & 7, 7);
    assert_eq!(cpu.cpucfg(1) >> 26 & 1, 1);
    for (index, register) in TABLE.iter().enumerate() {
        if matches!(register.group, Group::Pmu | Group::Msgint | Group::Lbt) {
            register.store(cpu, pattern(index));
        }
    }
    post_init(cpu);
    fake.state(|state| {
        for (index, register) in TABLE.iter().enumerate() {
            if matches!(register.group, Group::Pmu | Group::Msgint | Group::Lbt) {
                let value = state.kernel.vcpus[&0].words.get(&register.id);
                assert_eq!(value, Some(&pattern(index)), "{register}");
            }
        }
    });
}

/// A vCPU with message interrupts, whose MSGIE is 0x22.
fn with_messages(fake: &mut Fake) -> Cpu {
    fake.state(|state| {
        state.kernel.vm_attributes.insert(9);
        state.kernel.devices.insert(15);
        state.kernel.refused.takes_msgint = true;
    });
    let cpu = fake.cpu(0);
    // A model that has them.
    cpu.set_cpucfg(1, cpu.cpucfg(1) | 1 << 26);
    cpu.set_on_off_auto(layout().msgint, OnOffAuto::On);
    fake.state(|state| {
        state.kernel.vcpus.entry(0).or_default();
    });
    // SAFETY: A CPU object under the BQL.
    let result = unsafe { accel_kvm_la::hooks::kvm_la_kvm_arch_init_vcpu(cpu.as_ptr()) };
    assert_eq!(result, 0);
    cpu.set_csr(n::MSGIE, 0x22);
    post_init(cpu);
    cpu
}

/// What QEMU migrates of message interrupts reaches KVM and comes back, but for MSGIR,
/// which KVM does not keep: the backend never asks for it.
#[test]
fn the_enable_register_of_message_interrupts_is_exchanged_and_msgir_is_not() {
    for make in both() {
        let mut fake = make();
        let cpu = with_messages(&mut fake);
        let (msgir, msgie) = (one_reg::csr(n::MSGIR), one_reg::csr(n::MSGIE));
        fake.state(|state| {
            assert_eq!(state.kernel.vcpus[&0].words.get(&msgie), Some(&0x22));
        });
        // The guest changes it.
        let change = Exit::Guest(Box::new(move |vcpu| {
            vcpu.words.insert(msgie, 0x33);
        }));
        assert_eq!(fake.exec(cpu, vec![change]), 0x1_0000);
        synchronize(cpu);
        assert_eq!(cpu.csr(n::MSGIE), 0x33);
        assert!(fake.take_calls().iter().all(|(_, id)| *id != msgir));
    }
}

/// QEMU's message interrupt controller sets bits of MSGIS after it had QEMU's copy made the right
/// one, which the next message does too.
#[test]
fn messages_that_qemu_brings_are_not_read_over() {
    for make in both() {
        let mut fake = make();
        let cpu = with_messages(&mut fake);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        for message in 0..3 {
            synchronize(cpu);
            cpu.set_csr(n::MSGIS0, cpu.csr(n::MSGIS0) | 1 << message);
        }
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        let msgis = one_reg::csr(n::MSGIS0);
        fake.state(|state| {
            assert_eq!(state.kernel.vcpus[&0].words.get(&msgis), Some(&0b111));
        });
    }
}

/// What is saved has the timer as it was read once: its interrupt and its rest fit each other. The
/// kernel keeps what has ended meanwhile.
#[test]
fn a_timer_that_ends_while_the_vm_is_stopped_is_not_half_saved() {
    const TI: u64 = 1 << 11;
    let estat = one_reg::csr(n::ESTAT);
    for make in both() {
        let mut fake = make();
        let cpu = fake.started(0);
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        synchronize(cpu);
        set_line(cpu, 1);
        fake.state(|state| {
            let vcpu = state.kernel.vcpus.get_mut(&0).unwrap();
            *vcpu.words.entry(estat).or_default() |= TI;
        });
        synchronize(cpu);
        assert_eq!(cpu.csr(n::ESTAT), 1 << 2, "the line, and no timer");
        fake.exec(cpu, vec![Exit::Errno(libc::EINTR)]);
        fake.state(|state| assert_eq!(state.kernel.vcpus[&0].words[&estat], TI | 1 << 2));
    }
}

#[test]
fn a_kernel_that_refuses_bulk_writes_gets_single_ones_and_a_name_in_the_message() {
    let mut fake = Fake::with_module();
    let cpu = fake.vcpu(0);
    fill(cpu);
    fake.state(|state| state.kernel.refused.registers.insert(one_reg::csr(n::ECFG)));
    // SAFETY: A CPU object in its thread.
    let result = unsafe {
        accel_kvm_la::hooks::kvm_la_kvm_arch_put_registers(cpu.as_ptr(), 3, std::ptr::null_mut())
    };
    assert_eq!(result, -libc::EINVAL);
    crate::fake::post_reset(cpu);
    assert!(
        fake.messages().contains("cannot set ECFG to"),
        "{}",
        fake.messages()
    );
}
