// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What machines and their guests say in lines `MARKER TEXT`: on the second serial
//! port, to which no kernel prints. docs/commands.md says why.

/// The kernel parameter that has our inits say their lines on that port.
pub(crate) const PARAMETER: &str = "kvm-la.say=ttyS1";

/// What stands behind `marker` on a line, and before it the name of what said it:
/// none of the machine itself, `guest0` for instance of a guest of it.
pub(crate) fn said<'a>(line: &'a str, marker: &str) -> Option<(&'a str, &'a str)> {
    let (before, text) = line.trim_end().split_once(marker)?;
    let speaker = match before {
        "" => "",
        name => name.strip_suffix(": ")?,
    };
    let is_name = speaker.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_name.then_some((speaker, text.strip_prefix(' ')?))
}

/// All that `speaker` said behind `marker`, line by line.
pub(crate) fn all<'a>(
    console: &'a str,
    speaker: &str,
    marker: &str,
) -> impl Iterator<Item = &'a str> {
    console.lines().filter_map(move |line| {
        said(line, marker)
            .filter(|(name, _)| *name == speaker)
            .map(|(_, text)| text)
    })
}

/// An error with the reason if a script of a machine said that it failed, or did not
/// say that `what` all ended.
pub(crate) fn check_ended(console: &str, marker: &str, what: &str) -> anyhow::Result<()> {
    let said = |word: &str| all(console, "", marker).find_map(|text| text.strip_prefix(word));
    match (said("failed: "), said("all ended")) {
        (Some(reason), _) => anyhow::bail!("{reason}"),
        (None, None) => anyhow::bail!("the host did not come to the end of its {what}"),
        (None, Some(_)) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_speaker_and_a_text() {
        assert_eq!(said("KVM-LA-X a b\r", "KVM-LA-X"), Some(("", "a b")));
        assert_eq!(
            said("guest1: KVM-LA-X a", "KVM-LA-X"),
            Some(("guest1", "a"))
        );
        assert_eq!(
            said("KVM-LA-X failed: a: b", "KVM-LA-X"),
            Some(("", "failed: a: b"))
        );
        let console = "guest0: KVM-LA-X a\nKVM-LA-X b\nguest0: KVM-LA-X c\n";
        assert_eq!(
            all(console, "guest0", "KVM-LA-X").collect::<Vec<_>>(),
            ["a", "c"]
        );
        assert_eq!(all(console, "", "KVM-LA-X").collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn what_only_has_a_marker_in_it_says_nothing() {
        for line in [
            "echo KVM-LA-X a",
            "[    1.0] KVM-LA-X a",
            "guest0: [    1.0] KVM-LA-X a",
            "guest0: text KVM-LA-X a",
            ": text: KVM-LA-X a",
            "KVM-LA-XY a",
            "KVM-LA-X",
        ] {
            assert_eq!(said(line, "KVM-LA-X"), None, "{line}");
        }
    }

    #[test]
    fn a_line_that_was_cut_is_no_other_line() {
        // Linux 7.3's console beside an init, seen.
        let line = "KVM-LA-GUEST ini[    0.012408] printk: console [ttyS0] enabled";
        assert!(said(line, "KVM-LA-GUEST").is_some_and(|(_, text)| text != "init"));
        assert_eq!(
            said("[    0.012408] prinKVM-LA-GUEST init", "KVM-LA-GUEST"),
            None
        );
        assert_eq!(said("t", "KVM-LA-GUEST"), None);
    }

    #[test]
    fn a_script_must_come_to_its_end() {
        let check = |console| check_ended(console, "KVM-LA-X", "cases");
        assert!(check("KVM-LA-X all ended\n").is_ok());
        assert!(check("KVM-LA-X a ...\n").is_err());
        assert!(check("KVM-LA-X all ended\nKVM-LA-X failed: rmmod\n").is_err());
    }
}
