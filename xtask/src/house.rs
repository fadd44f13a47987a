// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `house`: figures about the sources of each library crate, without tests, comments and
//! blank lines, as docs/architecture.md tables them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::rust_source::{Source, is_name, modules, read_crate, tokens};
use crate::setup::workspace;

/// A crate that is looked at.
struct Crate {
    root: &'static str,
    /// Types that prove where a thread is or what it holds (CONTRIBUTING.md).
    tokens: &'static [&'static str],
}

const CRATES: &[Crate] = &[
    Crate {
        root: "la-arch/src/lib.rs",
        tokens: &[],
    },
    Crate {
        root: "kvm-core/src/lib.rs",
        tokens: &[],
    },
    Crate {
        root: "kernel-module/src/kvm_la.rs",
        tokens: &[
            "IrqOff",
            "Owned",
            "Pinned",
            "Resident",
            "RunPage",
            "SlotPointer",
            "Srcu",
        ],
    },
    Crate {
        root: "accel-kvm-la/src/lib.rs",
        tokens: &["Bql", "WithoutBql"],
    },
    Crate {
        root: "lvz-sim/src/lib.rs",
        tokens: &[],
    },
];

/// What a comment says that asks its reader for a lock or a context.
const PROSE: &[&str] = &[
    "preemption is off",
    "preemption off",
    "preemption disabled",
    "interrupts are off",
    "interrupts off",
    "interrupts disabled",
    "lock is held",
    "lock held",
    "holds the lock",
    "holds the mutex",
    "mutex is held",
    "caller holds",
];

#[derive(Args)]
pub(crate) struct Options {
    /// List the files of each circle, and which others of it each names
    #[arg(long)]
    circles: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    println!(
        "{:<14} {:>5} {:>6} {:>6} {:>9} {:>6} {:>6}  circles of files",
        "crate", "files", "lines", "unsafe", "per 1,000", "tokens", "prose"
    );
    let dash = || "-".to_owned();
    for part in CRATES {
        let sources = read_crate(&workspace()?.join(part.root))?;
        let house = House::of(&sources, part.tokens);
        let circles = circles(&sources);
        let sizes: Vec<String> = circles.iter().map(|c| c.len().to_string()).collect();
        let has_rules = !part.tokens.is_empty();
        println!(
            "{:<14} {:>5} {:>6} {:>6} {:>9} {:>6} {:>6}  {}",
            part.root.split('/').next().unwrap_or_default(),
            sources.len(),
            house.lines,
            house.unsafe_code,
            format!("{:.1}", house.per_1000()),
            has_rules
                .then_some(house.tokens)
                .map_or_else(dash, |n| n.to_string()),
            has_rules
                .then_some(house.prose)
                .map_or_else(dash, |n| n.to_string()),
            if sizes.is_empty() {
                dash()
            } else {
                sizes.join(", ")
            }
        );
        if options.circles {
            for circle in &circles {
                print(circle, &sources);
            }
        }
    }
    println!(
        "\nlines: of code, without tests\n\
         unsafe: blocks, functions, implementations and types of functions\n\
         tokens: functions that take a type which proves a lock, a context or an owner\n\
         prose: comments that ask for a lock or a context\n\
         circles: sizes of groups of files of which each names each other, directly or not"
    );
    Ok(ExitCode::SUCCESS)
}

/// The figures of a crate.
struct House {
    lines: usize,
    unsafe_code: usize,
    tokens: usize,
    prose: usize,
}

impl House {
    fn of(sources: &[Source], proofs: &[&str]) -> Self {
        let code = || sources.iter().map(|source| source.code.as_str());
        Self {
            lines: code()
                .flat_map(str::lines)
                .filter(|line| !line.trim().is_empty())
                .count(),
            unsafe_code: code().map(unsafe_code).sum(),
            tokens: code().map(|code| functions_with(code, proofs)).sum(),
            prose: sources
                .iter()
                .flat_map(|source| &source.comments)
                .filter(|line| {
                    let line = line.to_lowercase();
                    PROSE.iter().any(|words| line.contains(words))
                })
                .count(),
        }
    }

    /// Unsafe code in a thousand lines.
    fn per_1000(&self) -> f64 {
        let [unsafe_code, lines] =
            [self.unsafe_code, self.lines].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        f64::from(unsafe_code) * 1000.0 / f64::from(lines.max(1))
    }
}

/// How often `unsafe` stands in code, attributes left out.
fn unsafe_code(code: &str) -> usize {
    let tokens: Vec<&str> = tokens(code).collect();
    tokens
        .windows(2)
        .filter(|two| two[0] == "unsafe" && two[1] != "(")
        .count()
}

/// How many functions have one of these types among their arguments.
fn functions_with(code: &str, types: &[&str]) -> usize {
    let tokens: Vec<&str> = tokens(code).collect();
    let starts = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| **token == "fn");
    starts
        .filter(|(start, _)| {
            tokens[*start..]
                .iter()
                .take_while(|token| !matches!(**token, "{" | ";"))
                .any(|token| types.contains(token))
        })
        .count()
}

/// Files that name each other, by their places in the list of sources: each with the
/// others of the group that it names itself.
type Circle = BTreeMap<usize, BTreeSet<usize>>;

fn print(circle: &Circle, sources: &[Source]) {
    let name = |at: &usize| match sources[*at].module.as_slice() {
        [] => "the crate's own file".to_owned(),
        module => module.join("::"),
    };
    println!("    circle of {}:", circle.len());
    for (at, named) in circle {
        let named: Vec<String> = named.iter().map(name).collect();
        println!("        {} -> {}", name(at), named.join(", "));
    }
}

