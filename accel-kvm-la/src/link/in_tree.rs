// SPDX-License-Identifier: GPL-2.0-or-later

//! The link inside a QEMU tree: QEMU's build compiles a C file that knows its
//! structures and functions, and that file hands them over here, by name.
//!
//! By name, so that an entry more or in another place does no harm: what is
//! missing, unknown or of another size is refused with its name before the
//! backend is used. The C file compares QEMU's prototypes and member types with
//! those that the backend was written for when it is compiled; here are the
//! checks that need the table as a whole.

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::qemu::layout::{self, Layout, Source};
use crate::qemu::opaque::{AddressSpace, CPUState};
use crate::qemu::services::{self, LinkServices, Services};

/// Version of [`KvmLaQemu`] and of how its entries are understood. QEMU's side
/// passes the one it was compiled with.
pub const KVM_LA_ABI: u32 = 2;

/// A function or an object of QEMU.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KvmLaSymbol {
    /// Its name in QEMU.
    pub name: *const c_char,
    pub address: *mut c_void,
}

/// A member of QEMU's CPU object.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KvmLaField {
    /// Its name in the backend's layout.
    pub name: *const c_char,
    /// Bytes from the start of the object.
    pub offset: usize,
    /// Bytes of the whole member; of an array's, of all elements.
    pub size: usize,
}

/// Stores into the thread-local `current_cpu`.
pub type KvmLaSetCurrentCpu = Option<unsafe extern "C" fn(cpu: *mut CPUState)>;
/// Collects the dirty ring of a vCPU, of all if it is null.
pub type KvmLaDirtyRingReap = Option<unsafe extern "C" fn(cpu: *mut CPUState)>;
/// The address space behind a vCPU's `iocsr` instructions.
pub type KvmLaIocsrAddressSpace =
    Option<unsafe extern "C" fn(cpu: *mut CPUState) -> *mut AddressSpace>;

/// What QEMU hands over.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KvmLaQemu {
    /// `KVM_LA_ABI`.
    pub abi: u32,
    /// Bytes of this structure.
    pub size: u32,
    /// Bytes of the CPU object, which every field must be inside of.
    pub cpu_size: usize,
    /// Functions and objects.
    pub symbols: *const KvmLaSymbol,
    /// Elements of `symbols`.
    pub symbol_count: usize,
    /// Members of the CPU object.
    pub fields: *const KvmLaField,
    /// Elements of `fields`.
    pub field_count: usize,
    /// Needed: `current_cpu` is thread-local and has no address to hand over.
    pub set_current_cpu: KvmLaSetCurrentCpu,
    /// May be null.
    pub dirty_ring_reap: KvmLaDirtyRingReap,
    /// May be null.
    pub iocsr_address_space: KvmLaIocsrAddressSpace,
}

/// Why QEMU's tables were refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LinkError {
    /// Another version of the interface.
    #[error(
        "QEMU was compiled for version {theirs} of the backend's interface and this is version \
         {ours}: build QEMU with the header of this backend"
    )]
    Abi {
        /// QEMU's.
        theirs: u32,
        /// The backend's.
        ours: u32,
    },
    /// The structure itself.
    #[error(
        "QEMU's table of the backend's interface has {theirs} bytes instead of {ours}: build QEMU \
         with the header of this backend"
    )]
    Size {
        /// QEMU's.
        theirs: usize,
        /// The backend's.
        ours: usize,
    },
    /// A null pointer where there must be none.
    #[error("QEMU handed over no {0}: its target/loongarch/kvm/kvm-rust.c is not complete")]
    Null(&'static str),
    /// Entries that the backend needs.
    #[error(
        "QEMU did not hand over {}: update its target/loongarch/kvm/kvm-rust.c to this backend",
        .0.join(", ")
    )]
    Missing(Vec<&'static str>),
    /// An entry that means nothing here.
    #[error(
        "QEMU handed over {0}, which this backend does not know: build QEMU with the patches that \
         belong to this backend"
    )]
    Unknown(String),
    /// An entry twice.
    #[error("QEMU handed over {0} twice: correct its target/loongarch/kvm/kvm-rust.c")]
    Twice(String),
    /// A member of another size than its register.
    #[error(
        "{name} has {theirs} bytes in this QEMU and {ours} in the backend: this QEMU is newer than \
         the backend knows"
    )]
    FieldSize {
        /// The member.
        name: &'static str,
        /// In QEMU.
        theirs: usize,
        /// In the backend.
        ours: usize,
    },
    /// A member outside of the object.
    #[error("{0} is not inside QEMU's CPU object: correct its target/loongarch/kvm/kvm-rust.c")]
    Outside(&'static str),
    /// The second call.
    #[error("the backend was linked to QEMU before: link it once")]
    Again,
}

