//! Random access memory.
//!
//! The memory itself is a `vm-memory` map that devices use through its safe
//! interface, with dirty tracking so that device writes are noticed. CPUs use
//! [`Ram`], which adds the page flags that the engine depends on.

use vm_memory::bitmap::AtomicBitmap;

/// The machine's memory, shared with devices.
pub type GuestRam = vm_memory::GuestMemoryMmap<AtomicBitmap>;

/// Memory as CPUs use it.
#[derive(Debug)]
pub struct Ram {
    /// The map itself.
    pub map: GuestRam,
}
