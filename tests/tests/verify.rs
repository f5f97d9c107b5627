//! What was recorded is compared with what a logic server answers now, by the real
//! `pulsegate verify`.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use pulsegate_logic::{Event, Logic, Replies, RestoreError, Tick};
use pulsegate_tests::host::Host;
use pulsegate_tests::{Bots, Served, TestClient, TestLogic, TestRelay, pulsegate};
use serde_json::{Value, json};

/// Players on a line, who take a step for each packet, up to its end. How long the line is, is the
/// rule that may change.
struct Line {
    end: u64,
    players: BTreeMap<u64, u64>,
    log: Log,
}

/// What the game itself says: how far the first player was after each tick.
type Log = Arc<Mutex<Vec<(u64, u64)>>>;

impl Logic for Line {
    const NAME: &'static str = "line";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        for event in tick.events() {
            match event {
                Event::Open { session, .. } => _ = self.players.insert(session, 0),
                Event::Close { session, .. } => _ = self.players.remove(&session),
                Event::Packet { session, .. } => {
                    let place = self.players.entry(session).or_default();
                    *place = (*place + 1).min(self.end);
                }
                _ => {}
            }
        }
        let players = self.players.iter().map(|(id, x)| json!({ "id": id, "x": x }));
        let view = json!({ "players": players.collect::<Vec<_>>() });
        replies.all(view.to_string());
        let first = self.players.values().max().copied().unwrap_or(0);
        self.log.lock().unwrap().push((tick.number(), first));
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        Some(serde_json::to_vec(&self.players).unwrap())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.players = serde_json::from_slice(state)?;
        Ok(())
    }

    fn state_hash(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        self.players.hash(&mut hasher);
        Some(hasher.finish())
    }
}

/// Serves lines of this length.
fn serve_line(address: SocketAddr, end: u64) -> (Log, Served) {
    let log = Log::default();
    let told = Arc::clone(&log);
    let game = move || Line { end, players: BTreeMap::new(), log: Arc::clone(&told) };
    (log, Served::at(address, game))
}

fn verify(journal: &Path, logic: SocketAddr, arguments: &[&str]) -> Output {
    let mut command = pulsegate();
    command.arg("verify").arg(journal).args(["--logic", &logic.to_string()]).args(arguments);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

#[track_caller]
fn as_json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output)))
}

