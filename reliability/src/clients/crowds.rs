//! Many clients at once, and many one after another.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use pulsegate_tests::{TestRelay, eventually, soon};
use socket2::SockRef;

use super::honest::Players;
use super::hostile::connect;
use crate::attack::Figures;
use crate::logic::Scale;

/// Everybody is in again so long after a restart.
const IN_AGAIN: Duration = Duration::from_secs(5);

/// The relay dies and is started again; everybody comes back within a second.
pub(super) fn storm(scale: &Scale<'_>, figures: &mut Figures) {
    let clients = scale.of(2000, 5000);
    let mut relay = TestRelay::start("");
    drop(Players::start(&relay, clients, "--rate 1"));
    let players = Players::start(&relay, clients, "--rate 1");
    relay.kill();
    drop(players);
    let killed = Instant::now();
    relay.restart();
    let restarted = killed.elapsed();
    let began = Instant::now();
    let players = Players::start(&relay, clients, "--rate 1");
    let inside = began.elapsed();
    players.finish().must_be_flawless("everybody came at once");
    figures.add("storm: clients", clients);
    figures.add("storm: the relay is back after ms", restarted.as_millis());
    figures.add("storm: all are in again after ms", inside.as_millis());
    assert!(inside <= IN_AGAIN, "{inside:?}");
}

/// Clients come and go in each way that there is; nothing of them stays.
pub(super) fn churn(scale: &Scale<'_>, figures: &mut Figures) {
    let mut dice = scale.attack.dice();
    let relay = TestRelay::start("");
    let cycles = scale.of(6000, 120_000);
    // What the first thousand leave behind is what any number does: lists that are full.
    (0..1000).for_each(|number| come_and_go(&relay, number, dice.u8(..)));
    settle(&relay);
    let (files, memory) = (relay.open_files(), relay.rss_bytes());
    let began = Instant::now();
    (0..cycles).for_each(|number| come_and_go(&relay, number, dice.u8(..)));
    let rate = cycles as f64 / began.elapsed().as_secs_f64();
    settle(&relay);
    let opened = relay.metric("pulsegate_sessions_opened_total");
    let closed: f64 = relay
        .metrics()
        .lines()
        .filter(|line| line.starts_with("pulsegate_sessions_closed_total{"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    let grown = relay.rss_bytes().saturating_sub(memory);
    figures.add("churn: clients that came and went", cycles);
    figures.add("churn: a second", format!("{rate:.0}"));
    // The journal may be compressing a segment.
    let closed_again =
        soon(Duration::from_secs(10), || (relay.open_files() <= files).then_some(()));
    figures.add("churn: files left open", relay.open_files().saturating_sub(files));
    figures.add("churn: memory grew by KiB", grown / 1024);
    assert!(closed_again.is_some(), "{} files, and {files} before", relay.open_files());
    assert_eq!(opened, closed, "each session is closed once");
    // The newest ticks are kept in memory, up to 8 MiB.
    assert!(grown < 12 << 20, "{grown} bytes");
}

fn come_and_go(relay: &TestRelay, number: usize, way: u8) {
    let mut stream = connect(relay.clients(), number);
    match way % 5 {
        0 => {}
        1 => stream.write_all(b"\0\0\0\x02hi").unwrap(),
        2 => stream.write_all(b"\0\0\0\x09cut").unwrap(),
        3 => {
            stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            let _ = stream.read(&mut [0; 256]);
        }
        _ => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
    }
}

fn settle(relay: &TestRelay) {
    eventually("all are gone", || relay.metric("pulsegate_sessions") == 0.0);
    // Those who said nothing wrong are let go of when their last answers are out.
    let mut files = relay.open_files();
    eventually("their files are closed", || {
        let before = std::mem::replace(&mut files, relay.open_files());
        std::thread::sleep(Duration::from_millis(1200));
        before == relay.open_files()
    });
}
