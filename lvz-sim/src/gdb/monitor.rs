// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `monitor` commands: what GDB has no command for.

mod text;
mod tlb;

use super::change::Change;
use super::registers::Register;
use super::session::Session;
use super::space;
use crate::cpu::Cpu;
use crate::mmu::{Entry, Kind};
use crate::report::Report;
use crate::world::World;
use text::{line, number};

const HELP: &str = "\
csr [NAME]            CSRs of the host (all, or those whose names have NAME in them)
gcsr [NAME]           the same of the guest
mode                  what each CPU does
tlb [WHAT...]         TLB entries: host, stage1, stage2, gid=N, va=ADDRESS
translate ADDRESS     ADDRESS through the stages, with the TLB entries
phys ADDRESS LENGTH   physical memory
poison ADDRESS        makes the page of 4 KiB at a physical address raise machine errors
unpoison ADDRESS      makes it a page as others again
stats                 figures since the machine was started, as --stats has them
history               how far back it goes, or why it does not
spaces                how to name addresses of other spaces
Numbers are hexadecimal with 0x, else decimal. Commands are about the CPU of the
current thread; one that begins with cpuN is about CPU N.
";

const SPACES: &str = "\
An address is a virtual one of the CPU's mode, unless its bits 59:48 name a space:
  0xd01  the host's virtual addresses       0xd02  the guest's virtual addresses
  0xd03  the guest's physical addresses     0xd04  physical addresses
So 0x9d02000000200000 is the guest's 0x9000000000200000, and 0xd04000000200000 is physical
address 0x200000. They are for memory, breakpoints (not 0xd03) and watchpoints; symbols of a
guest's kernel are put there with add-symbol-file FILE -o 0xd02000000000000.
";

/// What a CPU does, in words.
pub(super) fn mode_of(cpu: &Cpu) -> String {
    let idle = if cpu.idle { ", idle" } else { "" };
    match cpu.world() {
        World::Root => format!("host PLV{}{idle}", cpu.plv),
        World::Guest => {
            let gid = cpu.root().gstat().gid();
            format!("guest PLV{} GID {gid}{idle}", cpu.plv)
        }
    }
}

