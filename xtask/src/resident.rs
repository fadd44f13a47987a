// SPDX-License-Identifier: Apache-2.0 OR MIT

//! How much memory a machine's process needs beside the machine's RAM.

use std::fs;

/// What of a process is resident outside its largest mapping, in KiB: for a
/// simulator that mapping is the machine's RAM. `None` if the process is gone.
/// (proc_pid_smaps(5))
pub(crate) fn beside_ram_kib(pid: u32) -> Option<u64> {
    beside_largest(&fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?)
}

fn beside_largest(smaps: &str) -> Option<u64> {
    let (mut total, mut size, mut largest) = (0, 0, (0, 0));
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next()?, words.next());
        let kib = || value.and_then(|value| value.parse::<u64>().ok());
        match name {
            "Size:" => size = kib()?,
            "Rss:" => {
                let resident = kib()?;
                total += resident;
                largest = largest.max((size, resident));
            }
            _ => {}
        }
    }
    (total > 0).then_some(total - largest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_mapping_is_left_out() {
        let smaps = "7f00-7f10 rw-p 00000000 00:00 0\nSize: 1024 kB\nKernelPageSize: 4 kB\n\
                     Rss: 500 kB\n7f20-7f21 r-xp 00000000 00:00 0 lib\nSize: 64 kB\nRss: 60 kB\n\
                     7f30-7f31 rw-p 00000000 00:00 0\nSize: 32 kB\nRss: 4 kB\n";
        assert_eq!(beside_largest(smaps), Some(64));
        assert_eq!(beside_largest(""), None);
        assert!(beside_ram_kib(std::process::id()).is_some_and(|kib| kib > 100));
    }
}
