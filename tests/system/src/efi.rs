// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The EFI program: the programs that a real machine can run, in one PE32+ file.

use crate::assemble::{Toolchain, command, run};
use crate::options::Options;
use crate::program::{FEATURES, Program, root};
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What a program may need, by the bit that stands for it.
fn features() -> impl Iterator<Item = &'static str> {
    ["lvz"].into_iter().chain(FEATURES)
}

/// Code that can be anywhere and needs nothing of an operating system.
const COMPILE: [&str; 13] = [
    "-c",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-ffreestanding",
    "-fPIE",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-tree-loop-distribute-patterns",
    "-march=loongarch64",
    "-msimd=none",
    "-mno-relax",
];

/// Writes the EFI program with those of `programs` that a real machine can run.
pub(crate) fn write(
    options: &Options,
    toolchain: &Toolchain<'_>,
    programs: &[Program],
    file: &Path,
) -> Result<()> {
    let dir = root().join("efi");
    let cache = &options.cache;
    let list = cache.join("efi-programs.S");
    fs::write(&list, table(toolchain, programs)?)
        .with_context(|| format!("cannot write {}", list.display()))?;
    let mut objects = Vec::new();
    for source in [dir.join("header.S"), dir.join("enter.S"), list] {
        let object = object(cache, &source);
        toolchain.assemble(&source, &[], &object)?;
        objects.push(object);
    }
    let main = dir.join("main.c");
    let compiled = object(cache, &main);
    let mut compiler = command(&options.compiler)?;
    compiler.args(COMPILE).arg("-o").args([&compiled, &main]);
    run(compiler, &main)?;
    objects.push(compiled);
    let elf = cache.join("efi.elf");
    let mut linker = command(&options.linker)?;
    linker
        .args(["-pie", "--no-dynamic-linker", "-nostdlib", "-z", "text"])
        .arg("--no-warn-rwx-segments")
        .arg("-T")
        .arg(dir.join("link.ld"))
        .arg("-o")
        .arg(&elf)
        .args(&objects);
    run(linker, &main)?;
    // The tools see the cache, but not every place where the set may go.
    let flat = cache.join("efi.bin");
    toolchain.flatten(&elf, &flat)?;
    fs::copy(flat, file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}

/// Where a source's object goes.
fn object(cache: &Path, source: &Path) -> PathBuf {
    let name = source.file_stem().unwrap_or_default().to_string_lossy();
    cache.join(format!("efi-{name}.o"))
}

/// The table of efi/main.c: `struct program`, names and images.
fn table(toolchain: &Toolchain<'_>, programs: &[Program]) -> Result<String> {
    let board = programs
        .iter()
        .filter(|program| program.directives.apart.is_none() && program.not_on_a_board().is_none());
    let (mut entries, mut contents, mut count) = (String::new(), String::new(), 0);
    for program in [Program::probe()].iter().chain(board) {
        let image = toolchain.build_for_efi(program)?;
        let without = program.directives.without.iter().map(String::as_str);
        let title = match count {
            0 => program.name.clone(),
            _ => program.title(),
        };
        writeln!(
            entries,
            "    .long name{count} - programs, image{count} - programs, end{count} - image{count}\n    \
             .long {:#x}, {:#x}, {:#x}",
            bits(&program.needs())?,
            bits(&without.collect::<Vec<_>>())?,
            program.directives.memory_end,
        )?;
        writeln!(
            contents,
            "name{count}: .asciz \"{title}\"\n    .balign 8\nimage{count}:\n    \
             .incbin \"{}\"\nend{count}:",
            image.display()
        )?;
        count += 1;
    }
    let names: String = features()
        .map(|name| format!("    .asciz \"{name}\"\n"))
        .collect();
    Ok(format!(
        "    .data\n    .globl programs, program_count, feature_names, feature_count\n    \
         .balign 8\nprograms:\n{entries}{contents}    .balign 4\n\
         program_count: .long {count}\nfeature_count: .long {}\nfeature_names:\n{names}",
        features().count()
    ))
}

/// A bit for each feature that is named.
fn bits(names: &[&str]) -> Result<u32> {
    let mut bits = 0;
    for name in names {
        match features().position(|feature| feature == *name) {
            Some(bit) => bits |= 1 << bit,
            None => bail!("no feature {name}"),
        }
    }
    Ok(bits)
}
