// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Extended I/O interrupt controller of the 3A5000: 256 vectors, routed to
//! cores and their interrupt pins. One controller serves a node of four
//! cores; node 0 receives the vectors and hands on those whose route names
//! another node (Loongson 3A5000 manual, "Extended I/O interrupts"; Linux
//! drivers/irqchip/irq-loongson-eiointc.c: `eiointc_set_irq_route`).
//!
//! The core status registers are derived: a vector that is latched shows in
//! the one core that its route leads to, or in none while it is disabled.

use la_arch::eiointc::{
    BITMAP_SIZE, BOUNCE, COREISR, COREMAP, COREMAP_SIZE, ENABLE, IPMAP, IPMAP_SIZE, ISR, NODETYPE,
    NODETYPE_SIZE, VECTORS,
};
use serde::{Deserialize, Serialize};

/// Cores that one controller serves.
pub(crate) const CORES_PER_NODE: usize = 4;
const GROUPS: usize = VECTORS / 32;

const NODETYPE_END: u64 = NODETYPE + NODETYPE_SIZE;
const IPMAP_END: u64 = IPMAP + IPMAP_SIZE;
const ENABLE_END: u64 = ENABLE + BITMAP_SIZE;
const BOUNCE_END: u64 = BOUNCE + BITMAP_SIZE;
const ISR_END: u64 = ISR + BITMAP_SIZE;
const COREISR_END: u64 = COREISR + BITMAP_SIZE;
const COREMAP_END: u64 = COREMAP + COREMAP_SIZE;

/// Why an interrupt goes to no core, here or in another controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Undelivered {
    /// The enable in MISC_FUNC of a node on its way is clear: EXT_IOI_EN, AVEC_EN for messages.
    Off,
    /// It is disabled, which is what software does to hold interrupts back.
    Disabled,
    /// Its route names a node that the machine has not.
    NoNode,
    /// Its route names a core that the machine has not.
    NoCore,
    /// Its route names no core, or no pin of one; a vector's always names some.
    NoRoute,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Node {
    nodemap: [u32; 8],
    ipmap: [u32; 2],
    enable: [u32; GROUPS],
    /// Stored; nothing is bounced.
    bounce: [u32; GROUPS],
    /// Four routes a word.
    route: Vec<u32>,
    /// IOCSR MISC_FUNC.EXT_IOI_EN.
    on: bool,
    /// IOCSR MISC_FUNC.INT_ENCODE: IPMAP bytes are numbers, not bitmaps.
    encode: bool,
}

impl Node {
    fn new() -> Self {
        Self {
            nodemap: [0; 8],
            ipmap: [0; 2],
            enable: [0; GROUPS],
            bounce: [0; GROUPS],
            route: vec![0; VECTORS / 4],
            on: false,
            encode: false,
        }
    }

    fn accepts(&self, vector: usize) -> Result<(), Undelivered> {
        if !self.on {
            return Err(Undelivered::Off);
        }
        let enabled = self.enable[vector / 32 % GROUPS] & 1 << (vector % 32) != 0;
        enabled.then_some(()).ok_or(Undelivered::Disabled)
    }

    fn route_of(&self, vector: usize) -> u8 {
        let word = self.route.get(vector / 4).copied().unwrap_or(0);
        word.to_le_bytes()[vector % 4]
    }

    /// The pin (HWI number) of a group of vectors.
    fn pin(&self, group: usize) -> u8 {
        let byte = self.ipmap[group / 4 % 2].to_le_bytes()[group % 4];
        if self.encode {
            byte & 7
        } else if byte & 0xf == 0 {
            0
        } else {
            byte.trailing_zeros() as u8
        }
    }

    fn register(&mut self, offset: u64) -> Option<&mut u32> {
        let word = |start| ((offset - start) / 4) as usize;
        match offset {
            NODETYPE..NODETYPE_END => self.nodemap.get_mut(word(NODETYPE)),
            IPMAP..IPMAP_END => self.ipmap.get_mut(word(IPMAP)),
            ENABLE..ENABLE_END => self.enable.get_mut(word(ENABLE)),
            BOUNCE..BOUNCE_END => self.bounce.get_mut(word(BOUNCE)),
            COREMAP..COREMAP_END => self.route.get_mut(word(COREMAP)),
            _ => None,
        }
    }
}

/// The controllers of all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Eiointc {
    nodes: Vec<Node>,
    latched: [u32; GROUPS],
    core_isr: Vec<[u32; GROUPS]>,
}