/// Hands QEMU's functions, objects and structures over. To be called once and
/// before all else. On failure nothing is kept and `message` of `length` bytes
/// gets one line that ends in a zero byte, cut if it is too long.
///
/// # Safety
///
/// `qemu` points to a table whose first two members can be read, and all of it
/// if those have the values of this header; its arrays have the lengths that it
/// says and their names end in zero bytes. Each symbol is the one of QEMU with
/// that name. `message` has `length` bytes or is null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn kvm_la_link_in_tree(
    qemu: *const KvmLaQemu,
    message: *mut c_char,
    length: usize,
) -> bool {
    crate::qemu::log::init();
    // SAFETY: By this function's contract.
    match unsafe { link(qemu) } {
        Ok(()) => true,
        Err(error) => {
            if !message.is_null() && length != 0 {
                // SAFETY: By this function's contract.
                let buffer =
                    unsafe { std::slice::from_raw_parts_mut(message.cast::<u8>(), length) };
                copy_line(&error.to_string(), buffer);
            }
            false
        }
    }
}

/// Checks everything and then installs it.
///
/// # Safety
///
/// As [`kvm_la_link_in_tree`].
unsafe fn link(qemu: *const KvmLaQemu) -> Result<(), LinkError> {
    // SAFETY: By this function's contract.
    let tables = unsafe { Tables::read(qemu) }?;
    let layout = tables.layout()?;
    // SAFETY: By this function's contract the addresses are those of the names.
    let services = unsafe { tables.services() }?;
    // Neither is read before the first hook, which comes after this returns, so
    // no function sees a layout without services.
    if !layout::install(layout) || !services::install(services) {
        return Err(LinkError::Again);
    }
    Ok(())
}

