/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interface between QEMU and accel-kvm-la, its KVM backend for LoongArch
 * in Rust. Functions named kvm_la_ and the name of a function of QEMU's do that
 * function's duty; see include/system/kvm.h and include/accel/accel-cpu-ops.h
 * in QEMU.
 *
 * Made by cbindgen from the Rust source, do not edit. To make it again:
 * KVM_LA_UPDATE_HEADER=1 cargo test -p accel-kvm-la --test header
 */

#ifndef ACCEL_KVM_LA_H
#define ACCEL_KVM_LA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Types of QEMU's that are only pointed to. */
struct AddressSpace;
struct CPUState;
struct Error;
struct KVMState;
struct MachineState;
struct kvm_guest_debug;
struct kvm_sw_breakpoint;

/*
 * Members of CPUSysState with the control and status registers that the library
 * exchanges with KVM: ONE(member) for each, MANY(member, length) for an array.
 */
#define KVM_LA_CSRS(ONE, MANY) \
    ONE(CSR_CRMD) \
    ONE(CSR_PRMD) \
    ONE(CSR_EUEN) \
    ONE(CSR_MISC) \
    ONE(CSR_ECFG) \
    ONE(CSR_ESTAT) \
    ONE(CSR_ERA) \
    ONE(CSR_BADV) \
    ONE(CSR_BADI) \
    ONE(CSR_EENTRY) \
    ONE(CSR_TLBIDX) \
    ONE(CSR_TLBEHI) \
    ONE(CSR_TLBELO0) \
    ONE(CSR_TLBELO1) \
    ONE(CSR_ASID) \
    ONE(CSR_PGDL) \
    ONE(CSR_PGDH) \
    ONE(CSR_PGD) \
    ONE(CSR_PWCL) \
    ONE(CSR_PWCH) \
    ONE(CSR_STLBPS) \
    ONE(CSR_RVACFG) \
    ONE(CSR_CPUID) \
    ONE(CSR_PRCFG1) \
    ONE(CSR_PRCFG2) \
    ONE(CSR_PRCFG3) \
    MANY(CSR_SAVE, 16) \
    ONE(CSR_TID) \
    ONE(CSR_TCFG) \
    ONE(CSR_TVAL) \
    ONE(CSR_CNTC) \
    ONE(CSR_TICLR) \
    ONE(CSR_LLBCTL) \
    ONE(CSR_IMPCTL1) \
    ONE(CSR_IMPCTL2) \
    ONE(CSR_TLBRENTRY) \
    ONE(CSR_TLBRBADV) \
    ONE(CSR_TLBRERA) \
    ONE(CSR_TLBRSAVE) \
    ONE(CSR_TLBRELO0) \
    ONE(CSR_TLBRELO1) \
    ONE(CSR_TLBREHI) \
    ONE(CSR_TLBRPRMD) \
    MANY(CSR_MSGIS, 4) \
    ONE(CSR_MSGIE) \
    MANY(CSR_DMW, 4) \
    MANY(CSR_PERFCTRL, 16) \
    MANY(CSR_PERFCNTR, 16)

/**
 * Version of [`KvmLaQemu`] and of how its entries are understood. QEMU's side
 * passes the one it was compiled with.
 */
#define KVM_LA_ABI 2

/**
 * A function or an object of QEMU.
 */
struct KvmLaSymbol {
  /**
   * Its name in QEMU.
   */
  const char *name;
  void *address;
};

/**
 * A member of QEMU's CPU object.
 */
struct KvmLaField {
  /**
   * Its name in the backend's layout.
   */
  const char *name;
  /**
   * Bytes from the start of the object.
   */
  size_t offset;
  /**
   * Bytes of the whole member; of an array's, of all elements.
   */
  size_t size;
};

/**
 * Stores into the thread-local `current_cpu`.
 */
typedef void (*KvmLaSetCurrentCpu)(struct CPUState *cpu);

/**
 * Collects the dirty ring of a vCPU, of all if it is null.
 */
typedef void (*KvmLaDirtyRingReap)(struct CPUState *cpu);

/**
 * The address space behind a vCPU's `iocsr` instructions.
 */
typedef struct AddressSpace *(*KvmLaIocsrAddressSpace)(struct CPUState *cpu);

/**
 * What QEMU hands over.
 */
