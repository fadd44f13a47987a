// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's types that are only ever pointed to.

macro_rules! opaque {
    ($( $(#[$doc:meta])* $name:ident; )*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Debug)]
            pub struct $name {
                private: [u8; 0],
                marker: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
            }
        )*
    };
}

opaque! {
    /// An address space (include/system/memory.h).
    AddressSpace;
    /// A CPU; also the LoongArchCPU that begins with it (include/hw/core/cpu.h).
    CPUState;
    /// The regions of an address space, in order (include/system/memory.h).
    FlatView;
    /// What is known of a crash (qapi/run-state.json).
    GuestPanicInformation;
    /// The accelerator (include/system/kvm_int.h).
    KVMState;
    /// A machine (include/hw/core/boards.h).
    MachineState;
    /// What is told of changes of the memory map (include/system/memory.h).
    MemoryListener;
    /// A memory region (include/system/memory.h).
    MemoryRegion;
    /// A QOM object (include/qom/object.h).
    Object;
    /// A QOM class (include/qom/object.h).
    ObjectClass;
    /// What `object_property_add_*` returns (include/qom/object.h).
    ObjectProperty;
    /// QEMU's `Error` (include/qapi/error.h).
    QEMUError;
    /// A thread's handle (include/qemu/thread.h).
    QemuThread;
    /// A registration (include/system/runstate.h).
    VMChangeStateEntry;
}
