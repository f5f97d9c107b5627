//! Clients that send too much.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_tests::{TestRelay, eventually};
use serde_json::Value;

use super::honest::{Turns, swallow};
use super::hostile::{Assault, Hose, connect};
use crate::attack::Figures;
use crate::logic::Scale;

pub(super) const FRAMES_IN: &str = "pulsegate_frames_in_total";
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

/// Many clients offer packets as fast as their sockets take them. Together they are allowed more
/// than two cores can do, so all have to wait; but the honest ones lose nothing, nobody is
/// closed, and the flooders get like shares.
pub(super) fn floods(scale: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::start("");
    let flooders = scale.of(100, 1000);
    let frames: &'static [u8] = b"\0\0\0\x04boom".repeat(2 * ALLOWED as usize).leak();
    let taken = Arc::new(Mutex::new(vec![0; flooders]));
    let turns = Turns { rounds: 1, ..turns(scale) };
    let (peace, war, _) = turns.measure(&relay, || {
        let mut crowd: Vec<_> = (0..flooders)
            .map(|number| Flooder::new(connect(relay.clients(), number), frames))
            .collect();
        let taken = Arc::clone(&taken);
        Assault::start(move || {
            let mut taken = taken.lock().unwrap();
            for (flooder, taken) in crowd.iter_mut().zip(taken.iter_mut()) {
                *taken += flooder.write_and_read();
            }
        })
    });
    let goodbyes = |gone: &Value| gone["reason"] == "goodbye" || gone["reason"] == "reset";
    let departed = relay.departed();
    let closed: Vec<_> = departed.iter().filter(|gone| !goodbyes(gone)).collect();
    let taken = taken.lock().unwrap();
    let (least, most) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
    let mut add = |what: &str, figure| figures.add(&format!("floods: {what}"), figure);
    add("flooders", flooders as u128);
    add("honest clients", turns.clients as u128);
    add("honest p99 in peace, ms", peace.as_millis());
    add("honest p99 under attack, ms", war.as_millis());
    add("least echoes of a flooder, KiB", *least as u128 / 1024);
    add("most echoes of a flooder, KiB", *most as u128 / 1024);
    assert!(closed.is_empty(), "{closed:?}");
}

/// A client that sends whatever its socket takes, and reads whatever comes.
struct Flooder {
    stream: TcpStream,
    frames: &'static [u8],
    at: usize,
}

impl Flooder {
    fn new(stream: TcpStream, frames: &'static [u8]) -> Self {
        stream.set_nonblocking(true).unwrap();
        Self { stream, frames, at: 0 }
    }

    /// How many bytes came.
    fn write_and_read(&mut self) -> usize {
        if let Ok(written) = self.stream.write(&self.frames[self.at..]) {
            self.at = (self.at + written) % self.frames.len();
        }
        self.stream.read(&mut [0; 65_536]).unwrap_or(0)
    }
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
