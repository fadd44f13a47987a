// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The Debian mirror that packages come from.
//!
//! None is named here: mmdebstrap has its own default, and what it chose stands in
//! the toolchain root's apt configuration. `KVM_LA_MIRROR` names another.

use std::fs;

use anyhow::{Context as _, Result, bail};

use super::debian::SUITE;
use crate::toolroot::ToolRoot;

/// The environment variable: a URL, or lines of apt's sources.list.
pub(super) const VARIABLE: &str = "KVM_LA_MIRROR";

/// The mirror that the environment names, in a form that mmdebstrap takes.
pub(super) fn from_environment() -> Result<Option<String>> {
    let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let Some(text) = value.to_str().filter(|text| is_mirror(text)) else {
        bail!(
            "{VARIABLE} is neither a URL (http://HOST/debian) nor lines of apt's sources.list \
             (deb URL {SUITE} main): {}",
            value.display()
        );
    };
    Ok(Some(text.to_owned()))
}

fn is_mirror(text: &str) -> bool {
    is_url(text) || (!text.trim().is_empty() && text.lines().all(|line| line.starts_with("deb ")))
}

fn is_url(text: &str) -> bool {
    !text.contains(char::is_whitespace)
        && text.split_once("://").is_some_and(|(scheme, place)| {
            !place.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// apt's lines for the mirror's packages: those of `SUITE`, and the same of `suites`.
pub(super) fn sources(root: &ToolRoot, suites: &[&str]) -> Result<String> {
    let own = match from_environment()? {
        Some(url) if is_url(&url) => format!("deb {url} {SUITE} main\n"),
        Some(lines) => lines,
        None => {
            let file = root.dir().join("etc/apt/sources.list");
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?
        }
    };
    let lines: Vec<Line<'_>> = own.lines().filter_map(Line::parse).collect();
    let mut text: String = lines.iter().map(|line| line.in_suite(line.suite)).collect();
    for suite in suites {
        for line in lines.iter().filter(|line| line.suite == SUITE) {
            text.push_str(&line.in_suite(suite));
        }
    }
    Ok(text)
}

/// A line of sources.list: `deb [OPTIONS] URL SUITE COMPONENTS`.
struct Line<'a> {
    options: &'a str,
    url: &'a str,
    suite: &'a str,
    components: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("deb ")?.trim();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let (url, rest) = rest.trim().split_once(' ')?;
        let (suite, components) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        Some(Self {
            options,
            url,
            suite,
            components,
        })
    }

    /// The line for another suite of the same mirror, packages' names and versions
    /// alone.
    fn in_suite(&self, suite: &str) -> String {
        let Self {
            options,
            url,
            components,
            ..
        } = self;
        format!("deb [{options} target=Packages] {url} {suite} {components}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_a_url_or_lines() {
        for mirror in [
            "http://mirror/debian",
            "file:///srv/debian",
            "deb http://mirror/debian forky main",
            "deb http://mirror/debian forky main\ndeb [trusted=yes] file:/srv ./",
        ] {
            assert!(is_mirror(mirror), "{mirror}");
        }
        for other in [
            "mirror",
            "/etc/apt/sources.list",
            "http://a http://b",
            "http://",
            "deb-src http://mirror/debian forky main",
            "deb http://mirror/debian forky main\n/srv",
        ] {
            assert!(!is_mirror(other), "{other}");
        }
    }

    #[test]
    fn lines_keep_their_options_in_other_suites() {
        let line = "deb [signed-by=/k.gpg arch=amd64] http://m/debian forky main contrib";
        let other = Line::parse(line).map(|line| line.in_suite("sid"));
        assert_eq!(
            other.as_deref(),
            Some(
                "deb [signed-by=/k.gpg arch=amd64 target=Packages] http://m/debian sid main contrib\n"
            )
        );
        let flat = Line::parse("deb file:/srv ./").map(|line| line.in_suite(line.suite));
        assert_eq!(
            flat.as_deref(),
            Some("deb [ target=Packages] file:/srv ./ \n")
        );
        assert!(Line::parse("# deb http://m/debian forky main").is_none());
    }
}
