// SPDX-License-Identifier: Apache-2.0 OR MIT

//! What the project's documents say of the simulator as it is.

#![allow(clippy::expect_used)]

use lvz_sim::cpu::readings_help;
use serde_json::Value;
use std::process::Command;

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

/// The names of all members of an object, but for addresses.
fn keys(value: &Value, names: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        if !name.starts_with("0x") {
            names.push(name.clone());
        }
        keys(value, names);
    }
}

/// Enters a guest without a page, whose first fetch leads to [`LEAVE`].
const ENTER: [u32; 10] = [
    0x1400_402c, // lu12i.w $t0, 0x201
    0x0402_202c, // csrwr   $t0, 0x88      TLBRENTRY
    0x02c0_200c, // addi.d  $t0, $zero, 8
    0x0500_002c, // gcsrwr  $t0, 0x0       CRMD of the guest: direct mode
    0x1400_020c, // lu12i.w $t0, 0x10
    0x0380_098c, // ori     $t0, $t0, 2
    0x0401_402c, // csrwr   $t0, 0x50      GSTAT: GID 1, PGM
    0x02c0_100c, // addi.d  $t0, $zero, 4
    0x0400_042c, // csrwr   $t0, 0x1       PRMD
    0x0648_3800, // ertn
];
/// Powers off.
const LEAVE: [u32; 3] = [
    0x1420_1c0c, // lu12i.w $t0, 0x100e0
    0x02c0_d00d, // addi.d  $t1, $zero, 0x34
    0x2900_718d, // st.b    $t1, $t0, 0x1c
];

#[test]
fn every_key_of_the_statistics_is_described() {
    let directory = tempfile::tempdir().expect("a directory");
    let [program, stats] = ["program", "stats"].map(|name| directory.path().join(name));
    let bytes = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
    let mut image = bytes(&ENTER);
    image.resize(0x1000, 0);
    image.extend(bytes(&LEAVE));
    std::fs::write(&program, image).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_lvz-sim"))
        .args(["run", "--memory", "64M", "--hash", "--stats-calls", "29"])
        .args(["--stats-sites", "--stats-events", "--stats"])
        .arg(&stats)
        .arg("--load")
        .arg(format!("{}@0x200000", program.display()))
        .output()
        .expect("the simulator's output");
    assert!(output.status.success(), "{output:?}");
    let stats = std::fs::read_to_string(stats).expect("the statistics");
    let stats: Value = serde_json::from_str(&stats).expect("JSON");
    let mut names = Vec::new();
    keys(&stats, &mut names);
    for name in ["calls", "refill", "accesses"] {
        assert!(names.iter().any(|known| known == name), "{stats}");
    }

    let text = include_str!("../../docs/simulator.md");
    let (_, table) = text.split_once("### Keys of the").expect("the heading");
    let (table, _) = table.split_once("\n### ").expect("the next heading");
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let words: Vec<_> = table.split(|c| !is_part(c)).collect();
    for name in names {
        assert!(
            words.contains(&name.as_str()),
            "docs/simulator.md lacks {name}"
        );
    }
}