/// The groups of files that name each other, the largest first.
fn circles(sources: &[Source]) -> Vec<Circle> {
    let files: BTreeMap<&[String], usize> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| (source.module.as_slice(), at))
        .collect();
    let names: Vec<BTreeSet<usize>> = sources
        .iter()
        .enumerate()
        .map(|(at, source)| {
            let mut named: BTreeSet<usize> = paths(source)
                .iter()
                .filter_map(|path| file_of(&files, path))
                .collect();
            named.remove(&at);
            named
        })
        .collect();
    let reached: Vec<BTreeSet<usize>> = (0..sources.len()).map(|at| reach(&names, at)).collect();
    let mut seen = BTreeSet::<usize>::new();
    let mut circles = Vec::new();
    for at in 0..sources.len() {
        if seen.contains(&at) || !reached[at].contains(&at) {
            continue;
        }
        let group: BTreeSet<usize> = reached[at]
            .iter()
            .copied()
            .filter(|other| reached[*other].contains(&at))
            .collect();
        seen.extend(&group);
        let inside = |at: usize| names[at].intersection(&group).copied().collect();
        circles.push(group.iter().map(|at| (*at, inside(*at))).collect());
    }
    circles.sort_by_key(|circle: &Circle| Reverse(circle.len()));
    circles
}

/// All that can be reached from a file by at least one step.
fn reach(names: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = names[from].iter().copied().collect();
    while let Some(at) = next.pop() {
        if reached.insert(at) {
            next.extend(&names[at]);
        }
    }
    reached
}

/// The file of the module that a path leads to, or through last.
fn file_of(files: &BTreeMap<&[String], usize>, path: &[String]) -> Option<usize> {
    (0..=path.len())
        .rev()
        .find_map(|length| files.get(&path[..length]).copied())
}

/// The paths of the crate that a file names, from `crate`, `super`, `self` or a module of
/// its own. What it exports again is not named.
fn paths(source: &Source) -> Vec<Vec<String>> {
    let tokens: Vec<&str> = tokens(&source.code).collect();
    let own: BTreeSet<&str> = modules(&source.code).collect();
    let mut paths = Vec::new();
    let is_export = exports(&tokens);
    let is_separator = |at: usize| tokens.get(at..at + 2) == Some(&[":", ":"]);
    for (at, token) in tokens.iter().enumerate() {
        let in_path = at > 1 && is_separator(at - 2);
        // `pub(in path)` says where a name is known.
        let is_visibility = at > 0 && tokens[at - 1] == "in" && tokens[..at - 1].ends_with(&["("]);
        if in_path || is_visibility || is_export[at] || !is_separator(at + 1) {
            continue;
        }
        let start = match *token {
            "crate" => Vec::new(),
            "self" => source.module.clone(),
            "super" => source.module[..source.module.len().saturating_sub(1)].to_vec(),
            name if own.contains(name) => [source.module.as_slice(), &[name.to_owned()]].concat(),
            _ => continue,
        };
        tree(&tokens, at + 1, start, &mut paths);
    }
    paths
}

/// Which tokens belong to a `pub use`, or `pub(crate) use`, of the file.
fn exports(tokens: &[&str]) -> Vec<bool> {
    let mut in_export = false;
    tokens
        .iter()
        .enumerate()
        .map(|(at, token)| {
            let is_public = at > 0 && tokens[..at].ends_with(&["pub"])
                || at > 3 && tokens[at - 4..at].starts_with(&["pub", "("]);
            in_export = match *token {
                "use" => is_public,
                ";" => false,
                _ => in_export,
            };
            in_export
        })
        .collect()
}

/// Reads what follows a path: `::name`, or `::{...}` with paths in it. Returns where it
/// ends.
fn tree(
    tokens: &[&str],
    mut at: usize,
    mut path: Vec<String>,
    paths: &mut Vec<Vec<String>>,
) -> usize {
    while tokens.get(at..at + 2) == Some(&[":", ":"]) {
        at += 2;
        match tokens.get(at).copied() {
            Some("super") => {
                path.pop();
                at += 1;
            }
            Some("{") => {
                at += 1;
                while !matches!(tokens.get(at).copied(), Some("}") | None) {
                    match tokens[at] {
                        name if is_name(name) => {
                            let mut path = path.clone();
                            path.push(name.to_owned());
                            at = tree(tokens, at + 1, path, paths);
                        }
                        _ => at += 1,
                    }
                }
                return at + 1;
            }
            Some(name) if is_name(name) => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    paths.push(path);
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn source(module: &str, text: &str) -> Source {
        let module = module.split_terminator("::").map(str::to_owned).collect();
        Source::new(Path::new(""), module, text)
    }

    #[test]
    fn a_circle_has_the_files_that_name_each_other() {
        let sources = [
            source(
                "",
                "mod a; mod b; mod c; mod d; pub use a::A; fn f() { b::g() }",
            ),
            source("a", "use crate::{b::{B, C}, d};\nfn f() { super::d::g() }"),
            source("b", "use super::c::C;"),
            source("c", "fn f() -> crate::a::A {} // crate::d"),
            source("d", "use self::inner::D; pub(in crate::a) fn f() {}"),
        ];
        let circle = Circle::from([
            (1, BTreeSet::from([2])),
            (2, BTreeSet::from([3])),
            (3, BTreeSet::from([1])),
        ]);
        assert_eq!(circles(&sources), [circle]);
    }

    #[test]
    fn tokens_are_counted_by_function() {
        let code =
            "fn a(bql: &Bql, other: &Bql) {}\nfn b() { Bql::lock() }\nfn c(x: u8) -> Pinned;\n";
        assert_eq!(functions_with(code, &["Bql", "Pinned"]), 2);
    }
}
