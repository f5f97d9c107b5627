//! What happens at the limits, and to those who keep away from them.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Done, Pace};
use pulsegate_tests::{FakeLogic, PATIENCE, TestClient, TestRelay, alone, eventually};

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
    const SESSIONS: usize = 100;
    const PARTING: usize = 256;
    let _alone = alone();
    let relay = TestRelay::start(&format!("limits.sessions = {SESSIONS}"));
    let files = relay.open_files();
    let mut clients = Vec::new();
    let mut most = 0;
    for _ in 0..30 {
        for _ in 0..50 {
            let mut client = TestClient::connect(relay.clients());
            client.send_raw(&[0xff; 4]);
            clients.push(client);
        }
        most = most.max(relay.open_files() - files);
    }
    println!("{most} connections at the most, of {}", clients.len());
    // Beside them are those who are turned away, and those let in at once with nobody told yet.
    assert!(most <= SESSIONS + PARTING + 64 + 128, "{most}");
    assert!(most > SESSIONS + 64, "the attack was too slow to show anything: {most}");
    eventually("all have parted", || relay.open_files() <= files + 2);
}

/// A connection to the admin port that begins a request.
fn ask(admin: SocketAddr, request: &[u8]) -> TcpStream {
    let mut asking = TcpStream::connect(admin).unwrap();
    asking.set_read_timeout(Some(PATIENCE)).unwrap();
    asking.write_all(request).unwrap();
    asking
}

#[test]
fn a_thousand_slow_admin_connections_hold_up_neither_clients_nor_a_health_check() {
    let _alone = alone();
    let relay = TestRelay::start("tick.sleep = '10ms'");
    let mut client = TestClient::connect(relay.clients());
    client.echo("before");
    let files = relay.open_files();
    let slow: Vec<_> = (0..1000)
        .map(|_| ask(relay.host().admin(), b"GET /healthz HTTP/1.1\r\nx-slow: "))
        .collect();
    let (mut answer, mut echo) = (Duration::ZERO, Duration::ZERO);
    let ticks = relay.metric("pulsegate_ticks_total");
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(relay.get("/healthz").0, 200);
        answer = answer.max(began.elapsed());
        let began = Instant::now();
        client.echo("meanwhile");
        echo = echo.max(began.elapsed());
    }
    println!("among 1,000 slow ones, an answer took {answer:?}, an echo {echo:?}");
    assert!(answer < Duration::from_secs(1) && echo < Duration::from_secs(1));
    assert!(relay.metric("pulsegate_ticks_total") > ticks + 15.0);
    assert!(relay.metric("pulsegate_admin_connections_cut_total") >= 968.0);
    assert!(relay.open_files() <= files + 34, "{}", relay.open_files() - files);
    drop(slow);
}

#[test]
fn an_admin_request_without_an_end_is_not_read_to_its_end() {
    let relay = TestRelay::start("");
    let endless = [b"GET /healthz HTTP/1.1\r\nx-long: ".as_slice(), &[b'x'; 64 * 1024]].concat();
    let mut answer = String::new();
    let _ = ask(relay.host().admin(), &endless).read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer:?}");
    assert_eq!(relay.get("/healthz").0, 200);
}

#[test]
fn a_client_far_above_its_allowance_waits_and_is_not_closed() {
    const FRAMES: usize = 100;
    let _alone = alone();
    let relay = TestRelay::start(
        "limits.bytes_per_second = '16KiB'
         client.max_frame = '1KiB'
         client.frame_within = '500ms'
         client.first_frame_within = '500ms'
         liveness.leave_after = '500ms'
         liveness.close_after = '1s'",
    );
    let mut client = TestClient::connect(relay.clients());
    client.send_raw(&client.frame(&[7; 1000]).repeat(FRAMES));
    let began = Instant::now();
    let mut back = 0;
    while back < FRAMES {
        match client.read_within(Duration::from_millis(100)) {
            Some(frame) => back += frame.len() / 1000,
            None => client.send(""),
        }
    }
    // Waits are longer than what would be silence, or a frame that is late.
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(relay.metric("pulsegate_reads_paused_total") > 1.0);
    client.echo("and it stays");
    let told = relay.history(1);
    assert!(!told.iter().any(|told| told.starts_with("state")), "{told:?}");
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
