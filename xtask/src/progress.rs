// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Progress of long steps: a spinner with the tool's last line on a terminal,
//! plain lines with a sign of life elsewhere. Whatever the tools print is kept
//! in a log file, which an error names.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a step that writes to a pipe says that it is still at work.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Lines of a failed tool's output that the error repeats.
const LINES_IN_ERROR: usize = 12;

/// The bars of all steps, of which several can be under way.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints a line above the bars.
fn say(line: &str) {
    BARS.suspend(|| eprintln!("{line}"));
}

/// One step of a longer job.
pub(crate) struct Step {
    text: String,
    started: Instant,
    said: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Begins a step and says so.
    pub(crate) fn start(text: impl Into<String>) -> Self {
        let text = text.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = BARS.add(ProgressBar::new_spinner());
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}")
            {
                bar.set_style(style);
            }
            bar.set_prefix(text.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        if bar.is_none() {
            say(&format!("{text} ..."));
        }
        let now = Instant::now();
        Self {
            text,
            started: now,
            said: now,
            bar,
        }
    }

    /// Shows what the step is doing now.
    pub(crate) fn message(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if let Some(bar) = &self.bar {
            bar.set_message(line.to_owned());
        } else if self.said.elapsed() >= SIGN_OF_LIFE {
            self.said = Instant::now();
            let seconds = self.started.elapsed().as_secs();
            say(&format!("{} ... {seconds} s: {line}", self.text));
        }
    }

    pub(crate) fn done(self) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.clear();
        say(&format!("{}: done in {seconds:.0} s", self.text));
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Runs a command to its end, its output into `log`. If it fails, its last
    /// lines are shown.
    pub(crate) fn run(&mut self, command: Command, log: &Path) -> Result<()> {
        self.execute(command, log, |shown, line| {
            if shown.len() == LINES_IN_ERROR {
                shown.pop_front();
            }
            shown.push_back(line);
        })
    }

    /// Runs Kbuild to its end, its output into `log`. If it fails, all that the
    /// compilers said is shown, with `prefix` taken off the names of files.
    pub(crate) fn compile(&mut self, command: Command, log: &Path, prefix: &str) -> Result<()> {
        self.execute(command, log, |shown, line| {
            if !is_kbuild_progress(&line) {
                shown.push_back(line.replace(prefix, ""));
            }
        })
    }

    /// Runs a command to its end, its output into `log`, and returns how it ended
    /// and the lines that it printed.
    pub(crate) fn outcome(
        &mut self,
        command: Command,
        log: &Path,
    ) -> Result<(ExitStatus, VecDeque<String>)> {
        self.watch(command, log, VecDeque::push_back)
    }

    /// Runs a command to its end. If it fails, the lines that `keep` put into a list
    /// are shown.
    fn execute(
        &mut self,
        command: Command,
        log: &Path,
        keep: impl Fn(&mut VecDeque<String>, String),
    ) -> Result<()> {
        let program = tool(&command);
        let (status, shown) = self.watch(command, log, keep)?;
        if !status.success() {
            self.clear();
            for line in &shown {
                say(&format!("    {line}"));
            }
            let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
            let error = reason(&shown);
            bail!(
                "{}: {program} failed ({status}){}{}, see {}",
                self.text,
                if error.is_some() { ": " } else { "" },
                error.unwrap_or_default(),
                log.display()
            );
        }
        Ok(())
    }

    /// Runs a command to its end, its output into `log`. `keep` puts the lines that
    /// are to be returned into a list.
    fn watch(
        &mut self,
        mut command: Command,
        log: &Path,
        keep: impl Fn(&mut VecDeque<String>, String),
    ) -> Result<(ExitStatus, VecDeque<String>)> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        // In the language of DISK_FULL.
        command.env("LC_ALL", "C.UTF-8");
        writeln!(file, "+ {command:?}")?;
        let program = command.get_program().to_string_lossy().into_owned();
        let (reader, writer) = std::io::pipe()?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        // The command holds copies of the pipe's writing end: without this the
        // reading below would never see the end.
        drop(command);
        let mut kept = VecDeque::new();
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? != 0 {
            file.write_all(&line)?;
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.message(&text);
            keep(&mut kept, text);
            line.clear();
        }
        Ok((child.wait()?, kept))
    }
}

