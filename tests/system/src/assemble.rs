// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Building programs, cached by the content of what goes into them.

use crate::options::Options;
use crate::program::{Program, root};
use anyhow::{Context, Result, bail};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What every program is built with: the run-time and the include files, read
/// once.
#[derive(Debug)]
pub(crate) struct Toolchain<'a> {
    options: &'a Options,
    /// Hash of the include files, the linker script and the commands.
    common: u64,
}

impl<'a> Toolchain<'a> {
    /// Reads the include files and makes the cache directory.
    pub(crate) fn new(options: &'a Options) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        (&options.assembler, &options.linker, FLAGS, LINKER_FLAGS).hash(&mut hasher);
        let dir = include_dir();
        let mut files = fs::read_dir(&dir)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.path()))
                    .collect::<Result<Vec<_>, _>>()
            })
            .with_context(|| format!("cannot list {}", dir.display()))?;
        files.sort();
        for file in files {
            file.file_name().hash(&mut hasher);
            read(&file)?.hash(&mut hasher);
        }
        fs::create_dir_all(&options.cache)
            .with_context(|| format!("cannot make {}", options.cache.display()))?;
        Ok(Toolchain {
            options,
            common: hasher.finish(),
        })
    }

    /// The program as an ELF file, built if the cache does not have it.
    pub(crate) fn build(&self, program: &Program) -> Result<PathBuf> {
        self.link(program, &[])
    }

    /// The program's bytes for the EFI program.
    pub(crate) fn build_for_efi(&self, program: &Program) -> Result<PathBuf> {
        let elf = self.link(program, &["EFI".to_owned()])?;
        let image = elf.with_extension("bin");
        self.flatten(&elf, &image)?;
        Ok(image)
    }

    /// The bytes of an ELF file as they lie in memory.
    pub(crate) fn flatten(&self, elf: &Path, image: &Path) -> Result<()> {
        let mut objcopy = command(&self.options.objcopy)?;
        objcopy.args(["-O", "binary"]).args([elf, image]);
        run(objcopy, elf)
    }

    /// Links a program and the run-time, both assembled with `form` defined.
    fn link(&self, program: &Program, form: &[String]) -> Result<PathBuf> {
        let mut hasher = DefaultHasher::new();
        self.common.hash(&mut hasher);
        read(&program.path)?.hash(&mut hasher);
        let symbols = [form, &program.symbols()].concat();
        symbols.hash(&mut hasher);
        let base = format!("{}-{}", program.group, program.name);
        let cache = &self.options.cache;
        let base = format!("{base}-{:016x}", hasher.finish());
        let elf = cache.join(format!("{base}.elf"));
        if elf.exists() {
            return Ok(elf);
        }
        let object = cache.join(format!("{base}.o"));
        let runtime = cache.join(format!("{base}-rt.o"));
        let linked = cache.join(format!("{base}.elf.new"));
        self.assemble(&include_dir().join("rt.S"), form, &runtime)?;
        self.assemble(&program.path, &symbols, &object)?;
        let mut ld = command(&self.options.linker)?;
        ld.args(LINKER_FLAGS)
            .arg("-T")
            .arg(include_dir().join("link.ld"))
            .arg("-o")
            .arg(&linked)
            .args([&runtime, &object]);
        run(ld, &program.path)?;
        // Whole or not at all, also when interrupted.
        fs::rename(&linked, &elf).with_context(|| format!("cannot make {}", elf.display()))?;
        Ok(elf)
    }

    pub(crate) fn assemble(&self, source: &Path, symbols: &[String], object: &Path) -> Result<()> {
        let mut assembler = command(&self.options.assembler)?;
        assembler
            .args(FLAGS)
            .args(symbols.iter().map(|symbol| format!("--defsym={symbol}=1")))
            .arg("-I")
            .arg(include_dir())
            .arg("-o")
            .arg(object)
            .arg(source);
        run(assembler, source)
    }
}

/// No relaxation: programs compute with the addresses of their instructions.
const FLAGS: [&str; 2] = ["-mno-relax", "--fatal-warnings"];
const LINKER_FLAGS: [&str; 3] = ["-static", "-nostdlib", "--no-warn-rwx-segments"];

fn include_dir() -> PathBuf {
    root().join("include")
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// A command from its words.
pub(crate) fn command(words: &[String]) -> Result<Command> {
    let Some((program, args)) = words.split_first() else {
        bail!("an empty command");
    };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    Ok(command)
}

pub(crate) fn run(mut command: Command, source: &Path) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {program}; `cargo xtask setup` brings it"))?;
    if !output.status.success() {
        bail!(
            "{program} failed on {}:\n{}",
            source.display(),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(())
}
