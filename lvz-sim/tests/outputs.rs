// SPDX-License-Identifier: Apache-2.0 OR MIT

//! The files that `lvz-sim run` writes and reads, and how a run ends that cannot write one.

#![allow(clippy::expect_used)]

mod program;
mod running;

use program::*;
use running::{PATIENCE, Running};
use rustix::process::Signal;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Sends a line to the second serial port, and powers off.
fn second_port() -> Program {
    let mut code = vec![
        lu12i_w(T0, 0x1fe00),
        ori(T0, T0, 0x2e0),
        addi_w(T1, ZERO, u32::from(b'y')),
        st_b(T1, T0, 0),
        addi_w(T1, ZERO, u32::from(b'\n')),
        st_b(T1, T0, 0),
    ];
    code.extend(power_off(ZERO));
    Program::new(&code)
}

/// Powers off with 0.
fn short() -> Program {
    Program::new(&power_off(ZERO))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}

fn names(program: &Program) -> Vec<String> {
    let entries = fs::read_dir(program.path("")).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn results_go_behind_what_a_redirected_output_has() {
    let program = short();
    let log = program.path("log");
    let link = program.path("link");
    symlink("/proc/self/fd/1", &link).expect("a link");
    for name in ["/dev/stdout", "/proc/self/fd/1", text(&link), text(&log)] {
        let mut file = File::create(&log).expect("a log");
        file.write_all(b"before\n").expect("a line");
        let inode = fs::metadata(&log).expect("a log").ino();
        let mut command = Command::new(SIMULATOR);
        let arguments = ["--stats", name, "--profile", name, "--serial1", name];
        let command = program.arguments(&mut command, "@0x200000", &arguments);
        let status = command.stdout(file).status().expect("the simulator");
        assert_eq!(status.code(), Some(0), "{name}");
        let written = fs::read_to_string(&log).expect("a log");
        assert!(written.starts_with("before\n{"), "{name}: {written}");
        assert!(
            written.ends_with('\n') && written.contains("host;kernel"),
            "{name}: {written}"
        );
        assert_eq!(fs::metadata(&log).expect("a log").ino(), inode, "{name}");
    }
    assert_eq!(names(&program), ["link", "log", "program"]);
}

#[test]
fn a_dash_is_standard_output_for_each_result() {
    let program = second_port();
    for (arguments, begin) in [
        (&["--stats", "-"][..], &b"{"[..]),
        (&["--profile", "-"], b"host;"),
        (&["--dump-dtb", "-"], b"\xd0\x0d\xfe\xed"),
        (&["--serial1", "-"], b"y\n"),
    ] {
        let output = program.run("@0x200000", arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stdout.starts_with(begin), "{output:?}");
    }
    let endless = Program::new(&[B_SELF]);
    let output = endless.run(
        "@0x200000",
        &["--max-instructions", "1k", "--snapshot-out", "-"],
    );
    assert_eq!(output.status.code(), Some(0), "{:?}", output.stderr);
    // To a pipe, which cannot be synchronised; it is a whole one.
    let snapshot = endless.path("snapshot");
    fs::write(&snapshot, &output.stdout).expect("a file");
    let resumed = Command::new(SIMULATOR)
        .args([
            "run",
            "--memory",
            "64M",
            "--max-instructions",
            "1M",
            "--snapshot-in",
        ])
        .arg(&snapshot)
        .output();
    assert_eq!(resumed.expect("the simulator").status.code(), Some(124));
    let null = ["--max-instructions", "1k", "--snapshot-out", "/dev/null"];
    assert_eq!(endless.said(&null).0, Some(0));
}

#[test]
fn no_file_is_written_that_another_option_names() {
    let program = short();
    let [disk, link, new, dtb] = ["disk", "link", "new", "tree"].map(|name| program.path(name));
    fs::write(&disk, [7; 512]).expect("a disk");
    symlink("disk", &link).expect("a link");
    let own = program.path("program");
    let [disk, link, new, dtb, own] = [&disk, &link, &new, &dtb, &own].map(|path| text(path));
    let read_only = format!("{disk},readonly");
    for (arguments, options) in [
        (["--serial1", own, "--seed", "1"], ["--load", "--serial1"]),
        (
            ["--stats", link, "--drive", &read_only],
            ["--drive", "--stats"],
        ),
        (
            ["--snapshot-out", disk, "--initrd", link],
            ["--initrd", "--snapshot-out"],
        ),
        (["--profile", new, "--stats", new], ["--stats", "--profile"]),
        (
            ["--drive", disk, "--drive", &read_only],
            ["--drive and", "--drive"],
        ),
        (
            ["--dump-dtb", disk, "--symbols", disk],
            ["--symbols", "--dump-dtb"],
        ),
    ] {
        let arguments = [&arguments[..], &["--max-instructions", "1M"]].concat();
        program.refused(
            &arguments,
            &[&options[..], &["name the same file"]].concat(),
        );
    }
    assert_eq!(fs::read(disk).expect("the disk"), [7; 512]);
    assert_eq!(names(&program), ["disk", "link", "program"]);
    // A device is none, and files of one kind may follow each other.
    let null = ["--stats", "/dev/null", "--profile", "/dev/null"];
    assert_eq!(program.said(&null).0, Some(0));
    assert_eq!(program.said(&["--dump-dtb", dtb]).0, Some(0));
    assert_eq!(program.said(&["--dump-dtb", dtb, "--dtb", dtb]).0, Some(0));
}

#[test]
fn nothing_is_emptied_by_a_run_that_cannot_start() {
    let program = short();
    let port = program.path("port");
    fs::write(&port, "earlier").expect("a file");
    let port_name = text(&port);
    program.refused(
        &["--serial1", port_name, "--initrd", "/nowhere"],
        &["/nowhere"],
    );
    program.refused(
        &["--serial1", port_name, "--symbols", "/nowhere"],
        &["/nowhere"],
    );
    assert_eq!(fs::read(&port).expect("a file"), b"earlier");
}

#[test]
fn what_cannot_be_written_is_said_before_anything_runs() {
    let program = endless();
    let directory = program.path("");
    for option in ["--stats", "--profile", "--serial1", "--snapshot-out"] {
        for place in ["/nowhere/file", text(&directory)] {
            // It would not end by itself.
            let arguments = [option, place, "--max-instructions", "100G"];
            program.refused(&arguments, &["cannot write", place]);
        }
    }
}

#[test]
fn one_result_that_is_lost_does_not_lose_the_others() {
    let program = Program::new(&[B_SELF]);
    for (lost, what) in [
        ("--stats", "cannot write statistics to '/dev/full'"),
        ("--profile", "cannot write the profile to '/dev/full'"),
        ("--snapshot-out", "cannot write the snapshot to '/dev/full'"),
    ] {
        let mut arguments = vec!["--max-instructions", "1k", "--hash"];
        let files = ["--stats", "--profile", "--snapshot-out"].map(|name| program.path(name));
        let options = ["--stats", "--profile", "--snapshot-out"];
        for (option, file) in options.into_iter().zip(&files) {
            let _ = fs::remove_file(file);
            let place = if option == lost {
                "/dev/full"
            } else {
                text(file)
            };
            arguments.extend([option, place]);
        }
        let (status, said) = program.said(&arguments);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(what) && said.contains("state "), "{said}");
        for (option, file) in options.into_iter().zip(&files) {
            assert_eq!(file.exists(), option != lost, "{lost}: {option}");
        }
    }
}

