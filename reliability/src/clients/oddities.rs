//! No files left, urgent bytes, resets within a frame, and bursts that are allowed.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Reason, item::Item};
use pulsegate_tests::{TestClient, TestRelay, eventually, eventually_some, pulsegate};
use rustix::process::Resource;
use serde_json::{Value, json};
use socket2::SockRef;

use super::floods::FRAMES_IN;
use super::honest::Players;
use super::hostile::connect;
use crate::attack::Figures;
use crate::logic::Scale;

/// Out of files the listener rests; those inside do not notice, and it goes on soon after there
/// are some.
pub(super) fn files(scale: &Scale<'_>, figures: &mut Figures) {
    let mut relay = TestRelay::start("client.first_frame_within = \"off\"");
    let idle = load(&mut relay, Duration::from_secs(2));
    let players = Players::start(&relay, 20, "--rate 2");
    let files = relay.open_files() as u64;
    relay.program().limit(Resource::Nofile, files + 4);
    let waiting: Vec<_> = (0..200).map(|number| connect(relay.clients(), number)).collect();
    relay.program().says("out of files");
    let window = Duration::from_secs(scale.of(5, 30));
    let lines = relay.log().matches("out of files").count();
    let busy = load(&mut relay, window);
    let lines = relay.log().matches("out of files").count() - lines;
    drop(waiting);
    let mut last = TestClient::connect(relay.clients());
    relay.program().limit(Resource::Nofile, 1000);
    let (raised, back) = (Instant::now(), last.echo("at last"));
    let back_after = (back, raised.elapsed()).1;
    players.finish().must_be_flawless("files were out");
    figures.add("files: processor in peace, 20 clients less, %", format!("{:.1}", idle * 100.0));
    figures.add("files: processor without a file left, %", format!("{:.1}", busy * 100.0));
    figures.add(&format!("files: log lines in {window:?}"), lines);
    figures.add("files: back after ms", back_after.as_millis());
    assert!(busy - idle <= 0.05, "{busy} of a core, {idle} in peace");
    assert!(lines as u64 <= window.as_secs() + 1, "{lines} lines");
    assert!(back_after <= Duration::from_millis(1500), "{back_after:?}");
}

/// How much of a core it uses.
fn load(relay: &mut TestRelay, window: Duration) -> f64 {
    let (began, used) = (Instant::now(), relay.program().cpu_time());
    sleep(window);
    (relay.program().cpu_time() - used).div_duration_f64(began.elapsed())
}

/// Urgent bytes are no part of any frame, and a client that is reset within a frame is closed
/// once, with nothing of it handed on.
pub(super) fn oddities(scale: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    for _ in 0..100 {
        let frame = client.frame(b"in two halves");
        client.send_raw(&frame[..8]);
        assert_eq!(SockRef::from(client.stream()).send_out_of_band(b"!").unwrap(), 1);
        client.send_raw(&frame[8..]);
        // The kernel ends a read at the mark. What is behind it is read when more comes.
        let echo = eventually_some("its echo", || {
            client.send("");
            client.read_within(Duration::from_millis(60))
        });
        assert_eq!(echo, b"in two halves");
    }
    let resets = scale.of(500, 5000);
    let mut dice = scale.attack.dice();
    for number in 0..resets {
        let mut stream = connect(relay.clients(), number);
        let frame = b"\0\0\0\x0anever whole";
        stream.write_all(&frame[..dice.usize(1..frame.len() - 3)]).unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    eventually("they are gone", || relay.sessions().len() == 1);
    client.echo("and on");
    let (mut closes, mut packets) = (0, 0);
    eventually("their closes are in the journal", || {
        let items = relay.journal_items();
        let others = |item: &&(u64, Item)| match &item.1 {
            Item::Close(close) => close.reason() == Reason::Disconnected,
            _ => false,
        };
        closes = items.iter().filter(others).count();
        packets = items
            .iter()
            .filter(|(_, item)| matches!(item, Item::Packet(packet) if packet.session > 1))
            .count();
        closes == resets
    });
    figures.add("oddities: urgent bytes within frames, none of them in one", 100);
    figures.add("oddities: resets within a frame, each closed once", resets);
    assert_eq!(packets, 0, "parts of frames were handed on");
}

/// Whoever sends as much at once as is allowed, again and again, is never thrown out and loses
/// nothing; and if ten come back for each of those, as they were recorded, they are not either.
pub(super) fn bursts(scale: &Scale<'_>, figures: &mut Figures) {
    let mut dice = scale.attack.dice();
    // All of it comes back at once.
    let settings = "limits.outbox = \"512KiB\"";
    let mut relay = TestRelay::start(settings);
    let mut clients: Vec<_> = (0..20).map(|_| TestClient::connect(relay.clients())).collect();
    let rounds = scale.of(3, 10);
    for _ in 0..rounds {
        for client in &mut clients {
            // A second's worth of frames, or of bytes.
            let (frames, size) = if dice.bool() { (1000, 40) } else { (4, 60_000) };
            let body = vec![b'x'; size];
            let burst: Vec<_> = (0..frames).flat_map(|_| client.frame(&body)).collect();
            client.send_raw(&burst);
            (0..frames).for_each(|_| assert_eq!(client.read(), body));
        }
        sleep(Duration::from_secs(1));
    }
    assert_eq!(relay.sessions().len(), clients.len());
    figures.add("bursts of a second's allowance, none of them punished", rounds * clients.len());
    let honest = relay.metric(FRAMES_IN) as u64;
    assert!(relay.terminate().success());

    let again = TestRelay::start(settings);
    let mut replay = pulsegate();
    replay.arg("replay").arg(relay.journal()).args(["--times", "10", "--json"]);
    let played = replay.arg("--as-clients").arg(again.clients().to_string()).output().unwrap();
    let played: Value = serde_json::from_slice(&played.stdout).unwrap();
    figures.add("the same bursts, recorded: clients", &played["clients"]);
    figures.add("the same bursts, recorded: packets", &played["packets_sent"]);
    let parted = &played["closes"];
    figures.add("the same bursts, recorded: parted as they did", parted);
    assert_eq!(played["packets_sent"], 10 * honest);
    let sent = played["packets_sent"].as_u64().zip(played["heartbeats_sent"].as_u64());
    let sent = sent.map(|(packets, heartbeats)| (packets + heartbeats) as f64);
    assert_eq!(Some(again.metric(FRAMES_IN)), sent);
    assert_eq!(*parted, json!({ "disconnected": 10 * clients.len() }), "{played:#}");
}
