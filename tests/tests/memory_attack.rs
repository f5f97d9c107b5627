//! What clients and a logic server can make the relay take, against what it says at its start.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{All, Done, Reply, from_logic, reply};
use pulsegate_tests::fake_logic::reply_to;
use pulsegate_tests::{FakeLogic, Link, TestClient, TestRelay, alone, eventually};

const KIB: usize = 1024;
const FRAME: usize = 16 * KIB;
const OF_EACH_KIND: usize = 65;

const SETTINGS: &str = "
    limits.sessions = 200
    limits.outbox = '16KiB'
    limits.batch = '256KiB'
    limits.answer = '256KiB'
    limits.bytes_per_second = '1MiB'
    limits.frames_per_second = 100000
    client.max_frame = '16KiB'
    client.frame_within = '30s'
    liveness.policy = 'off'
    tick.sleep = '2ms'
";

/// Bytes that a line of the log names, such as `in_the_relay=12.5 MiB`.
fn named(log: &str, name: &str) -> f64 {
    let (_, rest) = log.split_once(&format!("{name}=")).unwrap();
    let mut words = rest.split_whitespace();
    let number: f64 = words.next().unwrap().parse().unwrap();
    let unit = ["B", "KiB", "MiB", "GiB"];
    let unit = unit.iter().position(|unit| Some(*unit) == words.clone().next()).unwrap();
    number * (KIB as f64).powi(unit as i32)
}

fn peak(relay: &mut TestRelay) -> u64 {
    let status = format!("/proc/{}/status", relay.program().pid());
    let status = std::fs::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

/// A frame of the longest kind, but for its last byte.
fn unfinished(relay: &TestRelay) -> TestClient {
    let mut client = TestClient::connect(relay.clients());
    client.send("");
    let frame = client.frame(&[7; FRAME]);
    client.send_raw(&frame[..frame.len() - 1]);
    client
}

/// Sends as much as the relay takes, and reads what it sends, until told to stop.
fn flood(clients: Vec<TestClient>, stop: &AtomicBool) {
    let frame = clients[0].frame(&[7; 1000]);
    let frames = frame.repeat(60);
    clients.iter().for_each(|client| client.stream().set_nonblocking(true).unwrap());
    let mut sink = [0; 64 * KIB];
    // With how much of a frame that was cut the next write begins.
    let mut cut = vec![0; clients.len()];
    while !stop.load(Relaxed) {
        for (client, cut) in clients.iter().zip(&mut cut) {
            // One that has to wait, or was closed since it read too slowly, does not keep the others.
            if let Ok(written) = client.stream().write(&frames[*cut..]) {
                *cut = (*cut + written) % frame.len();
            }
            while client.stream().read(&mut sink).is_ok_and(|read| read > 0) {}
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// Answers ticks for a while: each with as many replies as an answer can hold, and with some for
/// those who do not read.
fn answer_much(link: &mut Link, first: u64, patience: Duration) {
    let many = vec![reply_to(first, b""); 50_000];
    let to_all = Reply { to: Some(reply::To::All(All {})), payload: vec![7; 2000].into() };
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        let tick = link.next_tick().expect("the relay closed the link").number;
        link.push(tick, vec![to_all.clone(); 50]);
        let replies = if tick.is_multiple_of(8) { many.clone() } else { Vec::new() };
        link.send(from_logic::Message::Done(Done { tick, replies, ..Done::default() }));
    }
}

#[test]
fn under_every_attack_at_once_the_relay_takes_no_more_than_it_says() {
    let _alone = alone();
    let mut relay = TestRelay::before_logic(SETTINGS);
    let logic = FakeLogic::listen(relay.logic());
    let hung = logic.accept_stateless();
    let idle = relay.rss_bytes();

    let unfinished: Vec<_> = (0..OF_EACH_KIND).map(|_| unfinished(&relay)).collect();
    let deaf: Vec<_> = (0..OF_EACH_KIND)
        .map(|_| {
            let mut client = TestClient::connect_narrow(relay.clients(), 2048);
            client.send("");
            client
        })
        .collect();
    let flooders: Vec<_> =
        (0..OF_EACH_KIND).map(|_| TestClient::connect(relay.clients())).collect();
    relay.wait_sessions(3 * OF_EACH_KIND);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| flood(flooders, &stop));
        // Nobody reads the link: ticks wait.
        eventually("the backlog is full", || {
            relay.metric("pulsegate_journal_bytes_total") > (100 * KIB * KIB) as f64
        });
        drop(hung);
        let mut link = logic.accept_stateless();
        answer_much(&mut link, 1, Duration::from_secs(4));
        stop.store(true, Relaxed);
    });
    let slow = relay.metric("pulsegate_sessions_closed_total{reason=\"slow_reader\"}");
    assert!(slow >= OF_EACH_KIND as f64, "only {slow} outboxes were filled");
    drop((unfinished, deaf));

    let said = named(&relay.log(), "in_the_relay");
    let taken = (peak(&mut relay) - idle) as f64;
    let mib = |bytes| bytes / (KIB * KIB) as f64;
    println!("{:.1} MiB above {:.1} idle, of {:.1}", mib(taken), mib(idle as f64), mib(said));
    assert!(taken <= said, "{taken} bytes, of {said}");
}
