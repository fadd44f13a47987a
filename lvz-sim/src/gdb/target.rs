// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the protocol asks of a machine under a debugger.

use super::arch::{Bytes, LoongArch64, Number};
use super::breakpoints::Breakpoint;
use super::change::Change;
use super::monitor;
use super::session::{Action, Session, Watchpoint, cpu_of, tid};
use super::space;
use crate::cpu::{Cpu, Place};
use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume,
    MultiThreadResumeOps, MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps,
    MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::reverse_exec::{
    ReverseCont, ReverseContOps, ReverseStep, ReverseStepOps,
};
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps,
    SwBreakpoint, SwBreakpointOps, WatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use std::convert::Infallible;

/// Errors that the debugger is told of, by their numbers in the protocol (Linux's).
const EIO: u8 = 5;
const EFAULT: u8 = 14;
const EINVAL: u8 = 22;

/// Most bytes of memory that are read at once: in hexadecimal as long as the longest packet that
/// debuggers are told of (`PacketSize`).
const READ_MAX: usize = 2048;

impl Target for Session<'_> {
    type Arch = LoongArch64;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, LoongArch64, Infallible> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
}

impl Session<'_> {
    fn cpu(&self, tid: Tid) -> TargetResult<&Cpu, Self> {
        let cpu = self.machine.cpus.get(cpu_of(tid));
        cpu.ok_or(TargetError::Errno(EINVAL))
    }

    /// Registers that are sent together: those that GDB has names for.
    fn together(&self) -> usize {
        let own = |r: &super::registers::Described| matches!(r.group, "system" | "csr" | "gcsr");
        self.registers
            .iter()
            .position(own)
            .unwrap_or(self.registers.len())
    }

    fn copy_out(&self, cpu: &Cpu, place: Place, data: &mut [u8]) -> usize {
        let bus = &self.machine.bus;
        let mut done = 0;
        while done < data.len() {
            let at = space::behind(place, done as u64);
            let offset = space::physical(cpu, bus, at).and_then(|pa| bus.ram.offset(pa));
            let length = usize::try_from(space::rest_of_page(at)).unwrap_or(usize::MAX);
            let part = length.min(data.len() - done);
            let from = offset.and_then(|offset| bus.ram.bytes().get(offset..offset + part));
            let Some(from) = from else {
                break;
            };
            data[done..done + part].copy_from_slice(from);
            done += part;
        }
        done
    }
}

impl MultiThreadBase for Session<'_> {
    fn read_registers(&mut self, registers: &mut Bytes, tid: Tid) -> TargetResult<(), Self> {
        self.current = cpu_of(tid);
        let cpu = self.cpu(tid)?;
        for described in &self.registers[..self.together()] {
            let value = described.register.read(cpu, &self.machine.bus);
            let width = described.bits as usize / 8;
            registers.0.extend_from_slice(&value[..width]);
        }
        Ok(())
    }

    fn write_registers(&mut self, registers: &Bytes, tid: Tid) -> TargetResult<(), Self> {
        self.cpu(tid)?;
        let mut bytes = registers.0.as_slice();
        for index in 0..self.together() {
            let described = &self.registers[index];
            let register = described.register;
            let Some((value, rest)) = bytes.split_at_checked(described.bits as usize / 8) else {
                break;
            };
            bytes = rest;
            let now = register.read(self.cpu(tid)?, &self.machine.bus);
            if now[..value.len()] != *value {
                let change = Change::Register(cpu_of(tid), register, value.to_vec());
                self.history.change(self.machine, change);
            }
        }
        Ok(())
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        // More is read part by part, and this is one of them.
        if data.len() > READ_MAX {
            return Err(TargetError::Errno(EINVAL));
        }
        // The protocol's next part would begin beyond the last address.
        if start.checked_add(data.len() as u64).is_none() {
            return Err(TargetError::Errno(EFAULT));
        }
        let cpu = self.cpu(tid)?;
        match self.copy_out(cpu, space::place(start), data) {
            0 if !data.is_empty() => Err(TargetError::Errno(EFAULT)),
            count => Ok(count),
        }
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let cpu = self.cpu(tid)?;
        let (place, bus) = (space::place(start), &self.machine.bus);
        let mut parts = Vec::new();
        let mut done = 0;
        while done < data.len() {
            let at = space::behind(place, done as u64);
            let pa = space::physical(cpu, bus, at).filter(|pa| bus.ram.offset(*pa).is_some());
            let Some(pa) = pa else {
                return Err(TargetError::Errno(EFAULT));
            };
            let length = usize::try_from(space::rest_of_page(at)).unwrap_or(usize::MAX);
            let part = length.min(data.len() - done);
            parts.push(Change::Memory(pa, data[done..done + part].to_vec()));
            done += part;
        }
        // All or nothing.
        for part in parts {
            self.history.change(self.machine, part);
        }
        Ok(())
    }

    fn list_active_threads(&mut self, is_active: &mut dyn FnMut(Tid)) -> Result<(), Infallible> {
        for cpu in 0..self.machine.cpus.len() {
            is_active(tid(cpu));
        }
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Session<'_> {
    fn read_register(
        &mut self,
        tid: Tid,
        number: Number,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        self.current = cpu_of(tid);
        let described = self.registers.get(number.0);
        let described = described.ok_or(TargetError::Errno(EINVAL))?;
        let value = described.register.read(self.cpu(tid)?, &self.machine.bus);
        let width = described.bits as usize / 8;
        let to = buffer.get_mut(..width).ok_or(TargetError::Errno(EIO))?;
        to.copy_from_slice(&value[..width]);
        Ok(width)
    }

    fn write_register(&mut self, tid: Tid, number: Number, value: &[u8]) -> TargetResult<(), Self> {
        self.cpu(tid)?;
        let described = self.registers.get(number.0);
        let described = described.ok_or(TargetError::Errno(EINVAL))?;
        if value.len() != described.bits as usize / 8 {
            return Err(TargetError::Errno(EINVAL));
        }
        let change = Change::Register(cpu_of(tid), described.register, value.to_vec());
        self.history.change(self.machine, change);
        Ok(())
    }
}

