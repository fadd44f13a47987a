// SPDX-License-Identifier: GPL-2.0-or-later

//! Accesses to devices whose region is remembered from one to the next.
//!
//! `address_space_rw` looks for the region at each access, in an RCU section. A vCPU
//! that asks the same registers over and over keeps what was found instead: the region
//! and the offset for exact addresses, in one flat view of the address space that it
//! holds a reference of, which keeps the view's regions and their devices alive (QEMU:
//! system/memory.c, flatview_ref). What is in RAM is not remembered.
//!
//! When QEMU changes the memory map, the commit of a MemoryListener, which any listener
//! gets for any address space, counts the change and takes from each vCPU what it keeps,
//! so that a device that was unplugged is not kept by a vCPU that sleeps. A vCPU that is
//! in an access then goes on with the old view, as one in an RCU section would, and lets
//! go of it afterwards.
//!
//! Order: a vCPU puts its view back and then looks at the count; the commit counts and
//! then looks for views, both sequentially consistent, so that one of the two sees what
//! the other did. The commit comes behind the change of the map and under the BQL: a vCPU
//! that learns of the change from the thread that made it sees the new count.
//!
//! Translation is that of QEMU without an IOMMU between CPU and memory, which no board of
//! LoongArch has: a mapping of an IOMMU can change without a change of the map.

use std::ptr::{NonNull, null_mut};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::bql::Bql;
use super::memory::{Attributes, Space};
use super::opaque::{FlatView, MemoryListener, MemoryRegion};
use super::services::services;

/// How many addresses a vCPU remembers, a power of two.
const ADDRESSES: usize = 16;

/// Changes of the memory map.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// The functions of QEMU that this takes.
#[derive(Clone, Copy)]
struct Functions {
    get_flatview: unsafe extern "C" fn(*mut super::opaque::AddressSpace) -> *mut FlatView,
    unref: unsafe extern "C" fn(*mut FlatView),
    translate: unsafe extern "C" fn(
        *mut FlatView,
        u64,
        *mut u64,
        *mut u64,
        bool,
        u64,
    ) -> *mut MemoryRegion,
    ram_addr: unsafe extern "C" fn(*const MemoryRegion) -> u64,
    access_size: unsafe extern "C" fn(*mut MemoryRegion, u32, u64) -> i32,
    prepare: unsafe extern "C" fn(*mut MemoryRegion) -> bool,
    read: unsafe extern "C" fn(*mut MemoryRegion, u64, *mut u64, u32, u64) -> u32,
    write: unsafe extern "C" fn(*mut MemoryRegion, u64, u64, u32, u64) -> u32,
}

/// Those of this QEMU once changes of the map are listened to, if it has all.
static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();

/// Begins of a MemoryListener (include/system/memory.h): what it calls before and after a
/// change. The rest is zero: nothing else is called, no priority and no name.
#[repr(C, align(16))]
struct Listener {
    begin: Option<unsafe extern "C" fn(*mut MemoryListener)>,
    commit: Option<unsafe extern "C" fn(*mut MemoryListener)>,
    rest: [u64; 126],
}

/// Listens to changes of the memory map from now on; `forget` is to call
/// [`Remembered::forget`] for all vCPUs. Once a process.
pub fn listen(_: &Bql, forget: fn()) {
    /// What the commit calls.
    static FORGET: OnceLock<fn()> = OnceLock::new();

    unsafe extern "C" fn commit(_: *mut MemoryListener) {
        CHANGES.fetch_add(1, Ordering::SeqCst);
        if let Some(forget) = FORGET.get() {
            forget();
        }
    }

    FUNCTIONS.get_or_init(|| {
        let services = services();
        let register = services.memory_listener_register?;
        let functions = Functions {
            get_flatview: services.address_space_get_flatview?,
            unref: services.flatview_unref?,
            translate: services.flatview_translate?,
            ram_addr: services.memory_region_get_ram_addr?,
            access_size: services.memory_access_size?,
            prepare: services.prepare_mmio_access?,
            read: services.memory_region_dispatch_read?,
            write: services.memory_region_dispatch_write?,
        };
        let _ = FORGET.set(forget);
        let listener = Box::leak(Box::new(Listener {
            begin: None,
            commit: Some(commit),
            rest: [0; 126],
        }));
        // SAFETY: A listener of more than the size of QEMU's that stays; the BQL is held.
        unsafe {
            register(
                std::ptr::from_mut(listener).cast(),
                services.address_space_memory,
            );
        }
        Some(functions)
    });
}

/// What is at an address.
#[derive(Clone, Copy)]
struct Entry {
    address: u64,
    /// None is RAM, or whatever is not for [`Functions::read`].
    region: Option<NonNull<MemoryRegion>>,
    offset: u64,
}

/// A flat view and what was found in it.
struct Lookups {
    functions: Functions,
    view: NonNull<FlatView>,
    /// [`CHANGES`] before the view was taken.
    changes: u64,
    entries: [Option<Entry>; ADDRESSES],
}

