//! The logic server dies, hangs or goes away; its clients stay, and miss nothing.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Done, item::Item};
use pulsegate_tests::{Bots, FakeLogic, TestClient, TestLogic, TestRelay, eventually};

/// A moment that has nothing to do with any beat.
fn some_time(from_ms: u64, to_ms: u64) -> Duration {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    Duration::from_millis(from_ms + u64::from_le_bytes(bytes) % (to_ms - from_ms))
}

fn echo(address: SocketAddr) -> TestLogic {
    TestLogic::start(address, &["echo"])
}

/// Bots play with an echo server that is treated badly meanwhile, and notice nothing but a pause.
#[track_caller]
fn nothing_is_lost(
    start: fn(SocketAddr) -> TestLogic,
    bots: &str,
    settings: &str,
    mistreat: impl FnOnce(&TestRelay, &mut TestLogic),
) -> TestRelay {
    let relay = TestRelay::before_logic(settings);
    let mut logic = start(relay.logic());
    relay.wait_ready();
    let bots = Bots::start(relay.clients(), bots);
    eventually("bots play", || relay.metric("pulsegate_frames_out_total") > 100.0);
    mistreat(&relay, &mut logic);
    let (flawless, summary) = bots.finish();
    assert!(flawless, "{summary:#}\n{}", relay.log());
    let departed = relay.departed();
    assert!(departed.iter().all(|client| client["reason"] == "goodbye"), "{departed:?}");
    relay
}

fn kill_again_and_again(relay: &TestRelay, logic: &mut TestLogic) {
    for life in 2..=6 {
        sleep(some_time(200, 900));
        logic.kill();
        logic.restart();
        eventually("the next life is linked", || {
            relay.metric("pulsegate_links_total") >= f64::from(life)
        });
    }
}

fn leave_for_20_seconds(relay: &TestRelay, logic: &mut TestLogic) {
    logic.kill();
    eventually("logic is missed", || relay.get("/readyz").0 != 200);
    let memory = relay.rss_bytes();
    sleep(Duration::from_secs(20));
    let grown = relay.rss_bytes().saturating_sub(memory);
    // The newest ticks are kept in memory too, up to 8 MiB; all others wait on disk.
    assert!(grown < 20 << 20, "the relay grew by {grown} bytes");
    logic.restart();
}

#[test]
fn a_killed_echo_server_costs_no_client_and_no_frame() {
    let bots = "--count 100 --join-every 1ms --duration 8s";
    let relay = nothing_is_lost(echo, bots, "", kill_again_and_again);
    assert!(relay.metric("pulsegate_links_lost_total{reason=\"disconnected\"}") >= 5.0);
}

#[test]
fn a_killed_python_server_costs_no_client_and_no_frame() {
    let bots = "--count 50 --join-every 1ms --duration 12s";
    nothing_is_lost(TestLogic::start_python, bots, "", kill_again_and_again);
}

#[test]
fn an_echo_server_that_is_away_for_20_seconds_is_waited_for() {
    let bots = "--count 50 --join-every 1ms --duration 25s";
    nothing_is_lost(echo, bots, "", leave_for_20_seconds);
}

#[test]
fn a_python_server_that_is_away_for_20_seconds_is_waited_for() {
    let bots = "--count 50 --rate 10 --join-every 1ms --duration 25s";
    nothing_is_lost(TestLogic::start_python, bots, "", leave_for_20_seconds);
}

#[test]
fn a_logic_server_that_hangs_is_given_up_on_in_time_and_its_clients_stay() {
    let settings = "logic.timeout = \"2s\"";
    let bots = "--count 50 --join-every 1ms --duration 8s";
    let relay = nothing_is_lost(echo, bots, settings, |relay, logic| {
        logic.stop_signal();
        let stopped = Instant::now();
        eventually("the link is dead", || relay.get("/readyz").0 != 200);
        let noticed = stopped.elapsed().as_secs_f64();
        assert!((1.0..4.0).contains(&noticed), "noticed after {noticed} s");
        logic.cont();
    });
    assert_eq!(relay.metric("pulsegate_links_lost_total{reason=\"silent\"}"), 1.0);
}