/// A step that fails leaves no bar.
impl Drop for Step {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The program that a command is there to run: unshare(1) only makes room for it.
fn tool(command: &Command) -> String {
    let program = command.get_program();
    let mut inside = command.get_args().skip_while(|word| *word != "--");
    let program = match inside.nth(1) {
        Some(inside) if program == "unshare" => inside,
        _ => program,
    };
    program.to_string_lossy().into_owned()
}

/// What errno ENOSPC is called.
const DISK_FULL: &str = "No space left on device";

/// Whether a failed tool said that the disk is full.
pub(crate) fn is_disk_full(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains(DISK_FULL)
}

/// The line of a failed tool's that tells why: what follows from a full disk can look like
/// anything.
fn reason<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let full = lines.iter().find(|line| line.contains(DISK_FULL));
    full.or_else(|| lines.iter().find(|line| is_error(line)))
        .map(|line| line.trim())
}

/// Whether a compiler, a linker or apt names its error in this line.
fn is_error(line: &str) -> bool {
    ["error", "ERROR: ", "E: "]
        .iter()
        .any(|word| line.starts_with(word))
        || line.contains(" error: ")
}

/// Whether a line is one of those by which Kbuild tells what it does: two spaces,
/// the tool in capitals, the file.
pub(crate) fn is_kbuild_progress(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("  ") else {
        return line.is_empty() || line.starts_with("make") && line.contains("ing directory ");
    };
    let tool = rest.split(' ').next().unwrap_or_default();
    tool.len() > 1
        && tool.bytes().all(|byte| byte.is_ascii_uppercase())
        && rest
            .get(tool.len()..)
            .is_some_and(|rest| rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_tool_in_a_namespace() {
        assert_eq!(
            tool(&crate::toolroot::with_own_mounts("mmdebstrap")),
            "mmdebstrap"
        );
        let root = crate::toolroot::ToolRoot::new(Path::new("/root"), &[]);
        let mut make = root.command_in(Path::new("/"), "make");
        make.args(["--", "all"]);
        assert_eq!(tool(&make), "make");
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--", "file"]);
        assert_eq!(tool(&tar), "tar");
    }

    #[test]
    fn errors_are_told_from_what_explains_them() {
        for line in [
            "error[E0425]: cannot find value `X` in module `b`",
            "error: invalid value 'X' for '--with-attribute-custom-enum <CUSTOM>'",
            "glue/glue.c:7:1: error: unknown type name 'u65'",
            "ERROR: modpost: \"missing\" [kvm.ko] undefined!",
            "E: Unable to locate package nosuch",
        ] {
            assert!(is_error(line), "{line}");
        }
        for line in [
            "  --> src/run.rs:3:5",
            "For more information about this error",
        ] {
            assert!(!is_error(line), "{line}");
        }
    }

    #[test]
    fn tools_speak_the_language_in_which_they_are_understood() -> Result<()> {
        let log = std::env::temp_dir().join(format!("xtask-language-{}", std::process::id()));
        let mut tool = Command::new("sh");
        tool.args(["-c", "echo $LC_ALL"])
            .env("LC_ALL", "de_DE.UTF-8");
        let (_, lines) = Step::start("language").outcome(tool, &log)?;
        assert_eq!(lines, ["C.UTF-8"]);
        std::fs::remove_file(log)?;
        Ok(())
    }

    #[test]
    fn a_full_disk_is_the_reason() {
        let lines = [
            "Get:5 forky/main amd64 Packages",
            "E: Some index files failed to download.",
            "  Write error - write (28: No space left on device)",
        ];
        assert_eq!(
            reason(&lines),
            Some("Write error - write (28: No space left on device)")
        );
        assert_eq!(reason(&lines[..2]), Some(lines[1]));
        assert_eq!(reason(&lines[..1]), None);
    }

    #[test]
    fn what_compilers_say_is_told_from_progress() {
        for line in [
            "make[1]: Leaving directory '/kvm-la/build'",
            "  CC [M]  glue/glue.o",
            "  RUSTC   kvm_core.o",
            "  GEN     x",
            "",
        ] {
            assert!(is_kbuild_progress(line), "{line}");
        }
        for line in [
            "error[E0308]: mismatched types",
            "  --> src/run.rs:3:5",
            "   |",
            "glue/glue.c:7:1: error: unknown type name 'u65'",
            "    7 | u65 x;",
            "ERROR: modpost: \"missing\" [kvm.ko] undefined!",
        ] {
            assert!(!is_kbuild_progress(line), "{line}");
        }
    }
}