impl ThreadExtraInfo for Session<'_> {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let cpu = self.machine.cpus.get(cpu_of(tid));
        let text = cpu.map_or_else(String::new, monitor::mode_of);
        let count = text.len().min(buffer.len());
        buffer[..count].copy_from_slice(&text.as_bytes()[..count]);
        Ok(count)
    }
}

// Whatever is asked for one CPU, the machine goes on as a whole: the others cannot be held
// without being another machine.
impl MultiThreadResume for Session<'_> {
    fn resume(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Infallible> {
        self.action = Action::Continue;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, _: Tid, _: Option<Signal>) -> Result<(), Infallible> {
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_reverse_step(&mut self) -> Option<ReverseStepOps<'_, Tid, Self>> {
        match self.history.refused() {
            Some(_) => None,
            None => Some(self),
        }
    }

    fn support_reverse_cont(&mut self) -> Option<ReverseContOps<'_, Tid, Self>> {
        match self.history.refused() {
            Some(_) => None,
            None => Some(self),
        }
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Session<'_> {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Infallible> {
        self.action = Action::Step(cpu_of(tid));
        Ok(())
    }
}

impl MultiThreadRangeStepping for Session<'_> {
    fn set_resume_action_range_step(
        &mut self,
        tid: Tid,
        start: u64,
        end: u64,
    ) -> Result<(), Infallible> {
        self.action = Action::StepIn(cpu_of(tid), start..end);
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Session<'_> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl ReverseStep<Tid> for Session<'_> {
    fn reverse_step(&mut self, _: Tid) -> Result<(), Infallible> {
        // GDB says "any" (Hc0) and means the thread that it has selected, whose registers it
        // has read.
        self.action = Action::BackStep(self.current);
        Ok(())
    }
}

impl ReverseCont<Tid> for Session<'_> {
    fn reverse_cont(&mut self) -> Result<(), Infallible> {
        self.action = Action::BackContinue;
        Ok(())
    }
}

impl Breakpoints for Session<'_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl Session<'_> {
    fn add(&mut self, breakpoint: Breakpoint) -> bool {
        // Where an instruction is in a guest's memory is not known when it comes.
        let place = space::place(breakpoint.address);
        if matches!(place, Place::GuestPhysical(_)) || breakpoint.address & 3 != 0 {
            return false;
        }
        let armed = &mut self.machine.debug.breakpoints;
        self.breakpoints.add(breakpoint, armed);
        true
    }

    fn remove(&mut self, breakpoint: Breakpoint) -> bool {
        let armed = &mut self.machine.debug.breakpoints;
        self.breakpoints.remove(breakpoint, armed)
    }
}

impl SwBreakpoint for Session<'_> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.add(Breakpoint {
            address,
            hardware: false,
        }))
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.remove(Breakpoint {
            address,
            hardware: false,
        }))
    }
}

impl HwBreakpoint for Session<'_> {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.add(Breakpoint {
            address,
            hardware: true,
        }))
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.remove(Breakpoint {
            address,
            hardware: true,
        }))
    }
}

impl HwWatchpoint for Session<'_> {
    fn add_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let watchpoint = Watchpoint {
            address,
            length,
            kind,
        };
        if length == 0 || length > 1 << 48 {
            return Ok(false);
        }
        if !self.watchpoints.contains(&watchpoint) {
            self.watchpoints.push(watchpoint);
            self.watch();
        }
        Ok(true)
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        let watchpoint = Watchpoint {
            address,
            length,
            kind,
        };
        let before = self.watchpoints.len();
        self.watchpoints.retain(|known| *known != watchpoint);
        self.watch();
        Ok(self.watchpoints.len() < before)
    }
}

impl TargetDescriptionXmlOverride for Session<'_> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::Errno(EINVAL));
        }
        let text = self.description.as_bytes();
        let offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(text.len());
        let part = &text[offset..];
        let count = part.len().min(length).min(buffer.len());
        buffer[..count].copy_from_slice(&part[..count]);
        Ok(count)
    }
}

impl MonitorCmd for Session<'_> {
    fn handle_monitor_cmd(
        &mut self,
        command: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), Infallible> {
        let command = String::from_utf8_lossy(command);
        out.write_raw(self.monitor(&command).as_bytes());
        Ok(())
    }
}
