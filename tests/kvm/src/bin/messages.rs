// SPDX-License-Identifier: GPL-2.0-or-later

//! Message interrupts: the DMSINTC, its window, messages by KVM_SIGNAL_MSI and irqfd to
//! vCPUs that run, sleep or do neither, and the registers that hold them. On a host that
//! has them (`--cpu la664`).

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use kvm::error::errno::{EFAULT, EINVAL, ENXIO};
use kvm::harness::{self, Case, Outcome, Skip, known_in_linux, only_on_ours};
use kvm::uapi::{self, RoutingEntry};
use kvm::vectors::silent;
use kvm::{Device, Event, Guest, Kvm, affinity, ensure_eq, ensure_errno};
use la_arch::Interrupt;
use la_arch::avec::{CPU_SHIFT, VECTOR_SHIFT};
use la_arch::cpucfg::word1;
use la_arch::csr::number as csr;
use la_arch::kvm::device as d;
use la_arch::one_reg as id;

/// The window, where QEMU's board has it.
const BASE: u64 = 0x2fe0_0000;
const SIZE: u64 = 0x10_0000;

kvm::guest_code!(
    /// Enables the message interrupt, reports (as number 1) that it is ready and loops with
    /// interrupts on. The handler reports each vector as number 0.
    busy,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $t0, 1",
    "csrwr $t0, 0xc", // EENTRY = 0x1000
    "lu12i.w $t0, 4",
    "csrwr $t0, 0x4", // ECFG: bit 14
    "st.d $zero, $s0, 8",
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "2:",
    "b 2b",
    ".p2align 12",
    "3:",
    "csrrd $t0, 0xa4", // MSGIR
    "bstrpick.d $t1, $t0, 31, 31",
    "bnez $t1, 4f",
    "st.d $t0, $s0, 0",
    "b 3b",
    "4:",
    "ertn",
);

kvm::guest_code!(
    /// The same, asleep.
    sleeper,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $t0, 1",
    "csrwr $t0, 0xc",
    "lu12i.w $t0, 4",
    "csrwr $t0, 0x4",
    "st.d $zero, $s0, 8",
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0",
    "2:",
    "idle 0",
    "b 2b",
    ".p2align 12",
    "3:",
    "csrrd $t0, 0xa4",
    "bstrpick.d $t1, $t0, 31, 31",
    "bnez $t1, 4f",
    "st.d $t0, $s0, 0",
    "b 3b",
    "4:",
    "ertn",
);

kvm::guest_code!(
    /// Reports MSGIS0 to MSGIS3, MSGIE and ESTAT, for ever.
    looker,
    "lu12i.w $s0, 0x30000",
    "1:",
    ".irp n,0xa0,0xa1,0xa2,0xa3,0xa5,0x5",
    "csrrd $t0, \\n",
    "st.d $t0, $s0, 0",
    ".endr",
    "b 1b",
);

/// Address of a message.
fn to(vcpu: u64, vector: u64) -> u64 {
    BASE | vcpu << CPU_SHIFT | vector << VECTOR_SHIFT
}

/// Gives all vCPUs of a guest message interrupts, and its VM a controller.
fn with_messages(guest: &Guest) -> Result<Device, Box<dyn std::error::Error>> {
    give(guest)?;
    let device = guest.vm.create_device(uapi::DEVICE_DMSINTC)?;
    device.set(d::DMSINTC_GRP_CTRL, d::DMSINTC_MSG_ADDR_BASE, BASE)?;
    device.set(d::DMSINTC_GRP_CTRL, d::DMSINTC_MSG_ADDR_SIZE, SIZE)?;
    Ok(device)
}

/// Gives all vCPUs message interrupts, if the host has them.
fn give(guest: &Guest) -> Outcome {
    // What VCPU_ATTR_CPUCFG allows in this word does not tell (Linux: _kvm_get_cpucfg_mask).
    if !guest.vm.has_device(uapi::DEVICE_DMSINTC) {
        return Err(Skip("the host has no message interrupts".into()).into());
    }
    for vcpu in &guest.vcpus {
        let word = vcpu.one_reg(id::cpucfg(1))? | u64::from(word1::MSGINT);
        vcpu.set_one_reg(id::cpucfg(1), word)?;
    }
    Ok(())
}

