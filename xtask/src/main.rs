// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Every command of this project: `cargo xtask setup`, `boot`, `test`, `bench`,
//! `conformance`, `dist`, `sim`, `gdb`, `lldb` and `env`.

// Its macros are for all that follows.
#[macro_use]
mod output;

mod backend;
mod bench;
mod boot;
mod cache;
mod cargo;
mod conformance;
mod debugger;
mod dist;
mod house;
mod initramfs;
mod kernel_module;
mod kernel_patches;
mod kvm_programs;
mod linked;
mod machine;
mod nested;
mod progress;
mod qtest_program;
mod resident;
mod rust_source;
mod said;
mod setup;
mod sim;
mod sources;
mod streams;
mod test;
mod toolroot;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use setup::KernelOption;

/// The commands of this project. Each sets up what it needs.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring up toolchain, userland and kernels, and do nothing else.
    Setup {
        #[command(flatten)]
        kernel: KernelOption,
        /// The debug kernel too, which `test module --debug-kernel` runs on
        #[arg(long)]
        debug_kernel: bool,
        /// Kernel and userland for the suites `libvirt` and `clients` too
        #[arg(long)]
        clients: bool,
        /// The disk that UEFI firmware boots in the suite `firmware` too
        #[arg(long)]
        firmware: bool,
    },
    /// Simulator, KVM host, QEMU and a guest to its init; then what its exits cost.
    Boot(boot::Options),
    /// Run test suites.
    Test(test::Options),
    /// Measure our stack beside the upstream stack.
    Bench(bench::Options),
    /// Write the bare-metal programs for other emulators and boards, and run them there.
    Conformance(conformance::Options),
    /// Make Debian packages.
    Dist(dist::Options),
    /// Write the series that puts KVM in Rust into a kernel's tree.
    KernelPatches(kernel_patches::Options),
    /// Figures about the sources: lines, unsafe code, circles, rules that are types.
    House(house::Options),
    /// Run the simulator itself.
    Sim {
        /// lvz-sim's own arguments: `cargo xtask sim -- run --help` lists its options.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Run a GDB that knows LoongArch.
    #[command(disable_help_flag = true)]
    Gdb {
        /// GDB's own arguments: `cargo xtask gdb vmlinux -ex 'target remote :1234'`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Run an LLDB that knows LoongArch.
    #[command(disable_help_flag = true)]
    Lldb {
        /// LLDB's own arguments: `cargo xtask lldb vmlinux -o 'gdb-remote 1234'`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Print where the products of `setup` are, as NAME=VALUE lines.
    Env(KernelOption),
    /// Run a tool of the toolchain root. It sees your files at the paths that they have, but for
    /// those below directories of the root's own: /usr, /etc, /var and the like.
    Tool {
        #[command(flatten)]
        kernel: KernelOption,
        /// The tool and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<std::ffi::OsString>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Setup {
            kernel,
            debug_kernel,
            clients,
            firmware,
        } => {
            let products = setup::products(kernel)?;
            if debug_kernel {
                products.with_debug_kernel()?;
            }
            if clients {
                products.with_clients()?;
            }
            if firmware {
                products.firmware_disk()?;
            }
            eprintln!("set up in {}", products.cache.dir().display());
            Ok(ExitCode::SUCCESS)
        }
        Command::Boot(options) => boot::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Conformance(options) => conformance::run(&options),
        Command::Dist(options) => dist::run(&options),
        Command::KernelPatches(options) => kernel_patches::run(&options),
        Command::House(options) => house::run(&options),
        Command::Sim { arguments } => match sim::run(&arguments)? {},
        Command::Gdb { arguments } => match debugger::run("gdb-multiarch", &arguments)? {},
        Command::Lldb { arguments } => match debugger::run("lldb", &arguments)? {},
        Command::Env(kernel) => {
            for (name, value) in setup::products(kernel)?.environment() {
                println!("{name}={}", value.display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Tool { kernel, words } => {
            let products = setup::products(kernel)?;
            let Some((program, arguments)) = words.split_first() else {
                anyhow::bail!("no tool is named");
            };
            let status = products
                .kernel_tools()
                .with_outside()?
                .command(program)?
                .args(arguments)
                .status()?;
            Ok(exit_code(status))
        }
    }
}

/// The exit status to hand on for a process that we ran in our place.
fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_is_behind_a_debugger_is_its_own() {
        for line in [
            &["gdb", "-nx", "vmlinux", "-ex", "target remote :1234"][..],
            &["lldb", "--batch", "-o", "gdb-remote 1234", "--help"],
            &["gdb", "--help"],
            &["lldb"],
        ] {
            let words = [&["xtask"], line].concat();
            let parsed = Arguments::try_parse_from(words)
                .expect("a debugger's line")
                .command;
            let (name, arguments) = match parsed {
                Command::Gdb { arguments } => ("gdb", arguments),
                Command::Lldb { arguments } => ("lldb", arguments),
                _ => panic!("another command: {line:?}"),
            };
            let found: Vec<_> = arguments.iter().map(|word| word.to_str()).collect();
            let expected: Vec<_> = line[1..].iter().map(|word| Some(*word)).collect();
            assert_eq!((name, found), (line[0], expected));
        }
    }
}
