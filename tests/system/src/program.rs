// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The programs and the directives in their comments.

use crate::options::MachineName;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Directory of this crate's sources.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Groups: directories of programs.
const GROUPS: [&str; 2] = ["base", "lvz"];

/// What a machine may lack, as the program `probe` shows it.
pub(crate) const FEATURES: [&str; 5] = ["counters", "lbt", "messages", "walker", "watchpoints"];

/// One program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// `base` or `lvz`.
    pub(crate) group: &'static str,
    /// Its file's name without extension.
    pub(crate) name: String,
    /// Its source.
    pub(crate) path: PathBuf,
    /// Readings that it runs with, as `--lvz` has them; none are the safe ones.
    pub(crate) reading: Option<String>,
    /// What the comment at its top says, up to the first full stop.
    pub(crate) summary: String,
    /// From the directives.
    pub(crate) directives: Directives,
}

impl Program {
    /// `GROUP/NAME`, and the readings that are not the safe ones.
    pub(crate) fn title(&self) -> String {
        match &self.reading {
            None => format!("{}/{}", self.group, self.name),
            Some(reading) => format!("{}/{} {reading}", self.group, self.name),
        }
    }

    /// The program that shows what a machine has.
    pub(crate) fn probe() -> Program {
        Program {
            group: "conformance",
            name: "probe".to_owned(),
            path: root().join("conformance/probe.S"),
            reading: None,
            summary: String::new(),
            directives: Directives::default(),
        }
    }

    /// The same program under the default readings.
    pub(crate) fn with_default_reading(&self) -> Program {
        Program {
            reading: None,
            ..self.clone()
        }
    }

    /// What the machine has to have, beside what every machine has.
    pub(crate) fn needs(&self) -> Vec<&str> {
        let group = (self.group == "lvz").then_some("lvz");
        let own = self.directives.needs.iter().map(String::as_str);
        group.into_iter().chain(own).collect()
    }

    /// Its file's name in an image set.
    pub(crate) fn file_name(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let name = self.title().replace(|c| !plain(c), "-");
        format!("{name}.elf")
    }

    /// Why it is not for a real machine that firmware has started, if it is not.
    pub(crate) fn not_on_a_board(&self) -> Option<&str> {
        match &self.directives.board {
            Some(reason) => Some(reason),
            None if self.directives.cpus > 1 => {
                Some("it starts another CPU, which firmware has in its hands")
            }
            None => None,
        }
    }

    /// The symbols that tell the source which readings it runs with: for
    /// `entry-pgm=clear` it is `OTHER_entry_pgm`.
    pub(crate) fn symbols(&self) -> Vec<String> {
        self.reading
            .iter()
            .flat_map(|reading| reading.split(','))
            .filter_map(|part| part.split_once('='))
            .map(|(name, _)| format!("OTHER_{}", name.replace('-', "_")))
            .collect()
    }

    /// The same program once for each of its other readings.
    fn variants(&self) -> Vec<Program> {
        let variant = |reading: &String| Program {
            reading: Some(reading.clone()),
            ..self.clone()
        };
        self.directives.readings.iter().map(variant).collect()
    }

    /// Whether it is to run on `machine`, else why not.
    pub(crate) fn runs_on(&self, machine: MachineName) -> Result<(), String> {
        if self.group == "lvz" && machine == MachineName::Qemu {
            return Err("QEMU has no LVZ".to_owned());
        }
        match &self.directives.only {
            Some((only, reason)) if *only != machine => Err(reason.clone()),
            _ => Ok(()),
        }
    }
}

/// The comments that start with `#@`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directives {
    /// `#@ cpus N`.
    pub(crate) cpus: u32,
    /// `#@ only MACHINE: REASON`.
    pub(crate) only: Option<(MachineName, String)>,
    /// `#@ qemu PATTERN...: REASON`: checks in which QEMU is known to differ.
    pub(crate) qemu: Vec<Exception>,
    /// `#@ qemu-cpu MODEL`: the CPU in QEMU.
    pub(crate) qemu_cpu: String,
    /// `#@ needs FEATURE...`: what the machine must have.
    pub(crate) needs: Vec<String>,
    /// `#@ without FEATURE...`: what the machine must not have.
    pub(crate) without: Vec<String>,
    /// `#@ board REASON`: not on a real machine that firmware has started.
    pub(crate) board: Option<String>,
    /// `#@ apart REASON`: not in an image set.
    pub(crate) apart: Option<String>,
    /// `#@ memory END`: the end of the RAM that it uses beside its own image.
    pub(crate) memory_end: u64,
    /// `#@ sim ARGUMENT...`: more arguments for the simulator.
    pub(crate) sim_args: Vec<String>,
    /// `#@ reading NAME=VALUE[,...]`: a further run, with other readings of LVZ.
    pub(crate) readings: Vec<String>,
}