/// QEMU's tables, with names that can be compared.
struct Tables<'a> {
    symbols: Vec<(&'a str, *mut c_void)>,
    fields: Vec<(&'a str, usize, usize)>,
    cpu_size: usize,
    link: LinkServices,
}

/// Whether QEMU's table, by its number and size, is the one that this backend knows.
fn agree(abi: u32, size: usize) -> Result<(), LinkError> {
    if abi != KVM_LA_ABI {
        return Err(LinkError::Abi {
            theirs: abi,
            ours: KVM_LA_ABI,
        });
    }
    if size != size_of::<KvmLaQemu>() {
        return Err(LinkError::Size {
            theirs: size,
            ours: size_of::<KvmLaQemu>(),
        });
    }
    Ok(())
}

impl Tables<'_> {
    /// Reads them, after the checks that say whether they can be.
    ///
    /// # Safety
    ///
    /// As [`kvm_la_link_in_tree`]; the tables stay for `'a`.
    unsafe fn read(qemu: *const KvmLaQemu) -> Result<Self, LinkError> {
        if qemu.is_null() {
            return Err(LinkError::Null("table"));
        }
        // SAFETY: By this function's contract the first two members are there.
        let abi = unsafe { (*qemu).abi };
        // SAFETY: As above.
        let size = unsafe { (*qemu).size };
        agree(abi, size as usize)?;
        // SAFETY: By this function's contract, since the two agree.
        let qemu = unsafe { &*qemu };
        if qemu.symbols.is_null() {
            return Err(LinkError::Null("symbols"));
        }
        if qemu.fields.is_null() {
            return Err(LinkError::Null("fields"));
        }
        let link = LinkServices {
            set_current_cpu: qemu
                .set_current_cpu
                .ok_or(LinkError::Null("set_current_cpu"))?,
            dirty_ring_reap: qemu.dirty_ring_reap,
            iocsr_address_space: qemu.iocsr_address_space,
        };
        // SAFETY: By this function's contract.
        let symbols = unsafe { std::slice::from_raw_parts(qemu.symbols, qemu.symbol_count) };
        // SAFETY: As above.
        let fields = unsafe { std::slice::from_raw_parts(qemu.fields, qemu.field_count) };
        let mut tables = Tables {
            symbols: Vec::with_capacity(symbols.len()),
            fields: Vec::with_capacity(fields.len()),
            cpu_size: qemu.cpu_size,
            link,
        };
        for symbol in symbols {
            // SAFETY: By this function's contract.
            let name = unsafe { text(symbol.name) }?;
            if tables.symbols.iter().any(|(known, _)| *known == name) {
                return Err(LinkError::Twice(name.to_owned()));
            }
            if !Services::SYMBOLS.iter().any(|(known, _)| *known == name) {
                return Err(LinkError::Unknown(name.to_owned()));
            }
            tables.symbols.push((name, symbol.address));
        }
        for field in fields {
            // SAFETY: By this function's contract.
            let name = unsafe { text(field.name) }?;
            if tables.fields.iter().any(|(known, _, _)| *known == name) {
                return Err(LinkError::Twice(name.to_owned()));
            }
            if !Layout::fields().any(|known| known.name == name) {
                return Err(LinkError::Unknown(name.to_owned()));
            }
            tables.fields.push((name, field.offset, field.size));
        }
        Ok(tables)
    }

    fn layout(&self) -> Result<Layout, LinkError> {
        let mut wrong = None;
        let layout = Layout::build(|wanted| {
            let (_, offset, size) = self.fields.iter().find(|(name, ..)| *name == wanted.name)?;
            if let Source::Vmstate(vmstate) = wanted.source {
                let ours = vmstate.size.saturating_mul(vmstate.count);
                if ours != *size {
                    wrong.get_or_insert(LinkError::FieldSize {
                        name: wanted.name,
                        theirs: *size,
                        ours,
                    });
                }
            }
            let end = offset.checked_add(*size);
            if *size == 0 || end.is_none_or(|end| end > self.cpu_size) {
                wrong.get_or_insert(LinkError::Outside(wanted.name));
            }
            Some(*offset)
        })
        .map_err(LinkError::Missing)?;
        match wrong {
            Some(error) => Err(error),
            None => Ok(layout),
        }
    }

    /// The services.
    ///
    /// # Safety
    ///
    /// Each address is that of the symbol of QEMU with its name.
    unsafe fn services(&self) -> Result<Services, LinkError> {
        let find = |wanted: &'static str| {
            self.symbols
                .iter()
                .find(|(name, _)| *name == wanted)
                .map_or(std::ptr::null_mut(), |(_, address)| *address)
        };
        // SAFETY: By this function's contract.
        unsafe { Services::resolve(find, self.link) }.map_err(LinkError::Missing)
    }

    /// Names that QEMU need not hand over and did not.
    #[cfg(test)]
    fn left_out(&self) -> Vec<&'static str> {
        let handed = |name: &str| self.symbols.iter().any(|(known, _)| *known == name);
        Services::SYMBOLS
            .iter()
            .filter(|(name, need)| *need == services::Need::Optional && !handed(name))
            .map(|(name, _)| *name)
            .collect()
    }
}

/// A name of the tables.
///
/// # Safety
///
/// `name` is null or ends in a zero byte and stays for `'a`.
unsafe fn text<'a>(name: *const c_char) -> Result<&'a str, LinkError> {
    if name.is_null() {
        return Err(LinkError::Null("name of an entry"));
    }
    // SAFETY: By this function's contract.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str()
        .map_err(|_| LinkError::Unknown(name.to_string_lossy().into_owned()))
}

/// Copies `line` and a zero byte, cut at a character's end.
fn copy_line(line: &str, buffer: &mut [u8]) {
    let Some(space) = buffer.len().checked_sub(1) else {
        return;
    };
    let mut end = line.len().min(space);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    for (to, from) in buffer
        .iter_mut()
        .zip(line.bytes().take(end).chain(std::iter::once(0)))
    {
        *to = from;
    }
}

