// SPDX-License-Identifier: GPL-2.0-or-later

//! Free places in the address space near QEMU's code, from the list of what is
//! mapped (proc_pid_maps(5)).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;

/// Bytes that are asked for at once. The kernel writes the list as it is read, and
/// a program is at its beginning, before hundreds of lines about libraries.
const CHUNK: usize = 1024;

/// What of this process is mapped below an address.
pub(crate) fn mapped_below(end: usize) -> io::Result<Vec<Range<usize>>> {
    read(
        BufReader::with_capacity(CHUNK, File::open("/proc/self/maps")?),
        end,
    )
}

/// Reads a list, which is in ascending order, up to the first mapping that is not
/// below `end`.
fn read(mut list: impl BufRead, end: usize) -> io::Result<Vec<Range<usize>>> {
    let mut mapped = Vec::new();
    let mut line = Vec::new();
    while list.read_until(b'\n', &mut line)? != 0 {
        if let Some(mapping) = parse(&line) {
            if mapping.start >= end {
                break;
            }
            mapped.push(mapping);
        }
        line.clear();
    }
    Ok(mapped)
}

/// The addresses of a line's mapping: `START-END PERMISSIONS ...`, in hexadecimal.
/// A line of another form says nothing.
fn parse(line: &[u8]) -> Option<Range<usize>> {
    let field = line.split(|byte| *byte == b' ').next()?;
    let (start, end) = std::str::from_utf8(field).ok()?.split_once('-')?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    let mapping = number(start)?..number(end)?;
    (!mapping.is_empty()).then_some(mapping)
}

/// Where `bytes` fit between what is mapped and are in `window`: the highest place
/// of each gap, the gaps below `code` first, the nearest of them first. Above, the
/// heap begins right behind the program, and keeps room to grow.
///
/// `page` is a power of two, of which places and `bytes` are multiples.
pub(crate) fn places(
    mapped: &[Range<usize>],
    window: &Range<usize>,
    code: &Range<usize>,
    bytes: usize,
    page: usize,
) -> Vec<usize> {
    let mut mapped = mapped.to_vec();
    mapped.push(code.clone());
    mapped.sort_by_key(|mapping| mapping.start);
    let (mut below, mut above) = (Vec::new(), Vec::new());
    let mut free = window.start;
    let behind = window.end..window.end;
    for mapping in mapped.iter().chain([&behind]) {
        let highest = mapping
            .start
            .min(window.end)
            .checked_sub(bytes)
            .map(|place| place & !page.wrapping_sub(1))
            .filter(|place| *place >= free && *place > 0);
        if let Some(place) = highest {
            let side = if place < code.start {
                &mut below
            } else {
                &mut above
            };
            side.push(place);
        }
        free = free.max(mapping.end);
    }
    below.reverse();
    below.append(&mut above);
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 0x4000;

    #[test]
    fn a_line_is_a_range_or_nothing() {
        let line = b"7ffff1a48000-7ffff1a4c000 r-xp 00010000 fe:00 1234    /usr/bin/a b-c\n";
        assert_eq!(parse(line), Some(0x7fff_f1a4_8000..0x7fff_f1a4_c000));
        assert_eq!(parse(b"1000-2000"), Some(0x1000..0x2000));
        for odd in [
            &b""[..],
            b"\n",
            b" 1000-2000 r--p",
            b"1000",
            b"1000-",
            b"-2000 r--p",
            b"1000-2000-3000 r--p",
            b"2000-1000 r--p",
            b"1000-1000 r--p",
            b"0x1000-0x2000 r--p",
            b"10000000000000000-10000000000001000 r--p",
            b"\xff\xfe-2000 r--p",
        ] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn the_list_is_read_as_far_as_it_is_needed() {
        let list = "4000-8000 r--p\nodd\n8000-c000 r-xp\n20000-24000 rw-p\n28000-2c000 rw-p\n";
        assert_eq!(
            read(list.as_bytes(), 0x2_0000).expect("a list"),
            [0x4000..0x8000, 0x8000..0xc000]
        );
        assert_eq!(
            read(list.as_bytes(), 0x2_0001).expect("a list").len(),
            3,
            "a mapping that begins below the end"
        );
    }

    #[test]
    fn the_nearest_gap_below_is_first() {
        // A library, a hole of two pages, a program with a hole of one page in it.
        let mapped = [
            0x10_0000..0x20_0000,
            0x20_8000..0x21_0000,
            0x21_4000..0x22_0000,
        ];
        let window = 0x10_0000..0x30_0000;
        let code = 0x21_8000..0x21_c000;
        assert_eq!(
            places(&mapped, &window, &code, PAGE, PAGE),
            [0x21_0000, 0x20_4000, 0x2f_c000]
        );
        // What is larger fits into fewer.
        assert_eq!(
            places(&mapped, &window, &code, 2 * PAGE, PAGE),
            [0x20_0000, 0x2f_8000]
        );
        assert_eq!(places(&mapped, &window, &code, 4 * PAGE, PAGE), [0x2f_0000]);
        assert!(places(&mapped, &window, &code, 0x10_0000, PAGE).is_empty());
    }

    #[test]
    fn places_are_whole_pages_inside_the_window() {
        let code = 0x10_0000..0x10_0010;
        // No end of the window is one of a page.
        let window = 0xf_5000..0x10_b000;
        let found = places(&[], &window, &code, PAGE, PAGE);
        assert_eq!(found, [0xf_c000, 0x10_4000]);
        // Mappings in any order, over each other and beyond the window.
        let mapped = [
            0x10_4000..usize::MAX,
            0xe_0000..0xf_c000,
            0xd_0000..0xf_0000,
        ];
        assert_eq!(places(&mapped, &window, &code, PAGE, PAGE), [0xf_c000]);
    }

    #[test]
    fn a_window_without_room_has_no_place() {
        let code = 0x4000..0x8000;
        // Address 0 is no place.
        assert!(places(&[], &(0..0x8000), &code, PAGE, PAGE).is_empty());
        assert!(places(&[], &(0..0), &(0..0), usize::MAX, PAGE).is_empty());
    }

    #[test]
    fn this_process_is_mapped() {
        let function = this_process_is_mapped as fn();
        let address = (function as *const ()).addr();
        let mapped = mapped_below(usize::MAX).expect("a list");
        assert!(mapped.iter().any(|mapping| mapping.contains(&address)));
        let below = mapped_below(address).expect("a list");
        assert!(below.iter().all(|mapping| mapping.start < address));
        assert!(below.len() < mapped.len());
    }
}