impl Eiointc {
    /// Controllers for `cpus` cores.
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            nodes: vec![Node::new(); cpus.div_ceil(CORES_PER_NODE)],
            latched: [0; GROUPS],
            core_isr: vec![[0; GROUPS]; cpus],
        }
    }

    /// Whether a saved state fits this machine.
    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.nodes.len() == other.nodes.len()
            && self.core_isr.len() == other.core_isr.len()
            && other.nodes.iter().all(|n| n.route.len() == VECTORS / 4)
    }

    /// The core that a vector goes to now.
    fn target(&self, vector: usize) -> Result<usize, Undelivered> {
        let first = self.nodes.first().ok_or(Undelivered::NoNode)?;
        first.accepts(vector)?;
        let route = first.route_of(vector);
        let select = usize::from(route >> 4);
        let bitmap = first.nodemap[select / 2] >> (16 * (select % 2)) & 0xffff;
        let number = if bitmap == 0 {
            0
        } else {
            bitmap.trailing_zeros() as usize
        };
        let node = self.nodes.get(number).ok_or(Undelivered::NoNode)?;
        node.accepts(vector)?;
        let cores = node.route_of(vector) & 0xf;
        let core = if cores == 0 {
            0
        } else {
            cores.trailing_zeros() as usize
        };
        let cpu = number * CORES_PER_NODE + core;
        let exists = cpu < self.core_isr.len();
        exists.then_some(cpu).ok_or(Undelivered::NoCore)
    }

    /// Derives the core status of the vectors in `group` again.
    fn update_group(&mut self, group: usize) {
        for isr in &mut self.core_isr {
            isr[group] = 0;
        }
        let mut pending = self.latched[group];
        while pending != 0 {
            let bit = pending.trailing_zeros() as usize;
            pending &= pending - 1;
            if let Ok(cpu) = self.target(group * 32 + bit) {
                self.core_isr[cpu][group] |= 1 << bit;
            }
        }
    }

    fn update(&mut self) {
        for group in 0..GROUPS {
            self.update_group(group);
        }
    }

    /// Why a vector that is latched shows in no core.
    pub(crate) fn undelivered(&self, vector: u8) -> Option<Undelivered> {
        let vector = usize::from(vector);
        let latched = self.latched[vector / 32] & 1 << (vector % 32) != 0;
        self.target(vector).err().filter(|_| latched)
    }

    /// Raises or drops a vector.
    pub(crate) fn set(&mut self, vector: u8, level: bool) {
        let (group, bit) = (usize::from(vector) / 32, 1 << (vector % 32));
        if level {
            self.latched[group] |= bit;
        } else {
            self.latched[group] &= !bit;
        }
        self.update_group(group);
    }

    /// Takes over the two bits of MISC_FUNC that belong to the node of `cpu`.
    pub(crate) fn set_mode(&mut self, cpu: usize, on: bool, encode: bool) {
        if let Some(node) = self.nodes.get_mut(cpu / CORES_PER_NODE) {
            node.on = on;
            node.encode = encode;
            self.update();
        }
    }

    /// Reads the 32-bit register at `offset` in the block as core `cpu`.
    pub(crate) fn read(&mut self, cpu: usize, offset: u64) -> u32 {
        match offset {
            ISR..ISR_END => self.latched[((offset - ISR) / 4) as usize],
            COREISR..COREISR_END => self
                .core_isr
                .get(cpu)
                .map_or(0, |isr| isr[((offset - COREISR) / 4) as usize]),
            _ => self
                .nodes
                .get_mut(cpu / CORES_PER_NODE)
                .and_then(|node| node.register(offset))
                .map_or(0, |word| *word),
        }
    }

    /// Writes the bits `mask` of the 32-bit register at `offset` as core `cpu`.
    pub(crate) fn write(&mut self, cpu: usize, offset: u64, value: u32, mask: u32) {
        if let COREISR..COREISR_END = offset {
            let group = ((offset - COREISR) / 4) as usize;
            let pending = self.core_isr.get(cpu).map_or(0, |isr| isr[group]);
            self.latched[group] &= !(pending & value & mask);
            self.update_group(group);
            return;
        }
        let node = self.nodes.get_mut(cpu / CORES_PER_NODE);
        if let Some(word) = node.and_then(|node| node.register(offset)) {
            *word = *word & !mask | value & mask;
            self.update();
        }
    }

    /// HWI inputs of core `cpu`.
    pub(crate) fn pins(&self, cpu: usize) -> u8 {
        let Some(isr) = self.core_isr.get(cpu) else {
            return 0;
        };
        let Some(node) = self.nodes.get(cpu / CORES_PER_NODE) else {
            return 0;
        };
        (0..GROUPS)
            .filter(|&group| isr[group] != 0)
            .fold(0, |pins, group| pins | 1 << node.pin(group))
    }
}
