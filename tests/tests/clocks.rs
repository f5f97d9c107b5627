//! Wall clocks that jump, and processors that are lent to others.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Cause, item::Item};
use pulsegate_tests::tools::libfaketime;
use pulsegate_tests::{Bots, TestClient, TestRelay, alone, eventually};

const HOUR_NS: i128 = 3_600_000_000_000;

#[test]
fn a_wall_clock_that_jumps_moves_neither_ticks_nor_anyones_silence() {
    let Some(library) = libfaketime() else { return };
    let offset = tempfile::NamedTempFile::new().unwrap();
    fs::write(&offset, "+0").unwrap();
    let relay = TestRelay::launch("liveness.leave_after = '20s'", |command| {
        command
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", offset.path())
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    });
    let mut client = TestClient::connect(relay.clients());
    for jump in ["+3600", "-3600", "+0"] {
        client.echo(jump);
        fs::write(&offset, jump).unwrap();
        let tick = relay.journal_ticks().last().unwrap().number;
        eventually("ticks go on", || relay.journal_ticks().last().unwrap().number > tick + 10);
    }
    client.echo("still here");
    assert_eq!(relay.session(1)["state"], "alive");

    let ticks = relay.journal_ticks();
    let steps = || ticks.windows(2).map(|pair| (&pair[0], &pair[1]));
    let jumps: Vec<i128> = steps()
        .map(|(one, next)| i128::from(next.wall_ns) - i128::from(one.wall_ns))
        .filter(|step| step.abs() > HOUR_NS / 2)
        .collect();
    assert_eq!(jumps.len(), 3, "the clock was set, and that is on record: {jumps:?}");
    for (one, next) in steps() {
        assert!(next.monotonic_ns > one.monotonic_ns && next.number == one.number + 1);
        assert!(next.monotonic_ns - one.monotonic_ns < 5_000_000_000, "tick {}", next.number);
    }
}

#[test]
fn with_a_twentieth_of_a_processor_ticks_are_late_and_nobody_is_taken_for_silent() {
    let _alone = alone();
    let relay = TestRelay::start("liveness.leave_after = '600ms'");
    let bots = "--count 20 --rate 5 --duration 8s --heartbeat 200ms";
    let bots = Bots::start(relay.clients(), bots);
    relay.wait_sessions(20);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        relay.stop_signal();
        sleep(Duration::from_millis(380));
        relay.cont();
        sleep(Duration::from_millis(20));
    }
    let (flawless, summary) = bots.finish();
    assert!(flawless, "{summary:#}\n{}", relay.log());
    let late = |tick: &pulsegate_protocol::proto::Tick| tick.since_last_ns > 300_000_000;
    let ticks = relay.journal_ticks();
    assert!(ticks.iter().filter(|tick| late(tick)).count() >= 10, "ticks were late");
    assert!(ticks.windows(2).all(|pair| pair[1].number == pair[0].number + 1));
    for (tick, item) in relay.journal_items() {
        match item {
            Item::State(change) if change.cause() != Cause::Claim => panic!("{tick}: {change:?}"),
            _ => {}
        }
    }
}
