// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Vector registers. Inside a block those that LSX has written stay in registers of the
//! computer; they go to memory before a handler and at the end of the block. Scalar
//! floating point uses the elements in memory.

use super::super::layout;
use super::Emitter;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value, types};

/// What a vector register holds, as far as that is known in a block.
pub(super) type Vectors = [Option<Vector>; 32];

/// The value of a vector register.
#[derive(Clone, Copy)]
pub(super) struct Vector {
    value: Value,
    /// Memory may have an older one.
    unstored: bool,
}

impl Emitter<'_> {
    /// Vector register `r` as elements of a type.
    pub(in super::super) fn vr(&mut self, r: u8, ty: Type) -> Value {
        let r = usize::from(r & 31);
        let value = match self.vectors[r] {
            Some(known) => known.value,
            None => {
                let value = self.load_cpu(ty, layout::vr(r as u8, 0, 0));
                self.vectors[r] = Some(Vector {
                    value,
                    unstored: false,
                });
                value
            }
        };
        self.as_elements(value, ty)
    }

    /// A vector as elements of another type.
    fn as_elements(&mut self, value: Value, ty: Type) -> Value {
        if self.b.func.dfg.value_type(value) == ty {
            return value;
        }
        // Which byte is the first matters for types of unlike elements.
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.b.ins().bitcast(ty, flags, value)
    }

    /// Writes vector register `r`.
    pub(in super::super) fn set_vr(&mut self, r: u8, value: Value) {
        self.vectors[usize::from(r & 31)] = Some(Vector {
            value,
            unstored: true,
        });
    }

    /// An element of vector register `r`.
    pub(in super::super) fn vr_element(&mut self, r: u8, ty: Type, index: u8) -> Value {
        let Some(vector) = self.vectors[usize::from(r & 31)] else {
            return self.load_cpu(ty, layout::vr(r, ty.bytes(), index));
        };
        let elements = ty.by(16 / ty.bytes()).unwrap_or(types::I8X16);
        let elements = self.as_elements(vector.value, elements);
        self.b.ins().extractlane(elements, index)
    }

    /// Writes an element of vector register `r`.
    pub(in super::super) fn set_vr_element(&mut self, r: u8, value: Value, index: u8) {
        self.release_vector(r);
        let size = self.b.func.dfg.value_type(value).bytes();
        self.put(layout::vr(r, size, index), value);
    }

    /// Puts vector register `r` into memory if it may not be there.
    fn store_vector(&mut self, r: u8) {
        let vector = self.vectors[usize::from(r & 31)];
        if let Some(Vector { value, .. }) = vector.filter(|vector| vector.unstored) {
            self.put(layout::vr(r, 0, 0), value);
        }
    }

    /// Has vector register `r` be in memory and nowhere else.
    pub(in super::super) fn release_vector(&mut self, r: u8) {
        self.store_vector(r);
        self.vectors[usize::from(r & 31)] = None;
    }

    /// Puts the vector registers into memory that may not be there.
    pub(super) fn store_vectors(&mut self) {
        for r in 0..32 {
            self.store_vector(r);
        }
    }

    /// Has all vector registers be in memory and nowhere else.
    pub(super) fn release_vectors(&mut self) {
        self.store_vectors();
        self.vectors = [None; 32];
    }

    /// Loads a value of type `ty` at `va`, of which `make` makes vector register `r`.
    pub(in super::super) fn load_vector(
        &mut self,
        va: Value,
        ty: Type,
        r: u8,
        make: impl FnOnce(&mut Self, Value) -> Value,
    ) {
        let (place, miss) = self.find(va, ty.bytes(), layout::SLOT_READ);
        let value = self.b.ins().load(ty, self.memories.ram, place, 0);
        let value = make(self, value);
        let whole = self.b.func.dfg.value_type(value);
        let done = self.b.create_block();
        let result = self.b.append_block_param(done, whole);
        self.b.ins().jump(done, &[value.into()]);
        self.b.switch_to_block(miss);
        self.aside(0);
        let value = self.load_cpu(whole, layout::vr(r, 0, 0));
        self.b.ins().jump(done, &[value.into()]);
        self.b.switch_to_block(done);
        self.set_vr(r, result);
    }
}
