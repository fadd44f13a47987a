// SPDX-License-Identifier: GPL-2.0-or-later

//! A guest with memory of which the VMM has written every page, and that touches one page
//! after the other.

use std::error::Error;
use std::sync::Arc;

use crate::fixture::Guest;
use crate::guest::REPORT;
use crate::harness::Outcome;
use crate::memory::Memory;
use crate::run::{Access, Exit, Unexpected};
use crate::system::Kvm;
use crate::vcpu::Vcpu;
use crate::{ensure_eq, guest_code};

guest_code!(
    /// Stores a1 to a0 unless a2 is zero, loads from there, and reports that.
    touch,
    "lu12i.w $s0, 0x30000",
    "beqz $a2, 1f",
    "st.d $a1, $a0, 0",
    "1:",
    "ld.d $t0, $a0, 0",
    "st.d $t0, $s0, 0",
);

/// Where the guest has the memory: at a multiple of every window in which KVM may map a
/// page's neighbours.
pub const AT: u64 = 0x1_0000_0000;

/// Pages of the memory: several windows, and a word of the log.
pub const PAGES: usize = 64;

/// The slot that has it.
pub const SLOT: u32 = 1;

/// What the VMM wrote to a page.
pub fn first_value(page: usize) -> u64 {
    0x1000 + page as u64
}

/// What came of an access to a page whose slot may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The store was to memory.
    pub stored: bool,
    /// What was loaded from memory, if there was some.
    pub loaded: Option<u64>,
}

/// The guest and its memory.
#[derive(Debug)]
pub struct Ram {
    /// The VM, and its vCPUs, which run the program.
    pub guest: Guest,
    /// The pages from [`AT`] on, of which slot [`SLOT`] has all or some.
    pub memory: Arc<Memory>,
}

impl Ram {
    /// In a slot of all pages.
    pub fn new(kvm: &Kvm, flags: u32) -> Result<Self, crate::Error> {
        Self::part(kvm, (0, PAGES), flags)
    }

    /// In a slot of some pages: the first, and how many.
    pub fn part(
        kvm: &Kvm,
        (first, count): (usize, usize),
        flags: u32,
    ) -> Result<Self, crate::Error> {
        let ram = Self::without_slot(Guest::new(kvm, touch())?)?;
        let (offset, length) = (ram.offset(first), ram.offset(count));
        let at = AT + offset as u64;
        ram.guest
            .vm
            .map_part(SLOT, at, &ram.memory, (offset, length), flags)?;
        Ok(ram)
    }

    /// In a slot of all pages, of a guest with several vCPUs.
    pub fn shared(kvm: &Kvm, vcpus: u32, flags: u32) -> Result<Self, crate::Error> {
        let ram = Self::without_slot(Guest::with_vcpus(kvm, touch(), vcpus)?)?;
        ram.guest.vm.map(SLOT, AT, &ram.memory, flags)?;
        Ok(ram)
    }

    fn without_slot(guest: Guest) -> Result<Self, crate::Error> {
        let memory = Arc::new(Memory::new(PAGES * Memory::page_size())?);
        let ram = Self { guest, memory };
        ram.write_all();
        Ok(ram)
    }

    /// Where a page begins.
    pub fn offset(&self, page: usize) -> usize {
        page * Memory::page_size()
    }

    /// The VMM writes every page.
    pub fn write_all(&self) {
        for page in 0..PAGES {
            self.memory.write_u64(self.offset(page), first_value(page));
        }
    }

    /// Changes the slot's flags.
    pub fn set_flags(&self, flags: u32) -> Outcome {
        self.guest.vm.map(SLOT, AT, &self.memory, flags)?;
        Ok(())
    }

    fn start(&self, vcpu: &Vcpu, address: u64, value: Option<u64>) -> Outcome {
        vcpu.start_at(0)?;
        let mut regs = vcpu.regs()?;
        regs.gpr[4] = address;
        regs.gpr[5] = value.unwrap_or(0);
        regs.gpr[6] = u64::from(value.is_some());
        vcpu.set_regs(&regs)?;
        Ok(())
    }

    fn address(&self, page: usize) -> u64 {
        AT + self.offset(page) as u64
    }

    /// The guest loads from a page.
    pub fn load(&self, page: usize) -> Result<u64, Box<dyn Error>> {
        let vcpu = self.guest.vcpu();
        self.start(vcpu, self.address(page), None)?;
        Ok(vcpu.next_report()?.1)
    }

    /// The guest must load this from a page.
    pub fn expect(&self, page: usize, value: u64) -> Outcome {
        ensure_eq!(self.load(page)?, value, "page {page}");
        Ok(())
    }

    /// The guest stores to a page; its memory shows it.
    pub fn store(&self, page: usize, value: u64) -> Outcome {
        self.start(self.guest.vcpu(), self.address(page), Some(value))?;
        self.guest.expect(0, value)?;
        let found = self.memory.read_u64(self.offset(page));
        ensure_eq!(found, value, "the memory of page {page}");
        Ok(())
    }

    /// The guest finds no memory at a page: it stores `value`, or loads.
    pub fn expect_nothing(&self, page: usize, value: Option<u64>) -> Outcome {
        let vcpu = self.guest.vcpu();
        self.start(vcpu, self.address(page), value)?;
        let wanted = Access {
            address: self.address(page),
            length: 8,
            written: value,
        };
        ensure_eq!(vcpu.run()?, Exit::Mmio(wanted), "an access to page {page}");
        if value.is_none() {
            // The load ends with the next KVM_RUN.
            vcpu.page.answer_read(0x77);
            self.guest.expect(0, 0x77)?;
        }
        Ok(())
    }

    /// A vCPU stores to an address if there is a value, and loads from it, while the slot
    /// may come and go.
    pub fn touch(
        &self,
        vcpu: &Vcpu,
        address: u64,
        value: Option<u64>,
    ) -> Result<Touched, Box<dyn Error>> {
        self.start(vcpu, address, value)?;
        let mut stored = value.is_some();
        let mut missed = false;
        loop {
            match vcpu.run()? {
                Exit::Mmio(Access {
                    address: REPORT,
                    written: Some(loaded),
                    ..
                }) => {
                    let loaded = (!missed).then_some(loaded);
                    return Ok(Touched { stored, loaded });
                }
                Exit::Mmio(Access {
                    address: at,
                    written,
                    ..
                }) if at == address => match written {
                    Some(_) => stored = false,
                    None => {
                        missed = true;
                        vcpu.page.answer_read(0);
                    }
                },
                exit => return Err(Unexpected(exit).into()),
            }
        }
    }

    /// The pages that were written, by the log.
    pub fn log(&self) -> Result<Vec<usize>, crate::Error> {
        let log = self.guest.vm.dirty_log(SLOT)?;
        let written = |page: &usize| {
            log.get(page / 64)
                .is_some_and(|word| word >> (page % 64) & 1 != 0)
        };
        Ok((0..PAGES).filter(written).collect())
    }
}
