// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Circles of files: groups of which each names each other, directly or by way of others.
//!
//! A file names the file that an item is in, however many others export the item on the
//! way. It does not name what it only exports, nor the modules that it declares.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::rust_source::{Source, is_name, modules, tokens};

/// Exports that lead on to each other, at most.
const EXPORTS: usize = 16;

/// The names of modules from the crate's own file on, and of an item.
type Path = Vec<String>;

/// The files of a circle, by their places in the list of sources: each with the others of
/// the circle that it names itself.
pub(super) type Circle = BTreeMap<usize, BTreeSet<usize>>;

pub(super) fn print(circle: &Circle, sources: &[Source]) {
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

/// The circles of these files, the largest first.
pub(super) fn of(sources: &[Source]) -> Vec<Circle> {
    let files = Files::new(sources);
    let names: Vec<BTreeSet<usize>> = (0..sources.len()).map(|at| files.named_by(at)).collect();
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

/// The files of a crate.
struct Files<'a> {
    by_module: BTreeMap<&'a [String], usize>,
    names: Vec<Names>,
}

impl<'a> Files<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let modules = sources.iter().map(|source| source.module.as_slice());
        Self {
            by_module: modules.zip(0..).collect(),
            names: sources.iter().map(Names::of).collect(),
        }
    }

    /// The other files that a file names.
    fn named_by(&self, at: usize) -> BTreeSet<usize> {
        let paths = self.names[at].paths.iter();
        let files = paths.filter_map(|path| self.find(path));
        files.filter(|file| *file != at).collect()
    }

    /// The file that has what a path leads to.
    fn find(&self, path: &[String]) -> Option<usize> {
        let mut path = path.to_vec();
        for _ in 0..EXPORTS {
            let (length, at) = (0..=path.len()).rev().find_map(|length| {
                let at = self.by_module.get(&path[..length])?;
                Some((length, *at))
            })?;
            let on = path
                .get(length)
                .and_then(|name| self.names[at].uses.get(name));
            match on {
                Some(on) => path = [on.as_slice(), &path[length + 1..]].concat(),
                None => return Some(at),
            }
        }
        None
    }
}

/// What stands in a file.
#[derive(Default)]
struct Names {
    /// What it names of its crate.
    paths: Vec<Path>,
    /// What the names of its `use` items stand for.
    uses: BTreeMap<String, Path>,
}

/// What a token belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    Use,
    /// `pub use`, or `pub(crate) use`.
    Export,
    Other,
}

impl Names {
    fn of(source: &Source) -> Self {
        let tokens: Vec<&str> = tokens(&source.code).collect();
        let items = items(&tokens);
        let own: BTreeSet<&str> = modules(&source.code).collect();
        let mut names = Self::default();
        let mut exports = BTreeMap::new();
        let mut scope = Scope::file(source.module.clone());
        for (at, token) in tokens.iter().enumerate() {
            scope.pass(&tokens, at);
            let in_path = at > 1 && is_separator(&tokens, at - 2);
            // `pub(in path)` says where a name is known.
            let is_visibility = at > 1 && tokens[at - 2..at] == ["(", "in"];
            if in_path || is_visibility || !is_separator(&tokens, at + 1) {
                continue;
            }
            let start = match *token {
                "crate" => Vec::new(),
                "self" => scope.module.clone(),
                "super" => scope.parent().to_vec(),
                name if own.contains(name) => scope.child(name),
                _ => continue,
            };
            let mut found = Vec::new();
            tree(&tokens, at + 1, start, &mut found);
            match items[at] {
                Item::Use => names.uses.extend(found.iter().cloned()),
                Item::Export => {
                    exports.extend(found);
                    continue;
                }
                Item::Other => {}
            }
            names.paths.extend(found.into_iter().map(|(_, path)| path));
        }
        // What a file exports, and works with itself.
        for (at, token) in tokens.iter().enumerate() {
            let is_member =
                at > 0 && tokens[at - 1] == "." || at > 1 && is_separator(&tokens, at - 2);
            if items[at] == Item::Other && !is_member {
                names.paths.extend(exports.get(*token).cloned());
            }
        }
        names.uses.extend(exports);
        names
    }
}

/// Where a token is.
struct Scope {
    module: Path,
    /// Braces that are open.
    depth: u32,
    /// At which depths the modules begin that are no files.
    inline: Vec<u32>,
}

impl Scope {
    /// The beginning of a module's file.
    fn file(module: Path) -> Self {
        Self {
            module,
            depth: 0,
            inline: Vec::new(),
        }
    }

