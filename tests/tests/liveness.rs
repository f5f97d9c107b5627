//! Alive, leave, close: at the configured times, with their events in the journal.

#![allow(clippy::unwrap_used)]

use std::thread;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Tick, item::Item};
use pulsegate_tests::fake_logic::reply_to;
use pulsegate_tests::history::told;
use pulsegate_tests::{FakeLogic, TestClient, TestRelay, alone, eventually, eventually_some};

const ALIVE: &str = r#"{"ip": "192.0.2.77", "status": "alive"}"#;
const LEAVE: &str = r#"{"ip": "192.0.2.77", "status": "leave"}"#;

/// A beat's time is taken before it judges; on a busy machine there may be so long between.
const HASTE: Duration = Duration::from_millis(50);

/// The tick that says something of session 1, the one before it, and their beats' times.
fn ticks_around(ticks: &[Tick], what: &str) -> (Duration, Duration) {
    let says = |tick: &Tick| {
        let items = tick.items.iter().filter_map(|item| told(item.item.as_ref()?));
        items.into_iter().any(|(session, told)| session == 1 && told == what)
    };
    let index = ticks.iter().position(says).unwrap_or_else(|| panic!("nothing says {what:?}"));
    let beat = |index: usize| Duration::from_nanos(ticks[index].monotonic_ns);
    (beat(index - 1), beat(index))
}

#[test]
fn silence_is_leave_and_then_close_in_the_first_tick_after_each_deadline() {
    let _alone = alone();
    let relay = TestRelay::start(
        "liveness.leave_after = '400ms'\nliveness.close_after = '900ms'\ntick.sleep = '20ms'\n\
         client.first_frame_within = '900ms'\nclient.frame_within = '900ms'",
    );
    let mut client = TestClient::connect(relay.clients());
    client.echo("last words");
    assert_eq!(client.read_close().reason, "silent");
    assert_eq!(
        relay.whole_history(1),
        ["open", "packet last words", "leave (silence)", "close (silent)"]
    );

    // The last frame came between the beats around it; each event belongs into the first tick
    // after its deadline. Time in which the relay itself did not run does not count.
    let ticks = relay.journal_ticks();
    let deaf = Duration::from_secs_f64(relay.metric("pulsegate_deaf_seconds_total"));
    let (earliest, latest) = ticks_around(&ticks, "packet last words");
    for (what, deadline) in [("leave (silence)", 400), ("close (silent)", 900)] {
        let deadline = Duration::from_millis(deadline);
        let (before, at) = ticks_around(&ticks, what);
        let (earliest, latest) = (earliest + deadline, latest + deadline + deaf);
        assert!(at + HASTE >= earliest, "{what}: {at:?}, {earliest:?}");
        assert!(before < latest, "{what}: not in the tick after {before:?}, {latest:?}");
    }
}

#[test]
fn any_frame_proves_life_packets_without_heartbeats_as_well_as_the_other_way_round() {
    let relay = TestRelay::start(
        "liveness.leave_after = '1s'\nliveness.close_after = '2s'\n\
         client.first_frame_within = '2s'\nclient.frame_within = '2s'",
    );
    let mut talker = TestClient::connect(relay.clients());
    let mut beater = TestClient::connect(relay.clients());
    let mut mute = TestClient::connect(relay.clients());
    mute.echo("the last that is heard");
    let closed = eventually_some("the mute one is closed", || {
        talker.echo("packet");
        beater.send("");
        thread::sleep(Duration::from_millis(50));
        relay.departed().first().cloned()
    });
    assert_eq!((&closed["id"], &closed["reason"]), (&3.into(), &"silent".into()));
    for session in [1, 2] {
        let history = relay.history(session);
        assert!(!history.iter().any(|told| told.starts_with("leave")), "{history:?}");
    }
}

#[test]
fn a_frame_ends_a_leave() {
    let relay = TestRelay::start("liveness.leave_after = '200ms'\nliveness.close_after = '1min'");
    let mut client = TestClient::connect(relay.clients());
    client.send("");
    eventually("it leaves", || relay.session(1)["state"] == "leave");
    client.send("");
    eventually("it is back in the journal", || {
        relay
            .history(1)
            .starts_with(&["open", "leave (silence)", "alive (frame)"].map(String::from))
    });
}

const SCORE: &str = "liveness.policy = 'score'\nliveness.interval = '100ms'\n\
    liveness.threshold = 2\nliveness.strikes = 2\nliveness.recover = 2\n\
    liveness.leave_hold = '600ms'\ntick.sleep = '20ms'";