impl Default for Directives {
    fn default() -> Self {
        Directives {
            cpus: 1,
            only: None,
            qemu: Vec::new(),
            qemu_cpu: "la464".to_owned(),
            needs: Vec::new(),
            without: Vec::new(),
            board: None,
            apart: None,
            memory_end: 0x0420_0000,
            sim_args: Vec::new(),
            readings: Vec::new(),
        }
    }
}

/// Checks in which QEMU differs from the manual, and why it is QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    /// Name of the check; `*` stands for any text.
    pub(crate) pattern: String,
    /// The argument.
    pub(crate) reason: String,
}

/// The programs whose `GROUP/NAME` contains one of `names` (all if there are
/// none), sorted.
pub(crate) fn discover(names: &[String]) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    for group in GROUPS {
        let dir = root().join(group);
        let entries =
            fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "S") {
                let program = read(group, path)?;
                programs.extend(program.variants());
                programs.push(program);
            }
        }
    }
    programs.sort_by(|a, b| (a.group, &a.name, &a.reading).cmp(&(b.group, &b.name, &b.reading)));
    if names.is_empty() {
        return Ok(programs);
    }
    for name in names {
        if !programs
            .iter()
            .any(|program| program.title().contains(name))
        {
            bail!("no program's name contains `{name}`; --list shows them");
        }
    }
    programs.retain(|program| names.iter().any(|name| program.title().contains(name)));
    Ok(programs)
}

fn read(group: &'static str, path: PathBuf) -> Result<Program> {
    let name = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .with_context(|| format!("{}: not a name", path.display()))?
        .to_owned();
    let source =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let directives = directives(&source).with_context(|| path.display().to_string())?;
    Ok(Program {
        group,
        name,
        reading: None,
        summary: summary(&source),
        path,
        directives,
    })
}

/// The first sentence of the comment at the top.
fn summary(source: &str) -> String {
    let text = source
        .lines()
        .map_while(|line| line.strip_prefix('#'))
        .map(str::trim)
        .filter(|line| !line.starts_with('@'))
        .collect::<Vec<_>>()
        .join(" ");
    match text.split_once(". ") {
        Some((first, _)) => first.to_owned(),
        None => text.trim_end_matches('.').to_owned(),
    }
}

fn directives(source: &str) -> Result<Directives> {
    let mut found = Directives::default();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(text) = line.strip_prefix("#@ ") else {
            continue;
        };
        // A directive goes on in lines that start with more space.
        let mut text = text.to_owned();
        while let Some(more) = lines.peek().and_then(|next| next.strip_prefix("#@  ")) {
            text.push(' ');
            text.push_str(more.trim());
            lines.next();
        }
        directive(&mut found, &text)?;
    }
    Ok(found)
}

fn directive(found: &mut Directives, text: &str) -> Result<()> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "cpus" => {
            found.cpus = rest
                .trim()
                .parse()
                .ok()
                .filter(|cpus| (1..=16).contains(cpus))
                .with_context(|| format!("directive `{text}`: 1 to 16 CPUs"))?;
        }
        "only" => {
            let (machine, reason) = reasoned(text, rest)?;
            let machine = MachineName::parse(machine)
                .with_context(|| format!("directive `{text}`: no machine `{machine}`"))?;
            found.only = Some((machine, reason));
        }
        "qemu" => {
            let (patterns, reason) = reasoned(text, rest)?;
            found
                .qemu
                .extend(patterns.split_whitespace().map(|pattern| Exception {
                    pattern: pattern.to_owned(),
                    reason: reason.clone(),
                }));
        }
        "qemu-cpu" => rest.trim().clone_into(&mut found.qemu_cpu),
        "needs" => found.needs.extend(features(text, rest)?),
        "without" => found.without.extend(features(text, rest)?),
        "board" if !rest.trim().is_empty() => found.board = Some(rest.trim().to_owned()),
        "apart" if !rest.trim().is_empty() => found.apart = Some(rest.trim().to_owned()),
        "memory" => {
            found.memory_end = rest
                .trim()
                .strip_prefix("0x")
                .and_then(|end| u64::from_str_radix(end, 16).ok())
                .with_context(|| format!("directive `{text}`: a hexadecimal address"))?;
        }
        "reading" => {
            let readings = rest.trim();
            if readings.split(',').any(|part| !part.contains('=')) {
                bail!("directive `{text}`: NAME=VALUE[,NAME=VALUE...]");
            }
            found.readings.push(readings.to_owned());
        }
        "sim" => found
            .sim_args
            .extend(rest.split_whitespace().map(str::to_owned)),
        _ => bail!("directive `{text}`: unknown"),
    }
    Ok(())
}