impl Session<'_> {
    /// What a command answers.
    pub(super) fn monitor(&mut self, command: &str) -> String {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        let chosen = words.first().and_then(|word| {
            let number = word.strip_prefix("cpu")?;
            number.parse::<usize>().ok()
        });
        if chosen.is_some() {
            words.remove(0);
        }
        let cpu = chosen.unwrap_or(self.current);
        self.answer(cpu, &words).unwrap_or_else(|error| error)
    }

    fn answer(&mut self, number: usize, words: &[&str]) -> Result<String, String> {
        let cpu = self.machine.cpus.get(number);
        let cpu = cpu.ok_or_else(|| format!("there is no CPU {number}\n"))?;
        match words {
            [] | ["help"] => Ok(HELP.to_owned()),
            ["spaces"] => Ok(SPACES.to_owned()),
            ["csr", rest @ ..] => self.csrs(cpu, World::Root, rest),
            ["gcsr", rest @ ..] => self.csrs(cpu, World::Guest, rest),
            ["mode"] => Ok(self.modes()),
            ["tlb", rest @ ..] => tlb::list(cpu, rest),
            ["translate", address] => self.translate(cpu, address),
            ["phys", address, length] => self.physical(address, length),
            ["poison", address] => self.poison(address, true),
            ["unpoison", address] => self.poison(address, false),
            ["stats"] => self.stats(),
            ["history"] => Ok(self.history.in_words()),
            other => {
                let other = other.join(" ");
                Err(format!("no command like '{other}': see monitor help\n"))
            }
        }
    }

    fn csrs(&self, cpu: &Cpu, world: World, words: &[&str]) -> Result<String, String> {
        let part = words.first().copied().unwrap_or_default().to_lowercase();
        let mut text = String::new();
        for described in &self.registers {
            let Register::Csr(of, number) = described.register else {
                continue;
            };
            if of != world || !described.name.contains(&part) {
                continue;
            }
            let value = described.register.read(cpu, &self.machine.bus);
            let [low, ..] = bytemuck::cast::<[u8; 32], [u64; 4]>(value);
            line(
                &mut text,
                format_args!("{:16} {number:#05x} {low:#x}", described.name),
            );
        }
        match text.is_empty() {
            true => Err(format!("no CSR has '{part}' in its name\n")),
            false => Ok(text),
        }
    }

    fn modes(&self) -> String {
        let mut text = String::new();
        for (number, cpu) in self.machine.cpus.iter().enumerate() {
            let mode = mode_of(cpu);
            line(
                &mut text,
                format_args!("cpu{number} {mode}, pc {:#x}", cpu.pc),
            );
        }
        text
    }

    fn translate(&self, cpu: &Cpu, word: &str) -> Result<String, String> {
        let address = number(word)?;
        let bus = &self.machine.bus;
        let mut text = String::new();
        let show = |text: &mut String, name: &str, found: Option<u64>| match found {
            Some(address) => line(text, format_args!("{name} {address:#x}")),
            None => line(text, format_args!("{name} none")),
        };
        let (world, va) = match space::place(address) {
            crate::cpu::Place::Virtual(va, world) => (world.unwrap_or(cpu.world()), va),
            other => {
                let found = space::physical(cpu, bus, other);
                show(&mut text, "physical", found);
                return Ok(text);
            }
        };
        let first = cpu.peek_stage1(bus, world, va);
        if world == World::Guest {
            show(&mut text, "guest physical", first);
        }
        show(&mut text, "physical", cpu.peek(bus, world, va));
        let (stage1, gid) = match world {
            World::Root => (Kind::Host, 0),
            World::Guest => (Kind::Stage1, cpu.root().gstat().gid()),
        };
        let of = |entry: &Entry| {
            let covers = entry.kind == stage1 && entry.covers(va)
                || world == World::Guest
                    && entry.kind == Kind::Stage2
                    && first.is_some_and(|gpa| entry.covers(gpa));
            covers && u64::from(entry.gid) == gid
        };
        text.push_str(&tlb::those(cpu, of));
        Ok(text)
    }

    fn physical(&self, address: &str, length: &str) -> Result<String, String> {
        let (address, length) = (number(address)?, number(length)?);
        let ram = &self.machine.bus.ram;
        let bytes = ram.offset(address).and_then(|from| {
            let until = from.checked_add(usize::try_from(length).ok()?)?;
            // Low and high memory are next to each other here alone.
            let last = ram.address(until.checked_sub(1)?);
            (last.checked_sub(address)? == length - 1).then_some(())?;
            ram.bytes().get(from..until)
        });
        let bytes = bytes.ok_or_else(|| "not memory\n".to_owned())?;
        if bytes.len() > 1 << 16 {
            return Err(
                "more than 65536 bytes: use GDB's dump with an address of space \
                        0xd04\n"
                    .to_owned(),
            );
        }
        let mut text = String::new();
        for (at, row) in (address..).step_by(16).zip(bytes.chunks(16)) {
            let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            line(&mut text, format_args!("{at:#014x}  {}", hex.join(" ")));
        }
        Ok(text)
    }

    fn poison(&mut self, address: &str, poisoned: bool) -> Result<String, String> {
        let address = number(address)?;
        if self.machine.bus.ram.offset(address).is_none() {
            return Err(format!("there is no memory at {address:#x}\n"));
        }
        let change = Change::Poison(address, poisoned);
        self.history.change(self.machine, change);
        Ok(String::new())
    }

    fn stats(&mut self) -> Result<String, String> {
        let report = Report::of(self.machine, None);
        let text = serde_json::to_string_pretty(&report);
        text.map(|text| text + "\n")
            .map_err(|error| format!("{error}\n"))
    }
}