#[test]
fn output_of_the_second_port_that_is_lost_is_said_once() {
    let program = second_port();
    let (status, said) = program.said(&["--serial1", "/dev/full"]);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("second serial port is lost: No space left"),
        "{said}"
    );
}

#[test]
fn a_signal_ends_a_run_whose_output_nothing_reads() {
    // Lines, for ever.
    let program = Program::new(&[
        lu12i_w(T0, 0x1fe00),
        ori(T0, T0, 0x1e0),
        addi_w(T1, ZERO, u32::from(b'\n')),
        st_b(T1, T0, 0),
        // b -4
        0x53ff_ffff,
    ]);
    let stats = program.path("stats");
    let mut simulator = Running::of(&program, &["--stats", text(&stats)]);
    let output = simulator.0.stdout.take().expect("its output");
    let until = Instant::now() + PATIENCE;
    // A pipe holds 64 KiB, of which a byte may take a page.
    let waits = |bytes: u64| {
        std::thread::sleep(Duration::from_millis(300));
        rustix::io::ioctl_fionread(&output).expect("a pipe") == bytes
    };
    loop {
        let bytes = rustix::io::ioctl_fionread(&output).expect("a pipe");
        if bytes > 0 && waits(bytes) {
            break;
        }
        assert!(Instant::now() < until, "the pipe never fills");
    }
    simulator.signal(Signal::TERM);
    assert_eq!(simulator.ends(), Some(128 + 15));
    let figures = fs::read_to_string(&stats).expect("figures");
    assert!(figures.contains("\"instructions\""), "{figures}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_drive_that_is_written_has_one_user() {
    let program = endless();
    let disk = program.path("disk");
    fs::write(&disk, [0; 4096]).expect("a disk");
    let disk = text(&disk);
    let [read_only, volatile] = ["readonly", "volatile"].map(|mode| format!("{disk},{mode}"));
    let all = [disk, &read_only, &volatile];
    for first in all {
        let mut holder = Running::of(&program, &["--drive", first]);
        holder.says_a_letter();
        for second in all {
            let arguments = ["--drive", second, "--max-instructions", "1k"];
            if first == disk || second == disk {
                program.refused(&arguments, &[disk, "another program has it open"]);
            } else {
                assert_eq!(program.said(&arguments).0, Some(124), "{first} {second}");
            }
        }
    }
}

#[test]
fn a_snapshot_names_what_differs() {
    let program = Program::new(&[B_SELF]);
    let [snapshot, disk] = ["snapshot", "disk"].map(|name| program.path(name));
    fs::write(&disk, [0; 4096]).expect("a disk");
    let (snapshot, disk) = (text(&snapshot), text(&disk));
    let save = ["--max-instructions", "1M", "--snapshot-out", snapshot];
    assert_eq!(program.said(&save).0, Some(0));
    for (arguments, parts) in [
        (
            ["--memory", "64M", "--drive", disk],
            &["snapshot", "virtio devices"][..],
        ),
        (
            ["--memory", "1G", "--seed", "0"],
            &["64 MiB", "1 GiB", "--memory"],
        ),
        (
            ["--memory", "64M", "--max-instructions", "1M"],
            &["--max-instructions 1000000", "from the machine's start"],
        ),
    ] {
        let output = Command::new(SIMULATOR)
            .args(["run", "--snapshot-in", snapshot])
            .args(arguments)
            .output()
            .expect("the simulator");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(!said.contains("cannot save"), "{said}");
        assert!(said.matches("does not match").count() <= 1, "{said}");
    }
}

#[test]
fn a_device_tree_with_other_memory_is_said() {
    let program = short();
    let tree = program.path("tree");
    let tree = text(&tree);
    let dump = ["--dump-dtb", tree];
    assert_eq!(program.said(&dump), (Some(0), String::new()));
    assert_eq!(program.said(&["--dtb", tree]), (Some(0), String::new()));
    let other = Command::new(SIMULATOR)
        .args(["run", "--memory", "32M", "--dtb", tree, "--load"])
        .arg(format!("{}@0x200000", text(&program.path("program"))))
        .output()
        .expect("the simulator");
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert_eq!(other.status.code(), Some(0), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("64 MiB") && said.contains("32 MiB"), "{said}");
}

fn ld_bu(rd: u32, rj: u32, imm: u32) -> u32 {
    0x2a00_0000 | imm << 10 | rj << 5 | rd
}

fn andi(rd: u32, rj: u32, imm: u32) -> u32 {
    0x0340_0000 | imm << 10 | rj << 5 | rd
}

/// `beqz`, two instructions back.
fn beqz_back(rj: u32) -> u32 {
    0x43ff_f81f | rj << 5
}

/// Says a letter, waits for one, and asks for a reset.
fn resetting() -> Program {
    Program::new(&[
        lu12i_w(T0, 0x1fe00),
        ori(T0, T0, 0x1e0),
        addi_w(T1, ZERO, u32::from(b'x')),
        st_b(T1, T0, 0),
        // Until LSR has DR.
        ld_bu(T1, T0, 5),
        andi(T1, T1, 1),
        beqz_back(T1),
        lu12i_w(T0, 0x100e0),
        ori(T0, T0, 0x1c),
        addi_w(T1, ZERO, 0x42),
        st_b(T1, T0, 2),
        B_SELF,
    ])
}

#[test]
fn a_machine_that_cannot_boot_again_leaves_its_results() {
    let program = resetting();
    let [stats, socket] = ["stats", "socket"].map(|name| program.path(name));
    let socket = text(&socket);
    for debugged in [&[][..], &["--gdb", socket]] {
        let initrd = program.path("initrd");
        fs::write(&initrd, "soon gone").expect("a file");
        let arguments = [
            &["--stats", text(&stats), "--initrd", text(&initrd)],
            debugged,
        ]
        .concat();
        let mut simulator = Running::with_input(&program, &arguments, Stdio::piped());
        simulator.says_a_letter();
        fs::remove_file(&initrd).expect("a file to remove");
        let input = simulator.0.stdin.as_mut().expect("its input");
        input.write_all(b"y").expect("an open input");
        assert_eq!(simulator.ends(), Some(2));
        let mut said = String::new();
        let mut errors = simulator.0.stderr.take().expect("its errors");
        errors.read_to_string(&mut said).expect("text");
        assert!(said.contains(text(&initrd)), "{said}");
        assert!(said.contains("asked for a reset"), "{said}");
        let figures = fs::read_to_string(&stats).expect("figures");
        assert!(figures.contains("\"instructions\""), "{figures}");
        fs::remove_file(&stats).expect("a file to remove");
    }
}

#[test]
fn nothing_is_emptied_for_a_debugger_that_cannot_come() {
    let program = second_port();
    let log = program.path("log");
    fs::write(&log, "kept").expect("a log");
    let place = program.path("no/socket");
    let arguments = ["--serial1", text(&log), "--gdb", text(&place)];
    program.refused(&arguments, &[text(&place), "cannot wait for a debugger"]);
    assert_eq!(fs::read(&log).expect("a log"), b"kept");
}
