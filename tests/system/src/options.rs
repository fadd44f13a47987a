// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The command line.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub(crate) const USAGE: &str = "\
usage: system-tests [OPTION...] [NAME...]
Runs the programs whose group or name contains one of NAMEs, or all.
  --list              list the programs and what they need, run nothing
  --assembler CMD     GNU as for LoongArch64 [loongarch64-linux-gnu-as, run by
                      $KVM_LA_TOOLROOT_RUN, which `cargo xtask test` sets]
  --linker CMD        GNU ld for LoongArch64 [loongarch64-linux-gnu-ld, as above]
  --objcopy CMD       GNU objcopy for LoongArch64, for --images [as above]
  --compiler CMD      GCC for LoongArch64, for --images [as above]
  --qemu CMD          QEMU [qemu-system-loongarch64, as above]
  --simulator CMD     lvz-sim [$LVZ_SIM, or the one beside this program]
  --cpu MODEL         CPU model of lvz-sim with features [la464]
  --engine ENGINE     how lvz-sim executes instructions [jit]
  --machine NAME      run on `qemu` or `sim` only, comparing nothing
  --cache DIR         built programs [target/system-tests]
  --timeout SECONDS   for one program on one machine [60]
  --jobs N            programs at a time [2]
  --images DIR        write the programs and a manifest for other machines, and
                      what each prints on lvz-sim; and the EFI program
  --verbose           print each check that failed as argued, and transcripts
                      of programs that failed
A CMD is split at spaces: a program and its first arguments.
";

/// The machines that programs run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MachineName {
    /// qemu-system-loongarch64 with TCG.
    Qemu,
    /// lvz-sim.
    Sim,
}

impl MachineName {
    /// As options, directives and reports spell it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            MachineName::Qemu => "qemu",
            MachineName::Sim => "sim",
        }
    }

    /// The machine that `text` names.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        [MachineName::Qemu, MachineName::Sim]
            .into_iter()
            .find(|machine| machine.text() == text)
    }
}

/// A command: program and first arguments.
pub(crate) type Command = Vec<String>;

/// The command line, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Parts of names; empty is all.
    pub(crate) names: Vec<String>,
    /// Only list.
    pub(crate) list: bool,
    /// GNU as.
    pub(crate) assembler: Command,
    /// GNU ld.
    pub(crate) linker: Command,
    /// GNU objcopy.
    pub(crate) objcopy: Command,
    /// GCC.
    pub(crate) compiler: Command,
    pub(crate) qemu: Command,
    /// lvz-sim.
    pub(crate) simulator: Command,
    /// CPU model of lvz-sim, if not its default.
    pub(crate) cpu: Option<String>,
    /// How lvz-sim executes instructions, if not as its default is.
    pub(crate) engine: Option<String>,
    /// Only this machine.
    pub(crate) machine: Option<MachineName>,
    /// Where built programs are kept.
    pub(crate) cache: PathBuf,
    /// Where to write the set of programs, instead of running them.
    pub(crate) images: Option<PathBuf>,
    /// For one program on one machine.
    pub(crate) timeout: Duration,
    /// Programs at a time.
    pub(crate) jobs: usize,
    /// Print more.
    pub(crate) verbose: bool,
}

/// Parses the arguments; `None` if they ask for help.
pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let mut options = Options {
        names: Vec::new(),
        list: false,
        assembler: tool("loongarch64-linux-gnu-as"),
        linker: tool("loongarch64-linux-gnu-ld"),
        objcopy: tool("loongarch64-linux-gnu-objcopy"),
        compiler: tool("loongarch64-linux-gnu-gcc"),
        qemu: tool("qemu-system-loongarch64"),
        simulator: vec![simulator()],
        cpu: None,
        engine: None,
        machine: None,
        cache: PathBuf::from("target/system-tests"),
        images: None,
        timeout: Duration::from_secs(60),
        jobs: 2,
        verbose: false,
    };
    while let Some(arg) = args.next() {
        let mut value = || {
            args.next()
                .with_context(|| format!("option {arg} needs a value"))
        };
        match arg.as_str() {
            "--help" | "-h" => return Ok(None),
            "--list" => options.list = true,
            "--verbose" => options.verbose = true,
            "--assembler" => options.assembler = command(&arg, &value()?)?,
            "--linker" => options.linker = command(&arg, &value()?)?,
            "--objcopy" => options.objcopy = command(&arg, &value()?)?,
            "--compiler" => options.compiler = command(&arg, &value()?)?,
            "--qemu" => options.qemu = command(&arg, &value()?)?,
            "--simulator" => options.simulator = command(&arg, &value()?)?,
            "--cpu" => options.cpu = Some(value()?),
            "--engine" => options.engine = Some(value()?),
            "--cache" => options.cache = PathBuf::from(value()?),
            "--images" => options.images = Some(PathBuf::from(value()?)),
            "--timeout" => options.timeout = Duration::from_secs(number(&arg, &value()?)?),
            "--jobs" => options.jobs = number(&arg, &value()?)?.clamp(1, 64) as usize,
            "--machine" => {
                let name = value()?;
                let machine = MachineName::parse(&name)
                    .with_context(|| format!("--machine {name}: it is `qemu` or `sim`"))?;
                options.machine = Some(machine);
            }
            _ if arg.starts_with('-') => bail!("unknown option {arg}; --help lists them"),
            _ => options.names.push(arg),
        }
    }
    Ok(Some(options))
}

/// A tool of the toolchain root that `cargo xtask setup` made, or of the system.
fn tool(name: &str) -> Command {
    let root = std::env::var("KVM_LA_TOOLROOT_RUN").ok();
    root.into_iter().chain([name.to_owned()]).collect()
}

fn command(option: &str, text: &str) -> Result<Command> {
    let words: Command = text.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        bail!("option {option} needs a command");
    }
    Ok(words)
}

fn number(option: &str, text: &str) -> Result<u64> {
    match text.parse() {
        Ok(0) | Err(_) => bail!("{option} {text}: it has to be a positive number"),
        Ok(number) => Ok(number),
    }
}

/// The simulator that the environment names (as for xtask), else the one in the
/// directory of this program, where cargo puts both, else just its name.
fn simulator() -> String {
    let name = "lvz-sim";
    if let Some(program) = std::env::var("LVZ_SIM")
        .ok()
        .filter(|name| !name.is_empty())
    {
        return program;
    }
    std::env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(|dir| dir.join(name)))
        .filter(|path| path.exists())
        .map_or_else(|| name.to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Option<Options>> {
        parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn names_and_commands() {
        let options = parsed(&["tlb", "--qemu", "ld.so  qemu -L x", "e02"])
            .unwrap()
            .unwrap();
        assert_eq!(options.names, ["tlb", "e02"]);
        assert_eq!(options.qemu, ["ld.so", "qemu", "-L", "x"]);
        assert!(options.machine.is_none());
    }

    #[test]
    fn mistakes_name_the_option() {
        for (args, part) in [
            (&["--jobs", "0"][..], "--jobs 0"),
            (&["--frob"], "--frob"),
            (&["--qemu"], "--qemu"),
            (&["--machine", "x"], "--machine x"),
            (&["--linker", " "], "--linker"),
        ] {
            let error = parsed(args).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
