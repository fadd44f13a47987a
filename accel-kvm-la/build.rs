// SPDX-License-Identifier: GPL-2.0-or-later

//! Links the launcher and the library with libgcc's unwinder instead of `libgcc_s.so.1`,
//! which Rust's standard library asks for. QEMU and its libraries have no use for that file:
//! each start would load it twice for the backend alone.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    if is("CARGO_CFG_TARGET_ARCH", "loongarch64") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        let directory = env::var_os("OUT_DIR")
            .map(PathBuf::from)
            .unwrap_or_default();
        // A linker script: the linker takes it for the file.
        fs::write(directory.join("libgcc_s.so"), "INPUT ( -lgcc_eh )\n")?;
        println!("cargo::rustc-link-search=native={}", directory.display());
    }
    Ok(())
}
