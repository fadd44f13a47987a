// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The devices' part of a snapshot.

use super::flash::{Flash, FlashState};
use super::fw_cfg::FwCfg;
use super::iocsr::Iocsr;
use super::pch_pic::PchPic;
use super::pci::{Pci, PciState};
use super::power::Power;
use super::rtc::Rtc;
use super::uart::Uart;
use super::virtio::mmio::{Transport, TransportState};
use super::{Platform, PlatformError};
use crate::map::UARTS;
use serde::{Deserialize, Serialize};

/// State of all devices, for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformState {
    /// The board's name.
    board: String,
    iocsr: Iocsr,
    pic: PchPic,
    uarts: [Uart; UARTS],
    rtc: Rtc,
    power: Power,
    virtio: Vec<TransportState>,
    pci: Option<PciState>,
    flash: Option<FlashState>,
    fw_cfg: FwCfg,
    advanced: u64,
}

impl PlatformState {
    /// Whether it is of a machine with firmware.
    pub(crate) fn has_firmware(&self) -> bool {
        self.flash.is_some()
    }
}

impl Platform {
    /// The state of all devices. Files of drives are not part of it, except
    /// the changes to volatile drives.
    pub fn save(&self) -> Result<PlatformState, PlatformError> {
        Ok(PlatformState {
            board: self.board.name.to_owned(),
            iocsr: self.iocsr.clone(),
            pic: self.pic.clone(),
            uarts: self.uarts.clone(),
            rtc: self.rtc.clone(),
            power: self.power.clone(),
            virtio: self
                .virtio
                .iter()
                .map(Transport::save)
                .collect::<Result<_, _>>()?,
            pci: self.pci.as_ref().map(Pci::save),
            flash: self.flash.as_ref().map(Flash::save),
            fw_cfg: self.fw_cfg.clone(),
            advanced: self.advanced,
        })
    }

    /// Takes over a saved state. After an error the state is undefined.
    pub fn restore(&mut self, state: &PlatformState) -> Result<(), PlatformError> {
        if self.board.name != state.board {
            return Err(PlatformError::Mismatch("the board (--machine)"));
        }
        if !self.iocsr.same_shape(&state.iocsr) {
            return Err(PlatformError::Mismatch("the number of CPUs"));
        }
        if self.virtio.len() != state.virtio.len() {
            return Err(PlatformError::Mismatch("the number of virtio devices"));
        }
        if !state.uarts.iter().all(Uart::valid) {
            return Err(PlatformError::Mismatch("the state of a UART"));
        }
        for (transport, saved) in self.virtio.iter_mut().zip(&state.virtio) {
            transport.restore(saved)?;
        }
        match (&mut self.pci, &state.pci) {
            (Some(pci), Some(saved)) => pci.restore(saved)?,
            (None, None) => {}
            _ => return Err(PlatformError::Mismatch("the PCI bus")),
        }
        match (&mut self.flash, &state.flash) {
            (Some(flash), Some(saved)) => flash.restore(saved)?,
            (None, None) => {}
            _ => return Err(PlatformError::Mismatch("the firmware (--firmware)")),
        }
        self.fw_cfg = state.fw_cfg.clone();
        self.iocsr = state.iocsr.clone();
        self.pic = state.pic.clone();
        self.uarts = state.uarts.clone();
        self.rtc = state.rtc.clone();
        self.power = state.power.clone();
        self.advanced = state.advanced;
        self.update_lines();
        self.dma = true;
        Ok(())
    }
}
