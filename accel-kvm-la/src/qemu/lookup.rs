// SPDX-License-Identifier: GPL-2.0-or-later

//! Accesses to devices whose region is remembered from one to the next.
//!
//! `address_space_rw` looks for the region at each access, in an RCU section. A vCPU
//! that asks the same registers over and over keeps what was found instead: the region,
//! the offset and the sizes that it takes for exact addresses, in one flat view of the address space that it
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
use crate::kvm::exit::Access;

/// How many addresses a vCPU remembers, a power of two.
const ADDRESSES: usize = 16;

/// Changes of the memory map.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// The functions of QEMU that this takes.
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
    unlock: unsafe extern "C" fn(),
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
            unlock: services.bql_unlock,
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
    /// Null if no size is known.
    region: *mut MemoryRegion,
    offset: u64,
    /// Sizes that the region takes as one access, a bit each: bit 4 is four bytes. None for
    /// RAM, or for whatever is not for [`Functions::read`].
    ///
    /// `memory_access_size` goes by the address and by what the region's MemoryRegionOps
    /// say, which are constants of the device model.
    sizes: u16,
}

impl Entry {
    /// Nothing: also right for the address that it names.
    const NONE: Entry = Entry {
        address: u64::MAX,
        region: null_mut(),
        offset: 0,
        sizes: 0,
    };
}

/// A flat view and what was found in it.
struct Lookups {
    functions: &'static Functions,
    view: NonNull<FlatView>,
    /// [`CHANGES`] before the view was taken.
    changes: u64,
    entries: [Entry; ADDRESSES],
}

impl Lookups {
    #[cold]
    #[inline(never)]
    fn new(space: Space) -> Option<Box<Lookups>> {
        let functions = FUNCTIONS.get()?.as_ref()?;
        let changes = CHANGES.load(Ordering::SeqCst);
        // SAFETY: The space is alive; the result is a reference, which `drop` gives back.
        let view = NonNull::new(unsafe { (functions.get_flatview)(space.as_ptr()) })?;
        Some(Box::new(Lookups {
            functions,
            view,
            changes,
            entries: [Entry::NONE; ADDRESSES],
        }))
    }

    /// What is at `address`.
    #[inline(always)]
    fn find(&mut self, address: u64, attributes: Attributes) -> &Entry {
        // Fibonacci hashing: registers of one device and of many are apart.
        let place = (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize % ADDRESSES;
        if self.entries[place].address != address {
            self.entries[place] = self.look_up(address, attributes);
        }
        &self.entries[place]
    }

    #[cold]
    #[inline(never)]
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
        let mut sizes = 0;
        // SAFETY: As above.
        if !region.is_null() && unsafe { (self.functions.ram_addr)(region) } == NO_RAM {
            for size in [1, 2, 4, 8] {
                // SAFETY: As above.
                if unsafe { (self.functions.access_size)(region, size, offset) } == size as i32 {
                    sizes |= 1 << size;
                }
            }
        }
        Entry {
            address,
            region,
            offset,
            sizes,
        }
    }

    /// Does an access, unless it is one for `address_space_rw`.
    #[inline(always)]
    fn access(&mut self, access: &mut Access<'_>, attributes: Attributes) -> bool {
        let functions = self.functions;
        let size = access.size();
        let Entry {
            region,
            offset,
            sizes,
            ..
        } = *self.find(access.address, attributes);
        if sizes >> size & 1 == 0 {
            return false;
        }
        // MemOp, little endian as the computer is.
        let op = size.trailing_zeros();
        // SAFETY: The view is held, and with it the region. The lock, if it was taken, is
        // given back below.
        let locked = unsafe { (functions.prepare)(region) };
        if access.is_write {
            let value = access.value();
            // SAFETY: As above.
            unsafe { (functions.write)(region, offset, value, op, attributes.raw()) };
        } else {
            let mut value = 0;
            // SAFETY: As above; `value` lives.
            unsafe { (functions.read)(region, offset, &raw mut value, op, attributes.raw()) };
            access.answer(value);
        }
        if locked {
            // SAFETY: `prepare` took it.
            unsafe { (functions.unlock)() };
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
    /// Does an access, in the vCPU's thread and always of the same space, if what is
    /// remembered is enough for it.
    #[inline(always)]
    pub fn access(&self, access: &mut Access<'_>, attributes: Attributes) -> bool {
        let Some(mut lookups) = self.current() else {
            return false;
        };
        let done = lookups.access(access, attributes);
        self.keep(lookups);
        done
    }

    /// Does an access that [`Remembered::access`] did not, with a new view if there is
    /// none.
    #[cold]
    #[inline(never)]
    pub fn access_anew(&self, space: Space, access: &mut Access<'_>, attributes: Attributes) {
        let lookups = self.current().or_else(|| Lookups::new(space));
        if let Some(mut lookups) = lookups {
            let done = lookups.access(access, attributes);
            self.keep(lookups);
            if done {
                return;
            }
        }
        let is_write = access.is_write;
        space.access(access.address, attributes, access.bytes(), is_write);
    }

    /// What is remembered and still right.
    #[inline(always)]
    fn current(&self) -> Option<Box<Lookups>> {
        self.take()
            .filter(|lookups| lookups.changes == CHANGES.load(Ordering::SeqCst))
    }

    #[inline(always)]
    fn keep(&self, lookups: Box<Lookups>) {
        let changes = lookups.changes;
        self.0.store(Box::into_raw(lookups), Ordering::SeqCst);
        if changes != CHANGES.load(Ordering::SeqCst) {
            self.forget();
        }
    }

    #[inline(always)]
    fn take(&self) -> Option<Box<Lookups>> {
        let lookups = self.0.swap(null_mut(), Ordering::SeqCst);
        // SAFETY: From `keep`; the swap took it from all others.
        (!lookups.is_null()).then(|| unsafe { Box::from_raw(lookups) })
    }

    /// Lets go of the view.
    #[cold]
    #[inline(never)]
    pub fn forget(&self) {
        drop(self.take());
    }
}

impl Drop for Remembered {
    fn drop(&mut self) {
        self.forget();
    }
}
