// SPDX-License-Identifier: GPL-2.0-or-later

//! Offsets from QEMU's migration tables: `VMStateDescription` and its fields are
//! exported data that name every member they save and say where it is.
//!
//! The shape of the tables themselves differs between QEMU series and is
//! detected. Facts: migration/vmstate.h of 10.2 and 11.0.50, and the tables of
//! 11.1.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::image::Image;
use super::refusal::Refusal;

/// Members of `VMStateDescription`, the same in all series known.
mod description {
    pub(super) const NAME: usize = 0;
    pub(super) const NEEDED: usize = 80;
    pub(super) const FIELDS: usize = 96;
    pub(super) const SUBSECTIONS: usize = 104;
}

/// Bit of a field's flags: an array of a fixed number of elements.
const VMS_ARRAY: u32 = 4;
/// Bit of a field's flags: it is described by a table of its own.
const VMS_STRUCT: u32 = 8;

/// Tables inside tables, and entries of one table, before it is no table.
const DEPTH_MAX: usize = 8;
const ENTRIES_MAX: usize = 512;

/// Where the members of a `VMStateField` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FieldShape {
    stride: usize,
    offset: usize,
    size: usize,
    num: usize,
    info: usize,
    flags: usize,
    vmsd: usize,
    end_flag: u32,
}

/// The shapes known, the newest first.
const SHAPES: [FieldShape; 3] = [
    // 11.1: without err_hint, num after the offsets of counts.
    FieldShape {
        stride: 96,
        offset: 8,
        size: 16,
        num: 48,
        info: 56,
        flags: 64,
        vmsd: 72,
        end_flag: 0x20000,
    },
    // Between the two: without err_hint, the members in the order of 10.2.
    FieldShape {
        stride: 96,
        offset: 8,
        size: 16,
        num: 40,
        info: 56,
        flags: 64,
        vmsd: 72,
        end_flag: 0x20000,
    },
    // 10.2.
    FieldShape {
        stride: 104,
        offset: 16,
        size: 24,
        num: 40,
        info: 64,
        flags: 72,
        vmsd: 80,
        end_flag: 0x10000,
    },
];

/// A member that a table describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Bytes from the start of the object.
    pub(crate) offset: usize,
    /// Bytes of one element.
    pub(crate) size: usize,
    /// Elements; 1 for what is no array.
    pub(crate) count: usize,
}

/// All members of an object's tables.
#[derive(Debug, Default)]
pub(crate) struct Members<'a> {
    /// By table and by the last part of the name: series put members into
    /// different structures.
    members: BTreeMap<&'a str, BTreeMap<Cow<'a, str>, Member>>,
    /// The functions that say whether a subsection is needed, by its name.
    pub(crate) needed: BTreeMap<&'a str, usize>,
}

impl<'a> Members<'a> {
    /// Reads an object's table and what hangs on it. `first` and `second` are
    /// the names of the first two entries of `cpu_common`, by which the shape
    /// of entries is detected.
    pub(crate) fn read(
        image: &'a Image,
        cpu_common: usize,
        object: usize,
        info_uint32: usize,
    ) -> Result<Self, Refusal> {
        let mut refusal = Refusal::VmStateShape;
        for shape in &SHAPES {
            if !begins_like(image, shape, cpu_common, info_uint32).unwrap_or(false) {
                continue;
            }
            match Self::with_shape(image, shape, cpu_common, object) {
                Ok(members) => return Ok(members),
                Err(table) => refusal = Refusal::VmStateTable(table),
            }
        }
        Err(refusal)
    }