#[test]
fn an_arena_with_bots_answers_as_it_did_also_after_a_crash_of_relay_and_arena() {
    let mut relay = TestRelay::before_logic("tick.sleep = \"2ms\"\nlogic.snapshot_every = 50");
    let mut logic = TestLogic::start(relay.logic(), &["arena"]);
    for _ in 0..2 {
        relay.wait_ready();
        let bots = Bots::start(relay.clients(), "--count 50 --join-every 1ms --duration 1s");
        let mut player = TestClient::connect(relay.clients());
        for step in 0..200 {
            player.send(if step % 3 == 0 { r#"{"move":"north"}"# } else { r#"{"move":"east"}"# });
            player.read();
            if step == 100 {
                logic.kill();
                logic.restart();
            }
        }
        // The arena answers what is no move with an error: no echoes for bots.
        let _ = bots.finish();
        relay.kill();
        relay.restart();
    }
    relay.wait_ready();
    let host = Host::take();
    let mut arena = TestLogic::start(host.logic(), &["arena"]);
    // The relay goes on writing.
    let output = verify(&relay.journal(), host.logic(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let verdict = as_json(&output);
    assert_eq!(verdict["verdict"], "same");
    assert!(verdict["compared"].as_u64().unwrap() > 500, "{verdict:#}");
    assert_eq!(verdict["hashes"], verdict["compared"]);
    for from in ["-1s", "300", "session:1:open"] {
        let output = verify(&relay.journal(), host.logic(), &["--from", from]);
        assert_eq!(output.status.code(), Some(0), "{from}: {}", said(&output));
    }
    let output = verify(&relay.journal(), host.logic(), &["--bisect"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    arena.terminate();
}

/// A game on a long line, until somebody is this far: where it was recorded, and its own log.
fn recorded_line(far: u64) -> (TestRelay, Log) {
    let mut relay = TestRelay::before_logic("tick.sleep = \"2ms\"\nlogic.snapshot_every = 10");
    let (log, _serving) = serve_line(relay.logic(), u64::MAX);
    relay.wait_ready();
    let mut clients: Vec<_> = (0..3).map(|_| TestClient::connect(relay.clients())).collect();
    for _ in 0..far {
        for client in &mut clients {
            client.send("step");
        }
        clients[0].read();
        clients[0].read();
    }
    // Several steps may come in one tick; all of them must have come.
    let there = format!("\"x\":{far}}}");
    let mut views = (0..10_000).map(|_| clients[0].read_text());
    assert!(views.any(|view| view.matches(&there).count() == 3));
    drop(views);
    assert!(relay.terminate().success());
    (relay, log)
}

#[test]
fn with_one_rule_changed_the_first_difference_is_the_first_by_the_games_own_log() {
    let (relay, log) = recorded_line(60);
    let log = log.lock().unwrap().clone();
    for end in [3, 20, 45] {
        let host = Host::take();
        let (_, _serving) = serve_line(host.logic(), end);
        let first = log.iter().find(|(_, first)| *first > end).unwrap();
        for arguments in [&["--format", "json"][..], &["--format", "json", "--bisect"]] {
            let output = verify(&relay.journal(), host.logic(), arguments);
            assert_eq!(output.status.code(), Some(1), "{}", said(&output));
            let verdict = as_json(&output);
            let found = &verdict["found"];
            assert_eq!(found["tick"], first.0, "{verdict:#}");
            let difference = &found["difference"];
            assert_eq!(difference["kind"], "value", "{verdict:#}");
            assert_eq!((&difference["index"], &difference["to"]), (&json!(0), &json!("all")));
            assert!(difference["recorded"].as_u64().unwrap() > end, "{verdict:#}");
            assert_eq!(difference["now"], end);
            let path = difference["path"].as_str().unwrap();
            assert!(path.starts_with("players[") && path.ends_with("].x"), "{path}");
        }
        let all = ["--ignore", "players[*].x", "--ignore", "state_hash"];
        let output = verify(&relay.journal(), host.logic(), &all);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    let host = Host::take();
    let (_, _serving) = serve_line(host.logic(), u64::MAX);
    let output = verify(&relay.journal(), host.logic(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn each_format_is_what_its_readers_take() {
    let (relay, _) = recorded_line(20);
    let host = Host::take();
    let (_, _serving) = serve_line(host.logic(), 10);
    let journal = relay.journal();

    let text = said(&verify(&journal, host.logic(), &[]));
    assert!(text.starts_with("different: tick "), "{text}");
    assert!(text.contains(" recorded, 10 now"), "{text}");

    let junit = verify(&journal, host.logic(), &["--format", "junit"]);
    let parsed = parse_xml(&junit.stdout);
    assert_eq!(parsed["tag"], "testsuites", "{parsed}");
    assert_eq!(parsed["failures"], "1");
    assert!(parsed["failure"].as_str().unwrap().contains(" recorded, 10 now"), "{parsed}");

    let github = said(&verify(&journal, host.logic(), &["--format", "github"]));
    assert!(github.starts_with("::error title=pulsegate verify%3A tick "), "{github}");
    assert_eq!(github.trim_end().lines().count(), 1, "{github}");

    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page.html");
    let output = verify(&journal, host.logic(), &["--html", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let page_text = std::fs::read_to_string(&page).unwrap();
    assert!(page_text.starts_with("<!DOCTYPE html>") && page_text.contains("].x"), "{page_text}");
}

/// The root's tag and attributes, and the text of the first failure.
fn parse_xml(xml: &[u8]) -> Value {
    const PARSE: &str = "import json, sys, xml.etree.ElementTree as t\n\
        root = t.fromstring(sys.stdin.buffer.read())\n\
        print(json.dumps({**root.attrib, 'tag': root.tag, 'failure': root.find('.//failure').text}))";
    let mut python = Command::new("python3");
    python.args(["-c", PARSE]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().unwrap();
    python.stdin.take().unwrap().write_all(xml).unwrap();
    let output = python.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_could_not_be_compared_is_neither_same_nor_different() {
    let (relay, _) = recorded_line(5);
    let host = Host::take();
    let nobody = verify(&relay.journal(), host.logic(), &["--format", "json"]);
    assert_eq!(nobody.status.code(), Some(2), "{}", said(&nobody));
    assert_eq!(as_json(&nobody)["verdict"], "could_not_run");
    let (_, _serving) = serve_line(host.logic(), 1);
    for (arguments, hint) in [
        (["--from", "1000000"], "no tick of the journal"),
        (["--from", "session:99:open"], "the opening of session 99"),
        (["--ignore", "players[x]"], "players[*].x"),
    ] {
        let output = verify(&relay.journal(), host.logic(), &arguments);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains(hint), "{hint}: {}", said(&output));
    }
}
