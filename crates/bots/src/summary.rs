//! What it all came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer round trips are not told apart: an hour, in microseconds.
const LONGEST_US: u64 = 3_600_000_000;

/// The sums while bots play.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) joined: u32,
    pub(crate) packets_sent: u64,
    pub(crate) heartbeats_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
    pub(crate) misdelivered: u64,
    pub(crate) other_frames: u64,
    pub(crate) lost: u64,
    round_trips: Histogram<u64>,
    pub(crate) closes: BTreeMap<String, u32>,
    pub(crate) not_joined: BTreeMap<String, u32>,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            joined: 0,
            packets_sent: 0,
            heartbeats_sent: 0,
            bytes_sent: 0,
            bytes_received: 0,
            doubled: 0,
            out_of_order: 0,
            misdelivered: 0,
            other_frames: 0,
            lost: 0,
            round_trips: Histogram::new_with_max(LONGEST_US, 3).expect("the bounds are constants"),
            closes: BTreeMap::new(),
            not_joined: BTreeMap::new(),
        }
    }
}

impl Totals {
    /// A packet came back for the first time.
    pub(crate) fn echo(&mut self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.round_trips.saturating_record(micros);
    }

    pub(crate) fn echoed(&self) -> u64 {
        self.round_trips.len()
    }

    pub(crate) fn parted(&mut self, word: String) {
        *self.closes.entry(word).or_default() += 1;
    }

    pub(crate) fn not_joined(&mut self, error: &std::io::Error) {
        *self.not_joined.entry(error.kind().to_string()).or_default() += 1;
    }

    pub(crate) fn gone(&self) -> u32 {
        self.closes.values().sum()
    }

    pub(crate) fn round_trip(&self) -> Option<RoundTrip> {
        let at = |quantile| self.round_trips.value_at_quantile(quantile);
        (self.echoed() > 0).then(|| RoundTrip {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: self.round_trips.max(),
        })
    }

    pub(crate) fn summary(&self, bots: u32, elapsed: Duration) -> Summary {
        Summary {
            bots,
            joined: self.joined,
            seconds: elapsed.as_secs_f64(),
            packets_sent: self.packets_sent,
            heartbeats_sent: self.heartbeats_sent,
            echoed: self.echoed(),
            lost: self.lost,
            doubled: self.doubled,
            out_of_order: self.out_of_order,
            misdelivered: self.misdelivered,
            other_frames: self.other_frames,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            round_trip_us: self.round_trip(),
            closes: self.closes.clone(),
            not_joined: self.not_joined.clone(),
        }
    }
}

/// What a run of bots came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many bots were asked for.
    pub bots: u32,
    /// How many of them could connect.
    pub joined: u32,
    /// From the start to the last goodbye.
    pub seconds: f64,
    /// Packets sent by all bots.
    pub packets_sent: u64,
    /// Heartbeats sent by all bots, goodbyes among them.
    pub heartbeats_sent: u64,
    /// Packets that came back, each counted once.
    pub echoed: u64,
    /// Packets that never came back.
    pub lost: u64,
    /// Echoes beyond the first of a packet.
    pub doubled: u64,
    /// Packets that came back after one that was sent later.
    pub out_of_order: u64,
    /// Echoes that reached a bot which had not sent the packet.
    pub misdelivered: u64,
    /// Frames that are no echoes: notices, and what the logic server says of its own accord.
    pub other_frames: u64,
    /// Bytes written, frame lengths included.
    pub bytes_sent: u64,
    /// Bytes read, frame lengths included.
    pub bytes_received: u64,
    /// From sending a packet to its echo, in microseconds; absent if nothing came back.
    pub round_trip_us: Option<RoundTrip>,
    /// How connections ended: a reason that the relay told; `goodbye`; or else `eof` or `reset`
    /// (it closed without a word), `never_closed` (it did not answer the goodbye).
    pub closes: BTreeMap<String, u32>,
    /// Why bots could not connect.
    pub not_joined: BTreeMap<String, u32>,
}

/// Percentiles of round trips, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RoundTrip {
    /// Half are faster.
    pub p50: u64,
    /// 1 in 10 is slower.
    pub p90: u64,
    /// 1 in 100 is slower.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

impl Summary {
    /// Whether every bot joined, and every packet came back once, in order, to its sender.
    pub fn is_flawless(&self) -> bool {
        let faults = [self.lost, self.doubled, self.out_of_order, self.misdelivered];
        self.joined == self.bots && faults == [0; 4]
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("bots", format!("{} of {} joined", self.joined, self.bots)),
            ("sent", format!("{} packets, {} heartbeats", self.packets_sent, self.heartbeats_sent)),
            ("came back", format!("{} packets", self.echoed)),
            ("lost", self.lost.to_string()),
            ("doubled", self.doubled.to_string()),
            ("out of order", self.out_of_order.to_string()),
            ("misdelivered", self.misdelivered.to_string()),
            ("other frames", self.other_frames.to_string()),
            ("bytes", format!("{} sent, {} received", self.bytes_sent, self.bytes_received)),
        ];
        rows.extend(self.round_trip_us.map(|trip| ("round trip", trip.to_string())));
        rows.push(("closed", counts(&self.closes)));
        if !self.not_joined.is_empty() {
            rows.push(("could not join", counts(&self.not_joined)));
        }
        rows
    }

    /// What a person should make of the figures, where they are odd.
    fn hint(&self) -> Option<&'static str> {
        if self.joined == 0 && self.bots > 0 {
            return Some("no bot could connect: is the relay running there?");
        }
        (self.packets_sent > 0 && self.echoed == 0)
            .then_some("nothing came back: only a logic server that echoes sends packets back")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.rows() {
            writeln!(f, "{name:<16}{value}")?;
        }
        self.hint().map_or(Ok(()), |hint| writeln!(f, "{hint}"))
    }
}

impl fmt::Display for RoundTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, max] = [self.p50, self.p90, self.p99, self.max].map(milliseconds);
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, max {max}")
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

pub(crate) fn counts(counts: &BTreeMap<String, u32>) -> String {
    let words: Vec<_> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played() -> Summary {
        let mut totals = Totals { joined: 2, packets_sent: 2, ..Totals::default() };
        totals.echo(Duration::from_micros(1500));
        totals.echo(Duration::from_micros(2500));
        totals.parted("goodbye".into());
        totals.parted("silent".into());
        totals.summary(2, Duration::from_secs(1))
    }

    #[test]
    fn a_summary_reads_well() {
        let text = played().to_string();
        for part in ["2 of 2 joined", "p50 1.5 ms", "max 2.5 ms", "goodbye 1, silent 1"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn only_a_run_without_a_fault_is_flawless() {
        assert!(played().is_flawless());
        assert!(!Summary { lost: 1, ..played() }.is_flawless());
        assert!(!Summary { doubled: 1, ..played() }.is_flawless());
        assert!(!Summary { out_of_order: 1, ..played() }.is_flawless());
        assert!(!Summary { misdelivered: 1, ..played() }.is_flawless());
        assert!(!Summary { joined: 1, ..played() }.is_flawless());
    }

    #[test]
    fn a_relay_that_is_not_there_is_pointed_out() {
        let mut totals = Totals::default();
        totals.not_joined(&std::io::ErrorKind::ConnectionRefused.into());
        let text = totals.summary(1, Duration::ZERO).to_string();
        assert!(text.contains("connection refused 1"), "{text}");
        assert!(text.contains("is the relay running"), "{text}");
    }
}
