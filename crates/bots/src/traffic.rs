//! What clients of any kind sent and received.

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

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            joined: self.joined,
            packets_sent: self.packets_sent,
            heartbeats_sent: self.heartbeats_sent,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            round_trip_us: self.round_trip(),
            closes: self.closes.clone(),
            not_joined: self.not_joined.clone(),
        }
    }
}

/// What clients sent and received, and how their connections went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Traffic {
    /// How many clients could connect.
    pub joined: u32,
    /// Packets sent by all.
    pub packets_sent: u64,
    /// Heartbeats sent by all, goodbyes among them.
    pub heartbeats_sent: u64,
    /// Bytes written, frame lengths included.
    pub bytes_sent: u64,
    /// Bytes read, frame lengths included.
    pub bytes_received: u64,
    /// From sending a packet to a frame that is equal to it, in microseconds; absent if nothing
    /// came back as it was sent.
    pub round_trip_us: Option<RoundTrip>,
    /// How connections ended: a reason that the relay told; `goodbye`; or else `eof` or `reset`
    /// (it closed without a word), `never_closed` (it did not answer the goodbye). Recorded clients
    /// also are `disconnected`, as they were in the recording, or `left_open` (the relay did not
    /// close one that it had closed there).
    pub closes: BTreeMap<String, u32>,
    /// Why clients could not connect.
    pub not_joined: BTreeMap<String, u32>,
}

/// A line of a table.
pub(crate) type Row = (&'static str, String);

impl Traffic {
    /// What was sent.
    pub(crate) fn sent(&self) -> Row {
        ("sent", format!("{} packets, {} heartbeats", self.packets_sent, self.heartbeats_sent))
    }

    /// All that has no place of its own in a table.
    pub(crate) fn rest(&self) -> Vec<Row> {
        let bytes = format!("{} sent, {} received", self.bytes_sent, self.bytes_received);
        let mut rows = vec![("bytes", bytes)];
        rows.extend(self.round_trip_us.map(|trip| ("round trip", trip.to_string())));
        let told = [("closed", &self.closes), ("could not join", &self.not_joined)];
        let told = told.into_iter().filter(|(_, counted)| !counted.is_empty());
        rows.extend(told.map(|(name, counted)| (name, counts(counted))));
        rows
    }
}

/// Writes a table.
pub(crate) fn table(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    rows.iter().try_for_each(|(name, value)| writeln!(f, "{name:<16}{value}"))
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

impl fmt::Display for RoundTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, max] = [self.p50, self.p90, self.p99, self.max].map(milliseconds);
        write!(f, "p50 {p50}, p90 {p90}, p99 {p99}, max {max}")
    }
}

fn milliseconds(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1000.0)
}

fn counts(counts: &BTreeMap<String, u32>) -> String {
    let words: Vec<_> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    words.join(", ")
}
