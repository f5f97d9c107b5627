//! The relay dies without a warning, or is stopped, while clients play.

#![allow(clippy::unwrap_used)]

use std::thread::sleep;
use std::time::Duration;

use pulsegate_protocol::proto::{Cause, Reason, item::Item};
use pulsegate_tests::{Bots, Crowd, Recorded, TestRelay, Witness, eventually};

#[test]
fn fifty_kills_lose_nothing_that_logic_saw_and_leave_no_ghosts() {
    const KILLS: u32 = 50;
    let mut relay = TestRelay::before_logic("tick.sleep = \"5ms\"");
    let witness = Witness::stateless();
    let _listening = witness.listen(relay.logic());
    let crowd = Crowd::of(10, relay.clients());
    for _ in 0..KILLS {
        let (echoes, tick) = (crowd.echoes(), witness.newest());
        eventually("all play", || crowd.echoes() >= echoes + 20 && witness.newest() > tick);
        let mut moment = [0; 1];
        getrandom::fill(&mut moment).unwrap();
        sleep(Duration::from_micros(300 * u64::from(moment[0])));
        relay.kill();
        relay.restart();
    }
    crowd.go_home();
    relay.wait_ready();
    assert!(relay.terminate().success());

    let recorded = Recorded::of(&relay.journal());
    recorded.keeps_all_promises(&witness);
    assert_eq!(recorded.missing(), 0);
    let epoch = relay.journal_ticks().last().unwrap().epoch;
    assert_eq!(epoch, KILLS + 1);
}

#[test]
fn a_relay_that_was_stopped_for_30_seconds_takes_nobody_for_gone() {
    let relay = TestRelay::start("");
    let bots = "--count 500 --rate 2 --join-every 2ms --duration 45s --heartbeat 5s";
    let bots = Bots::start(relay.clients(), bots);
    relay.wait_sessions(500);
    // All are known for longer than one round of heartbeats.
    sleep(Duration::from_secs(6));
    relay.stop_signal();
    sleep(Duration::from_secs(30));
    relay.cont();
    nobody_was_taken_for_gone(&relay, bots);
    let deaf = relay.metric("pulsegate_deaf_seconds_total");
    assert!((29.0..36.0).contains(&deaf), "{deaf} s");
}

#[test]
fn after_the_machine_slept_nobody_is_taken_for_gone_before_there_was_time_to_hear_him() {
    let relay = TestRelay::start("liveness.leave_after = '3s'");
    let bots = "--count 100 --rate 2 --join-every 2ms --duration 14s --heartbeat 1s";
    let bots = Bots::start(relay.clients(), bots);
    relay.wait_sessions(100);
    bots.stop_signal();
    relay.stop_signal();
    sleep(Duration::from_secs(8));
    // It wakes first, and finds nothing in its sockets.
    relay.cont();
    let ticks = relay.metric("pulsegate_ticks_total");
    eventually("it beats again", || relay.metric("pulsegate_ticks_total") > ticks + 10.0);
    bots.cont();
    nobody_was_taken_for_gone(&relay, bots);
}

#[track_caller]
fn nobody_was_taken_for_gone(relay: &TestRelay, bots: Bots) {
    let (flawless, summary) = bots.finish();
    assert!(flawless, "{summary:#}\n{}", relay.log());
    for (tick, item) in relay.journal_items() {
        match item {
            Item::State(change) if change.cause() != Cause::Claim => panic!("{tick}: {change:?}"),
            Item::Close(close) => assert_eq!(close.reason(), Reason::Goodbye, "tick {tick}"),
            _ => {}
        }
    }
}
