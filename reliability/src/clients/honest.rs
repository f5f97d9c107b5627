//! Honest clients, and how they fare.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{State, item::Item};
use pulsegate_tests::{PATIENCE, TestClient, TestRelay, eventually, pulsegate};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::attack::Figures;

/// Longer than any scenario: they are told when to stop.
const LONG: &str = "24h";

/// Bots that play until they are told to stop.
#[derive(Debug)]
pub(crate) struct Players(Option<Child>);

impl Players {
    /// So many join, 5,000 a second; returns when all are in. `more` are arguments of
    /// `pulsegate bots`, such as `--rate 5`.
    #[track_caller]
    pub(crate) fn start(relay: &TestRelay, count: usize, more: &str) -> Self {
        let inside = || relay.metric("pulsegate_sessions_opened_total");
        let all = inside() + count as f64;
        let mut bots = pulsegate();
        bots.arg("bots").arg(relay.clients().to_string()).args(more.split_whitespace());
        bots.args(["--count", &count.to_string(), "--join-every", "200us", "--duration", LONG]);
        bots.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let players = Self(Some(bots.spawn().unwrap()));
        eventually(&format!("{count} players are in"), || inside() >= all);
        players
    }

    /// Lets them finish: answers are awaited, and goodbyes said.
    pub(crate) fn finish(mut self) -> Played {
        let bots = self.0.take().unwrap();
        kill_process(Pid::from_child(&bots), Signal::INT).unwrap();
        Played(serde_json::from_slice(&bots.wait_with_output().unwrap().stdout).unwrap())
    }
}

impl Drop for Players {
    fn drop(&mut self) {
        if let Some(bots) = &mut self.0 {
            let _ = bots.kill();
            let _ = bots.wait();
        }
    }
}

/// What honest clients saw.
#[derive(Debug)]
pub(crate) struct Played(Value);

impl Played {
    /// Every packet came back once and in order, and nobody was thrown out.
    #[track_caller]
    pub(crate) fn must_be_flawless(&self, while_: &str) {
        self.must_have_stayed(while_);
        for fault in ["lost", "doubled", "out_of_order", "misdelivered"] {
            assert_eq!(self.0[fault], 0, "while {while_}: {fault}: {:#}", self.0);
        }
    }

    /// All were in, and left of their own will.
    #[track_caller]
    pub(crate) fn must_have_stayed(&self, while_: &str) {
        assert_eq!(self.0["joined"], self.0["bots"], "while {while_}: {:#}", self.0);
        assert_eq!(self.0["closes"], json!({ "goodbye": self.0["bots"] }), "while {while_}");
    }

    /// What 99 in 100 round trips stay under.
    pub(crate) fn p99(&self) -> Duration {
        Duration::from_micros(self.0["round_trip_us"]["p99"].as_u64().unwrap())
    }
}

/// How long a new client waits for its first answer, its connect included.
#[track_caller]
pub(crate) fn connect_and_echo(relay: SocketAddr) -> Duration {
    let began = Instant::now();
    TestClient::connect(relay).echo("here I am");
    began.elapsed()
}

/// Honest clients' round trips in peace and under attack, measured by turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) clients: usize,
    pub(crate) rounds: usize,
    pub(crate) each: Duration,
}

impl Turns {
    /// Median p99 in peace, median p99 under attack, and the largest in peace over the smallest.
    /// `attack` begins one, which lasts until what it returns is dropped.
    pub(crate) fn measure<A>(
        &self,
        relay: &TestRelay,
        mut attack: impl FnMut() -> A,
    ) -> (Duration, Duration, f64) {
        let (mut peace, mut war) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            peace.push(self.play(relay));
            let attack = attack();
            war.push(self.play(relay));
            drop(attack);
        }
        peace.sort_unstable();
        war.sort_unstable();
        let noise = peace.last().unwrap().div_duration_f64(peace[0]);
        (peace[self.rounds / 2], war[self.rounds / 2], noise)
    }

    fn play(&self, relay: &TestRelay) -> Duration {
        let players = Players::start(relay, self.clients, "--rate 5");
        std::thread::sleep(self.each);
        let played = players.finish();
        played.must_be_flawless("others attack");
        played.p99()
    }

    /// Measures, adds the figures, and holds them to a factor. What peace itself varies by, on a
    /// machine that does other things, is no attacker's fault.
    #[track_caller]
    pub(crate) fn hold<A>(
        &self,
        name: &str,
        factor: f64,
        relay: &TestRelay,
        figures: &mut Figures,
        attack: impl FnMut() -> A,
    ) {
        let (peace, war, noise) = self.measure(relay, attack);
        let ratio = war.div_duration_f64(peace);
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
        figures.add(&format!("{name}: honest clients"), self.clients);
        figures.add(&format!("{name}: honest p99 in peace, ms"), ms(peace));
        figures.add(&format!("{name}: honest p99 under attack, ms"), ms(war));
        figures.add(&format!("{name}: ratio, at most {factor}"), format!("{ratio:.2}"));
        figures.add(&format!("{name}: slowest peace by fastest"), format!("{noise:.2}"));
        assert!(ratio <= factor * noise, "{name}: {peace:?} in peace, {war:?} under attack");
    }
}

/// Nobody was put into `leave`, and nobody was closed but by a goodbye.
#[track_caller]
pub(crate) fn nobody_was_misjudged(relay: &TestRelay) {
    let items = relay.journal_items();
    let leaves = items
        .iter()
        .filter(|(_, item)| matches!(item, Item::State(change) if change.state() == State::Leave));
    // A goodbye is a claim, and whoever says it is closed at once.
    assert_eq!(leaves.count(), 0, "false leaves");
    let metrics = relay.metrics();
    let silent = "pulsegate_sessions_closed_total{reason=\"silent\"}";
    let silent = metrics.lines().find(|line| line.starts_with(silent));
    assert_eq!(silent, None);
}

/// Reads whatever comes, until it is over: a client that takes what it is sent.
pub(crate) fn swallow(mut client: impl std::io::Read) {
    let mut buffer = vec![0; 65_536];
    let began = Instant::now();
    while matches!(client.read(&mut buffer), Ok(read) if read > 0)
        && began.elapsed() < 10 * PATIENCE
    {}
}