struct KvmLaQemu {
  /**
   * `KVM_LA_ABI`.
   */
  uint32_t abi;
  /**
   * Bytes of this structure.
   */
  uint32_t size;
  /**
   * Bytes of the CPU object, which every field must be inside of.
   */
  size_t cpu_size;
  /**
   * Functions and objects.
   */
  const struct KvmLaSymbol *symbols;
  /**
   * Elements of `symbols`.
   */
  size_t symbol_count;
  /**
   * Members of the CPU object.
   */
  const struct KvmLaField *fields;
  /**
   * Elements of `fields`.
   */
  size_t field_count;
  /**
   * Needed: `current_cpu` is thread-local and has no address to hand over.
   */
  KvmLaSetCurrentCpu set_current_cpu;
  /**
   * May be null.
   */
  KvmLaDirtyRingReap dirty_ring_reap;
  /**
   * May be null.
   */
  KvmLaIocsrAddressSpace iocsr_address_space;
};

/**
 * Version of the interface that the archive was built with, for programs that
 * want to ask before they link.
 */
int kvm_la_abi(void);

/**
 * AccelOpsClass::cpu_thread_is_idle.
 */
bool kvm_la_cpu_thread_is_idle(struct CPUState *_cpu);

/**
 * AccelOpsClass::cpus_are_resettable: always, since no guest's state is
 * protected.
 */
bool kvm_la_cpus_are_resettable(void);

/**
 * AccelOpsClass::create_vcpu_thread.
 *
 * # Safety
 *
 * QEMU calls it from `qemu_init_vcpu`, under the BQL, for a CPU object that it
 * keeps until it has joined the thread.
 */
void kvm_la_create_vcpu_thread(struct CPUState *cpu);

/**
 * Nothing to do after a message's route was added.
 */
int kvm_la_kvm_arch_add_msi_route_post(void *_route,
                                       int _vector,
                                       void *_device);

/**
 * The vCPU goes.
 *
 * # Safety
 *
 * QEMU calls it under the BQL with a CPU object that is alive.
 */
int kvm_la_kvm_arch_destroy_vcpu(struct CPUState *cpu);

/**
 * Nothing to change in a message's route.
 */
int kvm_la_kvm_arch_fixup_msi_route(void *_route,
                                    uint64_t _address,
                                    uint32_t _data,
                                    void *_device);

/**
 * The type of VM to create: there is one.
 */
int kvm_la_kvm_arch_get_default_type(struct MachineState *_machine);

/**
 * QEMU gets KVM's registers.
 *
 * # Safety
 *
 * QEMU calls it in the vCPU's thread with a CPU object that is alive; `errp`
 * is null or points to null.
 */
int kvm_la_kvm_arch_get_registers(struct CPUState *cpu, struct Error **errp);

/**
 * KVM has no hardware breakpoints for LoongArch.
 */
int kvm_la_kvm_arch_hw_breakpoint(uint64_t _address,
                                  uint64_t _length,
                                  int _kind);

/**
 * The VM exists.
 *
 * # Safety
 *
 * QEMU calls it under the BQL with its accelerator, which lives as long as the
 * process.
 */
int kvm_la_kvm_arch_init(struct MachineState *_machine, struct KVMState *state);

/**
 * Nothing: the board's own function has the routes.
 */
void kvm_la_kvm_arch_init_irq_routing(struct KVMState *_state);

/**
 * The kernel has the vCPU.
 *
 * # Safety
 *
 * QEMU calls it under the BQL in the vCPU's thread, with a CPU object whose
 * file descriptor and run page are there.
 */
int kvm_la_kvm_arch_init_vcpu(struct CPUState *cpu);

/**
 * A breakpoint is to be put into the guest.
 *
 * # Safety
 *
 * As [`kvm_la_kvm_arch_update_guest_debug`].
 */
int kvm_la_kvm_arch_insert_sw_breakpoint(struct CPUState *cpu,
                                         struct kvm_sw_breakpoint *breakpoint);

/**
 * The VM is to have the kernel's interrupt controllers.
 *
 * # Safety
 *
 * As [`kvm_la_kvm_arch_init`].
 */
int kvm_la_kvm_arch_irqchip_create(struct KVMState *state);

/**
 * Nothing to do before the kernel makes a vCPU.
 */
int kvm_la_kvm_arch_pre_create_vcpu(struct CPUState *_cpu,
                                    struct Error **_errp);

/**
 * Whether the vCPU is halted.
 *
 * # Safety
 *
 * QEMU calls it with a CPU object that is alive.
 */
int kvm_la_kvm_arch_process_async_events(struct CPUState *cpu);

/**
 * KVM gets QEMU's registers.
 *
 * # Safety
 *
 * As [`kvm_la_kvm_arch_get_registers`].
 */
