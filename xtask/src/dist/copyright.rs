// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The copyright file of a package (DEP-5): the project's own licence, and those of
//! the crates that its programs are linked with, as cargo and the crates tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::cargo;

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

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Crate>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// None is a dependency of the program itself.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Crate {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    authors: Vec<String>,
    manifest_path: String,
    /// None for crates of the workspace.
    source: Option<String>,
    targets: Vec<Product>,
}

#[derive(Deserialize)]
struct Product {
    kind: Vec<String>,
}

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
        let license = part.license.as_deref().ok_or_else(|| {
            anyhow!(
                "the crate {} names no licence: a package cannot hold it",
                part.name
            )
        })?;
        let license = parse(license).with_context(|| format!("the crate {}", part.name))?;
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

/// The crates that are linked into a program, by name, itself among them.
fn linked(workspace: &Path, package: &str, triple: &str) -> Result<Vec<Crate>> {
    let output = Command::new(cargo::cargo())
        .current_dir(workspace)
        .args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            triple,
        ])
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata is of an unknown form")?;
    closure(metadata, package)
}

/// What `package` of the metadata needs when it runs.
fn closure(metadata: Metadata, package: &str) -> Result<Vec<Crate>> {
    let mut crates: BTreeMap<String, Crate> = metadata
        .packages
        .into_iter()
        .map(|part| (part.id.clone(), part))
        .collect();
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    let first = crates
        .values()
        .find(|part| part.source.is_none() && part.name == package)
        .map(|part| part.id.clone())
        .ok_or_else(|| anyhow!("the workspace has no package {package}"))?;
    let mut wanted = vec![first];
    let mut found = Vec::new();
    while let Some(id) = wanted.pop() {
        // What was taken out has been here before.
        let Some(part) = crates.remove(&id) else {
            continue;
        };
        // The compiler runs these, the program does not hold them.
        if part
            .targets
            .iter()
            .any(|product| product.kind.iter().any(|kind| kind == "proc-macro"))
        {
            continue;
        }
        for dependency in nodes
            .get(id.as_str())
            .into_iter()
            .flat_map(|node| &node.deps)
        {
            if dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()) {
                wanted.push(dependency.pkg.clone());
            }
        }
        found.push(part);
    }
    found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(found)
}

fn parse(license: &str) -> Result<Expression> {
    // Old manifests have a slash for `OR`.
    Expression::parse_mode(license, ParseMode::LAX).map_err(|error| {
        anyhow!(
            "its licence {license} is no SPDX expression: {}",
            error.reason
        )
    })
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

    #[test]
    fn only_what_a_program_holds_is_named() -> Result<()> {
        let text = r#"{
            "packages": [
                {"id": "p", "name": "program", "version": "1", "license": "MIT", "authors": [], "manifest_path": "/p/Cargo.toml", "source": null, "targets": [{"kind": ["bin"]}]},
                {"id": "a", "name": "a", "version": "1", "license": "MIT", "authors": [], "manifest_path": "/a/Cargo.toml", "source": "registry", "targets": [{"kind": ["lib"]}]},
                {"id": "m", "name": "m", "version": "1", "license": "MIT", "authors": [], "manifest_path": "/m/Cargo.toml", "source": "registry", "targets": [{"kind": ["proc-macro"]}]},
                {"id": "t", "name": "t", "version": "1", "license": "MIT", "authors": [], "manifest_path": "/t/Cargo.toml", "source": "registry", "targets": [{"kind": ["lib"]}]}
            ],
            "resolve": {"nodes": [
                {"id": "p", "deps": [
                    {"pkg": "a", "dep_kinds": [{"kind": null}]},
                    {"pkg": "m", "dep_kinds": [{"kind": null}]},
                    {"pkg": "t", "dep_kinds": [{"kind": "dev"}]}
                ]},
                {"id": "a", "deps": []}, {"id": "m", "deps": []}, {"id": "t", "deps": []}
            ]}
        }"#;
        let names: Vec<String> = closure(serde_json::from_str(text)?, "program")?
            .into_iter()
            .map(|part| part.name)
            .collect();
        assert_eq!(names, ["a", "program"]);
        Ok(())
    }
}