/// Version of the interface that the archive was built with, for programs that
/// want to ask before they link.
#[unsafe(no_mangle)]
pub extern "C" fn kvm_la_abi() -> c_int {
    KVM_LA_ABI as c_int
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;
    use crate::qemu::services::Need;

    /// Tables as QEMU's C file makes them, with made-up addresses.
    struct Fake {
        names: Vec<CString>,
        symbols: Vec<(usize, *mut c_void)>,
        fields: Vec<(usize, usize, usize)>,
    }

    unsafe extern "C" fn set_current_cpu(_cpu: *mut CPUState) {}

    impl Fake {
        fn whole() -> Fake {
            let mut fake = Fake {
                names: Vec::new(),
                symbols: Vec::new(),
                fields: Vec::new(),
            };
            for (name, _) in Services::SYMBOLS {
                fake.add_symbol(name);
            }
            let mut offset = 64;
            for field in Layout::fields() {
                let size = match field.source {
                    Source::Vmstate(vmstate) => vmstate.size * vmstate.count,
                    Source::Discovered => 8,
                };
                fake.add_field(field.name, offset, size);
                offset += size;
            }
            fake
        }

        fn add_symbol(&mut self, name: &str) {
            self.names.push(CString::new(name).expect("a name"));
            // An address that is not null and never called.
            let address = set_current_cpu as *mut c_void;
            self.symbols.push((self.names.len() - 1, address));
        }

        fn add_field(&mut self, name: &str, offset: usize, size: usize) {
            self.names.push(CString::new(name).expect("a name"));
            self.fields.push((self.names.len() - 1, offset, size));
        }

        /// Hands the tables to `use_it`.
        fn read<T>(
            &self,
            change: impl FnOnce(&mut KvmLaQemu),
            use_it: impl FnOnce(Result<Tables<'_>, LinkError>) -> T,
        ) -> T {
            let symbols: Vec<_> = self
                .symbols
                .iter()
                .map(|(name, address)| KvmLaSymbol {
                    name: self.names[*name].as_ptr(),
                    address: *address,
                })
                .collect();
            let fields: Vec<_> = self
                .fields
                .iter()
                .map(|(name, offset, size)| KvmLaField {
                    name: self.names[*name].as_ptr(),
                    offset: *offset,
                    size: *size,
                })
                .collect();
            let mut qemu = KvmLaQemu {
                abi: KVM_LA_ABI,
                size: size_of::<KvmLaQemu>() as u32,
                cpu_size: 0x20000,
                symbols: symbols.as_ptr(),
                symbol_count: symbols.len(),
                fields: fields.as_ptr(),
                field_count: fields.len(),
                set_current_cpu: Some(set_current_cpu),
                dirty_ring_reap: None,
                iocsr_address_space: None,
            };
            change(&mut qemu);
            // SAFETY: The tables are whole and outlive the call.
            use_it(unsafe { Tables::read(&qemu) })
        }

        fn error(&self, change: impl FnOnce(&mut KvmLaQemu)) -> LinkError {
            self.read(change, |tables| {
                let check = || -> Result<(), LinkError> {
                    let tables = tables?;
                    tables.layout()?;
                    // SAFETY: Nothing that is resolved is called or read.
                    unsafe { tables.services() }?;
                    Ok(())
                };
                check().expect_err("refused")
            })
        }
    }

    #[test]
    fn whole_tables_are_taken() {
        Fake::whole().read(
            |_| (),
            |tables| {
                let tables = tables.expect("read");
                let layout = tables.layout().expect("layout");
                assert_eq!(layout.halted, 64);
                // SAFETY: Nothing that is resolved is called or read.
                assert!(unsafe { tables.services() }.is_ok());
                assert!(tables.left_out().is_empty());
            },
        );
    }

    #[test]
    fn optional_symbols_may_be_left_out() {
        let mut fake = Fake::whole();
        let optional: Vec<_> = Services::SYMBOLS
            .iter()
            .filter(|(_, need)| *need == Need::Optional)
            .map(|(name, _)| *name)
            .collect();
        let Fake { names, symbols, .. } = &mut fake;
        symbols.retain(|(name, _)| {
            !optional
                .iter()
                .any(|o| names[*name].as_bytes() == o.as_bytes())
        });
        fake.read(
            |_| (),
            |tables| {
                let tables = tables.expect("read");
                assert_eq!(tables.left_out(), optional);
                // SAFETY: Nothing that is resolved is called or read.
                assert!(unsafe { tables.services() }.is_ok());
            },
        );
    }

    #[test]
    fn other_versions_are_refused() {
        let fake = Fake::whole();
        assert_eq!(
            fake.error(|qemu| qemu.abi = KVM_LA_ABI + 1),
            LinkError::Abi {
                theirs: KVM_LA_ABI + 1,
                ours: KVM_LA_ABI
            }
        );
        assert!(matches!(
            fake.error(|qemu| qemu.size -= 8),
            LinkError::Size { .. }
        ));
    }

    #[test]
    fn null_is_refused() {
        let fake = Fake::whole();
        assert_eq!(
            fake.error(|qemu| qemu.set_current_cpu = None),
            LinkError::Null("set_current_cpu")
        );
        assert_eq!(
            fake.error(|qemu| qemu.symbols = std::ptr::null()),
            LinkError::Null("symbols")
        );
        assert_eq!(
            fake.error(|qemu| qemu.fields = std::ptr::null()),
            LinkError::Null("fields")
        );
        // SAFETY: Null is looked at first.
        let result = unsafe { Tables::read(std::ptr::null()) };
        assert_eq!(result.err(), Some(LinkError::Null("table")));
    }

    #[test]
    fn missing_entries_are_named() {
        let mut fake = Fake::whole();
        let Fake {
            names,
            symbols,
            fields,
        } = &mut fake;
        symbols.retain(|(name, _)| names[*name].as_bytes() != b"run_on_cpu");
        fields.retain(|(name, ..)| names[*name].as_bytes() != b"pc");
        assert_eq!(fake.error(|_| ()), LinkError::Missing(vec!["pc"]));
        fake.add_field("pc", 8, 8);
        assert_eq!(fake.error(|_| ()), LinkError::Missing(vec!["run_on_cpu"]));
        fake.add_symbol("run_on_cpu");
        let last = fake.symbols.len() - 1;
        fake.symbols[last].1 = std::ptr::null_mut();
        assert_eq!(fake.error(|_| ()), LinkError::Missing(vec!["run_on_cpu"]));
    }

    #[test]
    fn unknown_and_double_entries_are_refused() {
        let mut fake = Fake::whole();
        fake.add_symbol("run_on_cpus");
        assert_eq!(fake.error(|_| ()), LinkError::Unknown("run_on_cpus".into()));
        let mut fake = Fake::whole();
        fake.add_field("pc", 8, 8);
        assert_eq!(fake.error(|_| ()), LinkError::Twice("pc".into()));
    }

    #[test]
    fn sizes_and_bounds_are_compared() {
        let mut fake = Fake::whole();
        for (name, _, size) in &mut fake.fields {
            if fake.names[*name].as_bytes() == b"gpr" {
                *size = 4 * 32;
            }
        }
        assert_eq!(
            fake.error(|_| ()),
            LinkError::FieldSize {
                name: "gpr",
                theirs: 128,
                ours: 256
            }
        );
        let mut fake = Fake::whole();
        for (name, offset, _) in &mut fake.fields {
            if fake.names[*name].as_bytes() == b"kvm_run" {
                *offset = usize::MAX - 3;
            }
        }
        assert_eq!(fake.error(|_| ()), LinkError::Outside("kvm_run"));
        assert!(matches!(
            Fake::whole().error(|qemu| qemu.cpu_size = 100),
            LinkError::Outside(_)
        ));
    }

    #[test]
    fn messages_are_cut_at_characters() {
        let mut buffer = [0xff_u8; 8];
        copy_line("short", &mut buffer);
        assert_eq!(&buffer[..6], b"short\0");
        copy_line("1234567890", &mut buffer);
        assert_eq!(&buffer, b"1234567\0");
        copy_line("12345\u{e9}\u{e9}", &mut buffer);
        assert_eq!(&buffer, "12345\u{e9}\0".as_bytes());
        copy_line("123456\u{e9}", &mut buffer);
        assert_eq!(&buffer[..7], b"123456\0");
        copy_line("x", &mut []);
    }

    #[test]
    fn messages_are_one_line() {
        for error in [
            LinkError::Missing(vec!["a", "b"]),
            LinkError::Unknown("x".into()),
            LinkError::Again,
            LinkError::Size { theirs: 1, ours: 2 },
        ] {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.contains(": "), "{text}");
        }
    }
}
