// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `host`: each link of the Markdown files that stays in the
//! checkout leads to a file or a folder of it and, with a `#`, to a heading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::report::{Verdict, detail};
use crate::setup::workspace;
use crate::sources::Sources;

pub(super) fn check() -> Result<Verdict> {
    let sources = Sources::read(&workspace()?, &[""])?;
    let places: BTreeSet<&Path> = sources.names().flat_map(Path::ancestors).collect();
    let texts: BTreeMap<&Path, String> = sources
        .files()
        .filter(|(name, _)| name.extension().is_some_and(|extension| extension == "md"))
        .map(|(name, text)| (name, String::from_utf8_lossy(text).into_owned()))
        .collect();
    let headings: BTreeMap<&Path, BTreeSet<String>> = texts
        .iter()
        .map(|(name, text)| (*name, anchors(text)))
        .collect();
    let (mut count, mut dead) = (0, Vec::new());
    for (name, text) in &texts {
        for (line, target) in links(text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let place = match path {
                "" => name.to_path_buf(),
                _ => beside(name, path),
            };
            let leads = places.contains(place.as_path())
                && (anchor.is_empty()
                    || headings
                        .get(place.as_path())
                        .is_some_and(|known| known.contains(anchor)));
            count += 1;
            if !leads {
                dead.push(format!("{}:{line}: {target}", name.display()));
            }
        }
    }
    ensure!(count > 100, "only {count} links found");
    if !dead.is_empty() {
        bail!("links without such a file or heading:\n{}", dead.join("\n"));
    }
    detail(format_args!("{count} links lead to a file or a heading"));
    Ok(Verdict::Passed)
}

/// The place that a link in file `from` means.
fn beside(from: &Path, link: &str) -> PathBuf {
    let mut place = from.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => {
                place.pop();
            }
            Component::Normal(name) => place.push(name),
            _ => {}
        }
    }
    place
}

/// Lines that are no code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence && !line.starts_with("    ")
    })
}

/// Links that stay in the checkout, with their lines' numbers.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(number, line)| {
        // What is between backquotes is code; a link's text may be.
        let ends = line.match_indices("](").filter(|(at, _)| {
            let before = line.get(..*at).unwrap_or_default();
            before.matches('`').count() % 2 == 0
        });
        let targets = ends.filter_map(|(at, end)| line.get(at + end.len()..)?.split(')').next());
        targets
            .filter(|target| !target.contains(':'))
            .map(move |target| (number, target))
    })
}

/// What a `#` can name: headings as GitHub spells them there.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then_some(heading.strip_prefix(' ')?)
    });
    headings
        .map(|heading| {
            let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
            let plain: String = heading.trim().chars().filter(kept).collect();
            plain.to_lowercase().replace(' ', "-")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_but_for_code_and_other_places() {
        let text = "[a](b.md), [`c`](d/#e) `[f](g)`\n    [h](i)\n```\n[j](k)\n```\n\
                    [l](to:m) ![n](o.svg)\n";
        let found: Vec<_> = links(text).collect();
        assert_eq!(found, [(1, "b.md"), (1, "d/#e"), (6, "o.svg")]);
    }

    #[test]
    fn headings_are_anchors() {
        let known = anchors("# `--pages` and 4 KiB\n\n#no heading\n    # code\n## Build, run\n");
        let expected = ["--pages-and-4-kib", "build-run"].map(str::to_owned);
        assert_eq!(known, BTreeSet::from(expected));
    }

    #[test]
    fn a_link_starts_beside_its_file() {
        let from = Path::new("docs/setup.md");
        assert_eq!(beside(from, "../README.md"), Path::new("README.md"));
        assert_eq!(beside(from, "pictures/"), Path::new("docs/pictures"));
        assert_eq!(beside(Path::new("a.md"), "./b.md"), Path::new("b.md"));
    }
}
