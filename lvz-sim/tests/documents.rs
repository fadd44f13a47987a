// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the project's documents say of the simulator as it is.

use lvz_sim::cpu::readings_help;

/// The parts of a line of the help, `NAME=SAFE|OTHER (QUESTION): ABOUT`.
fn switch(line: &str) -> Option<(&str, &str, &str, &str)> {
    let (switch, rest) = line.split_once(" (")?;
    let (question, _) = rest.split_once("): ")?;
    let (name, values) = switch.split_once('=')?;
    let (safe, other) = values.split_once('|')?;
    Some((name, safe, other, question))
}

#[test]
fn the_questions_list_every_switch() {
    let text = include_str!("../../docs/lvz.md");
    let help = readings_help();
    let switches: Vec<_> = help.lines().filter_map(switch).collect();
    assert!(switches.len() > 10, "{help}");
    for (name, safe, other, question) in switches {
        let row = format!("| {question} | `{name}={other}` | `{safe}` |");
        assert!(
            text.contains(&row),
            "docs/lvz.md has no row that begins {row}"
        );
    }
}
