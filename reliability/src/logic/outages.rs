//! A logic server that stops, loops, or stays away.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_tests::{FakeLogic, TestClient, TestLogic, TestRelay, eventually};

use super::{Scale, wait_links};
use crate::attack::Figures;
use crate::clients::honest::Players;

/// What the allocator may still find out about itself. The journal grows by far more.
const FLAT: f64 = 8.0 * 1_048_576.0;

const SILENT: &str = "pulsegate_links_lost_total{reason=\"silent\"}";

/// A stop that is shorter than `logic.timeout` costs nothing; a longer one costs the link, in time.
pub(super) fn stops(scale: &Scale<'_>, figures: &mut Figures) {
    let mut dice = scale.attack.dice();
    let relay = TestRelay::before_logic("logic.timeout = \"2s\"");
    let logic = TestLogic::start(relay.logic(), &["echo"]);
    relay.wait_ready();
    let players = Players::start(&relay, scale.of(200, 2000), "--rate 2");
    for _ in 0..scale.of(2, 10) {
        logic.stop_signal();
        sleep(Duration::from_millis(dice.u64(300..1500)));
        logic.cont();
        sleep(Duration::from_millis(dice.u64(100..400)));
    }
    assert_eq!(relay.metric(SILENT), 0.0, "a short stop cost the link");
    let mut noticed = Vec::new();
    for time in 1..=scale.of(1, 5) {
        logic.stop_signal();
        let stopped = Instant::now();
        eventually("the link is dead", || relay.metric(SILENT) >= f64::from(time));
        noticed.push(stopped.elapsed());
        logic.cont();
        eventually("it is linked again", || relay.get("/readyz").0 == 200);
    }
    players.finish().must_be_flawless("logic was stopped");
    let longest = noticed.iter().max().unwrap();
    figures.add("stops: a stop is noticed within ms, with logic.timeout = 2s", longest.as_millis());
    assert!(*longest < Duration::from_millis(3500), "noticed after {longest:?}");
}

/// Logic that dies right after its Welcome is tried more and more rarely, in few lines; and soon
/// again once a link has held.
pub(super) fn crash_loop(scale: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::before_logic("");
    let door = FakeLogic::listen(relay.logic());
    let mut client = TestClient::connect(relay.clients());
    let window = Duration::from_secs(scale.of(12, 60));
    let began = Instant::now();
    let mut at = Vec::new();
    while began.elapsed() < window {
        drop(door.accept_stateless());
        at.push(began.elapsed());
        client.send("");
    }
    let lines = relay.log().lines().count();
    let pauses: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (first, last) = (pauses[0], *pauses.iter().max().unwrap());
    figures.add("crash loop: seconds", window.as_secs());
    figures.add("crash loop: links", at.len());
    figures.add("crash loop: log lines", lines);
    figures.add("crash loop: first pause ms", first.as_millis());
    figures.add("crash loop: longest pause ms", last.as_millis());
    assert!(first < Duration::from_millis(250), "{pauses:?}");
    assert!((Duration::from_secs(1)..Duration::from_millis(4500)).contains(&last), "{pauses:?}");
    assert!(lines as u64 <= 2 * window.as_secs() + 20, "{lines} lines");
    assert_eq!(relay.sessions().len(), 1);

    let mut link = door.accept_stateless();
    let stable = Instant::now();
    while stable.elapsed() < Duration::from_millis(1500) {
        let tick = link.next_tick().unwrap();
        link.done(tick.number);
    }
    drop(link);
    let lost = Instant::now();
    drop(door.accept());
    let pause = lost.elapsed();
    figures.add("crash loop: pause after a link that held, ms", pause.as_millis());
    assert!(pause < Duration::from_millis(250), "{pause:?}");
}

/// Logic stays away: memory stays flat, disk grows, nobody is dropped; at `max_outage` they are.
pub(super) fn away(scale: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::before_logic("");
    let mut logic = TestLogic::start(relay.logic(), &["echo"]);
    relay.wait_ready();
    let clients = scale.of(500, 2000);
    let rate = scale.of(20, 5);
    let players = Players::start(&relay, clients, &format!("--rate {rate} --size 200"));
    logic.kill();
    // The newest ticks are kept in memory too; that must be full before memory can be flat.
    let begin = disk(&relay.journal());
    eventually("what memory keeps of it is full", || disk(&relay.journal()) > begin + (20 << 20));

    let window = Duration::from_secs(scale.of(10, 60));
    let (disk_before, mut samples) = (disk(&relay.journal()), Vec::new());
    let began = Instant::now();
    while began.elapsed() < window {
        samples.push((began.elapsed().as_secs_f64(), relay.rss_bytes() as f64));
        sleep(Duration::from_millis(250));
    }
    let written = disk(&relay.journal()) - disk_before;
    let kib: Vec<_> = samples.iter().step_by(8).map(|(_, rss)| (rss / 1024.0) as u64).collect();
    println!("  memory every 2 s, KiB: {kib:?}");
    let slope = slope(&samples);
    let peak = samples.iter().map(|(_, rss)| *rss).fold(0.0, f64::max);
    logic.restart();
    eventually("logic has caught up", || relay.metric("pulsegate_ticks_unanswered") <= 2.0);
    players.finish().must_be_flawless("logic was away");
    figures.add("away: seconds measured", window.as_secs());
    figures.add("away: clients", clients);
    figures.add("away: journal grew by MiB", written >> 20);
    figures.add("away: memory's slope, KiB/s", format!("{:.1}", slope / 1024.0));
    figures.add("away: most memory, MiB", format!("{:.1}", peak / 1_048_576.0));
    let grown = slope * window.as_secs_f64();
    assert!(grown < FLAT, "memory grew by {grown} bytes, the journal by {written}");
    for_too_long(figures);
}

fn for_too_long(figures: &mut Figures) {
    let relay = TestRelay::before_logic("logic.max_outage = \"2s\"\nlogic.timeout = \"1s\"");
    let mut logic = TestLogic::start(relay.logic(), &["echo"]);
    relay.wait_ready();
    let mut client = TestClient::connect(relay.clients());
    client.echo("hello");
    logic.kill();
    let away = Instant::now();
    assert_eq!(client.read_close().reason, "logic_away");
    let after = away.elapsed();
    figures.add("away: clients are closed after ms, with logic.max_outage = 2s", after.as_millis());
    assert!((1900..5000).contains(&after.as_millis()), "{after:?}");
    let close = TestClient::connect(relay.clients()).read_close();
    assert_eq!(close.reason, "logic_away");
    assert!(close.notice["retry_after_ms"].is_u64(), "{close:?}");
    logic.restart();
    wait_links(&relay, 2);
    TestClient::connect(relay.clients()).echo("back");
}

fn disk(journal: &Path) -> u64 {
    let files = fs::read_dir(journal).unwrap().filter_map(|entry| entry.ok()?.metadata().ok());
    files.map(|file| file.len()).sum()
}

/// Of the line through these points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let over: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    over / points.iter().map(|point| (point.0 - x).powi(2)).sum::<f64>()
}
