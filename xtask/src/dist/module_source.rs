// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The package with the module's source, which DKMS builds where it is installed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::copyright;
use super::package::Contents;
use crate::setup::workspace;
use crate::sources::Sources;

/// What the module is built of.
const SOURCES: &[&str] = &["kernel-module", "kvm-core/src", "la-arch/src"];

/// The contents of the package.
pub(super) fn contents() -> Result<Contents> {
    let sources = Sources::read(&workspace()?, SOURCES)?;
    let files = sources
        .files()
        // Of use in a checkout only.
        .filter(|(name, _)| name.file_name().is_some_and(|name| name != ".gitignore"))
        .map(|(name, data)| (Path::new("source").join(name), data.to_owned()));
    Ok(Contents {
        folder: "kvm-la-dkms",
        name: "kvm-la-dkms".to_owned(),
        architecture: "all",
        files: files.collect::<BTreeMap<_, _>>(),
        copyright: copyright::of_sources("GPL-2.0-only", &[("la-arch", "MIT")])?,
        words: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::ensure;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::process::Command;

    /// What stands in the headers' configuration of a kernel that fits.
    const FIT: &str =
        "CONFIG_KVM=m\nCONFIG_RUST=y\nCONFIG_RUSTC_VERSION_TEXT=\"rustc 1.2.3 (a)\"\n";

    /// Headers, and tools of which rustc says that it is the kernel's.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Result<Self> {
            let dir = std::env::temp_dir().join(format!("xtask-prepare-{}", std::process::id()));
            let place = Self(dir);
            for dir in ["headers/rust", "headers/virt/kvm", "bin"] {
                fs::create_dir_all(place.0.join(dir))?;
            }
            fs::write(place.0.join("headers/.config"), FIT)?;
            // The headers' makefiles do not tell, so the source is taken to be there.
            for (tool, text) in [("make", "exit 2"), ("rustc", "echo 'rustc 1.2.3 (a)'")] {
                let tool = place.0.join("bin").join(tool);
                fs::write(&tool, format!("#!/bin/sh\n{text}\n"))?;
                fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;
            }
            Ok(place)
        }

        /// Runs the script; what it says, if it fails.
        fn run(&self) -> Result<Option<String>> {
            let script = workspace()?.join("packaging/kvm-la-dkms/prepare-tree");
            let output = Command::new("/bin/sh")
                .current_dir(&self.0)
                .env("PATH", format!("{}/bin:/usr/bin:/bin", self.0.display()))
                .arg(script)
                .args(["7.2.1-fit", "headers"])
                .output()?;
            let said = String::from_utf8(output.stderr)?;
            Ok((!output.status.success()).then_some(said))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_headers_lack_is_said_in_one_line() -> Result<()> {
        let place = Place::new()?;
        let headers = place.0.join("headers");
        let refused = |names: &[&str]| {
            let said = place.run()?.unwrap_or_default();
            ensure!(
                said.lines().count() == 1 && names.iter().all(|name| said.contains(name)),
                "it should say {names:?}: {said}"
            );
            Ok(())
        };
        let config = headers.join(".config");
        for (line, other, names) in [
            (
                "CONFIG_KVM=m",
                "CONFIG_KVM=y",
                &["7.2.1-fit", "CONFIG_KVM=m"][..],
            ),
            ("CONFIG_RUST=y", "", &["7.2.1-fit", "CONFIG_RUST=y"]),
            (
                "1.2.3 (a)",
                "1.2.4 (b)",
                &["built by rustc 1.2.4 (b)", "this is rustc 1.2.3 (a)"],
            ),
        ] {
            fs::write(&config, FIT.replace(line, other))?;
            refused(names)?;
        }
        fs::remove_file(&config)?;
        refused(&["no .config in headers", "7.2.1-fit"])?;
        fs::write(&config, FIT)?;
        refused(&["headers does not tell its kernel's version"])?;
        // A kernel's own tree, with what an earlier try has left.
        fs::create_dir_all(place.0.join("tree/half"))?;
        fs::write(headers.join("rust/libkernel.rmeta"), "")?;
        fs::write(headers.join("virt/kvm/kvm_main.c"), "")?;
        assert_eq!(place.run()?, None);
        assert_eq!(fs::read_link(place.0.join("tree"))?, Path::new("headers"));
        Ok(())
    }
}
