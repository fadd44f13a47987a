// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The crates that a program of the workspace is linked with, and their licences, as
//! cargo tells them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

use crate::cargo;

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

/// A crate as cargo describes it.
#[derive(Deserialize)]
pub(crate) struct Crate {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    license: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) manifest_path: String,
    /// None for crates of the workspace.
    pub(crate) source: Option<String>,
    targets: Vec<Product>,
}

#[derive(Deserialize)]
struct Product {
    kind: Vec<String>,
}

impl Crate {
    /// Its licence; an error if it names none.
    pub(crate) fn terms(&self) -> Result<Expression> {
        let license = self.license.as_deref().ok_or_else(|| {
            anyhow!(
                "the crate {} names no licence: nothing of this project can hold it",
                self.name
            )
        })?;
        parse(license).with_context(|| format!("the crate {}", self.name))
    }
}

/// The crates that are linked into a program, by name, itself among them.
pub(crate) fn linked(workspace: &Path, package: &str, triple: &str) -> Result<Vec<Crate>> {
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

/// A licence as a manifest has it.
pub(crate) fn parse(license: &str) -> Result<Expression> {
    // Old manifests have a slash for `OR`.
    Expression::parse_mode(license, ParseMode::LAX).map_err(|error| {
        anyhow!(
            "its licence {license} is no SPDX expression: {}",
            error.reason
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