#[test]
fn logic_that_was_away_catches_up_with_a_pace_that_is_quicker_than_itself() {
    let work = Duration::from_millis(4);
    let settings = "tick.strategy = \"fixed\"\ntick.sleep = \"1ms\"\ntick.stall_after = \"50ms\"";
    let mut relay = TestRelay::before_logic(settings);
    let mut answered = 0;
    let working = FakeLogic::listen(relay.logic()).serve(move |tick| {
        answered += 1;
        let hangs = answered == 20;
        sleep(if hangs { Duration::from_secs(1) } else { work });
        Some(Done { tick: tick.number, ..Done::default() })
    });
    relay.wait_ready();
    let unanswered = || relay.metric("pulsegate_ticks_unanswered");
    eventually("beats go on without logic", || unanswered() > 200.0);
    eventually("logic is at the newest tick", || unanswered() <= 1.0);
    relay.kill();
    working.join().unwrap();
}

#[test]
fn a_killed_arena_knows_where_everybody_was() {
    let relay = TestRelay::before_logic("logic.snapshot_every = 20");
    let mut logic = TestLogic::start(relay.logic(), &["arena"]);
    relay.wait_ready();
    let mut clients: Vec<_> = (0..5).map(|_| TestClient::connect(relay.clients())).collect();
    for _ in 0..4 {
        for (index, client) in clients.iter_mut().enumerate() {
            for _ in 0..=index {
                client.send(br#"{"move":"east"}"#);
                client.send(br#"{"move":"south"}"#);
            }
        }
        let before = settled_view(&mut clients[0], &relay);
        logic.kill();
        logic.restart();
        for client in &mut clients {
            assert_eq!(settled_view(client, &relay)["players"], before["players"]);
        }
    }
    assert_eq!(relay.sessions().len(), 5);
    let closed = |(_, item): &(u64, Item)| matches!(item, Item::Close(_));
    assert!(!relay.journal_items().iter().any(closed));
}

/// What the arena shows once it has taken in all that was sent so far.
fn settled_view(client: &mut TestClient, relay: &TestRelay) -> serde_json::Value {
    let status = relay.admin_json("/api/status");
    let now = status["tick"]["newest"].as_u64().unwrap_or_else(|| panic!("{status:#}"));
    loop {
        let view: serde_json::Value = serde_json::from_slice(&client.read()).unwrap();
        if view["tick"].as_u64().is_some_and(|tick| tick > now + 5) {
            return view;
        }
    }
}

/// As long as players need not wait for more than logic itself.
const AT_ONCE: Duration = Duration::from_millis(250);

#[test]
fn a_logic_server_that_listens_again_is_found_at_once_however_long_it_was_away() {
    let relay = TestRelay::before_logic("");
    for _ in 0..3 {
        sleep(some_time(1500, 2500));
        let logic = FakeLogic::listen(relay.logic());
        let listens = Instant::now();
        let mut link = logic.accept_stateless();
        let found = listens.elapsed();
        assert!(found < AT_ONCE, "found after {found:?}");
        let tick = link.next_tick().unwrap();
        link.done(tick.number);
    }
}

#[test]
fn a_logic_server_that_dies_at_once_is_tried_more_and_more_rarely_until_it_has_answered() {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let dies = || drop(logic.accept_stateless());
    dies();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let died = Instant::now();
        dies();
        pauses.push(died.elapsed());
    }
    assert!(pauses[0] < AT_ONCE && pauses[5] > Duration::from_secs(1), "{pauses:?}");

    let mut link = logic.accept_stateless();
    let tick = link.next_tick().unwrap();
    link.done(tick.number);
    eventually("it is answered", || {
        relay.admin_json("/api/status")["tick"]["answered"].as_u64() >= Some(tick.number)
    });
    drop(link);
    let died = Instant::now();
    dies();
    assert!(died.elapsed() < AT_ONCE, "{:?}", died.elapsed());
}