impl Lookups {
    #[cold]
    fn new(functions: Functions, space: Space) -> Option<Box<Lookups>> {
        let changes = CHANGES.load(Ordering::SeqCst);
        // SAFETY: The space is alive; the result is a reference, which `drop` gives back.
        let view = NonNull::new(unsafe { (functions.get_flatview)(space.as_ptr()) })?;
        Some(Box::new(Lookups {
            functions,
            view,
            changes,
            entries: [None; ADDRESSES],
        }))
    }

    /// What is at `address`.
    #[inline]
    fn find(&mut self, address: u64, attributes: Attributes) -> Entry {
        // Fibonacci hashing: registers of one device and of many are apart.
        let place = (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize % ADDRESSES;
        match self.entries[place] {
            Some(entry) if entry.address == address => entry,
            _ => {
                let entry = self.look_up(address, attributes);
                self.entries[place] = Some(entry);
                entry
            }
        }
    }

    #[cold]
    fn look_up(&self, address: u64, attributes: Attributes) -> Entry {
        /// RAM_ADDR_INVALID.
        const NO_RAM: u64 = u64::MAX;
        let (mut offset, mut length) = (0, 8);
        // SAFETY: The view is held, and with it the region.
        let region = unsafe {
            (self.functions.translate)(
                self.view.as_ptr(),
                address,
                &raw mut offset,
                &raw mut length,
                false,
                attributes.raw(),
            )
        };
        // SAFETY: As above.
        let region = NonNull::new(region)
            .filter(|region| unsafe { (self.functions.ram_addr)(region.as_ptr()) } == NO_RAM);
        Entry {
            address,
            region,
            offset,
        }
    }

    /// Does an access, unless it is one for `address_space_rw`.
    #[inline]
    fn access(
        &mut self,
        address: u64,
        attributes: Attributes,
        data: &mut [u8],
        is_write: bool,
    ) -> bool {
        let Entry { region, offset, .. } = self.find(address, attributes);
        let (Some(region), 1 | 2 | 4 | 8) = (region, data.len()) else {
            return false;
        };
        let Functions {
            access_size,
            prepare,
            read,
            write,
            ..
        } = self.functions;
        let (region, attributes) = (region.as_ptr(), attributes.raw());
        let mut bytes = [0; 8];
        let size = data.len() as u32;
        // SAFETY: The view is held, and with it the region.
        if unsafe { access_size(region, size, offset) } != size as i32 {
            return false;
        }
        // MemOp, little endian as the computer is.
        let op = size.trailing_zeros();
        // SAFETY: As above. The lock, if it was taken, is given back below.
        let locked = unsafe { prepare(region) };
        if is_write {
            for (byte, data) in bytes.iter_mut().zip(&*data) {
                *byte = *data;
            }
            // SAFETY: As above.
            unsafe { write(region, offset, u64::from_le_bytes(bytes), op, attributes) };
        } else {
            let mut value = 0;
            // SAFETY: As above; `value` lives.
            unsafe { read(region, offset, &raw mut value, op, attributes) };
            bytes = value.to_le_bytes();
        }
        if locked {
            // SAFETY: `prepare` took it.
            unsafe { (services().bql_unlock)() };
        }
        if !is_write {
            for (data, byte) in data.iter_mut().zip(bytes) {
                *data = byte;
            }
        }
        true
    }
}

impl Drop for Lookups {
    fn drop(&mut self) {
        // SAFETY: The reference of `new`.
        unsafe { (self.functions.unref)(self.view.as_ptr()) };
    }
}

/// What a vCPU remembers of an address space. Its thread uses it, and any thread may make
/// it forget.
#[derive(Debug, Default)]
pub struct Remembered(AtomicPtr<Lookups>);

impl Remembered {
    /// [`Space::access`], in the vCPU's thread and always of the same space.
    #[inline]
    pub fn access(
        &self,
        space: Space,
        address: u64,
        attributes: Attributes,
        data: &mut [u8],
        is_write: bool,
    ) {
        if let Some(Some(functions)) = FUNCTIONS.get()
            && let Some(mut lookups) = self.current(*functions, space)
        {
            let done = lookups.access(address, attributes, data, is_write);
            self.keep(lookups);
            if done {
                return;
            }
        }
        space.access(address, attributes, data, is_write);
    }

    /// What is right now: what is remembered, or a new view.
    #[inline]
    fn current(&self, functions: Functions, space: Space) -> Option<Box<Lookups>> {
        match self.take() {
            Some(lookups) if lookups.changes == CHANGES.load(Ordering::SeqCst) => Some(lookups),
            _ => Lookups::new(functions, space),
        }
    }

    #[inline]
    fn keep(&self, lookups: Box<Lookups>) {
        let changes = lookups.changes;
        self.0.store(Box::into_raw(lookups), Ordering::SeqCst);
        if changes != CHANGES.load(Ordering::SeqCst) {
            self.forget();
        }
    }

    #[inline]
    fn take(&self) -> Option<Box<Lookups>> {
        let lookups = self.0.swap(null_mut(), Ordering::SeqCst);
        // SAFETY: From `keep`; the swap took it from all others.
        (!lookups.is_null()).then(|| unsafe { Box::from_raw(lookups) })
    }

    /// Lets go of the view.
    pub fn forget(&self) {
        drop(self.take());
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        self.forget();
    }
}
