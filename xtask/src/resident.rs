// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a machine's process takes: memory beside the machine's RAM, and CPU time.

use std::fs;
use std::time::Duration;

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

/// The CPU time of a process that has not been waited for, of all its threads. `None` if it
/// is gone. (proc_pid_stat(5): utime and stime)
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let ticks = cpu_ticks(&stat)?;
    let a_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_millis(ticks * 1000 / a_second.max(1)))
}

fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name, which ends with the last parenthesis, may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
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

    #[test]
    fn both_times_count() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 157 0 0 0 12 30 0 0 20 0 1 0 5 9 3";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert!(cpu_time(std::process::id()).is_some());
    }
}
