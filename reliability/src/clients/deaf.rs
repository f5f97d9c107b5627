//! Clients that never read what they are sent.

use std::io::Write;
use std::net::TcpStream;
use std::ops::Range;
use std::time::{Duration, Instant};

use pulsegate_tests::{TestLogic, TestRelay, eventually, soon};

use super::honest::Turns;
use super::hostile::connect_narrow;
use crate::attack::Figures;
use crate::logic::Scale;

const SLOW_READER: &str = "pulsegate_sessions_closed_total{reason=\"slow_reader\"}";

/// More than the kernel takes for a client, and less than the kernel and the outbox.
const ECHOES: usize = 72;
const BODY: usize = 1024;

/// `client.write_within`, a beat, and a second to do it.
const GONE_WITHIN: Duration = Duration::from_secs(11);
/// When what they said is through, and what they do not read is left.
const STUCK: Range<Duration> = Duration::from_secs(3)..Duration::from_secs(9);
const EACH_AT_MOST: u64 = 128 * 1024;
/// What the newest ticks take in memory, and their answers, whoever reads.
const TICKS: u64 = 16 << 20;

/// One in five sends packets and never reads the echoes. They cost little, and go in time.
pub(super) fn non_readers(scale: &Scale<'_>, figures: &mut Figures) {
    let (deaf, honest) = scale.of((100, 400), (1000, 4000));
    let relay = TestRelay::before_logic("");
    let _logic = TestLogic::start(relay.logic(), &["echo"]);
    relay.wait_ready();
    let turns = Turns {
        clients: honest,
        rounds: scale.of(2, 5),
        each: Duration::from_secs(scale.of(3, 6)),
    };
    turns.hold("non-readers", 1.2, &relay, figures, || crowd(&relay, deaf));

    let closed = relay.metric(SLOW_READER);
    let (memory, kernel) = (relay.rss_bytes(), kernel_bytes());
    let _crowd = crowd(&relay, deaf);
    let began = Instant::now();
    let (mut peak, mut kernel_peak) = (memory, kernel);
    let gone = soon(2 * GONE_WITHIN, || {
        if STUCK.contains(&began.elapsed()) {
            peak = peak.max(relay.rss_bytes());
            kernel_peak = kernel_peak.max(kernel_bytes());
        }
        (relay.metric(SLOW_READER) - closed >= deaf as f64).then(|| began.elapsed())
    });
    let gone = gone.expect("they stay");
    let grown = (peak - memory).saturating_sub(TICKS);
    let (each, kernel) = (grown / deaf as u64, (kernel_peak - kernel) / deaf as u64);
    figures.add("non-readers", deaf);
    figures.add("non-readers: the relay grew by MiB in all", (peak - memory) >> 20);
    figures.add("non-readers: its memory for each, KiB, without 16 MiB for ticks", each / 1024);
    figures.add("non-readers: the kernel's, both sides, for each, KiB", kernel / 1024);
    figures.add("non-readers: the last is gone after s", format!("{:.1}", gone.as_secs_f64()));
    assert!(each <= EACH_AT_MOST, "{each} bytes each");
    assert!(gone <= GONE_WITHIN, "gone after {gone:?}");
}

fn crowd(relay: &TestRelay, clients: usize) -> Vec<TcpStream> {
    let frame = [&(BODY as u32).to_be_bytes()[..], &[b'x'; BODY]].concat();
    let packets = frame.repeat(ECHOES);
    let taken = || relay.metric("pulsegate_frames_in_total");
    let before = taken();
    let join = |number| {
        let mut stream = connect_narrow(relay.clients(), number);
        stream.write_all(&packets).unwrap();
        stream
    };
    let crowd = (0..clients).map(join).collect();
    // It is what they do not read that is to be measured, not what they said.
    eventually("all they said is taken", || taken() >= before + (clients * ECHOES) as f64);
    let tick = |which| relay.admin_json("/api/status")["tick"][which].as_u64().unwrap();
    let newest = tick("newest");
    eventually("all of it is answered", || tick("answered") > newest + 2);
    crowd
}

/// What the kernel holds for all TCP sockets of this network.
fn kernel_bytes() -> u64 {
    let sockets = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let tcp = sockets.lines().find(|line| line.starts_with("TCP:")).unwrap();
    let (_, pages) = tcp.rsplit_once("mem ").unwrap();
    4096 * pages.trim().parse::<u64>().unwrap()
}