/// A guest with message interrupts, all of whose vCPUs are ready.
fn ready(kvm: &Kvm, code: &[u8], vcpus: u32) -> Result<Guest, Box<dyn std::error::Error>> {
    let guest = Guest::with_irqchip(kvm, code, vcpus)?;
    with_messages(&guest)?;
    for vcpu in &guest.vcpus {
        ensure_eq!(vcpu.next_report()?, (1, 0), "the first report");
    }
    Ok(guest)
}

/// All of a guest's message interrupt registers that KVM keeps.
fn registers(vcpu: &kvm::Vcpu) -> Result<Vec<u64>, Box<dyn std::error::Error>> {
    let words = csr::MSGIS0..csr::MSGIR;
    Ok(words
        .map(|number| vcpu.csr(number))
        .collect::<Result<_, _>>()?)
}

/// Each vector, whatever the datum.
fn vectors(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, busy(), 1)?;
    for vector in 0..256 {
        guest.vm.signal_msi(to(0, vector), !vector as u32)?;
        guest.expect(0, vector)?;
    }
    silent(&guest, "all vectors")
}

/// Several at once come highest first, and each once.
fn order(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, busy(), 1)?;
    for vector in [3, 200, 64, 200, 127, 3] {
        guest.vm.signal_msi(to(0, vector), 0)?;
    }
    for vector in [200, 127, 64, 3] {
        guest.expect(0, vector)?;
    }
    silent(&guest, "them")
}

fn irqfds(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, busy(), 1)?;
    let message = |gsi, address: u64| RoutingEntry::message_to(gsi, address, 0x1234_5678);
    guest.vm.set_routing(&[
        message(1, to(0, 33)),
        message(2, to(7, 34)),
        message(3, to(0, 255)),
    ])?;
    let events = [Event::new()?, Event::new()?, Event::new()?];
    for (gsi, event) in (1..).zip(&events) {
        guest.vm.irqfd(gsi, event, None)?;
    }
    let [first, none, second] = &events;
    for _ in 0..3 {
        // No vCPU has that number.
        none.signal()?;
        first.signal()?;
        guest.expect(0, 33)?;
        second.signal()?;
        first.signal()?;
        guest.expect(0, 255)?;
        guest.expect(0, 33)?;
    }
    silent(&guest, "the irqfds")
}

/// Each vCPU gets its own.
fn vcpus(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, busy(), 3)?;
    for (vcpu, vector) in [(2, 9), (0, 7), (1, 8)] {
        guest.vm.signal_msi(to(vcpu, vector), 0)?;
    }
    for (vcpu, vector) in guest.vcpus.iter().zip(7..) {
        ensure_eq!(vcpu.next_report()?, (0, vector), "the report");
    }
    ensure_errno!(
        guest.vm.signal_msi(to(3, 10), 0),
        EINVAL,
        "a message to no vCPU"
    );
    silent(&guest, "them")
}

/// What is outside the window goes to the EIOINTC.
fn window(kvm: &Kvm) -> Outcome {
    let guest = Guest::with_irqchip(kvm, busy(), 1)?;
    give(&guest)?;
    let device = guest.vm.create_device(uapi::DEVICE_DMSINTC)?;
    let group = d::DMSINTC_GRP_CTRL;
    let (base, size) = (d::DMSINTC_MSG_ADDR_BASE, d::DMSINTC_MSG_ADDR_SIZE);
    ensure_errno!(
        guest.vm.create_device(uapi::DEVICE_DMSINTC),
        EINVAL,
        "a second controller"
    );
    ensure_errno!(
        device.set(group, base, BASE + 0x800),
        EINVAL,
        "a base inside a CPU's part"
    );
    ensure_errno!(
        device.set(group, 2, 0),
        ENXIO,
        "an attribute that there is not"
    );
    ensure_errno!(
        device.set(group + 1, base, BASE),
        EINVAL,
        "a group that there is not"
    );
    // Without a window a message is a vector of the EIOINTC, as it is outside of it.
    ensure_errno!(
        guest.vm.signal_msi(to(0, 5), 256),
        EINVAL,
        "before the window is set"
    );
    device.set(group, base, BASE)?;
    device.set(group, size, SIZE)?;
    ensure_errno!(device.set(group, base, BASE), EFAULT, "the base again");
    ensure_errno!(device.set(group, size, SIZE), EFAULT, "the size again");
    guest.expect(1, 0)?;
    for address in [BASE - 0x10, BASE + SIZE] {
        ensure_errno!(
            guest.vm.signal_msi(address, 256),
            EINVAL,
            "message to {address:#x}"
        );
        guest.vm.signal_msi(address, 5)?;
    }
    ensure_errno!(
        guest.vm.signal_msi(BASE + SIZE - 0x10, 0),
        EINVAL,
        "the window's last"
    );
    guest.vm.signal_msi(BASE, 256)?;
    guest.expect(0, 0)?;
    silent(&guest, "messages outside the window")
}

