// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What a program prints.

use std::collections::HashSet;

/// One `ok`, `FAIL` or `val` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Name of the check or value.
    pub(crate) name: String,
    /// What was found.
    pub(crate) result: Outcome,
}

/// What a line says about its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As the program expects.
    Ok,
    /// Not so; the text after the name.
    Fail(String),
    /// A value that the program does not judge.
    Value(String),
}

/// A whole run.
#[derive(Debug)]
pub(crate) struct Transcript {
    /// In order.
    pub(crate) lines: Vec<Line>,
    /// What makes it unusable: no end line, a line of another kind, ...
    pub(crate) faults: Vec<String>,
}

impl Transcript {
    /// Reads the console.
    pub(crate) fn parse(console: &str) -> Self {
        let mut lines = Vec::new();
        let mut faults = Vec::new();
        let mut end = None;
        for text in console.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = text.splitn(3, ' ');
            let kind = words.next().unwrap_or_default();
            let name = words.next().unwrap_or_default().to_owned();
            let rest = words.next().unwrap_or_default().to_owned();
            if end.is_some() {
                faults.push(format!("printed after its end: `{text}`"));
                continue;
            }
            let result = match kind {
                "ok" if rest.is_empty() => Outcome::Ok,
                "FAIL" => Outcome::Fail(rest),
                "val" => Outcome::Value(rest),
                "end" => {
                    end = Some((hex(&name), hex(&rest)));
                    continue;
                }
                _ => {
                    faults.push(format!("printed `{text}`"));
                    continue;
                }
            };
            lines.push(Line { name, result });
        }
        let checks = lines
            .iter()
            .filter(|line| !matches!(line.result, Outcome::Value(_)))
            .count() as u64;
        let failures = lines
            .iter()
            .filter(|line| matches!(line.result, Outcome::Fail(_)))
            .count() as u64;
        match end {
            None => faults.push("did not reach its end".to_owned()),
            Some(counts) if counts != (Some(checks), Some(failures)) => {
                faults.push(format!(
                    "counted {counts:x?} checks and failures, printed {checks:#x} and {failures:#x}"
                ));
            }
            Some(_) if checks == 0 => faults.push("checked nothing".to_owned()),
            Some(_) => {}
        }
        let mut seen = HashSet::new();
        for line in &lines {
            if !seen.insert(&line.name) && !line.name.ends_with(".loop") {
                faults.push(format!("has two checks named {}", line.name));
            }
        }
        Transcript { lines, faults }
    }

    /// Number of checks.
    pub(crate) fn checks(&self) -> usize {
        self.lines
            .iter()
            .filter(|line| !matches!(line.result, Outcome::Value(_)))
            .count()
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete() {
        let transcript =
            Transcript::parse("ok a\nFAIL b got=0x1 want=0x2\nval c 0x3\nend 0x2 0x1\n");
        assert!(transcript.faults.is_empty(), "{:?}", transcript.faults);
        assert_eq!(transcript.checks(), 2);
        assert_eq!(
            transcript.lines[1].result,
            Outcome::Fail("got=0x1 want=0x2".into())
        );
    }

    #[test]
    fn faults() {
        for console in [
            "",
            "ok a\n",
            "end 0x0 0x0\n",
            "ok a\nend 0x2 0x0\n",
            "ok a\nend 0x1 0x1\n",
            "ok a\nok a\nend 0x2 0x0\n",
            "ok a\nend 0x1 0x0\nok b\n",
            "ok a\nhello\nend 0x1 0x0\n",
            "ok a b\nend 0x0 0x0\n",
        ] {
            assert!(!Transcript::parse(console).faults.is_empty(), "{console}");
        }
    }
}
