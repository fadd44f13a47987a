// SPDX-License-Identifier: GPL-2.0-or-later

//! QEMU's monitor protocol: an object of JSON a line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// A connection with QEMU's monitor.
pub(crate) struct Qmp {
    lines: BufReader<UnixStream>,
    /// Events that came and were not asked for yet.
    events: Vec<Value>,
}

impl Qmp {
    /// Speaks over `stream`, which has a limit of time.
    pub(crate) fn new(stream: UnixStream) -> Result<Self> {
        let mut qmp = Qmp {
            lines: BufReader::new(stream),
            events: Vec::new(),
        };
        let greeting = qmp.read()?;
        if greeting.get("QMP").is_none() {
            bail!("QEMU greets with {greeting}");
        }
        qmp.run("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        let length = self.lines.read_line(&mut line);
        if length.context("QMP")? == 0 {
            bail!("QEMU has closed its monitor");
        }
        serde_json::from_str(&line).with_context(|| format!("QMP: {line}"))
    }

    /// Runs a command; what it returns.
    pub(crate) fn run(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let message = json!({"execute": command, "arguments": arguments});
        // At once: QEMU does what it is asked for at the last brace, and does not wait for a
        // line's end before it quits.
        let written = self
            .lines
            .get_mut()
            .write_all(format!("{message}\n").as_bytes());
        written.with_context(|| format!("QMP: {command}"))?;
        loop {
            let mut answer = self.read().with_context(|| command.to_owned())?;
            if let Some(error) = answer.get("error") {
                bail!("QMP: {command}: {}", error["desc"]);
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
            self.events.push(answer);
        }
    }

    /// The next event of this name, which is then used up.
    pub(crate) fn event(&mut self, name: &str) -> Result<Value> {
        loop {
            if let Some(at) = self.events.iter().position(|event| event["event"] == name) {
                return Ok(self.events.remove(at));
            }
            let message = self.read().with_context(|| format!("event {name}"))?;
            self.events.push(message);
        }
    }

    /// The QOM path of the only device of a type that the board made.
    pub(crate) fn device(&mut self, kind: &str) -> Result<String> {
        const PARENT: &str = "/machine/unattached";
        let children = self.run("qom-list", json!({"path": PARENT}))?;
        let wanted = format!("child<{kind}>");
        let mut names = children
            .as_array()
            .into_iter()
            .flatten()
            .filter(|child| child["type"] == *wanted)
            .filter_map(|child| child["name"].as_str());
        match (names.next(), names.next()) {
            (Some(name), None) => Ok(format!("{PARENT}/{name}")),
            (None, _) => bail!("the board has no {kind}"),
            (Some(_), Some(_)) => bail!("the board has more than one {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str = "{\"QMP\": {}}\n{\"return\": {}}\n";

    fn answering(text: &str) -> Qmp {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs
            .write_all(format!("{GREETING}{text}").as_bytes())
            .expect("room for some lines");
        // Kept open: what is asked must find a reader.
        std::mem::forget(theirs);
        Qmp::new(ours).expect("a greeting")
    }

    #[test]
    fn events_come_before_answers() {
        let mut qmp =
            answering("{\"event\": \"STOP\"}\n{\"return\": 5}\n{\"event\": \"RESUME\"}\n");
        assert_eq!(qmp.run("x", json!({})).ok(), Some(json!(5)));
        assert!(qmp.event("RESUME").is_ok());
        assert!(qmp.event("STOP").is_ok());
    }

    #[test]
    fn errors_have_the_command_and_the_reason() {
        let mut qmp = answering("{\"error\": {\"class\": \"G\", \"desc\": \"no such\"}}\n");
        let error = qmp.run("x-y", json!({})).expect_err("QEMU said so");
        assert_eq!(error.to_string(), "QMP: x-y: \"no such\"");
    }

    #[test]
    fn a_device_is_found_by_its_type() {
        let list = "{\"return\": [{\"name\": \"a\", \"type\": \"child<x>\"}, \
                    {\"name\": \"b\", \"type\": \"child<y>\"}, \
                    {\"name\": \"c\", \"type\": \"child<y>\"}]}\n";
        assert_eq!(
            answering(list).device("x").ok().as_deref(),
            Some("/machine/unattached/a")
        );
        assert!(answering(list).device("y").is_err());
        assert!(answering(list).device("z").is_err());
    }
}