/// A guest without message interrupts has neither line nor registers for them.
fn not_given(kvm: &Kvm) -> Outcome {
    let guest = Guest::with_irqchip(kvm, looker(), 1)?;
    with_messages(&guest)?;
    let vcpu = guest.vcpu();
    let word = vcpu.one_reg(id::cpucfg(1))? & !u64::from(word1::MSGINT);
    vcpu.set_one_reg(id::cpucfg(1), word)?;
    known_in_linux(
        kvm,
        "a message to a guest without message interrupts is taken (7.3 refuses it)",
        (|| {
            ensure_errno!(guest.vm.signal_msi(to(0, 5), 0), EINVAL, "the message");
            Ok(())
        })(),
    )
}

/// A guest without them sees nothing of those that another has on the same CPU.
fn apart(kvm: &Kvm) -> Outcome {
    only_on_ours(kvm)?;
    affinity::run_on(0)?;
    let full = Guest::with_irqchip(kvm, looker(), 1)?;
    with_messages(&full)?;
    full.vcpu().set_csr(csr::MSGIE, 0x44)?;
    for vector in [1, 100, 190, 255] {
        full.vm.signal_msi(to(0, vector), 0)?;
    }
    let expected = [2, 1 << 36, 1 << 62, 1 << 63, 0x44, Interrupt::AVEC.mask()];
    let look = |guest: &Guest, expected: [u64; 6]| -> Outcome {
        for (place, value) in expected.into_iter().enumerate() {
            let (_, found) = guest.vcpu().next_report()?;
            ensure_eq!(found, value, "report {place}");
        }
        Ok(())
    };
    look(&full, expected)?;
    let none = Guest::with_irqchip(kvm, looker(), 1)?;
    let other = Guest::with_irqchip(kvm, looker(), 1)?;
    with_messages(&other)?;
    for _ in 0..3 {
        look(&other, [0; 6])?;
        look(&full, expected)?;
        look(&none, [0; 6])?;
        look(&full, expected)?;
    }
    Ok(())
}

/// The registers of one vCPU into another: nothing is lost, whichever register is read
/// first and whether the vCPU has run since the message.
fn moved(kvm: &Kvm) -> Outcome {
    for (estat_first, run_between) in [(true, false), (false, false), (true, true), (false, true)] {
        let outcome = || -> Outcome {
            let source = ready(kvm, busy(), 1)?;
            let vcpu = source.vcpu();
            if run_between {
                source.vm.signal_msi(to(0, 77), 0)?;
                // It stands in the handler, behind the first vector.
                source.expect(0, 77)?;
            }
            for vector in [12, 70, 128, 255] {
                source.vm.signal_msi(to(0, vector), 0)?;
            }
            let (estat, messages);
            if estat_first {
                estat = vcpu.csr(csr::ESTAT)?;
                messages = registers(vcpu)?;
            } else {
                messages = registers(vcpu)?;
                estat = vcpu.csr(csr::ESTAT)?;
            }
            ensure_eq!(messages, [1 << 12, 1 << 6, 1, 1 << 63], "the registers");
            ensure_eq!(
                estat & Interrupt::AVEC.mask(),
                Interrupt::AVEC.mask(),
                "ESTAT's bit"
            );
            let target = Guest::with_irqchip(kvm, busy(), 1)?;
            with_messages(&target)?;
            let into = target.vcpu();
            for number in [
                csr::CRMD,
                csr::PRMD,
                csr::ECFG,
                csr::ERA,
                csr::EENTRY,
                csr::MSGIE,
            ] {
                into.set_csr(number, vcpu.csr(number)?)?;
            }
            into.set_regs(&vcpu.regs()?)?;
            into.set_csr(csr::ESTAT, estat)?;
            for (number, word) in (csr::MSGIS0..).zip(messages) {
                into.set_csr(number, word)?;
            }
            // The store that reported is behind it here as it is there.
            for vector in [255, 128, 70, 12] {
                target.expect(0, vector)?;
            }
            silent(&target, "what was moved")
        };
        known_in_linux(
            kvm,
            "messages that wait are not in the registers unless ESTAT was read before them",
            outcome(),
        )?;
    }
    Ok(())
}