    fn with_shape(
        image: &'a Image,
        shape: &FieldShape,
        cpu_common: usize,
        object: usize,
    ) -> Result<Self, &'static str> {
        let mut members = Self::default();
        members
            .table(image, shape, cpu_common, 0)
            .ok_or("vmstate_cpu_common")?;
        members
            .table(image, shape, object, 0)
            .ok_or("vmstate_loongarch_cpu")?;
        Ok(members)
    }

    /// The member of this name in this table, with elements of this size.
    pub(crate) fn get(
        &self,
        table: &'static str,
        name: &'static str,
        size: usize,
        count: usize,
    ) -> Result<usize, Refusal> {
        let member = self
            .members
            .get(table)
            .and_then(|members| members.get(name))
            .ok_or(Refusal::NoMember { table, name })?;
        if member.size == size && member.count >= count {
            Ok(member.offset)
        } else {
            Err(Refusal::MemberSize {
                table,
                name,
                size: member.size,
                count: member.count,
            })
        }
    }

    /// Reads one description. None if something in it is not what it should be.
    fn table(
        &mut self,
        image: &'a Image,
        shape: &FieldShape,
        at: usize,
        depth: usize,
    ) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let table = image.name(image.pointer(at.checked_add(description::NAME)?)?)?;
        let needed = image.pointer(at.checked_add(description::NEEDED)?)?;
        if needed != 0 && image.is_code(needed) {
            self.needed.insert(table, needed);
        }
        let fields = image.pointer(at.checked_add(description::FIELDS)?)?;
        self.fields(image, shape, fields, &Place::whole(table), depth)?;
        let subsections = image.pointer(at.checked_add(description::SUBSECTIONS)?)?;
        if subsections == 0 {
            return Some(());
        }
        for i in 0..ENTRIES_MAX {
            let entry = image.pointer(subsections.checked_add(i.checked_mul(8)?)?)?;
            if entry == 0 {
                return Some(());
            }
            self.table(image, shape, entry, depth.checked_add(1)?)?;
        }
        None
    }

    fn fields(
        &mut self,
        image: &'a Image,
        shape: &FieldShape,
        fields: usize,
        place: &Place<'a, '_>,
        depth: usize,
    ) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        if fields == 0 {
            return Some(());
        }
        for i in 0..ENTRIES_MAX {
            let at = fields.checked_add(i.checked_mul(shape.stride)?)?;
            let name = image.pointer(at)?;
            let flags = image.u32(at.checked_add(shape.flags)?)?;
            if name == 0 || flags & shape.end_flag != 0 {
                return Some(());
            }
            let name = image.name(name)?;
            let word = |member: usize| image.pointer(at.checked_add(member)?);
            let num = image.u32(at.checked_add(shape.num)?)?;
            if flags & VMS_ARRAY != 0 && num == 0 {
                // The number is elsewhere: another shape.
                return None;
            }
            let member = Member {
                offset: place.offset.checked_add(word(shape.offset)?)?,
                size: word(shape.size)?,
                count: usize::try_from(num).ok()?.max(1),
            };
            let last = name.rsplit('.').next().unwrap_or(name);
            let path = match place.prefix {
                "" => Cow::Borrowed(last),
                prefix => Cow::Owned(format!("{prefix}{last}")),
            };
            let vmsd = word(shape.vmsd)?;
            if flags & VMS_STRUCT != 0 && vmsd != 0 {
                // The members of the first element; the array itself gives the
                // distance of the others.
                let inner = image.pointer(vmsd.checked_add(description::FIELDS)?)?;
                let prefix = format!("{path}/");
                let inside = Place {
                    table: place.table,
                    prefix: &prefix,
                    offset: member.offset,
                };
                self.fields(image, shape, inner, &inside, depth.checked_add(1)?)?;
            }
            self.members
                .entry(place.table)
                .or_default()
                .insert(path, member);
        }
        None
    }
}

/// Where the fields that are being read belong.
struct Place<'a, 'p> {
    table: &'a str,
    prefix: &'p str,
    offset: usize,
}

impl<'a> Place<'a, '_> {
    fn whole(table: &'a str) -> Self {
        Self {
            table,
            prefix: "",
            offset: 0,
        }
    }
}

