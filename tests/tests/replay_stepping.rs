//! The real `pulsegate replay` before somebody who steps, pauses and compares: through a pipe, and
//! at a terminal.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pulsegate_tests::host::Host;
use pulsegate_tests::{PATIENCE, TestClient, TestLogic, TestRelay, pulsegate, soon};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::Value;

/// A game of two in an arena, without a snapshot, and a fresh logic server to play it to.
struct Scene {
    relay: TestRelay,
    logic: TestLogic,
    host: Host,
}

impl Scene {
    fn of(sample: &str) -> Self {
        let mut relay =
            TestRelay::before_logic("tick.sleep = \"5ms\"\nlogic.snapshot_every = \"off\"");
        let recorded = TestLogic::start(relay.logic(), &["arena"]);
        relay.wait_ready();
        let mut clients: Vec<_> = (0..2).map(|_| TestClient::connect(relay.clients())).collect();
        for _ in 0..30 {
            for client in &mut clients {
                client.send(br#"{"move":"east"}"#);
                client.read();
            }
        }
        assert!(relay.terminate().success());
        drop(recorded);
        let host = Host::take();
        let logic = TestLogic::start(host.logic(), &[sample]);
        Self { relay, logic, host }
    }

    fn last_tick(&self) -> u64 {
        pulsegate_journal::info(self.relay.journal()).unwrap().last_tick
    }

    /// A logic server that has forgotten all.
    fn afresh(&mut self) {
        self.logic.kill();
        self.logic.restart();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.named("replay", arguments)
    }

    fn named(&self, command: &str, arguments: &[&str]) -> Command {
        let mut pulsegate = pulsegate();
        pulsegate.arg(command).arg(self.relay.journal());
        pulsegate.args(["--logic", &self.host.logic().to_string()]).args(arguments);
        pulsegate
    }

    /// Runs a replay to its end with these lines as its input.
    fn pipe(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may have ended before it read all of it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A program at a terminal of its own.
struct AtTerminal {
    child: Child,
    terminal: File,
    said: Arc<Mutex<Vec<u8>>>,
}

impl AtTerminal {
    fn start(mut command: Command) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let end = || ioctl_tiocgptpeer(&terminal, flags).unwrap();
        command.env("TERM", "xterm");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let terminal = File::from(terminal);
        let said = Arc::new(Mutex::new(Vec::new()));
        let (mut output, heard) = (terminal.try_clone().unwrap(), Arc::clone(&said));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // When the program has gone, reading fails.
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                heard.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, terminal, said }
    }

    fn said(&self) -> String {
        text(&self.said.lock().unwrap())
    }

    #[track_caller]
    fn says(&self, wanted: &str) {
        let seen = soon(PATIENCE, || self.said().contains(wanted).then_some(()));
        assert!(seen.is_some(), "{wanted:?} is not in:\n{}", self.said());
    }

    fn press(&mut self, key: &str) {
        self.terminal.write_all(key.as_bytes()).unwrap();
    }

    /// Whether it takes each key at once, and shows none.
    fn takes_single_keys(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let ended = soon(PATIENCE, || self.child.try_wait().unwrap());
        ended.unwrap_or_else(|| panic!("it still runs:\n{}", self.said()))
    }
}

impl Drop for AtTerminal {
    fn drop(&mut self) {
        // One that has ended is as dead as wanted.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

#[test]
fn through_a_pipe_each_line_is_a_tick_and_q_the_end() {
    let scene = Scene::of("arena");
    let from = scene.last_tick() - 20;
    let output = scene.pipe(&["--step", "--from", &from.to_string()], "\nnext\n\nq\n");
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    let way = format!("ticks from 1 on, on the way to {from}, were sent at full speed\n");
    assert!(out.starts_with(&way), "{out}");
    assert!(out.contains("\nEnter, space or n: next tick; c: go on without stopping; q: end\n"));
    let shown = (1..from + 10).filter(|tick| out.contains(&format!("\ntick {tick}, 20")));
    assert_eq!(shown.collect::<Vec<_>>(), [from, from + 1, from + 2, from + 3], "{out}");
    assert!(out.contains("packet        15 B  {\"move\":\"east\"}\n"), "{out}");
    // The last one was shown, and never sent.
    assert_eq!(out.matches("  out  state hash ").count(), 3, "{out}");
    let way = format!("ticks           3 played\n                {} to get there\n", from - 1);
    assert!(out.contains(&way), "{out}");
    assert!(out.contains(&format!("last tick       {}\n", from + 2)), "{out}");
}

#[test]
fn behind_the_last_line_all_goes_on_to_the_recorded_state() {
    let mut scene = Scene::of("arena");
    let whole = scene.pipe(&["--json", "--speed", "max"], "");
    let whole: Value = serde_json::from_slice(&whole.stdout).unwrap();
    for (arguments, input, stops) in [
        (&["--step"][..], "\n\n", 3),
        (&["--step"], "\nc\n", 2),
        (&["--pause-at", "10"], "", 1),
        (&["--step", "--pause-at", "10"], "n\nn\nc\n", 3),
    ] {
        scene.afresh();
        let output = scene.pipe(&[arguments, &["--json", "--speed", "max"]].concat(), input);
        let shown = text(&output.stderr);
        assert!(output.status.success(), "{shown}");
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(summary["state_hash"], whole["state_hash"], "{arguments:?}");
        assert_eq!(shown.matches("\ntick ").count(), stops, "{arguments:?}: {shown}");
    }
}

#[test]
fn at_a_terminal_single_keys_do_it_and_it_is_left_as_it_was() {
    let mut scene = Scene::of("arena");
    for last in ["q", "\x03"] {
        scene.afresh();
        let mut replay = AtTerminal::start(scene.command(&["--step"]));
        replay.says("before tick 1: Enter: next tick");
        assert!(replay.takes_single_keys());
        // An arrow is no key of ours.
        for (key, next) in [("n", 2), (" ", 3), ("\r", 4), ("x\x1b[An", 5)] {
            replay.press(key);
            replay.says(&format!("before tick {next}: "));
        }
        replay.press(last);
        assert!(replay.ends().success(), "{}", replay.said());
        replay.says("4 played");
        assert!(!replay.takes_single_keys());
        assert!(!replay.said().contains("^[[A"), "keys are shown: {}", replay.said());
    }
}

#[test]
fn a_terminal_is_left_as_it_was_when_logic_dies_meanwhile() {
    let mut scene = Scene::of("arena");
    let mut replay = AtTerminal::start(scene.command(&["--pause-at", "10", "--speed", "max"]));
    replay.says("before tick 10: Enter: go on");
    assert!(replay.takes_single_keys());
    scene.logic.kill();
    assert_eq!(replay.ends().code(), Some(1));
    replay.says("error: the ");
    assert!(!replay.takes_single_keys());
}

#[test]
fn logic_may_stand_in_a_debugger_for_longer_than_it_waits_for_a_word() {
    let scene = Scene::of("arena");
    let mut replay = AtTerminal::start(scene.command(&["--pause-at", "10", "--speed", "max"]));
    replay.says("before tick 10: Enter: go on");
    scene.logic.stop_signal();
    thread::sleep(Duration::from_secs(11));
    scene.logic.cont();
    // Should it hang up, it does so before it reads on.
    thread::sleep(Duration::from_millis(600));
    replay.press("\n");
    assert!(replay.ends().success(), "{}", replay.said());
}

#[test]
fn the_first_difference_ends_it_with_the_text_and_status_of_verify() {
    let mut scene = Scene::of("echo");
    let output = scene.pipe(&["--until-diff", "--speed", "max"], "");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let verified = scene.named("verify", &[]).output().unwrap();
    assert_eq!(verified.status.code(), Some(1));
    let (shown, verdict) = (text(&output.stdout), text(&verified.stdout));
    let (verdict, _) = verdict.split_once("took").unwrap();
    assert!(shown.starts_with(verdict), "{shown}\n{verdict}");

    let mut same = Scene::of("arena");
    let arguments = ["--until-diff", "--speed", "max", "--json"];
    let output = same.pipe(&arguments, "");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["verdict"]["found"], Value::Null);
    assert!(summary["verdict"]["compared"].as_u64().unwrap() > 20, "{summary:#}");

    same.logic.terminate();
    let output = same.pipe(&arguments, "");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    scene.logic.terminate();
}

#[test]
fn at_a_terminal_logic_is_left_alone_where_it_differs_until_a_key_is_pressed() {
    let mut scene = Scene::of("echo");
    let mut replay = AtTerminal::start(scene.command(&["--until-diff", "--speed", "max"]));
    replay.says("different: tick ");
    replay.says("Enter: end the link");
    assert!(!scene.logic.program().said().contains("relay left"), "the link has ended");
    replay.press("\n");
    assert_eq!(replay.ends().code(), Some(1), "{}", replay.said());
    scene.logic.program().says("relay left");
}

#[test]
fn a_prelude_puts_the_players_of_that_time_into_the_arena() {
    let scene = Scene::of("arena");
    let from = scene.last_tick() - 10;
    let arguments = ["--prelude", "--from", &from.to_string(), "--speed", "max"];
    let output = scene.pipe(&arguments, "");
    let out = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let began = format!("began with      a made-up tick {}: 2 sessions open, 0 in", from - 1);
    assert!(out.contains(&began), "{out}");
    assert!(!out.contains("to get there"), "{out}");
    // Somebody is there to be told of.
    let replies = out.lines().find_map(|line| line.strip_prefix("replies")).unwrap();
    assert!(replies.trim().parse::<u64>().unwrap() > 5, "{out}");
}