/// A reset forgets them, and later ones come.
fn reset(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, busy(), 1)?;
    let vcpu = guest.vcpu();
    for vector in [5, 250] {
        guest.vm.signal_msi(to(0, vector), 0)?;
    }
    vcpu.set_one_reg(id::VCPU_RESET, 0)?;
    vcpu.start_at(0)?;
    let outcome = || -> Outcome {
        ensure_eq!(registers(vcpu)?, [0; 4], "the registers");
        guest.expect(1, 0)?;
        silent(&guest, "a reset")?;
        guest.vm.signal_msi(to(0, 6), 0)?;
        guest.expect(0, 6)
    };
    known_in_linux(kvm, "messages outlive a reset", outcome())
}

/// One after the other from another thread, to a vCPU that computes or sleeps: each
/// comes, none twice.
fn from_another_thread(kvm: &Kvm, code: &'static [u8], pause: Duration) -> Outcome {
    const COUNT: u64 = 300;
    affinity::run_on(1)?;
    let guest = ready(kvm, code, 1)?;
    let taken = AtomicBool::new(true);
    let sent = || -> Outcome {
        affinity::run_on(0)?;
        for number in 0..COUNT {
            while !taken.swap(false, Ordering::AcqRel) {
                thread::yield_now();
            }
            thread::sleep(pause);
            guest.vm.signal_msi(to(0, number % 256), 0)?;
        }
        Ok(())
    };
    thread::scope(|scope| -> Outcome {
        let sender = scope.spawn(|| sent().map_err(|error| error.to_string()));
        for number in 0..COUNT {
            guest.expect(0, number % 256)?;
            taken.store(true, Ordering::Release);
        }
        sender.join().map_err(|_| "the sender failed")??;
        Ok(())
    })?;
    silent(&guest, "the last message")
}

fn running(kvm: &Kvm) -> Outcome {
    from_another_thread(kvm, busy(), Duration::ZERO)
}

fn sleeping(kvm: &Kvm) -> Outcome {
    from_another_thread(kvm, sleeper(), Duration::from_micros(200))
}

/// The vCPU goes to another CPU between messages.
fn on_all_cpus(kvm: &Kvm) -> Outcome {
    let guest = ready(kvm, busy(), 1)?;
    for number in 0..64 {
        affinity::run_on(number % 4)?;
        for vector in [number, number + 128] {
            guest.vm.signal_msi(to(0, vector.into()), 0)?;
        }
        guest.expect(0, u64::from(number) + 128)?;
        affinity::run_on((number + 1) % 4)?;
        guest.expect(0, number.into())?;
    }
    silent(&guest, "the last message")
}

/// KVM_INTERRUPT has the line alone, which holds no vector.
fn by_the_line(kvm: &Kvm) -> Outcome {
    let line = Interrupt::AVEC.bit() as i32;
    let guest = Guest::new(kvm, busy())?;
    ensure_errno!(
        guest.vcpu().interrupt(line),
        EINVAL,
        "the line of a guest without message interrupts"
    );
    give(&guest)?;
    guest.expect(1, 0)?;
    guest.vcpu().interrupt(line)?;
    silent(&guest, "the line without a vector")?;
    guest.vcpu().set_csr(csr::MSGIS0 + 1, 1)?;
    guest.vcpu().interrupt(line)?;
    guest.expect(0, 64)?;
    silent(&guest, "the line with one")
}

fn main() -> ExitCode {
    let case = |name, run| Case { name, run };
    harness::run(&[
        case("vectors", vectors),
        case("order", order),
        case("irqfds", irqfds),
        case("vcpus", vcpus),
        case("window", window),
        case("not-given", not_given),
        case("apart", apart),
        case("moved", moved),
        case("reset", reset),
        case("running", running),
        case("sleeping", sleeping),
        case("on-all-cpus", on_all_cpus),
        case("by-the-line", by_the_line),
    ])
}
