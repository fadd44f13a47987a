// SPDX-License-Identifier: GPL-2.0-or-later

//! What `cargo xtask bench growth` measures: the same work with more vCPUs, more RAM or
//! more machines. `growth NAME MACHINES CPUS MIB [running]`: that many machines, of which all
//! but the last have one vCPU that sleeps; the last has CPUS vCPUs and MIB of RAM that is
//! not touched. Its first vCPU does the work, the others sleep, or run if it is said.
//!
//! Work is done between two marks (`tests/guest/marks.py`); behind them a line says what it
//! was, and how often it was done: `KVM-LA-GROWTH phase NAME WORK TIMES`.

use std::error::Error;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kvm::request::call_any;
use kvm::uapi::{MEM_LOG_DIRTY_PAGES, capability as cap};
use kvm::{Guest, Kvm, Memory, Vcpu, Vm};

kvm::guest_code!(
    /// At 0: sets a vCPU up and reports. a0 is its number, a1 TCFG, a2 whether it runs on
    /// instead of sleeping, a3 the number of vCPUs but for the first. At 0x400 the first
    /// interrupts all others, each of which answers, a0 times, and then reports: by
    /// IPI_SEND, or, if a1 is not zero, by that many hypercalls. At 0x800 it stores to a2
    /// places from a0 with a1 between, and reports.
    code,
    "lu12i.w $s0, 0x30000",
    "lu12i.w $s1, 0x10",
    "move $s2, $a0",
    "move $s3, $a3",
    "lu12i.w $t0, 1",
    "csrwr $t0, 0xc", // EENTRY
    "lu12i.w $t0, 1",
    "ori $t0, $t0, 0x801",
    "csrwr $t0, 0x4", // ECFG: IPI, timer, SWI0
    "addi.w $t0, $zero, -1",
    "lu12i.w $t1, 1",
    "ori $t1, $t1, 4",
    "iocsrwr.w $t0, $t1", // IPI_EN
    "csrwr $a1, 0x41",    // TCFG
    "st.d $s2, $s0, 0",
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "bnez $a2, 2f",
    "1:",
    "idle 0",
    "b 1b",
    "2:",
    "b 2b",
    ".org 0x400",
    "move $s4, $a0",
    "move $s5, $a1",
    "bl 5f",
    "addi.d $t0, $zero, 4",
    "csrxchg $t0, $t0, 0x0", // CRMD.IE
    "3:",
    "idle 0",
    "b 3b",
    ".org 0x800",
    "4:",
    "st.d $a2, $a0, 0",
    "add.d $a0, $a0, $a1",
    "addi.d $a2, $a2, -1",
    "bnez $a2, 4b",
    "st.d $zero, $s0, 0",
    ".org 0xc00", // interrupts all others
    "5:",
    "st.d $zero, $s1, 0",
    "bnez $s5, 7f",
    "move $t0, $s3",
    "lu12i.w $t1, 1",
    "ori $t1, $t1, 0x40",
    "6:",
    "slli.d $t2, $t0, 16",
    "iocsrwr.w $t2, $t1", // IPI_SEND
    "addi.d $t0, $t0, -1",
    "bnez $t0, 6b",
    "jr $ra",
    "7:",
    "move $t3, $s5",
    "addi.d $t4, $s1, 0x100",
    "8:",
    "ld.d $a1, $t4, 0",
    "ld.d $a2, $t4, 8",
    "ld.d $a3, $t4, 16",
    "addi.d $a0, $zero, 1", // KVM_HCALL_FUNC_IPI
    "hvcl 0x100",
    "addi.d $t4, $t4, 24",
    "addi.d $t3, $t3, -1",
    "bnez $t3, 8b",
    "jr $ra",
    ".org 0x1000", // all interrupts
    "csrrd $t0, 0x5",
    "bstrpick.d $t1, $t0, 11, 11",
    "beqz $t1, 1f",
    "addi.d $t1, $zero, 1",
    "csrwr $t1, 0x44", // TICLR
    "1:",
    "bstrpick.d $t1, $t0, 0, 0",
    "beqz $t1, 2f",
    "move $t2, $zero",
    "csrxchg $t2, $t1, 0x5", // SWI0, which a hypercall raises
    "b 3f",
    "2:",
    "bstrpick.d $t1, $t0, 12, 12",
    "beqz $t1, 6f",
    "lu12i.w $t3, 1",
    "iocsrrd.w $t1, $t3",
    "ori $t3, $t3, 0xc",
    "iocsrwr.w $t1, $t3",
    "3:",
    "bnez $s2, 5f",
    "addi.d $s4, $s4, -1",
    "beqz $s4, 4f",
    "bl 5b",
    "ertn",
    "4:",
    "st.d $zero, $s0, 0",
    "ertn",
    "5:",
    "addi.d $t1, $zero, 1",
    "amadd_db.d $t2, $t1, $s1",
    "addi.d $t2, $t2, 1",
    "bne $t2, $s3, 6f",
    "lu12i.w $t1, 1",
    "ori $t1, $t1, 0x40",
    "iocsrwr.w $zero, $t1", // the last answer
    "6:",
    "ertn",
);

