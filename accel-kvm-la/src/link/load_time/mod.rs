// SPDX-License-Identifier: GPL-2.0-or-later

//! Into a QEMU that was built without us: the library is loaded before QEMU's
//! own start (`LD_PRELOAD`, which `qemu-kvm-la` sets), finds what it needs in
//! the running program, and takes the place of QEMU's C backend.
//!
//! | step | file |
//! | --- | --- |
//! | the loader runs our constructor; is this QEMU? | [`constructor`] |
//! | QEMU calls back when its classes are registered | [`constructor`] |
//! | all functions and globals by name | [`symbols`] |
//! | offsets from migration tables, trials and instructions | [`discover`], [`vmstate`], [`probes`], [`features`], [`code`] |
//! | the slots of the accelerator's operations | [`class_slots`] |
//! | jumps from QEMU's functions to ours | [`gaps`], [`island`], [`patch`] |
//! | what is not understood is left alone, and told | [`refusal`] |
//!
//! Nothing of QEMU is changed before all of it has been checked. Where code may
//! not be changed, only the slots are.

mod class_slots;
mod code;
mod constructor;
mod discover;
mod environment;
mod features;
mod gaps;
mod image;
mod island;
mod patch;
mod probes;
mod refusal;
mod scratch;
mod symbols;
mod vmstate;

use class_slots::Class;
use image::Image;
use patch::{PatchError, Replacement};
use refusal::{Identity, Refusal};

use crate::hooks;
use crate::qemu::{layout, services};
use crate::vcpu::only_operations;

/// Puts the backend into this process's QEMU, or leaves QEMU as it is and sees
/// to it that a guest does not run on KVM without a word about that.
fn attach(image: &Image) {
    crate::qemu::log::init();
    let identity = Identity::of(image);
    log::debug!("{} is {identity}", Image::path().display());
    match try_attach(image, &identity) {
        Ok((functions, slots)) => log::info!(
            "version {} in {identity}: {functions} functions and {slots} operations replaced",
            env!("CARGO_PKG_VERSION")
        ),
        Err(refusal) => {
            log::debug!("refused: {refusal}");
            refusal::refuse(&identity, &refusal);
        }
    }
}

/// Finds, checks, and only then changes. Returns how many functions and slots
/// are ours.
fn try_attach(image: &Image, identity: &Identity) -> Result<(usize, usize), Refusal> {
    let services = symbols::services()?;
    let layout = discover::layout(image, &services)?;
    let class = Class::find(image)?;
    let operations = operations(&class)?;
    let mut replacements = replacements(image)?;

    let can_adopt = services.object_property_get_bool.is_some();
    services::install(services);
    layout::install(layout);
    match patch::replace(&replacements, &image.span()) {
        Ok(()) => {}
        // A policy keeps code as it is. The operations alone are ours then; the
        // functions stay QEMU's, whose work the backend takes over as it is.
        Err(error @ (PatchError::Island(_) | PatchError::Protected(_))) if can_adopt => {
            let reason = format!("in {identity} {error}");
            log::debug!("{reason}: no functions are replaced");
            only_operations::because(reason);
            replacements.clear();
        }
        Err(error) => return Err(error.into()),
    }
    for replacement in &replacements {
        log::debug!(
            "{} at {:#x} goes to {:#x}",
            replacement.name,
            replacement.entry,
            replacement.function
        );
    }
    for (name, slot, function) in &operations {
        // SAFETY: the slot was recognised as the member of this name, and the
        // function is the one that the backend has for it.
        unsafe { class.set(*slot, *function) };
        log::debug!("operation {name} at {:#x} goes to {function:#x}", slot * 8);
    }
    Ok((replacements.len(), operations.len()))
}

/// The slots that the backend fills, with its functions.
fn operations(class: &Class) -> Result<Vec<(&'static str, usize, usize)>, Refusal> {
    hooks::OPS
        .iter()
        .map(|operation| {
            let slot = class
                .slots
                .by_name(operation.name)
                .ok_or(Refusal::Slots(operation.name))?;
            let function = operation.function.expose_provenance();
            Ok((operation.name, slot, function))
        })
        .collect()
}

/// QEMU's functions that the backend has in their place.
fn replacements(image: &Image) -> Result<Vec<Replacement>, Refusal> {
    let mut replacements = Vec::new();
    let mut missing = Vec::new();
    for hook in hooks::TABLE {
        match symbols::address(hook.symbol) {
            Ok(entry) if image.is_code(entry) => replacements.push(Replacement {
                name: hook.symbol,
                entry,
                function: hook.replacement.expose_provenance(),
            }),
            _ => missing.push(hook.symbol),
        }
    }
    if missing.is_empty() {
        Ok(replacements)
    } else {
        Err(Refusal::Symbols(missing))
    }
}
