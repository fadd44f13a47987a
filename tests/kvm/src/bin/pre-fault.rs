// SPDX-License-Identifier: GPL-2.0-or-later

//! KVM_PRE_FAULT_MEMORY: what is left of the range, errors, and that the guest sees and
//! the log says what they would without.

use std::process::ExitCode;
use std::sync::Arc;

use kvm::error::errno::{EFAULT, EINVAL, ENOENT};
use kvm::harness::{self, Case, Outcome};
use kvm::uapi::{MEM_LOG_DIRTY_PAGES, MEM_READONLY, PreFault, capability as cap};
use kvm::{Guest, Kvm, Memory, ensure_eq, ensure_errno, request};

kvm::guest_code!(
    /// Reports what it loads from a0, stores a1 there, and reports what it loads then.
    change,
    "lu12i.w $s0, 0x30000",
    "ld.d $t0, $a0, 0",
    "st.d $t0, $s0, 0",
    "st.d $a1, $a0, 0",
    "ld.d $t0, $a0, 0",
    "st.d $t0, $s0, 0",
);

/// Where the guest has the memory, of this many pages.
const AT: u64 = 0x1_0000_0000;
const PAGES: usize = 40;

/// Every other page is the VMM's; the others do not exist yet.
fn first_value(page: usize) -> u64 {
    if page.is_multiple_of(2) {
        0x1000 + page as u64
    } else {
        0
    }
}

fn offset(page: usize) -> usize {
    page * Memory::page_size()
}

fn range(first: usize, count: usize) -> PreFault {
    PreFault {
        guest: AT + offset(first) as u64,
        size: offset(count) as u64,
        flags: 0,
        pad: [0; 5],
    }
}

fn ram(kvm: &Kvm, flags: u32) -> Result<(Guest, Arc<Memory>), Box<dyn std::error::Error>> {
    kvm.needs(cap::PRE_FAULT_MEMORY)?;
    let guest = Guest::new(kvm, change())?;
    let memory = Arc::new(Memory::new(offset(PAGES))?);
    for page in (0..PAGES).step_by(2) {
        memory.write_u64(offset(page), first_value(page));
    }
    guest.vm.map(1, AT, &memory, flags)?;
    Ok((guest, memory))
}

/// The guest finds in a page what was there, and stores to it.
fn use_page(guest: &Guest, memory: &Memory, page: usize) -> Outcome {
    let vcpu = guest.vcpu();
    vcpu.start_at(0)?;
    let mut regs = vcpu.regs()?;
    regs.gpr[4] = AT + offset(page) as u64;
    regs.gpr[5] = 0x2000 + page as u64;
    vcpu.set_regs(&regs)?;
    guest.expect(0, first_value(page))?;
    guest.expect(0, 0x2000 + page as u64)?;
    let found = memory.read_u64(offset(page));
    ensure_eq!(found, 0x2000 + page as u64, "the memory of page {page}");
    Ok(())
}

/// All pages, some of them twice; then the guest uses them.
fn whole(kvm: &Kvm) -> Outcome {
    let (guest, memory) = ram(kvm, 0)?;
    use_page(&guest, &memory, 9)?;
    for (first, count) in [(3, 10), (0, PAGES), (0, PAGES)] {
        let mut left = range(first, count);
        guest.vcpu().pre_fault(&mut left)?;
        ensure_eq!(left, range(first + count, 0), "what is left");
    }
    for page in (0..PAGES).filter(|page| *page != 9) {
        use_page(&guest, &memory, page)?;
    }
    Ok(())
}

/// Nothing becomes dirty, and every store is seen.
fn logged(kvm: &Kvm) -> Outcome {
    let (guest, memory) = ram(kvm, MEM_LOG_DIRTY_PAGES)?;
    guest.vcpu().pre_fault(&mut range(0, PAGES))?;
    ensure_eq!(guest.vm.dirty_log(1)?, [0], "pages that were written");
    for page in [4, 7, 8] {
        use_page(&guest, &memory, page)?;
    }
    ensure_eq!(guest.vm.dirty_log(1)?, [1 << 4 | 1 << 7 | 1 << 8], "pages");
    Ok(())
}

/// The range ends where the slot does: what is done counts, then it is an error.
fn beyond(kvm: &Kvm) -> Outcome {
    let (guest, memory) = ram(kvm, MEM_READONLY)?;
    let mut left = range(PAGES - 3, 7);
    guest.vcpu().pre_fault(&mut left)?;
    ensure_eq!(left, range(PAGES, 4), "what is left");
    ensure_errno!(guest.vcpu().pre_fault(&mut left), ENOENT, "no memory");
    ensure_eq!(left, range(PAGES, 4), "what is left then");
    let mut none = range(PAGES, 1);
    none.guest = !(2 * none.size - 1);
    ensure_errno!(guest.vcpu().pre_fault(&mut none), ENOENT, "no address");
    ensure_eq!(memory.read_u64(offset(2)), first_value(2), "page 2");
    Ok(())
}

/// Ranges that are none.
fn errors(kvm: &Kvm) -> Outcome {
    let (guest, _memory) = ram(kvm, 0)?;
    let vcpu = guest.vcpu();
    let good = range(0, 1);
    let bad = [
        PreFault { flags: 1, ..good },
        PreFault { size: 0, ..good },
        PreFault { size: 8, ..good },
        PreFault {
            guest: AT + 8,
            ..good
        },
        PreFault {
            size: 0u64.wrapping_sub(offset(1) as u64),
            ..good
        },
    ];
    for mut range in bad {
        let before = range;
        ensure_errno!(vcpu.pre_fault(&mut range), EINVAL, "{before:x?}");
        ensure_eq!(range, before, "what is left");
    }
    // SAFETY: the kernel finds nothing at this address.
    let nowhere = unsafe { request::PRE_FAULT_MEMORY.call_at(vcpu, 8) };
    ensure_errno!(nowhere, EFAULT, "a range nowhere");
    Ok(())
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("whole", whole),
        case("logged", logged),
        case("beyond", beyond),
        case("errors", errors),
    ])
}
