// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The kernel's tree with the series in it, and the KVM host's kernel built from
//! that with either choice.
//!
//! Source and build tree are copies of the host kernel's that keep the times of
//! files: make compiles again only what the series and the choice change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Series;
use crate::progress::Step;
use crate::setup::{HostKernel, MAKE_VARIABLES, Products};
use crate::toolroot::{KERNEL_BUILD, KERNEL_SOURCE, ToolRoot};

/// How KVM is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// As without the series.
    Off,
    /// In Rust, as a module.
    Module,
    /// In Rust, in vmlinux.
    BuiltIn,
}

impl Choice {
    /// The lines of .config that make it.
    fn config(self) -> &'static [&'static str] {
        match self {
            Self::Off => &["CONFIG_KVM=m", "# CONFIG_KVM_LOONGARCH_RUST is not set"],
            Self::Module => &["CONFIG_KVM=m", "CONFIG_KVM_LOONGARCH_RUST=y"],
            Self::BuiltIn => &["CONFIG_KVM=y", "CONFIG_KVM_LOONGARCH_RUST=y"],
        }
    }

    /// The module in the build tree.
    fn module(self) -> Option<&'static str> {
        match self {
            Self::Off => Some("arch/loongarch/kvm/kvm.ko"),
            Self::Module => Some("arch/loongarch/kvm/rust/kvm.ko"),
            Self::BuiltIn => None,
        }
    }
}

/// A source tree with the series, and the products that it was made from.
pub(crate) struct Tree<'a> {
    products: &'a Products,
    dir: PathBuf,
    log: PathBuf,
}

impl<'a> Tree<'a> {
    /// Puts the series into a copy of the host kernel's source, inside `dir`, by
    /// `git am`.
    pub(crate) fn make(products: &'a Products, dir: &Path) -> Result<Self> {
        let tree = Self {
            products,
            dir: dir.to_owned(),
            log: dir.join("build.log"),
        };
        let series = Series::make(&crate::setup::workspace()?)?;
        let patches = series.write(&dir.join("series"))?;
        let mut step = Step::start("kernel with the series: applying");
        // Links, not copies: git replaces a file that it changes.
        let source = products.host_kernel.source();
        step.run(copy("-al", source, &tree.source()), &tree.log)?;
        // Only what the series changes is in the repository, and that is outside of
        // the source, where Kbuild would make a release's name of it.
        let mut init = tree.git();
        init.args(["init", "--quiet"]);
        step.run(init, &tree.log)?;
        let mut add = tree.git();
        add.args(["add", "--force", "--"]).args(series.changed());
        step.run(add, &tree.log)?;
        let mut commit = tree.git();
        commit.args(["commit", "--quiet", "--message=base"]);
        step.run(commit, &tree.log)?;
        let mut am = tree.git();
        am.args(["am", "--quiet", "--whitespace=error-all"])
            .args(&patches);
        step.run(am, &tree.log)?;
        step.done();
        Ok(tree)
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.dir.join("linux")
    }

    /// Tools that see the source, and a build tree, where the host kernel's are.
    pub(crate) fn tools(&self, build: &Path) -> ToolRoot {
        self.products
            .tools
            .clone()
            .with_bind(&self.source(), Path::new(KERNEL_SOURCE))
            .with_bind(build, Path::new(KERNEL_BUILD))
    }

    /// Builds a kernel. The objects of a directory that `anew` names are compiled
    /// whether they have changed or not.
    pub(crate) fn build(&self, choice: Choice, anew: &[&str]) -> Result<HostKernel> {
        let dir = self.dir.join(match choice {
            Choice::Off => "off",
            Choice::Module => "module",
            Choice::BuiltIn => "built-in",
        });
        fs::create_dir(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let kernel = HostKernel::built(&dir, &self.source(), choice.module());
        let build = kernel.build();
        let mut step = Step::start("kernel with the series: configuring");
        let copied = self.products.host_kernel.build();
        step.run(copy("-a", &copied, &build), &self.log)?;
        // Builds are counted there, and vmlinux says its number: this is the first.
        fs::remove_file(build.join(".version")).context("the host kernel has no .version")?;
        for directory in anew {
            for object in objects(&build.join(directory))? {
                fs::remove_file(build.join(directory).join(object))?;
            }
        }
        let config = build.join(".config");
        let mut text = fs::read_to_string(&config)?;
        for line in choice.config() {
            text.push_str(line);
            text.push('\n');
        }
        fs::write(&config, text)?;
        step.run(self.kbuild(&build, &["olddefconfig"]), &self.log)?;
        let made = fs::read_to_string(&config)?;
        for wanted in choice.config() {
            ensure!(
                made.lines().any(|line| line == *wanted),
                "the kernel with the series does not take {wanted}"
            );
        }
        step.done();
        let jobs = std::thread::available_parallelism().map_or(1, |n| n.get());
        let jobs = format!("-j{jobs}");
        let mut step = Step::start("kernel with the series: building");
        let make = self.kbuild(&build, &[&jobs, "vmlinux", "modules"]);
        step.compile(make, &self.log, &format!("{KERNEL_SOURCE}/"))?;
        step.done();
        Ok(kernel)
    }

    /// Removes what is large: source and build trees.
    pub(crate) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }

    fn kbuild(&self, build: &Path, arguments: &[&str]) -> Command {
        let mut make = self
            .tools(build)
            .command_in(Path::new(KERNEL_BUILD), "make");
        make.args(["-C", KERNEL_SOURCE, &format!("O={KERNEL_BUILD}")]);
        make.args(MAKE_VARIABLES);
        make.args(arguments);
        make
    }

    /// git without the user's settings.
    fn git(&self) -> Command {
        let mut git = Command::new("git");
        git.current_dir(self.source())
            .env("GIT_DIR", self.dir.join("git"))
            .env("GIT_WORK_TREE", self.source())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null");
        for variable in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{variable}_NAME"), "xtask");
            git.env(format!("GIT_{variable}_EMAIL"), "xtask@localhost");
        }
        git
    }
}

/// A copy of a directory, under a name that is not there yet.
fn copy(how: &str, source: &Path, target: &Path) -> Command {
    let mut cp = Command::new("cp");
    cp.arg(how).arg(source).arg(target);
    cp
}

/// The names of the object files under a directory, in order.
pub(crate) fn objects(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in ignore::WalkBuilder::new(directory)
        .standard_filters(false)
        .sort_by_file_name(|a, b| a.cmp(b))
        .build()
    {
        let entry = entry.with_context(|| format!("cannot list {}", directory.display()))?;
        let path = entry.path();
        if path.extension().is_some_and(|kind| kind == "o") {
            names.push(path.strip_prefix(directory)?.to_owned());
        }
    }
    Ok(names)
}