/// Whether entries of this shape are what `vmstate_cpu_common` begins with: the
/// 32-bit `halted` and `interrupt_request`.
fn begins_like(
    image: &Image,
    shape: &FieldShape,
    cpu_common: usize,
    info_uint32: usize,
) -> Option<bool> {
    let fields = image.pointer(cpu_common.checked_add(description::FIELDS)?)?;
    let is = |index: usize, name: &str| -> Option<bool> {
        let at = fields.checked_add(index.checked_mul(shape.stride)?)?;
        let word = |member: usize| image.pointer(at.checked_add(member)?);
        Some(
            image.name(word(0)?)? == name
                && word(shape.info)? == info_uint32
                && word(shape.size)? == 4
                && word(shape.offset)? != 0
                && image.u32(at.checked_add(shape.flags)?)? & shape.end_flag == 0,
        )
    };
    Some(is(0, "halted")? && is(1, "interrupt_request")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes tables as QEMU's compiler would have, into words.
    struct Writer {
        words: Vec<u64>,
        used: usize,
    }

    impl Writer {
        fn new() -> Self {
            Self {
                words: vec![0; 4096],
                used: 0,
            }
        }

        fn take(&mut self, bytes: usize) -> usize {
            let at = self.used;
            self.used += bytes.div_ceil(8);
            at
        }

        fn address(&self, word: usize) -> u64 {
            (&raw const self.words[word]).addr() as u64
        }

        fn text(&mut self, text: &str) -> u64 {
            let at = self.take(text.len() + 1);
            for (i, byte) in text.bytes().enumerate() {
                self.words[at + i / 8] |= u64::from(byte) << (8 * (i % 8));
            }
            self.address(at)
        }

        fn put(&mut self, base: usize, byte: usize, value: u64) {
            self.words[base + byte / 8] = value;
        }

        fn fields(
            &mut self,
            shape: &FieldShape,
            fields: &[(&str, u64, u64, u64, u64, u64)],
        ) -> u64 {
            let at = self.take(shape.stride * (fields.len() + 1));
            for (i, (name, offset, size, num, info, vmsd)) in fields.iter().enumerate() {
                let name = self.text(name);
                let base = at + i * shape.stride / 8;
                self.put(base, 0, name);
                self.put(base, shape.offset, *offset);
                self.put(base, shape.size, *size);
                self.put(base, shape.num, *num);
                self.put(base, shape.info, *info);
                let of_array = if *num == 0 { 1 } else { u64::from(VMS_ARRAY) };
                let of_struct = if *vmsd == 0 { 0 } else { u64::from(VMS_STRUCT) };
                self.put(base, shape.flags, of_array | of_struct);
                self.put(base, shape.vmsd, *vmsd);
            }
            let end = at + fields.len() * shape.stride / 8;
            self.put(end, shape.flags, u64::from(shape.end_flag));
            self.address(at)
        }

        fn table(&mut self, name: &str, fields: u64, subsections: &[u64]) -> u64 {
            let list = self.take(8 * (subsections.len() + 1));
            for (i, subsection) in subsections.iter().enumerate() {
                self.words[list + i] = *subsection;
            }
            let name = self.text(name);
            let at = self.take(112);
            self.put(at, description::NAME, name);
            self.put(at, description::FIELDS, fields);
            let list = self.address(list);
            self.put(at, description::SUBSECTIONS, list);
            self.address(at)
        }
    }

    const INFO: u64 = 0x1234;

    fn tables(shape: &FieldShape) -> (Writer, usize, usize) {
        let mut w = Writer::new();
        let fields = w.fields(
            shape,
            &[
                ("halted", 804, 4, 0, INFO, 0),
                ("interrupt_request", 208, 4, 0, INFO, 0),
            ],
        );
        let common = w.table("cpu_common", fields, &[]);
        let register = w.fields(shape, &[("UD[1]", 8, 8, 0, 1, 0)]);
        let register = w.table("fpu_reg", register, &[]);
        let lsx = w.fields(shape, &[("env.fpr", 0x41f0, 32, 32, 0, register)]);
        let lsx = w.table("cpu/lsx", lsx, &[]);
        let cpu = w.fields(
            shape,
            &[
                ("env.gpr", 0x40e0, 8, 32, 1, 0),
                ("env.sys_states[0].CSR_CRMD", 0x4690, 8, 0, 1, 0),
            ],
        );
        let cpu = w.table("cpu", cpu, &[lsx]);
        (w, common as usize, cpu as usize)
    }

    #[test]
    fn all_shapes_are_read() {
        for shape in &SHAPES {
            let (writer, common, cpu) = tables(shape);
            let image = Image::of_memory(&writer.words);
            let members = Members::read(&image, common, cpu, INFO as usize).expect("tables");
            assert_eq!(members.get("cpu_common", "halted", 4, 1).ok(), Some(804));
            assert_eq!(members.get("cpu", "gpr", 8, 32).ok(), Some(0x40e0));
            assert_eq!(members.get("cpu", "CSR_CRMD", 8, 1).ok(), Some(0x4690));
            assert_eq!(members.get("cpu/lsx", "fpr/UD[1]", 8, 1).ok(), Some(0x41f8));
            assert!(members.get("cpu", "gpr", 4, 32).is_err());
            assert!(members.get("cpu", "gpr", 8, 33).is_err());
            assert!(members.get("cpu", "no_such", 8, 1).is_err());
        }
    }

    #[test]
    fn an_unknown_shape_is_refused() {
        let (mut writer, common, cpu) = tables(&SHAPES[0]);
        let image = Image::of_memory(&writer.words);
        assert!(Members::read(&image, common, cpu, 1).is_err());
        // Anything else than tables at that place.
        writer.words.fill(0);
        assert!(Members::read(&image, common, cpu, INFO as usize).is_err());
        writer.words.fill(u64::MAX);
        assert!(Members::read(&image, common, cpu, INFO as usize).is_err());
    }

    #[test]
    fn a_table_that_holds_itself_ends() {
        let (mut writer, common, cpu) = tables(&SHAPES[0]);
        let base = writer.address(0) as usize;
        let list = writer.words[(cpu - base + description::SUBSECTIONS) / 8] as usize;
        writer.words[(list - base) / 8] = cpu as u64;
        let image = Image::of_memory(&writer.words);
        assert!(Members::read(&image, common, cpu, INFO as usize).is_err());
    }
}