/// Where code begins that does something.
const INTERRUPT: u64 = 0x400;
const STORE: u64 = 0x800;

/// Where the guest finds what hypercalls are to have.
const MASKS: usize = 0x1_0100;

/// vCPUs that one hypercall reaches.
const MASK_BITS: u64 = 128;

/// Where the RAM of the machine is that works.
const AT: u64 = 0x1_0000_0000;

/// TCFG of four ticks a second, of a counter of 100 MHz.
const TICKS: u64 = 25_000_000 | 3;

/// How often something is done.
const ROUNDS: u64 = 64;

/// How many pages are written between two looks at the log.
const WRITTEN: u64 = 64;

/// KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE with KVM_DIRTY_LOG_INITIALLY_SET, as QEMU has it.
const INITIALLY_SET: u64 = 3;

/// How long what was begun may take to come to rest.
const REST: Duration = Duration::from_millis(100);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A machine of which all vCPUs but the first are on their way.
struct Machine {
    vm: Vm,
    first: Vcpu,
    ram: Arc<Memory>,
    /// Hypercalls that reach all others.
    masks: u64,
}

impl Machine {
    fn start(kvm: &Kvm, cpus: u32, mib: usize, running: bool) -> Result<Self> {
        let guest = Guest::with_irqchip(kvm, code(), cpus)?;
        let ram = Arc::new(Memory::new(mib << 20)?);
        guest.vm.map(1, AT, &ram, 0)?;
        let masks = u64::from(cpus).div_ceil(MASK_BITS);
        for block in 0..masks {
            let least = block * MASK_BITS;
            let others = |cpu: u64| (1..u64::from(cpus)).contains(&cpu);
            let word = |from: u64| {
                (0..64)
                    .filter(|bit| others(from + bit))
                    .fold(0u64, |word, bit| word | 1 << bit)
            };
            for (i, value) in [word(least), word(least + 64), least]
                .into_iter()
                .enumerate()
            {
                let at = MASKS + 24 * block as usize + 8 * i;
                guest.memory.write_u64(at, value);
            }
        }
        let mut vcpus = Vec::new();
        for (number, vcpu) in guest.vcpus.into_iter().enumerate() {
            let arguments = [number as u64, TICKS, running.into(), u64::from(cpus) - 1];
            go(&vcpu, 0, &arguments)?;
            vcpus.push(vcpu);
        }
        let mut vcpus = vcpus.into_iter();
        let first = vcpus.next().ok_or("a machine without vCPU")?;
        vcpus.for_each(let_run);
        Ok(Self {
            vm: guest.vm,
            first,
            ram,
            masks,
        })
    }

    /// All others are interrupted and answer.
    fn interrupt(&self, masks: u64) -> Result<()> {
        go(&self.first, INTERRUPT, &[ROUNDS, masks])
    }

    /// A page is touched, and taken away: whatever vCPU may know it has to forget it.
    fn flush(&self) -> Result<()> {
        for _ in 0..ROUNDS {
            go(&self.first, STORE, &[AT, 0, 1])?;
            self.ram.discard(0, Memory::page_size())?;
        }
        Ok(())
    }

    /// The log begins: all pages are in it, and are taken out.
    fn log(&self) -> Result<()> {
        self.vm.map(1, AT, &self.ram, MEM_LOG_DIRTY_PAGES)?;
        let all = self.vm.dirty_log(1)?;
        self.vm.clear_dirty_log(1, 0, &all)?;
        Ok(())
    }