#[test]
fn quiet_intervals_add_up_to_strikes_and_strikes_to_leave() {
    let _alone = alone();
    let relay = TestRelay::start(SCORE);
    let mut client = TestClient::connect(relay.clients());
    client.send("");
    eventually("the first strike", || relay.session(1)["strikes"] == 1);
    assert_eq!(client.read_close().reason, "left_too_long");
    let history = relay.whole_history(1);
    assert_eq!(history, ["open", "leave (strikes)", "close (left_too_long)"]);

    // Interval 1 was steady, and the score does not go under 0; 2 to 5 were quiet: 2 strikes.
    let ticks = relay.journal_ticks();
    let (before_open, open) = ticks_around(&ticks, "open");
    let (before_leave, leave) = ticks_around(&ticks, "leave (strikes)");
    let (before_close, _) = ticks_around(&ticks, "close (left_too_long)");
    let due = Duration::from_millis(500);
    let deaf = Duration::from_secs_f64(relay.metric("pulsegate_deaf_seconds_total"));
    assert!(leave + HASTE >= before_open + due, "{leave:?}");
    assert!(before_leave < open + due + deaf, "{before_leave:?}");
    assert!(before_close < leave + Duration::from_millis(600) + HASTE + deaf, "{before_close:?}");
}

#[test]
fn steady_intervals_take_strikes_away_and_end_a_leave_for_them() {
    let relay = TestRelay::start(&SCORE.replace("'600ms'", "'1min'"));
    let mut client = TestClient::connect(relay.clients());
    client.send("");
    eventually("it leaves", || relay.session(1)["state"] == "leave");
    eventually("it is back", || {
        client.send("");
        thread::sleep(Duration::from_millis(20));
        relay.session(1)["state"] == "alive"
    });
    assert_eq!(relay.session(1)["strikes"], 0);
    assert_eq!(relay.history(1)[..3], ["open", "leave (strikes)", "alive (steady)"]);
}

#[test]
fn heartbeats_without_a_packet_become_idle_and_a_packet_ends_it() {
    let relay = TestRelay::start("liveness.idle_after = '300ms'");
    let mut client = TestClient::connect(relay.clients());
    eventually("it is idle", || {
        client.send("");
        thread::sleep(Duration::from_millis(20));
        relay.session(1)["state"] == "leave"
    });
    client.send("here");
    eventually("it is back", || relay.session(1)["state"] == "alive");
    assert_eq!(relay.history(1)[..4], ["open", "leave (idle)", "packet here", "alive (frame)"]);
}

#[test]
fn policy_off_leaves_the_silent_to_tcp() {
    let relay = TestRelay::start(
        "liveness.policy = 'off'\nliveness.leave_after = '20ms'\nliveness.close_after = '40ms'\n\
         tick.sleep = '10ms'",
    );
    let mut client = TestClient::connect(relay.clients());
    client.echo("and now nothing");
    let newest = || relay.admin_json("/api/status")["tick"]["newest"].as_u64().unwrap();
    let begin = newest();
    eventually("30 beats more", || newest() > begin + 30);
    client.echo("still here");
    assert_eq!(relay.history(1), ["open", "packet and now nothing", "packet still here"]);
}

#[test]
fn replies_to_a_session_in_leave_are_held_back_and_handed_over_in_order() {
    let _alone = alone();
    let relay = TestRelay::before_logic("liveness.leave_sync = '700ms'");
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept_stateless();
    let mut client = TestClient::connect(relay.clients());
    client.send(LEAVE);
    let tick = link.skip_until("the leave", |tick| {
        tick.items.iter().any(|item| matches!(item.item, Some(Item::State(_))))
    });
    let leave = Instant::now();
    link.done(tick.number);
    for word in ["one", "two", "three"] {
        link.push(tick.number, vec![reply_to(1, word.as_bytes())]);
    }
    assert_eq!(client.read_within(Duration::from_millis(400)), None, "it is held back");
    assert_eq!(client.read_text(), "one");
    assert!(leave.elapsed() > Duration::from_millis(500), "{:?}", leave.elapsed());
    assert_eq!((client.read_text(), client.read_text()), ("two".into(), "three".into()));

    // Whoever comes back has not to wait.
    link.push(tick.number, vec![reply_to(1, b"four")]);
    client.send(ALIVE);
    let back = link.skip_until("the return", |tick| {
        tick.items.iter().any(|item| matches!(item.item, Some(Item::State(_))))
    });
    link.done(back.number);
    assert_eq!(client.read_text(), "four");
    link.push(back.number, vec![reply_to(1, b"five")]);
    assert_eq!(client.read_text(), "five");
}
