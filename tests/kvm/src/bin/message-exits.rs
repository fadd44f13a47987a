// SPDX-License-Identifier: GPL-2.0-or-later

//! What `cargo xtask bench exits` measures of message interrupts: a vCPU on CPU 1 that
//! gets one after the other from a thread on CPU 0, each when the last has been handled.
//! `message-exits MANNER`: `running`, `asleep`, or `polled`, asleep within the polling
//! window. Each has an instruction of its own at which the guest waits.

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use kvm::{Guest, Kvm, Vcpu, affinity, uapi};
use la_arch::avec::VECTOR_SHIFT;
use la_arch::cpucfg::word1;
use la_arch::kvm::device as d;
use la_arch::one_reg as id;

/// How many messages.
const COUNT: u64 = 256;

/// The window of messages.
const BASE: u64 = 0x2fe0_0000;

/// Where the guest counts what it has handled.
const COUNTER: usize = 0x1_0000;

/// What a wait of the sender may take.
const LIMIT: Duration = Duration::from_secs(5);

kvm::guest_code!(
    /// Enables the message interrupt, reports that it is ready, and waits at a0. The
    /// handler counts, and reports the last message.
    code,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 0x10",
    "move $s2, $zero",
    "lu12i.w $t0, 1",
    "csrwr $t0, 0xc", // EENTRY
    "lu12i.w $t0, 4",
    "csrwr $t0, 0x4", // ECFG: bit 14
    "st.d $zero, $s0, 8",
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "jr $a0",
    ".org 0x400", // running
    "1:",
    "b 1b",
    ".org 0x800", // asleep
    "2:",
    "idle 0",
    "b 2b",
    ".org 0xc00", // polled
    "3:",
    "idle 0",
    "b 3b",
    ".org 0x1000",
    "4:",
    "csrrd $t0, 0xa4", // MSGIR
    "bstrpick.d $t1, $t0, 31, 31",
    "bnez $t1, 5f",
    "addi.d $s2, $s2, 1",
    "st.d $s2, $s1, 0",
    "addi.d $t0, $t0, -255",
    "bnez $t0, 4b",
    "st.d $zero, $s0, 0",
    "5:",
    "ertn",
);

/// Gives a guest of one vCPU message interrupts.
fn give_messages(guest: &Guest, vcpu: &Vcpu) -> Result<(), Box<dyn Error>> {
    let word = vcpu.one_reg(id::cpucfg(1))? | u64::from(word1::MSGINT);
    vcpu.set_one_reg(id::cpucfg(1), word)?;
    let device = guest.vm.create_device(uapi::DEVICE_DMSINTC)?;
    device.set(d::DMSINTC_GRP_CTRL, d::DMSINTC_MSG_ADDR_BASE, BASE)?;
    device.set(d::DMSINTC_GRP_CTRL, d::DMSINTC_MSG_ADDR_SIZE, 0x10_0000)?;
    Ok(())
}

/// Sends all messages, the last with vector 255.
fn send(guest: &Guest, pause: Duration) -> Result<(), Box<dyn Error>> {
    affinity::run_on(0)?;
    for number in 0..COUNT {
        let start = Instant::now();
        while guest.memory.read_u64(COUNTER) != number {
            if start.elapsed() > LIMIT {
                return Err(format!("message {number} was not handled").into());
            }
        }
        // Until it waits again, and not long enough to have the scheduler come in.
        let start = Instant::now();
        while start.elapsed() < pause {}
        let vector = if number == COUNT - 1 {
            255
        } else {
            16 + number % 200
        };
        guest.vm.signal_msi(BASE | vector << VECTOR_SHIFT, 0)?;
    }
    Ok(())
}

fn run(manner: &str) -> Result<(), Box<dyn Error>> {
    let (site, pause) = match manner {
        "running" => (0x400, Duration::from_micros(20)),
        "asleep" => (0x800, Duration::from_micros(100)),
        "polled" => (0xc00, Duration::from_micros(20)),
        other => return Err(format!("{other} is none of running, asleep and polled").into()),
    };
    let kvm = Kvm::open()?;
    let guest = Guest::with_irqchip(&kvm, code(), 1)?;
    let vcpu = guest.vcpu();
    give_messages(&guest, vcpu)?;
    let mut regs = vcpu.regs()?;
    regs.gpr[4] = site;
    vcpu.set_regs(&regs)?;
    affinity::run_on(1)?;
    guest.expect(1, 0)?;
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(&guest, pause).map_err(|error| error.to_string()));
        guest.expect(0, 0)?;
        sender.join().map_err(|_| "the sender failed")??;
        Ok(())
    })
}

fn main() -> ExitCode {
    let manner = std::env::args().nth(1).unwrap_or_default();
    match run(&manner) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("message-exits: {error}");
            ExitCode::FAILURE
        }
    }
}
