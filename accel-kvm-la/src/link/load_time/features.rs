// SPDX-License-Identifier: GPL-2.0-or-later

//! The members behind a CPU's feature properties: a CPU object is made as model
//! expansion over QMP makes one, its properties are set both ways, and what
//! changed in it tells where they are.

use std::ffi::{CStr, c_char, c_void};

use super::image::function;
use super::refusal::Refusal;
use super::symbols::address;

/// A CPU model that every QEMU for this architecture has (target/loongarch/cpu.c).
const MODEL: &CStr = c"la464-loongarch-cpu";

/// Where `ptw` is in Debian's QEMU 11.1.
const PTW: usize = 0x1109c;

/// `OnOffAuto` (qapi/common.json).
const ON: u32 = 1;
const OFF: u32 = 2;

/// Offsets of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    pub(crate) lsx: usize,
    pub(crate) lasx: usize,
    pub(crate) ptw: usize,
    pub(crate) msgint: usize,
    /// Bytes of a CPU object; not an offset.
    pub(crate) object_bytes: usize,
}

type New = unsafe extern "C" fn(*const c_char) -> *mut c_void;
type Unref = unsafe extern "C" fn(*mut c_void);
type SetBool = unsafe extern "C" fn(*mut c_void, *const c_char, bool, *mut *mut c_void) -> bool;

/// Words of the object that are compared at once: most are the same before and after.
const CHUNK: usize = 256;

/// A CPU object that is never realized.
struct Trial {
    object: *mut c_void,
    words: usize,
    unref: Unref,
    set_bool: SetBool,
}

impl Trial {
    fn new() -> Result<Self, Refusal> {
        // SAFETY: the exported function of this name has this type
        // (include/qom/object.h).
        let new = unsafe { function::<New>(address("object_new")?) };
        // SAFETY: as above.
        let unref = unsafe { function::<Unref>(address("object_unref")?) };
        // SAFETY: as above.
        let set_bool = unsafe { function::<SetBool>(address("object_property_set_bool")?) };
        // SAFETY: the type is registered by now; making one has no effect on
        // anything else until it is realized.
        let object = unsafe { new(MODEL.as_ptr()) };
        if object.is_null() {
            return Err(Refusal::Probe("CPU model la464"));
        }
        // SAFETY: QOM takes objects from malloc (qom/object.c), so the
        // allocator knows how much of it may be read.
        let bytes = unsafe { libc::malloc_usable_size(object) };
        Ok(Self {
            object,
            words: bytes / 4,
            unref,
            set_bool,
        })
    }

    /// The object after a property was set.
    fn set(&mut self, property: &CStr, value: bool) -> &[u32] {
        // SAFETY: a live object; an error that is not asked for is dropped by
        // QEMU (include/qapi/error.h).
        unsafe { (self.set_bool)(self.object, property.as_ptr(), value, std::ptr::null_mut()) };
        // SAFETY: within the allocation, which malloc aligned for any type; no other thread
        // uses it, nor QEMU as long as this object is borrowed.
        unsafe { std::slice::from_raw_parts(self.object.cast(), self.words) }
    }

    /// Whether the word at an offset follows a property.
    fn follows(&mut self, property: &CStr, offset: usize) -> bool {
        [(true, ON), (false, OFF), (true, ON)]
            .into_iter()
            .all(|(value, expected)| self.set(property, value).get(offset / 4) == Some(&expected))
    }

    /// The one word that follows a property, which is on then. If it is the one that is
    /// guessed, no other is looked at.
    fn member(
        &mut self,
        property: &CStr,
        what: &'static str,
        guess: usize,
    ) -> Result<usize, Refusal> {
        if self.follows(property, guess) {
            return Ok(guess);
        }
        let on = self.set(property, true).to_vec();
        let off = self.set(property, false);
        let mut followers = Vec::new();
        for (i, (on, off)) in on.chunks(CHUNK).zip(off.chunks(CHUNK)).enumerate() {
            if on == off {
                continue;
            }
            for (j, (on, off)) in on.iter().zip(off).enumerate() {
                if (*on, *off) == (ON, OFF) {
                    followers.push(i * CHUNK + j);
                }
            }
        }
        let on_again = self.set(property, true);
        followers.retain(|word| on_again.get(*word) == Some(&ON));
        match *followers {
            [word] => Ok(word * 4),
            _ => Err(Refusal::Probe(what)),
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // SAFETY: the only reference, given up once.
        unsafe { (self.unref)(self.object) };
    }
}

/// Finds the members.
pub(crate) fn find() -> Result<Features, Refusal> {
    let mut trial = Trial::new()?;
    // Neighbours of 4 bytes in QEMU 11.1.
    let ptw = trial.member(c"ptw", "ptw", PTW)?;
    // LSX first: turning it off turns LASX off too, and LASX stays off.
    let lsx = trial.member(c"lsx", "lsx", ptw + 4)?;
    Ok(Features {
        ptw,
        lsx,
        lasx: trial.member(c"lasx", "lasx", lsx + 4)?,
        msgint: trial.member(c"msgint", "msgint", lsx + 8)?,
        object_bytes: trial.words * 4,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of an object that is made up.
    const WORDS: usize = 2 * CHUNK + 1;
    const LSX: usize = 40;
    const LASX: usize = 41;
    const LAST: usize = WORDS - 1;

    /// LSX takes LASX with it when it goes; `pair` has two words; others have none.
    unsafe extern "C" fn set(
        object: *mut c_void,
        property: *const c_char,
        value: bool,
        _error: *mut *mut c_void,
    ) -> bool {
        // SAFETY: the name that a trial gives.
        let property = unsafe { CStr::from_ptr(property) }.to_bytes();
        // SAFETY: the words of `found`, which nothing else uses meanwhile.
        let words = unsafe { &mut *object.cast::<[u32; WORDS]>() };
        let value = if value { ON } else { OFF };
        match property {
            b"lsx" => {
                words[LSX] = value;
                if value == OFF {
                    words[LASX] = OFF;
                }
            }
            b"lasx" => words[LASX] = value,
            b"last" => words[LAST] = value,
            b"pair" => words[50..52].fill(value),
            _ => {}
        }
        true
    }

    unsafe extern "C" fn unref(_object: *mut c_void) {}

    /// Where a property's member is, if it is looked for at `guess` first.
    fn found(property: &CStr, guess: usize) -> Option<usize> {
        // LASX is on.
        let mut words = [7; WORDS];
        words[LASX] = ON;
        let mut trial = Trial {
            object: (&raw mut words).cast(),
            words: WORDS,
            unref,
            set_bool: set,
        };
        trial
            .member(property, "it", guess * 4)
            .ok()
            .map(|at| at / 4)
    }

    #[test]
    fn a_member_is_found_wherever_it_was_guessed() {
        for guess in [0, LSX - 1, LSX, LASX, LAST, WORDS, WORDS + CHUNK] {
            assert_eq!(found(c"lsx", guess), Some(LSX), "{guess}");
            assert_eq!(found(c"lasx", guess), Some(LASX), "{guess}");
            assert_eq!(found(c"last", guess), Some(LAST), "{guess}");
        }
    }

    #[test]
    fn what_no_word_or_more_than_one_follows_is_refused() {
        assert_eq!(found(c"nothing", LSX), None);
        assert_eq!(found(c"pair", LSX), None);
    }
}
