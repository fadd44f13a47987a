// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Kernel configuration fragments, and whether a kernel took what they ask for.
//!
//! A line asks for one option. Where series differ, it has alternatives, of which
//! a kernel must take one: `CONFIG_OLD=y | CONFIG_NEW=y`.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use ignore::WalkBuilder;

/// A file of configs/ and what is in it.
pub(super) type Fragment = (&'static str, &'static str);

/// The fragments as Kconfig reads them, all alternatives included: it ignores an
/// option that it does not know.
pub(super) fn for_kconfig(fragments: &[Fragment]) -> String {
    let mut text = String::new();
    for line in fragments.iter().flat_map(|(_, text)| text.lines()) {
        for option in alternatives(line) {
            text.push_str(option);
            text.push('\n');
        }
    }
    text
}

fn alternatives(line: &str) -> impl Iterator<Item = &str> {
    line.split(" | ").map(str::trim)
}

/// Kconfig drops an option whose dependencies are not met without a word: a
/// kernel without it would fail much later, and less plainly.
///
/// What a later fragment takes back (`# CONFIG_OLD is not set`) is not wanted.
///
/// `made` is the text of the `.config` that came out, `source` the kernel's source.
pub(super) fn check(fragments: &[Fragment], made: &str, source: &Path) -> Result<()> {
    let made_lines: HashSet<&str> = made.lines().collect();
    for (number, (file, text)) in fragments.iter().enumerate() {
        let later = &fragments[number + 1..];
        let taken_back = |line: &str| {
            let back = format!("# CONFIG_{} is not set", name(line));
            later.iter().any(|(_, text)| text.contains(&back))
        };
        let dropped: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("CONFIG_") && !taken_back(line))
            .filter(|line| !alternatives(line).any(|option| made_lines.contains(option)))
            .collect();
        if dropped.is_empty() {
            continue;
        }
        let known = options(source);
        let reasons: Vec<String> = dropped
            .iter()
            .map(|line| {
                let is_known = alternatives(line).any(|option| known.contains(name(option)));
                let why = if is_known {
                    "has dependencies that are not met"
                } else {
                    "is in none of its Kconfig files"
                };
                format!("{line} {why}")
            })
            .collect();
        bail!(
            "{} does not take all of configs/{file}: {}; put what it wants instead behind the \
             option there (`CONFIG_OLD=y | CONFIG_NEW=y`), or choose another series with --kernel",
            release(made),
            reasons.join(", ")
        );
    }
    Ok(())
}

/// The option that a line sets, without its prefix.
fn name(option: &str) -> &str {
    let option = option.strip_prefix("CONFIG_").unwrap_or(option);
    option.split('=').next().unwrap_or(option)
}

/// The options that the Kconfig files of a source define.
fn options(source: &Path) -> HashSet<String> {
    let files = WalkBuilder::new(source)
        .standard_filters(false)
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("Kconfig"));
    let mut options = HashSet::new();
    for text in files.filter_map(|entry| fs::read_to_string(entry.path()).ok()) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some("config" | "menuconfig"), Some(name)) = (words.next(), words.next()) {
                options.insert(name.to_owned());
            }
        }
    }
    options
}

/// The kernel that a `.config` is of: its head has `# Linux/loongarch 7.2.12 Kernel
/// Configuration`.
fn release(made: &str) -> String {
    made.lines()
        .find_map(|line| line.strip_prefix("# Linux/")?.split(' ').nth(1))
        .map_or_else(
            || "this kernel".to_owned(),
            |version| format!("Linux {version}"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: Fragment = (
        "a.config",
        "# text\nCONFIG_A=y\nCONFIG_OLD=y | CONFIG_NEW=y\n# CONFIG_B is not set\n",
    );

    const HEAD: &str = "#\n# Linux/loongarch 7.3.4 Kernel Configuration\n#\n";

    fn checked(made: &str, source: &Path) -> Result<()> {
        check(&[FRAGMENT], &format!("{HEAD}{made}"), source)
    }

    #[test]
    fn one_alternative_is_enough() {
        let source = Path::new("/nonexistent");
        assert!(checked("CONFIG_A=y\nCONFIG_OLD=y\n", source).is_ok());
        assert!(checked("CONFIG_A=y\nCONFIG_NEW=y\n", source).is_ok());
        assert!(checked("CONFIG_A=y\n", source).is_err());
        assert!(checked("CONFIG_A=m\nCONFIG_NEW=y\n", source).is_err());
        let text = for_kconfig(&[FRAGMENT]);
        assert!(text.contains("\nCONFIG_OLD=y\nCONFIG_NEW=y\n# CONFIG_B is not set\n"));
    }

    #[test]
    fn a_later_fragment_takes_back() {
        let back: Fragment = ("b.config", "# CONFIG_A is not set\nCONFIG_C=y\n");
        let made = format!("{HEAD}CONFIG_C=y\nCONFIG_OLD=y\n");
        let source = Path::new("/nonexistent");
        assert!(check(&[FRAGMENT, back], &made, source).is_ok());
        assert!(check(&[back, FRAGMENT], &made, source).is_err());
    }

    #[test]
    fn the_error_names_kernel_file_option_and_reason() -> Result<()> {
        let dir = std::env::temp_dir().join(format!("xtask-config-{}", std::process::id()));
        fs::create_dir_all(dir.join("drivers"))?;
        fs::write(dir.join("drivers/Kconfig.x"), "menuconfig A\n\tbool\n")?;
        let error = checked("", &dir).err().map(|error| error.to_string());
        fs::remove_dir_all(dir)?;
        assert!(
            error.as_deref().is_some_and(|error| error.starts_with(
                "Linux 7.3.4 does not take all of configs/a.config: CONFIG_A=y has dependencies \
                 that are not met, CONFIG_OLD=y | CONFIG_NEW=y is in none of its Kconfig files; "
            )),
            "{error:?}"
        );
        Ok(())
    }
}
