//! What happens at the limits, and to those who keep away from them.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Done, Pace};
use pulsegate_tests::{FakeLogic, TestClient, TestRelay, alone, eventually};

#[test]
fn of_those_who_say_nothing_the_longest_waiting_makes_room_for_the_next() {
    let relay = TestRelay::start("limits.newcomers = 2");
    let mut silent = TestClient::connect(relay.clients());
    relay.wait_sessions(1);
    let mut spoke = TestClient::connect(relay.clients());
    spoke.echo("a frame");
    let mut third = TestClient::connect(relay.clients());
    relay.wait_sessions(3);
    assert_eq!(relay.metric("pulsegate_newcomers"), 2.0);

    let mut last = TestClient::connect(relay.clients());
    let close = silent.read_close();
    assert_eq!(close.reason, "crowded_out");
    assert!(close.notice["retry_after_ms"].as_u64().unwrap() >= 1000, "{close:?}");
    for client in [&mut spoke, &mut third, &mut last] {
        client.echo("still here");
    }
    assert_eq!(relay.metric("pulsegate_newcomers"), 0.0);
}

/// Connects again and again, and drips: the start of a frame that never ends.
fn drip(relay: SocketAddr, stop: &AtomicBool) {
    let mut drips = Vec::new();
    for round in 0..20_000 {
        if stop.load(Relaxed) {
            return;
        }
        let mut drip = TestClient::connect(relay);
        drip.send_raw(&[0]);
        drips.push(drip);
        if drips.len() == 3000 {
            drips.swap_remove(round % 3000);
        }
    }
}

#[test]
fn slow_drips_keep_no_honest_client_out() {
    let _alone = alone();
    let relay = TestRelay::start("limits.sessions = 400\nlimits.newcomers = 100");
    let (address, stop) = (relay.clients(), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&stop);
    let attack = thread::spawn(move || drip(address, &told));
    eventually("the attack has filled its place", || {
        relay.metric("pulsegate_sessions_closed_total{reason=\"crowded_out\"}") > 500.0
    });
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        TestClient::connect(relay.clients()).echo("I mean no harm");
        slowest = slowest.max(began.elapsed());
    }
    stop.store(true, Relaxed);
    attack.join().unwrap();
    println!("the slowest honest client was in and answered after {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn clients_that_are_closed_and_do_not_go_take_no_more_than_their_room() {
    const SESSIONS: usize = 10;
    const PARTING: usize = 256;
    let _alone = alone();
    let relay = TestRelay::start(&format!("limits.sessions = {SESSIONS}"));
    let files = relay.open_files();
    let mut clients = Vec::new();
    let mut most = 0;
    for _ in 0..60 {
        for _ in 0..20 {
            let mut client = TestClient::connect(relay.clients());
            client.send_raw(&[0xff; 4]);
            clients.push(client);
        }
        most = most.max(relay.open_files() - files);
    }
    println!("{most} connections at the most, of {}", clients.len());
    // Those who are turned away, and the admin port's, are beside them.
    assert!(most <= SESSIONS + PARTING + 64 + 8, "{most}");
    assert!(most > SESSIONS + 64, "the attack was too slow to show anything: {most}");
    eventually("all have parted", || relay.open_files() <= files + 2);
}

#[test]
fn a_message_that_comes_again_and_again_does_not_fill_the_log() {
    let relay = TestRelay::before_logic("tick.sleep = '5ms'");
    let impossible = Some(Pace::default());
    FakeLogic::listen(relay.logic())
        .serve(move |tick| Some(Done { tick: tick.number, pace: impossible, ..Done::default() }));
    eventually("a hundred lines are left out", || {
        relay.metric("pulsegate_log_lines_left_out") > 100.0
    });
    assert_eq!(relay.log().matches("a pace that cannot be kept").count(), 10);
}
