//! A logic server that is slow, and ones that say too much.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Reply, from_logic::Message, reply::To, to_logic};
use pulsegate_tests::fake_logic::{echo, reply_to};
use pulsegate_tests::{FakeLogic, TestClient, TestRelay, eventually};

use super::Scale;
use crate::attack::Figures;
use crate::clients::honest::{Players, connect_and_echo};

const UNANSWERED: &str = "pulsegate_ticks_unanswered";
const SLOW_READER: &str = "pulsegate_sessions_closed_total{reason=\"slow_reader\"}";
const MIB: u64 = 1 << 20;
/// Bytes in a reply: nearly the longest frame.
const REPLY: usize = 60_000;

/// Ticks wait for logic in a window, and behind that in the journal; how many is a metric.
pub(super) fn slow(scale: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::before_logic("tick.sleep = \"20ms\"\ntick.stall_after = \"50ms\"");
    let door = FakeLogic::listen(relay.logic());
    let mut link = door.accept_stateless();
    let _players = Players::start(&relay, 100, "--rate 20 --size 200");
    let first = link.next_tick().unwrap().number;
    // Nothing is answered, so what comes is all that may be under way.
    let mut newest = first;
    for _ in 1..64 {
        newest = link.next_tick().unwrap().number;
    }
    let memory = relay.rss_bytes();
    eventually("logic lags", || relay.metric(UNANSWERED) > 200.0);
    let next = link.receive();
    assert!(matches!(next, Some(to_logic::Message::Ping(_))), "more than 64 under way: {next:?}");
    figures.add("slow: ticks under way to logic", newest + 1 - first);

    // Ten times as long as a tick may take.
    link.done(first);
    for _ in 0..scale.of(10, 100) {
        let tick = link.next_tick().unwrap();
        sleep(Duration::from_millis(200));
        assert_eq!(tick.number, newest + 1);
        newest = tick.number;
        link.done(newest - 63);
    }
    let grown = relay.rss_bytes().saturating_sub(memory);
    figures.add("slow: pulsegate_ticks_unanswered, and rising", relay.metric(UNANSWERED));
    figures.add("slow: memory grew by KiB", grown / 1024);
    assert!(grown < 16 * MIB, "{grown} bytes");
    for number in newest - 62..=newest {
        link.done(number);
    }
    let answering = thread::spawn(move || {
        while let Some(tick) = link.next_tick() {
            link.send(Message::Done(echo(&tick).unwrap()));
        }
    });
    eventually("logic has caught up", || relay.metric(UNANSWERED) <= 2.0);
    assert_eq!(relay.sessions().len(), 100);
    drop(relay);
    answering.join().unwrap();
}

/// A gigabyte for one client, who cannot take it: it goes, and nobody else waits.
pub(super) fn torrent(scale: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::before_logic("");
    let door = FakeLogic::listen(relay.logic());
    let mut link = door.accept_stateless();
    let victim = TestClient::connect(relay.clients());
    eventually("the victim is in", || relay.sessions().len() == 1);
    let mebibytes = scale.of(256, 1024);
    let total = mebibytes * MIB / REPLY as u64;
    let answering = thread::spawn(move || {
        let payload = vec![b'x'; REPLY];
        let mut sent = 0;
        while let Some(tick) = link.next_tick() {
            let mut done = echo(&tick).unwrap();
            while sent < total && done.replies.len() < 64 {
                done.replies.push(reply_to(1, &payload));
                sent += 1;
            }
            link.send(Message::Done(done));
        }
    });
    let memory = relay.rss_bytes();
    let mut slowest = Duration::ZERO;
    let (mut peak, began) = (memory, Instant::now());
    while relay.metric(SLOW_READER) < 1.0 || began.elapsed() < Duration::from_secs(2) {
        slowest = slowest.max(connect_and_echo(relay.clients()));
        peak = peak.max(relay.rss_bytes());
        assert!(began.elapsed() < Duration::from_secs(20), "the victim stays");
    }
    let dropped = "pulsegate_replies_dropped_total{reason=\"gone\"}";
    eventually("the rest is dropped", || relay.metric(dropped) > total as f64 * 0.9);
    figures.add("torrent: MiB for one client", mebibytes);
    figures.add("torrent: clients closed for it", relay.metric(SLOW_READER));
    figures.add("torrent: slowest connect and echo of others, ms", slowest.as_millis());
    figures.add("torrent: memory grew by MiB at the most", (peak - memory) / MIB);
    assert_eq!(relay.metric(SLOW_READER), 1.0);
    assert!(slowest < Duration::from_secs(1), "others waited {slowest:?}");
    drop((relay, victim));
    answering.join().unwrap();
}

/// The same 4 KiB for everybody: it is there once, not once for each.
pub(super) fn broadcast(scale: &Scale<'_>, figures: &mut Figures) {
    let clients = scale.of(2000, 10_000);
    let settings = format!("limits.sessions = {}", clients + 100);
    let relay = TestRelay::before_logic(&settings);
    let door = FakeLogic::listen(relay.logic());
    let mut link = door.accept_stateless();
    let answering = thread::spawn(move || {
        while let Some(tick) = link.next_tick() {
            let mut done = echo(&tick).unwrap();
            if tick.number % 10 == 0 {
                let to = Some(To::All(Default::default()));
                done.replies.push(Reply { to, payload: vec![b'x'; 4096].into() });
            }
            link.send(Message::Done(done));
        }
    });
    let players = Players::start(&relay, clients, "--rate 0");
    let memory = relay.rss_bytes();
    let out = || relay.metric("pulsegate_frames_out_total");
    let (begin, mut peak) = (out(), memory);
    eventually("ten to each", || {
        peak = peak.max(relay.rss_bytes());
        out() > begin + 10.0 * clients as f64
    });
    let grown = peak - memory;
    figures.add("broadcast: clients", clients);
    figures.add("broadcast: copies would take KiB", 4 * clients);
    figures.add("broadcast: memory grew by KiB at the most", grown / 1024);
    assert!(grown < 2048 * clients as u64, "{grown} bytes");
    assert_eq!(relay.metric(SLOW_READER), 0.0);
    players.finish().must_have_stayed("a broadcast");
    drop(relay);
    answering.join().unwrap();
}
