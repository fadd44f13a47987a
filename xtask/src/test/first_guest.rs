// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A case of the suite `host`: the program of docs/first-guest.md, assembled, linked and run by
//! the page's commands, does what the page says.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::Context;
use super::report::Verdict;
use crate::machine::Simulator;
use crate::setup::workspace;

const PAGE: &str = "docs/first-guest.md";
const TOOL: &str = "cargo xtask tool ";
const RUN: &str = "lvz-sim ";

pub(super) fn run(context: &Context) -> Result<Verdict> {
    let Simulator::LvzSim { program, .. } = &context.simulator else {
        return Ok(Verdict::Skipped("the page is about lvz-sim".to_owned()));
    };
    let page = fs::read_to_string(workspace()?.join(PAGE))?;
    let dir = context.products.cache.new_run("first-guest")?;
    fs::write(dir.join("hv.s"), block(&page, "asm")?)?;
    let tools = context.products.kernel_tools().with_outside()?;
    let mut printed = String::new();
    for line in block(&page, "sh")?.lines() {
        printed += &if let Some(words) = line.strip_prefix(TOOL) {
            let (name, arguments) = words.split_once(' ').context("a tool without arguments")?;
            let mut tool = tools.command_in(&dir, name);
            tool.args(arguments.split(' '));
            let (said, status) = outcome(tool, line)?;
            ensure!(status == 0, "`{line}` ended with {status}: {said}");
            said
        } else if let Some(arguments) = line.strip_prefix(RUN) {
            let mut simulator = Command::new(program);
            simulator.current_dir(&dir).args(arguments.split(' '));
            let (said, status) = outcome(simulator, line)?;
            format!("{said}{status}\n")
        } else if line == "echo $?" {
            String::new()
        } else {
            bail!("{PAGE}: a command that is not known: {line}");
        };
    }
    let expected = block(&page, "text")?;
    ensure!(
        printed == expected,
        "{PAGE} says\n{expected}but the commands print\n{printed}"
    );
    fs::remove_dir_all(dir)?;
    Ok(Verdict::Passed)
}

/// The first block of a language.
fn block<'a>(page: &'a str, language: &str) -> Result<&'a str> {
    let begin = format!("\n```{language}\n");
    let found = page.split_once(&begin).and_then(|(_, rest)| {
        let end = rest.find("```\n")?;
        rest.get(..end)
    });
    found.with_context(|| format!("{PAGE} has no block of {language}"))
}

/// What a command prints on standard error, and its exit status.
fn outcome(mut command: Command, line: &str) -> Result<(String, i32)> {
    let output = command
        .output()
        .with_context(|| format!("cannot run `{line}`"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = output.status.code();
    let status = status.with_context(|| format!("`{line}` ended with {}", output.status))?;
    Ok((said, status))
}
