//! Runs cases in lvz-sim: one CPU, its instruction handlers called directly.

use crate::case::{Case, Outcome, State, Trap};
use lvz_sim::cpu::{Cpu, Model, VReg};
use lvz_sim::isa::{Decoder, Stop};
use lvz_sim::mem::{Bus, GuestRam, Ram};
use lvz_sim::platform::Platform;

/// A simulated CPU with the memory that cases know.
pub struct Sim {
    cpu: Cpu,
    bus: Bus,
    decoder: Decoder,
}

impl Sim {
    /// A CPU of model la464 in user mode, with everything enabled.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Sim {
            cpu: Cpu {
                gpr: [0; 32],
                pc: 0,
                vr: [VReg::default(); 32],
                fcc: 0,
                fcsr: 0,
            },
            bus: Bus {
                ram: Ram {
                    map: GuestRam::new(),
                },
                platform: Platform::stub(),
            },
            decoder: Decoder::new(&Model { cpucfg: [0; 21] }),
        })
    }

    pub fn reset_window(&mut self) {}

    pub fn stray_writes(&self, _expected: &[u8]) -> Option<crate::compare::Difference> {
        None
    }

    /// Runs one case.
    pub fn run(&mut self, case: &Case) -> Outcome {
        let cpu = &mut self.cpu;
        cpu.gpr = case.state.gpr;
        cpu.vr = case.state.vr.map(VReg);
        cpu.fcc = case.state.fcc;
        cpu.fcsr = case.state.fcsr;
        let mut pc = case.pc;
        let mut trap = None;
        for &word in &case.words {
            cpu.pc = pc;
            let (op, _) = self.decoder.decode(word, 0);
            match (op.run)(cpu, &mut self.bus, &op) {
                Ok(()) => pc += 4,
                Err(Stop::Jump) => {
                    pc = cpu.pc;
                    break;
                }
                Err(Stop::Trap) => {
                    trap = Some(Trap::Illegal);
                    break;
                }
            }
        }
        Outcome {
            trap,
            pc,
            state: State {
                gpr: cpu.gpr,
                vr: cpu.vr.map(|v| v.0),
                fcc: cpu.fcc,
                fcsr: cpu.fcsr,
            },
            window: case.window,
        }
    }
}
