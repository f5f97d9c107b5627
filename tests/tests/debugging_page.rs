//! What `docs/debugging.md` has its reader type prints what it shows.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pulsegate_tests::host::Host;
use pulsegate_tests::{Program, TestLogic, pulsegate};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Each command of the page whose output is shown, with that output.
fn shown() -> Vec<(String, String)> {
    let page = fs::read_to_string(root().join("docs/debugging.md")).unwrap();
    let blocks: Vec<_> = page.split("```").skip(1).step_by(2).collect();
    let output = |pair: &[&str]| Some((command(pair[0])?, pair[1].strip_prefix("text\n")?.into()));
    blocks.windows(2).filter_map(output).collect()
}

/// The last line of a block, if it calls Pulsegate.
fn command(block: &str) -> Option<String> {
    let line = block.strip_prefix("console\n")?.trim_end().lines().last()?;
    Some(line.strip_prefix("$ pulsegate ")?.to_owned())
}

/// What a command prints, with an empty line for each key, and without what took time.
fn printed(arguments: &str, logic: SocketAddr) -> String {
    let arguments = arguments.replace("127.0.0.1:14002", &logic.to_string());
    let mut command = pulsegate();
    command.current_dir(root()).args(arguments.split_whitespace());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Most read no keys, and may have ended by now.
    let _ = child.stdin.take().unwrap().write_all(b"\n\n\n\n");
    let output = child.wait_with_output().unwrap();
    lasting(&String::from_utf8([output.stderr, output.stdout].concat()).unwrap())
}

fn lasting(text: &str) -> String {
    let measured = |line: &&str| !["took ", "speed "].iter().any(|word| line.starts_with(word));
    text.lines().map(str::trim_end).filter(measured).collect::<Vec<_>>().join("\n")
}

fn first_arena(address: SocketAddr) -> Program {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let built = Command::new(cargo)
        .current_dir(root())
        .args(["build", "--release", "-p", "pulsegate-logic", "--example", "first_arena"])
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(built.status.success(), "the example could not be built");
    let messages = String::from_utf8(built.stdout).unwrap();
    let executables: Vec<_> = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(str::to_owned))
        .collect();
    let mut game = Command::new(executables.last().unwrap());
    game.arg(address.to_string());
    Program::start(game)
}

#[test]
fn the_reader_of_the_debugging_page_sees_what_it_shows() {
    let (faulty, mended) = (Host::take(), Host::take());
    let _first = first_arena(faulty.logic());
    let _mended = TestLogic::start(mended.logic(), &["arena"]);
    pulsegate_tests::eventually("both listen", || {
        [&faulty, &mended].iter().all(|host| std::net::TcpStream::connect(host.logic()).is_ok())
    });
    let shown = shown();
    assert_eq!(shown.len(), 9, "{shown:#?}");
    let fix = shown.iter().position(|(_, output)| output.starts_with("different")).unwrap();
    for (place, (command, output)) in shown.iter().enumerate() {
        let logic = if place < fix { faulty.logic() } else { mended.logic() };
        assert_eq!(printed(command, logic), lasting(output.trim_end()), "{command}");
    }
}