    /// Pages all over the RAM are written, found in the log, and taken out.
    fn dirty(&self) -> Result<()> {
        let stride = self.ram.length() as u64 / WRITTEN;
        for _ in 0..ROUNDS {
            go(&self.first, STORE, &[AT, stride, WRITTEN])?;
            let log = self.vm.dirty_log(1)?;
            let found: u32 = log.iter().map(|word| word.count_ones()).sum();
            if u64::from(found) != WRITTEN {
                return Err(format!("{found} pages of the log instead of {WRITTEN}").into());
            }
            self.vm.clear_dirty_log(1, 0, &log)?;
        }
        Ok(())
    }
}

/// Has a vCPU go on at `pc` until its next report.
fn go(vcpu: &Vcpu, pc: u64, arguments: &[u64]) -> Result<()> {
    let mut regs = vcpu.regs()?;
    regs.pc = pc;
    for (register, value) in regs.gpr.iter_mut().skip(4).zip(arguments) {
        *register = *value;
    }
    vcpu.set_regs(&regs)?;
    vcpu.next_report().map(|_| ())
}

/// A vCPU has a thread of its own from now on, until the program ends.
fn let_run(vcpu: Vcpu) {
    thread::spawn(move || {
        let exit = vcpu.run();
        eprintln!("growth: a vCPU stopped: {exit:x?}");
        std::process::exit(1);
    });
}

/// What the kernel counts as its own, in KiB.
fn kernel_memory() -> Result<u64> {
    const OWN: &[&str] = &[
        "SUnreclaim:",
        "KernelStack:",
        "PageTables:",
        "SecPageTables:",
        "Percpu:",
        "VmallocUsed:",
    ];
    let said = std::fs::read_to_string("/proc/meminfo")?;
    let own = said.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        OWN.contains(&name)
            .then(|| words.next()?.parse::<u64>().ok())?
    });
    Ok(own.sum())
}

/// Measures under a name.
struct Series<'a> {
    kvm: &'a Kvm,
    name: String,
}

impl Series<'_> {
    fn measure<T>(&self, work: &str, times: u64, act: impl FnOnce() -> Result<T>) -> Result<T> {
        self.mark(0);
        let result = act()?;
        self.mark(1);
        println!("KVM-LA-GROWTH phase {} {work} {times}", self.name);
        Ok(result)
    }

    /// The simulator writes every ioctl down.
    fn mark(&self, number: u64) {
        const MARK: u64 = 0x4b4c;
        // SAFETY: no request of KVM has this number: it is refused, and nothing is written.
        let _ = unsafe { call_any(self.kvm.as_fd(), MARK, number) };
    }
}

fn run() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let name = words.next().ok_or("no name")?;
    let mut number = || -> Result<u32> { Ok(words.next().ok_or("too few numbers")?.parse()?) };
    let (machines, cpus, mib) = (number()?, number()?, number()?);
    let running = words.next().is_some();
    let kvm = Kvm::open()?;
    let series = Series { kvm: &kvm, name };
    let before = kernel_memory()?;
    let mut idle = Vec::new();
    for _ in 1..machines {
        let machine = Machine::start(&kvm, 1, 256, false)?;
        let_run(machine.first);
        idle.push((machine.vm, machine.ram));
    }
    thread::sleep(REST);
    let start = || Machine::start(&kvm, cpus, mib as usize, running);
    // With others that run it is chance how many of them are on their way before the mark.
    let machine = if running {
        start()?
    } else {
        series.measure("start", 1, start)?
    };
    thread::sleep(REST);
    let work = if running { "flush-running" } else { "flush" };
    series.measure(work, ROUNDS, || machine.flush())?;
    if running {
        return Ok(());
    }
    if cpus > 1 {
        series.measure("ipi", ROUNDS, || machine.interrupt(0))?;
        series.measure("ipi-mask", ROUNDS, || machine.interrupt(machine.masks))?;
    }
    machine
        .vm
        .enable(cap::MANUAL_DIRTY_LOG_PROTECT2, [INITIALLY_SET, 0])?;
    series.measure("log-start", 1, || machine.log())?;
    series.measure("dirty-log", ROUNDS, || machine.dirty())?;
    let after = kernel_memory()?;
    println!(
        "KVM-LA-GROWTH memory {} {}",
        series.name,
        after.saturating_sub(before)
    );
    go(&machine.first, 0, &[0, TICKS, 0, u64::from(cpus) - 1])?;
    let_run(machine.first);
    thread::sleep(REST);
    // Now and then the host has something to do that is none of this business: the median counts.
    for _ in 0..5 {
        series.measure("idle-second", 1, || {
            thread::sleep(Duration::from_secs(1));
            Ok(())
        })?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("growth: {error}");
            ExitCode::FAILURE
        }
    }
}
