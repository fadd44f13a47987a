// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Rust sources as the checks of the suite `host` and `house` read them: by words, without
//! comments, strings and tests.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A file of a crate.
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    /// The names of its module and of those around it, outermost first; none for the
    /// crate's own file.
    pub(crate) module: Vec<String>,
    /// Its code: formatted as rustfmt does, without comments, tests, and what strings hold.
    pub(crate) code: String,
    /// Its comments, a line each.
    pub(crate) comments: Vec<String>,
}

/// The files of a crate, whose own file is `root`, with those of its modules.
pub(crate) fn read_crate(root: &Path) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let directory = root.parent().unwrap_or(root);
    read_modules(root, directory, Vec::new(), &mut sources)?;
    Ok(sources)
}

/// Reads the file of a module, whose own modules are in `directory`, and then those.
fn read_modules(
    file: &Path,
    directory: &Path,
    module: Vec<String>,
    sources: &mut Vec<Source>,
) -> Result<()> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let source = Source::new(file, module, &text);
    let children: Vec<String> = modules(&source.code).map(str::to_owned).collect();
    let module = source.module.clone();
    sources.push(source);
    for child in children {
        let directory = directory.join(&child);
        let module = [module.as_slice(), &[child]].concat();
        let file = [directory.with_extension("rs"), directory.join("mod.rs")]
            .into_iter()
            .find(|file| file.exists())
            .unwrap_or_else(|| directory.with_extension("rs"));
        read_modules(&file, &directory, module, sources)?;
    }
    Ok(())
}

impl Source {
    /// The file of a module with this text.
    pub(crate) fn new(file: &Path, module: Vec<String>, text: &str) -> Self {
        let (code, comments) = split(&without_tests(text));
        Self {
            file: file.to_owned(),
            module,
            code,
            comments,
        }
    }
}

/// Drops items with `#[cfg(test)]` that stand in the file itself, formatted as rustfmt
/// does.
fn without_tests(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_end() != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let ends_at_once = |line: &str| line.ends_with(';') || line.ends_with('}');
        if lines.next().is_some_and(|item| !ends_at_once(item)) {
            for line in lines.by_ref() {
                if line == "}" {
                    break;
                }
            }
        }
    }
    kept
}

/// The code, in which strings are empty, and the comments.
fn split(text: &str) -> (String, Vec<String>) {
    let (mut code, mut comments) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            comments.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("/*") {
            let length = block_comment(rest);
            comments.extend(rest[..length].lines().map(str::to_owned));
            length
        } else if let Some(length) = literal(rest, code.chars().next_back()) {
            code.push_str("\"\"");
            length
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    (code, comments)
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_u32, 0);
    while at < text.len() {
        match text.get(at..at + 2) {
            Some("/*") => (depth, at) = (depth + 1, at + 2),
            Some("*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of the string or character that begins here, after the character `before`.
fn literal(text: &str, before: Option<char>) -> Option<usize> {
    let in_word = before.is_some_and(is_word);
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .find(|prefix| text.starts_with(prefix) && (!in_word || prefix.is_empty()))?;
    let start = &text[prefix.len()..];
    let hashes = start.len() - start.trim_start_matches('#').len();
    let is_raw = prefix.ends_with('r');
    if start[hashes..].starts_with('"') && (is_raw || hashes == 0) {
        let open = prefix.len() + hashes + 1;
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(open + end(&text[open..], &close, !is_raw) + close.len());
    }
    // A lifetime has no quote after its name.
    let character = start.strip_prefix('\'')?;
    let inside = character.chars().next()?;
    let is_character = inside == '\\' || character[inside.len_utf8()..].starts_with('\'');
    let open = prefix.len() + 1;
    is_character.then(|| open + end(&text[open..], "'", true) + 1)
}

/// Where the text that closes a literal begins.
fn end(text: &str, close: &str, escapes: bool) -> usize {
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(close) {
            break;
        }
        let mut length = rest.chars().next().map_or(1, char::len_utf8);
        if escapes && rest.starts_with('\\') {
            length += rest[1..].chars().next().map_or(0, char::len_utf8);
        }
        at += length;
    }
    at.min(text.len().saturating_sub(close.len()))
}

/// The modules of this code that are files.
pub(crate) fn modules(code: &str) -> impl Iterator<Item = &str> {
    let tokens: Vec<&str> = tokens(code).collect();
    let names: Vec<&str> = tokens
        .windows(3)
        .filter(|three| three[0] == "mod" && three[2] == ";")
        .map(|three| three[1])
        .collect();
    names.into_iter()
}

/// Words, and characters that belong to none.
pub(crate) fn tokens(code: &str) -> impl Iterator<Item = &str> {
    code.split_inclusive(|c| !is_word(c))
        .flat_map(|piece| {
            let end = piece.find(|c| !is_word(c)).unwrap_or(piece.len());
            [&piece[..end], &piece[end..]]
        })
        .filter(|token| !token.trim().is_empty())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a token is a word that is no number.
pub(crate) fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = "a(b\"x // y\\\"\", 'c', '\\'', r#\"unsafe \" \"#); // unsafe\n\
                    fn f<'a>(x: &'a str) {} /* a /* b */ c */ d();\n";
        let (code, comments) = split(text);
        assert_eq!(
            code,
            "a(\"\", \"\", \"\", \"\"); \nfn f<'a>(x: &'a str) {}  d();\n"
        );
        assert_eq!(comments, ["// unsafe", "/* a /* b */ c */"]);
    }

    #[test]
    fn tests_are_left_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    f();\n}\n#[cfg(test)]\nmod model;\nfn b() {}\n";
        assert_eq!(without_tests(text), "fn a() {}\nfn b() {}\n");
    }
}
