// SPDX-License-Identifier: Apache-2.0 OR MIT

//! `lvz-sim run` as a user has it: what it loads, what the program finds, what it says.

#![allow(clippy::expect_used)]

mod program;
mod running;

use program::*;
use running::Running;
use rustix::process::Signal;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::{ChildStdout, Stdio};
use std::process::{Command, Output};

const A0: u32 = 4;
const T2: u32 = 14;

fn sub_d(rd: u32, rj: u32, rk: u32) -> u32 {
    0x0011_8000 | rk << 10 | rj << 5 | rd
}

fn rdtime_d(rd: u32, rj: u32) -> u32 {
    0x0000_6800 | rj << 5 | rd
}

/// `idle 0`.
const IDLE: u32 = 0x0648_8000;

/// Runs a program with a limit of the simulator's address space.
fn run_within(program: &Program, mebibytes: u64, arguments: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    let limited = format!("ulimit -v {} && exec \"$0\" \"$@\"", mebibytes << 10);
    shell.args(["-c", &limited, SIMULATOR]);
    program.run_by(shell, "@0x200000", arguments)
}

#[test]
fn protocols_and_addresses() {
    let program = Program::new(&power_off(A0));
    for (address, protocol, code) in [
        ("@0x200000", "efi", 1),
        ("@0x2000000", "fdt", 0xfe),
        ("@0x9000000000300000", "fdt", 0xfe),
    ] {
        let output = program.run(address, &["--boot-protocol", protocol]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    let output = program.run("@0x1ff000", &[]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("below 0x200000"), "{text}");
}

/// An ELF file for LoongArch64 of its header alone, of type `kind`.
fn elf_header(kind: u8) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    // e_type, e_machine, e_version, e_ehsize, e_phentsize.
    for (at, value) in [(16, kind), (18, 2), (19, 1), (20, 1), (52, 64), (54, 56)] {
        header[at] = value;
    }
    header
}

#[test]
fn what_is_loaded_in_an_unusual_way_is_said() {
    const RELOCATABLE: u8 = 1;
    const EXECUTABLE: u8 = 2;
    let program = Program::new(&power_off(A0));
    let path = program.path("elf");
    let name = path.to_str().expect("a path of text");
    std::fs::write(&path, elf_header(EXECUTABLE)).expect("a file");
    let raw = format!("{name}@0x300000");
    let output = program.run("@0x200000", &["--load", &raw]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("loaded as it is, headers included"), "{text}");

    std::fs::write(&path, elf_header(RELOCATABLE)).expect("a file");
    let output = program.run("@0x200000", &["--load", name]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("relocatable object: link it first"), "{text}");
}

#[test]
fn without_anything_to_run_the_options_are_named() {
    let output = Command::new(SIMULATOR).arg("run").output();
    let output = output.expect("the simulator's output");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    for option in ["--kernel", "--load", "--firmware", "--snapshot-in"] {
        assert!(text.contains(option), "{text}");
    }
}

#[test]
fn the_pace_of_instructions() {
    let mut code = vec![rdtime_d(T2, ZERO)];
    code.extend([addi_w(ZERO, ZERO, 0); 9]);
    code.extend([rdtime_d(A0, ZERO), sub_d(A0, A0, T2)]);
    code.extend(power_off(A0));
    let program = Program::new(&code);
    // Ten instructions; a tick is ten nanoseconds.
    for (pace, ticks) in [("1", 1), ("10", 10), ("250", 250)] {
        for engine in ["interpreter", "jit,hot=1"] {
            let arguments = ["--ns-per-instruction", pace, "--engine", engine];
            let output = program.run("@0x200000", &arguments);
            assert_eq!(output.status.code(), Some(ticks), "{output:?}");
        }
    }
}

#[test]
fn what_is_counted_does_not_change_the_hash() {
    let program = Program::new(&power_off(A0));
    let hash = |arguments: &[&str]| {
        let output = program.run("@0x200000", arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(" instructions, state "), "{text}");
        text
    };
    let counted = ["--hash", "--stats-events", "--stats", "/dev/null"];
    assert_eq!(hash(&["--hash"]), hash(&counted));
}

#[test]
fn the_device_tree_is_written_and_nothing_runs() {
    let program = Program::new(&power_off(A0));
    let tree = program.path("tree.dtb");
    let path = tree.to_str().expect("a path of text");
    let output = program.run("@0x200000", &["--dump-dtb", path, "--append", "marked"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let bytes = std::fs::read(&tree).expect("the device tree");
    assert_eq!(bytes.first_chunk(), Some(&[0xd0, 0x0d, 0xfe, 0xed]));
    assert!(bytes.windows(7).any(|window| window == b"marked\0"));
    // It is one that can be brought back.
    let output = program.run("@0x200000", &["--dtb", path, "--dump-dtb", path]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        std::fs::read(&tree).expect("the device tree").len(),
        bytes.len()
    );
}

#[test]
fn the_device_tree_of_each_board_is_written_and_nothing_is_opened() {
    let program = Program::new(&power_off(A0));
    let (tree, port) = (program.path("tree.dtb"), program.path("port"));
    let [tree, port] = [&tree, &port].map(|path| path.to_str().expect("a path of text"));
    for (board, part) in [
        ("virt-mmio", &b"virtio,mmio"[..]),
        ("virt", b"pci-host-ecam-generic"),
        ("3a5000", b"loongson,ls7a-pci"),
    ] {
        let net = ["--net", "stream,connect=/nowhere/socket"];
        let arguments = ["--machine", board, "--dump-dtb", tree, "--serial1", port];
        let output = program.run("@0x200000", &[&arguments[..], &net].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        let bytes = std::fs::read(tree).expect("the device tree");
        assert!(bytes.windows(part.len()).any(|bytes| bytes == part));
        assert!(!Path::new(port).exists());
    }
}

#[test]
fn a_lint_names_the_place_and_the_rule() {
    // `break 0`, whose handler is at address 0, where there is no instruction.
    let program = Program::new(&[0x002a_0000]);
    let arguments = ["--trace", "lint", "--max-instructions", "10000"];
    let output = program.run("@0x200000", &arguments);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("stopped by --max-instructions"), "{text}");
    let findings: Vec<&str> = text.lines().filter(|line| line.contains("lint:")).collect();
    assert_eq!(findings.len(), 1, "{text}");
    for part in [
        "INE of `.word 0x00000000` 8 times in a row",
        "pc=0x0",
        "no progress",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn files_that_are_not_what_they_should_be() {
    let program = Program::new(&power_off(ZERO));
    let output = program.run("", &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--load FILE@0xADDRESS"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    // A machine that goes on has been booted.
    for boot in [["--append", "quiet"], ["--boot-protocol", "fdt"]] {
        let output = Command::new(SIMULATOR)
            .args(["run", "--snapshot-in", "/nowhere/snapshot"])
            .args(boot)
            .output()
            .expect("the simulator's output");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(boot[0]), "{said}");
    }
    // Even if nothing asks for symbols.
    let symbols = ["--symbols", "/nowhere/vmlinux"];
    program.refused(&symbols, &["cannot read '/nowhere/vmlinux'"]);
    let text = program.path("text");
    std::fs::write(&text, "no object file").expect("a file");
    let text = text.to_str().expect("a path of text");
    program.refused(&["--symbols", text], &[text, "is no object file"]);
}

#[test]
fn a_snapshot_that_is_not_written_is_said() {
    for (code, written) in [(&[B_SELF][..], true), (&power_off(ZERO), false)] {
        let program = Program::new(code);
        let path = program.path("snapshot");
        let name = path.to_str().expect("a path of text");
        let arguments = ["--max-instructions", "1000", "--snapshot-out", name];
        let (status, text) = program.said(&arguments);
        assert_eq!(status, Some(i32::from(!written)), "{text}");
        assert_eq!(text.contains("no snapshot"), !written, "{text}");
        assert_eq!(path.exists(), written, "{text}");
    }
}

#[test]
fn without_memory_for_code_all_is_interpreted() {
    let program = Program::new(&power_off(A0));
    let ends = |output: &Output| output.status.code() == Some(1);
    // Less than the memory for code beyond what the interpreter needs.
    let enough = (64..1024)
        .step_by(8)
        .find(|&limit| ends(&run_within(&program, limit, &["--engine", "interpreter"])))
        .expect("a limit that the interpreter keeps");
    let output = run_within(&program, enough + 24, &[]);
    assert!(ends(&output), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("all instructions are interpreted"), "{text}");
    let output = run_within(&program, enough + 24, &["--engine", "jit"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = run_within(&program, enough + 1024, &[]);
    assert!(ends(&output) && output.stderr.is_empty(), "{output:?}");
}

/// Whether the stream ends, because nothing holds its other end any more, within `limit`.
#[cfg(target_os = "linux")]
fn ends_within(stream: ChildStdout, limit: std::time::Duration) -> bool {
    use std::io::Read as _;
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut stream = stream;
        // The receiver is gone after the limit.
        let _ = sender.send(stream.read_to_end(&mut Vec::new()).is_ok());
    });
    receiver.recv_timeout(limit).unwrap_or(false)
}

/// A simulator whose parent, a shell, is killed: whether it ends too.
#[cfg(target_os = "linux")]
fn ends_with_its_parent(program: &Program) -> bool {
    use rustix::process::{Pid, Signal, kill_process_group};
    use std::io::Read as _;
    use std::os::unix::process::CommandExt as _;
    use std::time::Duration;
    let mut shell = Command::new("sh");
    // Two commands, so that the shell stays.
    shell.args(["-c", "\"$0\" \"$@\" --exit-with-parent=$$; true", SIMULATOR]);
    let shell = program.arguments(&mut shell, "@0x200000", &[]);
    let spawned = shell.stdout(Stdio::piped()).process_group(0).spawn();
    let mut shell = spawned.expect("a shell");
    let group = Pid::from_child(&shell);
    let mut stdout = shell.stdout.take().expect("its output");
    // The machine runs: it has said a letter.
    let began = stdout.read_exact(&mut [0]);
    shell.kill().expect("a shell to kill");
    shell.wait().expect("its end");
    let ended = began.is_ok() && ends_within(stdout, Duration::from_secs(20));
    // The simulator, if it is still there.
    let _ = kill_process_group(group, Signal::KILL);
    ended
}

#[cfg(target_os = "linux")]
#[test]
fn the_simulator_ends_with_its_parent() {
    assert!(ends_with_its_parent(&endless()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_parent_that_has_ended_is_found_out() {
    let program = Program::new(&power_off(A0));
    let own = format!("--exit-with-parent={}", std::process::id());
    for option in ["--exit-with-parent", &own] {
        let output = program.run("@0x200000", &[option]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
    // A child that was waited for has this number no more, and was never the parent.
    let mut gone = Command::new("true").spawn().expect("a process");
    gone.wait().expect("its end");
    let option = format!("--exit-with-parent={}", gone.id());
    let output = program.run("@0x200000", &[&option]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(&option), "{text}");
}

/// With a debugger that may come it does not end by itself.
#[test]
fn a_machine_that_is_idle_for_ever_waits_for_a_debugger_until_a_signal() {
    use std::io::{BufRead as _, BufReader};
    let program = Program::new(&[IDLE, B_SELF]);
    let alone = program.run("@0x200000", &[]);
    let text = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert_eq!(alone.status.code(), Some(1), "{text}");
    assert!(text.contains("every CPU is idle"), "{text}");
    let socket = program.path("gdb");
    let socket_name = socket.to_str().expect("a path of text");
    for signal in [Signal::TERM, Signal::INT] {
        let mut simulator = Running::of(&program, &["--gdb", socket_name]);
        let errors = BufReader::new(simulator.0.stderr.take().expect("its errors"));
        let mut lines = errors.lines().map(|line| line.expect("a line of text"));
        let waits = "every CPU is idle and nothing will ever wake one: it waits for a debugger";
        assert!(lines.any(|line| line.contains(waits)), "it does not wait");
        simulator.signal(signal);
        let said = format!("stopped by signal {}", signal.as_raw());
        assert!(lines.any(|line| line.contains(&said)), "not {said}");
        assert_eq!(simulator.ends(), Some(128 + signal.as_raw()));
    }
}

#[test]
fn a_signal_ends_a_run_with_its_figures() {
    use std::io::{BufRead as _, BufReader};
    let program = endless();
    let stats = program.path("stats.json");
    let stats_name = stats.to_str().expect("a path of text");
    let socket = program.path("gdb");
    let socket_name = socket.to_str().expect("a path of text");
    let waits = ["--gdb", socket_name, "--gdb-wait"];
    for (arguments, signal, status) in [
        (&["--stats", stats_name][..], Signal::TERM, 128 + 15),
        (&[], Signal::INT, 128 + 2),
        (&waits, Signal::TERM, 128 + 15),
    ] {
        let mut simulator = Running::of(&program, arguments);
        let mut errors = BufReader::new(simulator.0.stderr.take().expect("its errors"));
        let mut line = String::new();
        // It runs, or waits for the debugger.
        if arguments.contains(&"--gdb-wait") {
            errors.read_line(&mut line).expect("a line");
        } else {
            simulator.says_a_letter();
        }
        simulator.signal(signal);
        line.clear();
        errors.read_line(&mut line).expect("a line");
        assert_eq!(simulator.ends(), Some(status), "{line}");
        let said = format!("stopped by signal {}", status - 128);
        assert!(line.contains(&said), "{line}");
    }
    let figures = std::fs::read_to_string(&stats).expect("figures");
    assert!(figures.contains("\"instructions\""), "{figures}");
}
