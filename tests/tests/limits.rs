//! What happens at the limits, and to those who keep away from them.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{
    Done, Goodbye, Pace, Welcome, from_logic::Message, item::Item, welcome::Resume,
};
use pulsegate_tests::{FakeLogic, PATIENCE, TestClient, TestRelay, alone, eventually};
use serde_json::json;

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

/// A relay that has just beaten, and does not for a minute.
fn between_beats(settings: &str) -> TestRelay {
    let relay = TestRelay::start(&format!(
        "{settings}
         tick.sleep = '60s'
         limits.batch = '64KiB'
         client.first_frame_within = '60s'
         liveness.leave_after = '5m'
         liveness.close_after = '10m'"
    ));
    eventually("the first beat", || relay.metric("pulsegate_ticks_total") == 1.0);
    relay
}

/// Sends more than the batch takes.
fn fill_batch(relay: &TestRelay, client: &mut TestClient) {
    client.send_raw(&client.frame(&[7; 10_000]).repeat(8));
    eventually("the batch is full", || relay.metric("pulsegate_batch_waits_total") == 1.0);
}

#[test]
fn who_has_sent_a_frame_is_no_newcomer_though_it_waits_for_room_in_the_batch() {
    let relay = between_beats("");
    let (mut large, mut late) =
        (TestClient::connect(relay.clients()), TestClient::connect(relay.clients()));
    relay.wait_sessions(2);
    fill_batch(&relay, &mut large);
    late.send("hello");
    eventually("its frame waits", || relay.metric("pulsegate_batch_waits_total") == 2.0);
    assert_eq!(relay.metric("pulsegate_newcomers"), 0.0);
}

#[test]
fn nobody_is_crowded_out_before_the_next_one_is_in() {
    let relay = between_beats("limits.newcomers = 1");
    let mut large = TestClient::connect(relay.clients());
    large.send("");
    eventually("it has spoken", || relay.metric("pulsegate_frames_in_total") == 1.0);
    let mut silent = TestClient::connect(relay.clients());
    relay.wait_sessions(2);
    fill_batch(&relay, &mut large);

    let _next = TestClient::connect(relay.clients());
    assert_eq!(relay.post("/api/pace", &json!({"sleep": "10ms"}), &[]).0, 200);
    assert_eq!(silent.read_close().reason, "crowded_out");
    relay.whole_history(2);
    let order = relay.journal_items().into_iter().filter_map(|(_, item)| match item {
        Item::Open(open) => Some(("open", open.session)),
        Item::Close(close) => Some(("close", close.session)),
        _ => None,
    });
    assert_eq!(order.collect::<Vec<_>>(), [("open", 1), ("open", 2), ("open", 3), ("close", 2)]);
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
    const SESSIONS: usize = 300;
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
    let honest: Vec<_> = (0..SESSIONS).map(|_| TestClient::connect(relay.clients())).collect();
    eventually("honest ones are in while others part", || {
        most = most.max(relay.open_files() - files);
        relay.metric("pulsegate_sessions") > 0.8 * SESSIONS as f64
    });
    println!("{most} connections at the most, of {}", clients.len());
    drop(honest);
    // Beside them are those who are turned away, and those let in at once with nobody told yet.
    assert!(most <= SESSIONS + PARTING + 64 + 128, "{most}");
    assert!(most > SESSIONS + 64, "the attack was too slow to show anything: {most}");
    eventually("all have parted", || relay.open_files() <= files + 2);
}

#[test]
fn after_a_reload_to_fewer_sessions_those_who_part_get_all_that_is_theirs() {
    const FRAMES: usize = 40;
    let settings = |sessions| {
        format!(
            "limits.sessions = {sessions}
             client.send_buffer = '4KiB'
             client.first_frame_within = 'off'"
        )
    };
    let mut relay = TestRelay::start(&settings(400));
    let _others: Vec<_> = (0..300).map(|_| TestClient::connect(relay.clients())).collect();
    relay.wait_sessions(300);
    let mut slow = TestClient::connect_narrow(relay.clients(), 2048);
    slow.send_raw(&slow.frame(&[7; 1000]).repeat(FRAMES));
    let answered = || relay.session(301)["frames_out"] == FRAMES;
    eventually("answers wait for it to read", answered);

    relay.reconfigure(&settings(10));
    relay.program().says("configuration reloaded");
    assert_eq!(relay.post("/api/sessions/301/close", &json!(null), &[]).0, 200);
    let close = slow.read_close();
    assert_eq!((close.frames.len(), close.reason.as_str()), (FRAMES, "operator"));
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
fn an_admin_request_with_a_longer_body_than_any_is_refused() {
    let relay = TestRelay::start("");
    let body = format!("{{{}\"sleep\": \"20ms\"}}", " ".repeat(1024));
    let head = "POST /api/pace HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\
                content-type: application/json";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut answer = String::new();
    ask(relay.host().admin(), request.as_bytes()).read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("limit"), "{answer:?}");
    assert_eq!(relay.admin_json("/api/pace")["sleep"], "50ms");
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

#[test]
fn what_logic_says_of_itself_is_a_short_line_of_the_log() {
    let mut relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let words = format!("\u{1b}[2J\r\nFORGED\n{}", "long ".repeat(100_000));
    let welcome = Welcome {
        protocol: 1,
        name: words.clone(),
        resume: Some(Resume::Stateless(Default::default())),
        ..Welcome::default()
    };
    let mut link = logic.accept();
    link.send(Message::Welcome(welcome));
    relay.program().says("logic server connected");
    link.send(Message::Goodbye(Goodbye { text: words, ..Goodbye::default() }));
    relay.program().says("logic server is away");

    let log = relay.log();
    let longest = log.lines().map(str::len).max().unwrap();
    assert!(longest < 1000, "{longest}");
    assert!(!log.lines().any(|line| line.starts_with("FORGED")) && !log.contains("\u{1b}[2J"));
    assert!(relay.admin_json("/api/status")["logic"]["trouble"].as_str().unwrap().len() < 1000);
}
