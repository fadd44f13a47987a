// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The copyright file of a package (DEP-5): the project's own licence, and those of
//! the crates that its programs are linked with, as cargo and the crates tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use spdx::Expression;

use crate::linked::{Crate, linked, parse};

/// Licences whose text every Debian system has, and the file that holds it.
const COMMON: &[(&str, &str)] = &[
    ("Apache-2.0", "Apache-2.0"),
    ("GPL-2.0", "GPL-2"),
    ("GPL-2.0-only", "GPL-2"),
    ("GPL-2.0-or-later", "GPL-2"),
    ("MPL-2.0", "MPL-2.0"),
];

/// Whose rights this project's own files are, since their first year.
const OWN: &str = "2026 The contributors to KVM for LoongArch";

/// Some files, and the terms that they are under.
struct Paragraph {
    files: String,
    holders: Vec<String>,
    license: Expression,
}

/// The copyright file of a program of the workspace that is built for a target.
pub(super) fn of_program(workspace: &Path, package: &str, triple: &str) -> Result<String> {
    let mut paragraphs = Vec::new();
    let mut own = None;
    for part in linked(workspace, package, triple)? {
        let license = part.terms()?;
        if part.name == package {
            own = Some(license);
            continue;
        }
        let (files, holders) = match part.source {
            None => (format!("{}/*", part.name), vec![OWN.to_owned()]),
            Some(_) => (
                format!("crates/{}-{}/*", part.name, part.version),
                holders(&part),
            ),
        };
        paragraphs.push(Paragraph {
            files,
            holders,
            license,
        });
    }
    paragraphs.push(Paragraph {
        files: "rust/library/*".to_owned(),
        holders: vec!["The Rust Project Developers".to_owned()],
        license: parse("MIT OR Apache-2.0")?,
    });
    let own = own.ok_or_else(|| anyhow!("cargo metadata does not name {package}"))?;
    render(own, paragraphs)
}

/// The copyright file of sources: directories of the workspace and their licences.
pub(super) fn of_sources(license: &str, directories: &[(&str, &str)]) -> Result<String> {
    let mut paragraphs = Vec::new();
    for (directory, license) in directories {
        paragraphs.push(Paragraph {
            files: format!("{directory}/*"),
            holders: vec![OWN.to_owned()],
            license: parse(license)?,
        });
    }
    render(parse(license)?, paragraphs)
}

/// Those that a crate's licence files name, else its authors.
fn holders(part: &Crate) -> Vec<String> {
    let mut holders = BTreeSet::new();
    let dir = Path::new(&part.manifest_path).parent();
    for entry in dir
        .and_then(|dir| fs::read_dir(dir).ok())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().to_uppercase();
        if ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            let text = fs::read(entry.path()).unwrap_or_default();
            holders.extend(String::from_utf8_lossy(&text).lines().filter_map(notice));
        }
    }
    if holders.is_empty() {
        holders.extend(part.authors.iter().cloned());
    }
    if holders.is_empty() {
        holders.insert(format!("The authors of {}", part.name));
    }
    holders.into_iter().collect()
}

/// Whose copyright a line states, if it is a notice and not a part of a licence's
/// text or a form to fill in.
fn notice(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("Copyright")?.trim_start();
    let rest = ["(c)", "(C)", "©"]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))
        .unwrap_or(rest);
    let rest = rest.trim().trim_end_matches('.');
    let is_form = rest.contains(['[', '{', '<']) && !rest.contains('@');
    let begins_well = rest.starts_with(|c: char| c.is_ascii_digit() || c.is_uppercase());
    (begins_well && !is_form && !rest.starts_with("License")).then(|| rest.to_owned())
}

fn render(own: Expression, paragraphs: Vec<Paragraph>) -> Result<String> {
    let mut text = String::from(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: KVM for LoongArch\n\
         Comment: crates/ are the crates of crates.io that the programs are linked with,\n \
         rust/library is Rust's standard library.\n",
    );
    let own = Paragraph {
        files: "*".to_owned(),
        holders: vec![OWN.to_owned()],
        license: own,
    };
    let mut licenses: BTreeMap<String, String> = BTreeMap::new();
    for paragraph in std::iter::once(&own).chain(&paragraphs) {
        text.push_str(&format!(
            "\nFiles: {}\nCopyright: {}\nLicense: {}\n",
            paragraph.files,
            paragraph.holders.join("\n "),
            name(&paragraph.license)
        ));
        for requirement in paragraph.license.requirements() {
            let (license, body) = license_text(&requirement.req)?;
            licenses.insert(license, body);
        }
    }
    for (license, body) in licenses {
        text.push_str(&format!("\nLicense: {license}\n"));
        for line in body.trim_end().lines() {
            let line = line.trim_end();
            text.push_str(&format!(" {}\n", if line.is_empty() { "." } else { line }));
        }
    }
    Ok(text)
}

/// An expression in the words of DEP-5.
fn name(license: &Expression) -> String {
    license
        .to_string()
        .replace(" OR ", " or ")
        .replace(" AND ", " and ")
        .replace('/', " or ")
}

/// One licence's name and text.
fn license_text(license: &spdx::LicenseReq) -> Result<(String, String)> {
    let id = license
        .license
        .id()
        .ok_or_else(|| anyhow!("the licence {license} is not in SPDX's list"))?;
    let mut text = match COMMON.iter().find(|(common, _)| *common == id.name) {
        Some((_, file)) => format!(
            "On Debian systems the full text of this licence is in\n/usr/share/common-licenses/{file}."
        ),
        None => id.text().to_owned(),
    };
    if let Some(addition) = &license.addition {
        let exception = addition
            .id()
            .ok_or_else(|| anyhow!("the exception {license} is not in SPDX's list"))?;
        text.push_str("\n\n");
        text.push_str(exception.text());
    }
    Ok((license.to_string(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_told_from_the_text_of_a_licence() {
        let holder = |line| notice(line);
        assert_eq!(
            holder("Copyright (c) 2014 A. Name"),
            Some("2014 A. Name".to_owned())
        );
        assert_eq!(
            holder("  Copyright 2019 The Authors."),
            Some("2019 The Authors".to_owned())
        );
        assert_eq!(holder("Copyright [yyyy] [name of copyright owner]"), None);
        assert_eq!(holder("Copyright License. Subject to the terms"), None);
        assert_eq!(holder("Copyright notice and this permission"), None);
        assert_eq!(holder("Grant of Copyright License."), None);
    }

    #[test]
    fn each_licence_has_its_paragraph_once() -> Result<()> {
        let text = of_sources(
            "GPL-2.0-only",
            &[("la-arch", "MIT"), ("x", "MIT OR Apache-2.0")],
        )?;
        assert_eq!(text.matches("\nLicense: MIT\n").count(), 2);
        assert_eq!(text.matches("\nLicense: MIT or Apache-2.0\n").count(), 1);
        assert_eq!(text.matches("Permission is hereby granted").count(), 1);
        assert!(text.contains("/usr/share/common-licenses/GPL-2."));
        assert!(of_sources("No-Such-Licence", &[]).is_err());
        Ok(())
    }
}
