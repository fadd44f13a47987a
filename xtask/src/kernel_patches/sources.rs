// SPDX-License-Identifier: Apache-2.0 OR MIT

//! A source of the checkout as a file of the kernel's tree: without its tests,
//! and as the part of a patch that adds it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

/// A source without the items under `#[cfg(test)]`, and the files of the modules
/// among them: the tests run on the workstation and need crates that the kernel
/// does not have. The text is formatted by rustfmt.
pub(super) fn without_tests(file: &Path, text: &str) -> Result<(String, Vec<PathBuf>)> {
    let mut kept = String::new();
    let mut modules = Vec::new();
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        if line.trim_end() != "#[cfg(test)]" {
            kept.push_str(line);
            continue;
        }
        let item = lines.next().unwrap_or_default().trim_end();
        if let Some(name) = item.strip_prefix("mod ").and_then(|m| m.strip_suffix(';')) {
            modules.extend(module_files(file, name));
        } else if item.starts_with("mod ") && item.ends_with('{') {
            while lines.next().is_some_and(|line| line.trim_end() != "}") {}
        } else {
            bail!(
                "{}: no module is under #[cfg(test)]: {item}",
                file.display()
            );
        }
        // One empty line less, at whichever end of what is left.
        if lines.peek().is_none() {
            kept.truncate(kept.trim_end().len());
            kept.push('\n');
        } else if kept.ends_with("\n\n") && lines.peek().is_some_and(|line| *line == "\n") {
            lines.next();
        }
    }
    ensure!(
        !kept.contains("cfg(test)]"),
        "{}: a test within an item",
        file.display()
    );
    Ok((kept, modules))
}

/// Where the module `name` of a source may be: a file, and a directory.
fn module_files(file: &Path, name: &str) -> [PathBuf; 2] {
    let base = match file.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs" | "mod.rs") => file.with_file_name(""),
        _ => file.with_extension(""),
    };
    [base.join(format!("{name}.rs")), base.join(name)]
}

/// The part of a patch that adds a file, and its number of lines.
pub(super) fn addition(target: &str, text: &str) -> Result<(String, usize)> {
    ensure!(text.ends_with('\n'), "{target}: the last line has no end");
    ensure!(!text.contains('\r'), "{target}: lines end in CR LF");
    ensure!(
        text.lines()
            .take(2)
            .any(|line| line.contains("SPDX-License-Identifier: ")),
        "{target}: no SPDX-License-Identifier in its first lines"
    );
    let count = text.lines().count();
    let mut diff = format!(
        "diff --git a/{target} b/{target}\n\
         new file mode 100644\n\
         --- /dev/null\n\
         +++ b/{target}\n\
         @@ -0,0 +1,{count} @@\n"
    );
    for line in text.lines() {
        diff.push('+');
        diff.push_str(line);
        diff.push('\n');
    }
    Ok((diff, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_their_files_are_left_out() -> Result<()> {
        let text = "mod a;\n\n#[cfg(test)]\nmod model;\n\nfn f() {}\n\n\
                    #[cfg(test)]\nmod tests {\n    fn t() {\n    }\n}\n";
        let (kept, files) = without_tests(Path::new("src/mmu.rs"), text)?;
        assert_eq!(kept, "mod a;\n\nfn f() {}\n");
        assert_eq!(
            files,
            [
                PathBuf::from("src/mmu/model.rs"),
                PathBuf::from("src/mmu/model")
            ]
        );
        let (_, files) = without_tests(Path::new("src/lib.rs"), "#[cfg(test)]\nmod x;\n")?;
        assert_eq!(files[0], PathBuf::from("src/x.rs"));
        Ok(())
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let text = "#[cfg(test)]\nfn f() {}\n";
        assert!(without_tests(Path::new("lib.rs"), text).is_err());
    }

    #[test]
    fn a_file_says_its_licence() -> Result<()> {
        let text = "// SPDX-License-Identifier: MIT\nfn f() {}\n";
        let (diff, count) = addition("arch/a.rs", text)?;
        assert_eq!(count, 2);
        assert!(diff.ends_with("@@ -0,0 +1,2 @@\n+// SPDX-License-Identifier: MIT\n+fn f() {}\n"));
        assert!(addition("arch/a.rs", "fn f() {}\n").is_err());
        Ok(())
    }
}