    /// Goes past a token.
    fn pass(&mut self, tokens: &[&str], at: usize) {
        match tokens[at] {
            "{" => {
                self.depth += 1;
                // In a macro its name may be `$name`.
                let before = &tokens[..at.saturating_sub(1)];
                if before.ends_with(&["mod"]) || before.ends_with(&["mod", "$"]) {
                    self.module.push(tokens[at - 1].to_owned());
                    self.inline.push(self.depth);
                }
            }
            "}" => {
                let depth = self.depth;
                if self.inline.pop_if(|begin| *begin == depth).is_some() {
                    self.module.pop();
                }
                self.depth = depth.saturating_sub(1);
            }
            _ => {}
        }
    }

    fn parent(&self) -> &[String] {
        &self.module[..self.module.len().saturating_sub(1)]
    }

    fn child(&self, name: &str) -> Path {
        [self.module.as_slice(), &[name.to_owned()]].concat()
    }
}

fn is_separator(tokens: &[&str], at: usize) -> bool {
    tokens.get(at..at + 2) == Some(&[":", ":"])
}

/// What each token belongs to.
fn items(tokens: &[&str]) -> Vec<Item> {
    let mut item = Item::Other;
    tokens
        .iter()
        .enumerate()
        .map(|(at, token)| {
            let is_public = at > 0 && tokens[..at].ends_with(&["pub"])
                || at > 3 && tokens[at - 4..at].starts_with(&["pub", "("]);
            item = match *token {
                "use" if is_public => Item::Export,
                "use" => Item::Use,
                ";" => Item::Other,
                _ => item,
            };
            item
        })
        .collect()
}

/// Reads what follows a path: `::name`, or `::{...}` with paths in it. Adds the paths, each
/// with the name that it gets, and returns where they end.
fn tree(tokens: &[&str], mut at: usize, mut path: Path, paths: &mut Vec<(String, Path)>) -> usize {
    while is_separator(tokens, at) {
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
                        "self" => at = named(tokens, at + 1, path.clone(), paths),
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
    named(tokens, at, path, paths)
}

/// Adds a path with its name: the last one in it, or what stands behind `as`.
fn named(tokens: &[&str], at: usize, path: Path, paths: &mut Vec<(String, Path)>) -> usize {
    let (name, end) = match tokens.get(at..at + 2) {
        Some(["as", name]) => ((*name).to_owned(), at + 2),
        _ => (path.last().cloned().unwrap_or_default(), at),
    };
    paths.push((name, path));
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(module: &str, text: &str) -> Source {
        let module = module.split_terminator("::").map(str::to_owned).collect();
        Source::new(std::path::Path::new(""), module, text)
    }

    fn circle(files: &[(usize, usize)]) -> Circle {
        let named = |(at, named): &(usize, usize)| (*at, BTreeSet::from([*named]));
        files.iter().map(named).collect()
    }

    #[test]
    fn a_circle_has_the_files_that_name_each_other() {
        let sources = [
            source(
                "",
                "mod a; mod b; mod c; mod d; pub use a::A; fn f() { b::g() }",
            ),
            source("a", "use crate::{b::{B, D}, d};\nfn f() { super::d::g() }"),
            source("b", "use super::c::C;"),
            source("c", "fn f() -> crate::a::A {} // crate::d"),
            source("d", "use self::inner::D; pub(in crate::a) fn f() {}"),
        ];
        assert_eq!(of(&sources), [circle(&[(1, 2), (2, 3), (3, 1)])]);
    }

    #[test]
    fn an_export_leads_to_the_file_of_the_item() {
        let sources = [
            source("", "mod a; mod b; pub use a::{A as C, B};"),
            source("a", "pub use crate::b::B; pub struct A;"),
            source("b", "use crate::C; pub struct B;"),
        ];
        assert_eq!(of(&sources), []);
        let sources = [
            source("", "mod a; mod b; pub use a::{self, A as C};"),
            source("a", "use crate::b::B; pub struct A;"),
            source("b", "fn f() -> crate::C {}"),
        ];
        assert_eq!(of(&sources), [circle(&[(1, 2), (2, 1)])]);
    }

    #[test]
    fn a_file_names_what_it_exports_and_uses() {
        let parent = "mod part; pub use part::Part; struct Whole { part: Part }";
        let sources = [source("", parent), source("part", "use super::Whole;")];
        assert_eq!(of(&sources), [circle(&[(0, 1), (1, 0)])]);
        let parent = "mod part; pub use part::Part; enum Kind { All } fn f() { Other::Part }";
        let sources = [source("", parent), source("part", "use super::Kind;")];
        assert_eq!(of(&sources), []);
    }

    #[test]
    fn a_module_inside_a_file_is_no_other() {
        let sources = [
            source("", "mod a; fn f() { a::g() }"),
            source("a", "mod inner { use super::A; } struct A;"),
        ];
        assert_eq!(of(&sources), []);
    }
}
