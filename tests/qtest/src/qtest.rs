// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's test protocol, a line each way (QEMU system/qtest.c): memory and device
//! registers as the board's buses see them, and lines into devices.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, Result, bail};

/// A connection with QEMU's test server.
pub(crate) struct Qtest {
    lines: BufReader<UnixStream>,
    /// Levels of the lines that are intercepted, as QEMU last told.
    intercepted: BTreeMap<u32, bool>,
}

impl Qtest {
    /// Speaks over `stream`, which has a limit of time.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Qtest {
            lines: BufReader::new(stream),
            intercepted: BTreeMap::new(),
        }
    }

    /// Sends a command; the words behind OK in its answer.
    fn command(&mut self, command: &str) -> Result<String> {
        let said = || format!("qtest: {command}");
        writeln!(self.lines.get_mut(), "{command}").with_context(said)?;
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).with_context(said)? == 0 {
                bail!("qtest: {command}: QEMU has closed the connection");
            }
            let line = line.trim_end();
            if let Some(answer) = line.strip_prefix("OK") {
                return Ok(answer.trim_start().to_owned());
            }
            match line.strip_prefix("IRQ ").and_then(intercepted) {
                Some((number, level)) => {
                    self.intercepted.insert(number, level);
                }
                None => bail!("qtest: {command}: {line}"),
            }
        }
    }

    /// Reads `width` bytes, 1, 2, 4 or 8, at a physical address.
    pub(crate) fn read(&mut self, width: u8, address: u64) -> Result<u64> {
        let letter = letter(width)?;
        let answer = self.command(&format!("read{letter} {address:#x}"))?;
        number(&answer)
    }

    /// Writes `width` bytes, 1, 2, 4 or 8, at a physical address.
    pub(crate) fn write(&mut self, width: u8, address: u64, value: u64) -> Result<()> {
        let letter = letter(width)?;
        self.command(&format!("write{letter} {address:#x} {value:#x}"))
            .map(drop)
    }

    /// Writes bytes to memory.
    pub(crate) fn write_bytes(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.command(&format!("write {address:#x} {:#x} 0x{digits}", bytes.len()))
            .map(drop)
    }

    /// Reads bytes of memory.
    pub(crate) fn read_bytes(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        let answer = self.command(&format!("read {address:#x} {length:#x}"))?;
        let digits = answer.strip_prefix("0x").unwrap_or(&answer);
        digits
            .as_bytes()
            .chunks(2)
            .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
            .collect()
    }

    /// Sets the level of an unnamed input line of the device at a QOM path.
    pub(crate) fn set_line(&mut self, device: &str, line: u32, level: bool) -> Result<()> {
        let level = u8::from(level);
        self.command(&format!(
            "set_irq_in {device} unnamed-gpio-in {line} {level}"
        ))
        .map(drop)
    }

    /// From now on QEMU tells of the input lines of the device at a QOM path.
    pub(crate) fn intercept(&mut self, device: &str) -> Result<()> {
        self.command(&format!("irq_intercept_in {device}"))
            .map(drop)
    }

    /// The level of an intercepted line.
    pub(crate) fn line(&mut self, line: u32) -> Result<bool> {
        // What QEMU has told comes before the answer to anything.
        self.command("endianness")?;
        Ok(self.intercepted.get(&line).copied().unwrap_or(false))
    }
}

/// What the names of the commands for `width` bytes end in.
fn letter(width: u8) -> Result<char> {
    Ok(match width {
        1 => 'b',
        2 => 'w',
        4 => 'l',
        8 => 'q',
        _ => bail!("no access has {width} bytes"),
    })
}

/// `raise N` or `lower N`.
fn intercepted(words: &str) -> Option<(u32, bool)> {
    let (verb, number) = words.split_once(' ')?;
    let level = match verb {
        "raise" => true,
        "lower" => false,
        _ => return None,
    };
    Some((number.parse().ok()?, level))
}

fn number(text: &str) -> Result<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16)
        .with_context(|| format!("qtest answered {text:?} instead of a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU that gives these answers, whatever it is asked.
    fn answering(text: &'static str) -> Qtest {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.write_all(text.as_bytes()).expect("room for a line");
        // Kept open: what is asked must find a reader.
        std::mem::forget(theirs);
        Qtest::new(ours)
    }

    #[test]
    fn numbers_and_bytes_are_read() {
        assert_eq!(
            answering("OK 0x000000000000beef\n").read(2, 0).ok(),
            Some(0xbeef)
        );
        assert_eq!(
            answering("OK 0x00ff10\n").read_bytes(0, 3).ok(),
            Some(vec![0, 0xff, 0x10])
        );
        assert!(answering("OK what\n").read(2, 0).is_err());
        assert!(answering("").read(3, 0).is_err());
    }

    #[test]
    fn failures_are_errors() {
        let error = answering("FAIL Unknown device\n")
            .set_line("/x", 1, true)
            .expect_err("QEMU said so");
        assert!(error.to_string().contains("Unknown device"), "{error}");
    }

    #[test]
    fn lines_come_between_answers() {
        let mut qtest = answering("IRQ raise 2\nIRQ raise 3\nIRQ lower 3\nOK little\nOK little\n");
        assert_eq!(qtest.line(2).ok(), Some(true));
        assert_eq!(qtest.line(3).ok(), Some(false));
    }
}
