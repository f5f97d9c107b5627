//! Clients that send too much.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_tests::{TestRelay, eventually};

use super::honest::{Turns, swallow};
use super::hostile::{Assault, Hose, connect};
use crate::attack::Figures;
use crate::logic::Scale;

const FRAMES_IN: &str = "pulsegate_frames_in_total";
/// Frames a second that one client may send, by default.
const ALLOWED: f64 = 1000.0;
/// Empty frames that one read can take.
const ONE_READ: f64 = 16_384.0;
const MILLION: usize = 1_000_000;

/// One client offers packets as fast as its socket takes them: a thousand times its allowance, and
/// more. It gets its allowance; nobody else notices.
pub(super) fn flood(scale: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::start("");
    let turns = turns(scale);
    // A thousand seconds' worth of frames is offered at any time.
    let frames = b"\0\0\0\x04boom".repeat(1000 * ALLOWED as usize);
    turns.hold("flood", 1.5, &relay, figures, || {
        let stream = connect(relay.clients(), 0);
        let echoes = stream.try_clone().unwrap();
        let reader = thread::spawn(move || swallow(echoes));
        let mut hose = Hose::new(stream, frames.clone());
        (Assault::start(move || hose.spray()), reader)
    });
    let flooders: Vec<_> = relay
        .departed()
        .into_iter()
        .filter(|gone| gone["reason"] != "goodbye")
        .map(|gone| gone["reason"].to_string())
        .collect();
    println!("  flooders ended as: {flooders:?}");
}

/// A million empty frames of one client cost no more than its allowance; where they are allowed,
/// others do not notice.
pub(super) fn empty_frames(scale: &Scale<'_>, figures: &mut Figures) {
    let mut relay = TestRelay::start("");
    let mut hose = Hose::new(connect(relay.clients(), 0), vec![0; 4 * MILLION]);
    let assault = Assault::start(move || hose.spray());
    eventually("it begins", || relay.metric(FRAMES_IN) > 0.0);
    let (began, cpu, taken) = (Instant::now(), relay.program().cpu_time(), relay.metric(FRAMES_IN));
    thread::sleep(Duration::from_secs(3));
    let (seconds, taken) = (began.elapsed().as_secs_f64(), relay.metric(FRAMES_IN) - taken);
    let load = (relay.program().cpu_time() - cpu).as_secs_f64() / seconds;
    drop(assault);
    figures.add("empty frames: taken in 3 s, of 1000 a second and one read", taken);
    figures.add("empty frames: processor meanwhile, %", format!("{:.1}", load * 100.0));
    // A read is charged as a whole, and stopped for afterwards.
    assert!(taken <= ALLOWED * (seconds + 1.0) + ONE_READ, "{taken} frames in {seconds} s");
    assert!(load < 0.10, "{load} of a core");

    let free = "limits.frames_per_second = 10000000\nlimits.bytes_per_second = \"1GiB\"";
    let mut relay = TestRelay::start(free);
    let cpu = relay.program().cpu_time();
    connect(relay.clients(), 0).write_all(&vec![0; 4 * MILLION]).unwrap();
    eventually("a million are taken", || relay.metric(FRAMES_IN) >= MILLION as f64);
    let cost = relay.program().cpu_time() - cpu;
    figures.add("empty frames: a million take processor ms", cost.as_millis());
    turns(scale).hold("empty frames", 1.5, &relay, figures, || {
        let mut stream = connect(relay.clients(), 0);
        let million = vec![0; 4 * MILLION];
        Assault::start(move || {
            stream.write_all(&million).unwrap();
            thread::sleep(Duration::from_millis(500));
        })
    });
}

fn turns(scale: &Scale<'_>) -> Turns {
    Turns {
        clients: scale.of(300, 1000),
        rounds: scale.of(2, 5),
        each: Duration::from_millis(scale.of(2000, 8000)),
    }
}
