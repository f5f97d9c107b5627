//! The arena sample in a long recording with many bots: it answers as it did; and with one of its
//! rules changed, the first difference that is found is the first there is.

#![allow(clippy::unwrap_used)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pulsegate_journal::info;
use pulsegate_logic::samples::Arena;
use pulsegate_logic::{Event, Logic, Replies, RestoreError, Tick};
use pulsegate_tests::host::Host;
use pulsegate_tests::{Bots, Served, TestClient, TestLogic, TestRelay, alone, pulsegate, soon};
use serde_json::Value;

#[allow(missing_docs, unreachable_pub, reason = "it is a sample of the SDK")]
mod changed {
    include!(concat!(env!("OUT_DIR"), "/changed_arena.rs"));
}

const TICKS: u64 = 10_000;
/// A view of all is 5 KB: whoever does not get round to reading for a moment is not to be closed.
const SETTINGS: &str = r#"
    tick.sleep = "2ms"
    logic.snapshot_every = 500
    limits.outbox = "4MiB"
    limits.sessions = 300
"#;

const MOVES: [&str; 4] = ["north", "south", "east", "west"];

/// A game that keeps a log of how its world was after each tick.
struct Logged<L> {
    game: L,
    log: Log,
}

/// Ticks, and what was made of the state after each.
type Log = Arc<Mutex<Vec<(u64, u64)>>>;

impl<L: Logic> Logic for Logged<L> {
    const NAME: &'static str = L::NAME;

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        self.game.tick(tick, replies);
        let mut hasher = DefaultHasher::new();
        self.game.snapshot().hash(&mut hasher);
        self.log.lock().unwrap().push((tick.number(), hasher.finish()));
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        self.game.snapshot()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.game.restore(state)
    }

    fn state_hash(&self) -> Option<u64> {
        self.game.state_hash()
    }
}

/// Replays a recording into a game; the game's own log.
fn replayed<L: Logic + Default>(journal: &Path) -> Vec<(u64, u64)> {
    let (host, log) = (Host::take(), Log::default());
    let told = Arc::clone(&log);
    let game = move || Logged { game: L::default(), log: Arc::clone(&told) };
    let _served = Served::at(host.logic(), game);
    let (code, summary) = run("replay", journal, host.logic(), &["--speed", "max", "--json"]);
    assert_eq!(code, 0, "{summary:#}");
    std::mem::take(&mut *log.lock().unwrap())
}

fn run(what: &str, journal: &Path, logic: SocketAddr, arguments: &[&str]) -> (i32, Value) {
    let mut command = pulsegate();
    command.arg(what).arg(journal).args(["--logic", &logic.to_string()]).args(arguments);
    let output = command.output().unwrap();
    let said = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), said)
}

/// 200 bots come one after another, whose packets the arena takes for errors, and four players
/// walk about.
fn record() -> TestRelay {
    let relay = TestRelay::before_logic(SETTINGS);
    let _arena = TestLogic::start(relay.logic(), &["arena"]);
    relay.wait_ready();
    let _bots = Bots::start(relay.clients(), "--count 200 --join-every 20ms --duration 300s");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for walker in 0..4 {
            let (clients, over) = (relay.clients(), &over);
            scope.spawn(move || walk(TestClient::connect(clients), walker, over));
        }
        let played = || relay.metric("pulsegate_ticks_total") > TICKS as f64;
        let played = soon(Duration::from_secs(300), || played().then_some(()));
        over.store(true, Relaxed);
        played.expect("so many ticks take no 300 s");
    });
    relay
}

/// A step for each view that comes.
fn walk(mut player: TestClient, mut chance: usize, over: &AtomicBool) {
    while !over.load(Relaxed) {
        player.read();
        // More to the east than back: the wall is there.
        chance = chance.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
        let step = MOVES[[2, chance >> 61 & 3][chance >> 63]];
        player.send(format!(r#"{{"move":"{step}"}}"#));
    }
}

#[test]
fn ten_thousand_ticks_are_the_same_and_a_changed_rule_is_found_where_it_first_tells() {
    let _turn = alone();
    let mut relay = record();
    assert!(relay.terminate().success());
    let journal = relay.journal();

    let host = Host::take();
    let _arena = TestLogic::start(host.logic(), &["arena"]);
    let (code, verdict) = run("verify", &journal, host.logic(), &["--format", "json"]);
    assert_eq!((code, &verdict["verdict"]), (0, &"same".into()), "{verdict:#}");
    let answered = info(&journal).unwrap().answered;
    assert!(answered > TICKS);
    assert_eq!(verdict["compared"], answered, "{verdict:#}");
    assert_eq!(verdict["hashes"], verdict["compared"]);

    let (was, is) = (replayed::<Arena>(&journal), replayed::<changed::Arena>(&journal));
    assert_eq!(was.len(), is.len());
    let first = was.iter().zip(&is).find(|(was, is)| was != is).unwrap().0.0;
    let host = Host::take();
    let _changed = Served::at(host.logic(), changed::Arena::default);
    for arguments in [&["--format", "json"][..], &["--format", "json", "--bisect"]] {
        let (code, verdict) = run("verify", &journal, host.logic(), arguments);
        assert_eq!(code, 1, "{verdict:#}");
        assert_eq!(verdict["found"]["tick"], first, "{verdict:#}");
    }
}