int kvm_la_kvm_arch_put_registers(struct CPUState *cpu,
                                  int level,
                                  struct Error **errp);

/**
 * Nothing to do after a route was given back.
 */
int kvm_la_kvm_arch_release_virq_post(int _virq);

/**
 * There are none to remove.
 */
void kvm_la_kvm_arch_remove_all_hw_breakpoints(void);

/**
 * A breakpoint is to be taken out of the guest.
 *
 * # Safety
 *
 * As [`kvm_la_kvm_arch_update_guest_debug`].
 */
int kvm_la_kvm_arch_remove_sw_breakpoint(struct CPUState *cpu,
                                         struct kvm_sw_breakpoint *breakpoint);

/**
 * The CPU object was reset.
 *
 * # Safety
 *
 * QEMU calls it under the BQL with a CPU object that is alive.
 */
void kvm_la_kvm_arch_reset_vcpu(struct CPUState *cpu);

/**
 * An instruction that KVM cannot emulate always stops the VM.
 */
bool kvm_la_kvm_arch_stop_on_emulation_error(struct CPUState *_cpu);

/**
 * KVM is about to be told what is debugged.
 *
 * # Safety
 *
 * QEMU calls it under the BQL with a CPU object that is alive and a structure
 * of its own.
 */
void kvm_la_kvm_arch_update_guest_debug(struct CPUState *cpu,
                                        struct kvm_guest_debug *debug);

/**
 * KVM's number of a vCPU.
 *
 * # Safety
 *
 * QEMU calls it with a CPU object that is alive.
 */
unsigned long kvm_la_kvm_arch_vcpu_id(struct CPUState *cpu);

/**
 * kvm_cpu_exec.
 *
 * # Safety
 *
 * QEMU calls it in the vCPU's thread, under the BQL.
 */
int kvm_la_kvm_cpu_exec(struct CPUState *cpu);

/**
 * AccelOpsClass::synchronize_post_init.
 *
 * # Safety
 *
 * QEMU calls it for a CPU object that is alive, under the BQL.
 */
void kvm_la_kvm_cpu_synchronize_post_init(struct CPUState *cpu);

/**
 * AccelOpsClass::synchronize_post_reset.
 *
 * # Safety
 *
 * QEMU calls it for a CPU object that is alive, under the BQL.
 */
void kvm_la_kvm_cpu_synchronize_post_reset(struct CPUState *cpu);

/**
 * AccelOpsClass::synchronize_pre_loadvm.
 *
 * # Safety
 *
 * QEMU calls it for a CPU object that is alive, under the BQL.
 */
void kvm_la_kvm_cpu_synchronize_pre_loadvm(struct CPUState *cpu);

/**
 * AccelOpsClass::synchronize_state and kvm_cpu_synchronize_state.
 *
 * # Safety
 *
 * QEMU calls it for a CPU object that is alive, under the BQL or in the vCPU's
 * thread.
 */
void kvm_la_kvm_cpu_synchronize_state(struct CPUState *cpu);

/**
 * A CPU object is new: it gets its properties.
 *
 * # Safety
 *
 * QEMU calls it under the BQL with a LoongArchCPU.
 */
void kvm_la_kvm_loongarch_cpu_post_init(struct CPUState *cpu);

/**
 * The board's interrupt controllers exist.
 *
 * # Safety
 *
 * QEMU calls it under the BQL.
 */
void kvm_la_kvm_loongarch_init_irq_routing(void);

/**
 * A line of QEMU's own interrupt controllers changed.
 *
 * # Safety
 *
 * QEMU calls it with a LoongArchCPU that is alive.
 */
int kvm_la_kvm_loongarch_set_interrupt(struct CPUState *cpu,
                                       int irq,
                                       int level);

/**
 * Hands QEMU's functions, objects and structures over. To be called once and
 * before all else. On failure nothing is kept and `message` of `length` bytes
 * gets one line that ends in a zero byte, cut if it is too long.
 *
 * # Safety
 *
 * `qemu` points to a table whose first two members can be read, and all of it
 * if those have the values of this header; its arrays have the lengths that it
 * says and their names end in zero bytes. Each symbol is the one of QEMU with
 * that name. `message` has `length` bytes or is null.
 */
bool kvm_la_link_in_tree(const struct KvmLaQemu *qemu,
                         char *message,
                         size_t length);

/**
 * AccelOpsClass::update_guest_debug.
 *
 * # Safety
 *
 * QEMU calls it for a CPU object that is alive, under the BQL.
 */
int kvm_la_update_guest_debug(struct CPUState *cpu);

#endif  /* ACCEL_KVM_LA_H */