/// The names of features that a directive holds.
fn features(text: &str, rest: &str) -> Result<Vec<String>> {
    let names: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    match names.iter().find(|name| !FEATURES.contains(&name.as_str())) {
        Some(name) => bail!("directive `{text}`: no feature `{name}`"),
        None if names.is_empty() => bail!("directive `{text}`: it has to name a feature"),
        None => Ok(names),
    }
}

/// Splits `WHAT: REASON`.
fn reasoned<'a>(text: &str, rest: &'a str) -> Result<(&'a str, String)> {
    match rest.split_once(": ") {
        Some((what, reason)) if !reason.trim().is_empty() => {
            Ok((what.trim(), reason.trim().to_owned()))
        }
        _ => bail!("directive `{text}`: it has to give a reason after `: `"),
    }
}

impl Exception {
    /// Whether it is about the check `name`.
    pub(crate) fn covers(&self, name: &str) -> bool {
        matches(&self.pattern, name)
    }
}

/// Whether `pattern`, in which `*` stands for any text, is all of `name`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len())
                .filter_map(|at| rest.get(at..))
                .any(|rest| matches(tail, rest))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(matches("a.b", "a.b"));
        assert!(!matches("a.b", "a.bc"));
        assert!(matches("a*", "a.bc"));
        assert!(matches("*.ones", "tlbelo0.ones"));
        assert!(matches("a*c*e", "abcde"));
        assert!(!matches("a*c*e", "abcdf"));
    }

    #[test]
    fn directives_need_reasons() {
        assert!(directives("#@ qemu we.*: \n").is_err());
        assert!(directives("#@ only sim\n").is_err());
        assert!(directives("#@ cpus 17\n").is_err());
        assert!(directives("#@ frob\n").is_err());
        assert!(directives("#@ reading entry-pgm\n").is_err());
        assert!(directives("#@ needs frob\n").is_err());
        assert!(directives("#@ needs\n").is_err());
        assert!(directives("#@ board\n").is_err());
    }

    #[test]
    fn directives_may_span_lines() {
        let found = directives(
            "# text\n#@ qemu-cpu max\n#@ cpus 2\n#@ qemu we.* x: it has\n#@   no WE\n#@ only sim: it hangs\n",
        )
        .unwrap();
        assert_eq!(found.cpus, 2);
        assert_eq!(found.qemu_cpu, "max");
        assert_eq!(found.only, Some((MachineName::Sim, "it hangs".into())));
        assert_eq!(found.qemu.len(), 2);
        assert_eq!(found.qemu[1].pattern, "x");
        assert_eq!(found.qemu[0].reason, "it has no WE");
    }

    #[test]
    fn readings_make_further_programs() {
        let found = directives("#@ reading a-b=c\n#@ reading a-b=c,d=e\n").unwrap();
        let program = Program {
            group: "lvz",
            name: "x".to_owned(),
            path: PathBuf::new(),
            reading: None,
            summary: String::new(),
            directives: found,
        };
        assert!(program.symbols().is_empty());
        let variants = program.variants();
        assert_eq!(variants.len(), 2);
        assert_eq!(variants[1].title(), "lvz/x a-b=c,d=e");
        assert_eq!(variants[1].symbols(), ["OTHER_a_b", "OTHER_d"]);
    }

    #[test]
    fn every_program_parses() {
        let programs = discover(&[]).unwrap();
        assert!(programs.len() > 20);
        for program in programs {
            assert!(!program.summary.is_empty(), "{}", program.title());
        }
    }
}
