//! What a play of recorded clients came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Course;
use crate::summary::{RoundTrip, counts};

/// What a play of recorded clients came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many clients there were.
    pub clients: u32,
    /// How many of them could connect.
    pub joined: u32,
    /// From the start to the last goodbye.
    pub seconds: f64,
    /// How late a cue was at the most, in milliseconds: more than a beat or so, and the relay, or
    /// this machine, did not keep up with the recording at this speed.
    pub behind_ms: f64,
    /// Packets sent by all.
    pub packets_sent: u64,
    /// Heartbeats sent by all, goodbyes among them.
    pub heartbeats_sent: u64,
    /// Frames received by all.
    pub frames_received: u64,
    /// Bytes written, frame lengths included.
    pub bytes_sent: u64,
    /// Bytes read, frame lengths included.
    pub bytes_received: u64,
    /// From sending a packet to a frame that is equal to it, in microseconds; absent if the logic
    /// server sends none back as they came.
    pub round_trip_us: Option<RoundTrip>,
    /// How connections ended: a reason that the relay told; `goodbye`; `disconnected`, as in the
    /// recording; or else `eof` or `reset` (the relay closed without a word), `left_open` (it did
    /// not close one that was closed in the recording), `never_closed` (it did not answer the
    /// goodbye).
    pub closes: BTreeMap<String, u32>,
    /// Why clients could not connect.
    pub not_joined: BTreeMap<String, u32>,
}

impl Summary {
    pub(super) fn new(course: &Course, elapsed: Duration) -> Self {
        let totals = &course.totals;
        Self {
            clients: course.clients,
            joined: totals.joined,
            seconds: elapsed.as_secs_f64(),
            behind_ms: course.most_behind.as_secs_f64() * 1000.0,
            packets_sent: totals.packets_sent,
            heartbeats_sent: totals.heartbeats_sent,
            frames_received: totals.echoed() + totals.other_frames,
            bytes_sent: totals.bytes_sent,
            bytes_received: totals.bytes_received,
            round_trip_us: totals.round_trip(),
            closes: totals.closes.clone(),
            not_joined: totals.not_joined.clone(),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("clients", format!("{} of {} joined", self.joined, self.clients)),
            ("took", format!("{:.1} s, {:.0} ms behind at the most", self.seconds, self.behind_ms)),
            ("sent", format!("{} packets, {} heartbeats", self.packets_sent, self.heartbeats_sent)),
            ("received", format!("{} frames", self.frames_received)),
            ("bytes", format!("{} sent, {} received", self.bytes_sent, self.bytes_received)),
        ];
        rows.extend(self.round_trip_us.map(|trip| ("round trip", trip.to_string())));
        rows.push(("closed", counts(&self.closes)));
        if !self.not_joined.is_empty() {
            rows.push(("could not join", counts(&self.not_joined)));
        }
        rows
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.rows() {
            writeln!(f, "{name:<16}{value}")?;
        }
        if self.joined == 0 && self.clients > 0 {
            writeln!(f, "no client could connect: is the relay running there?")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_reads_well() {
        let mut course = Course { clients: 20, ..Course::default() };
        course.totals.joined = 20;
        course.totals.packets_sent = 1;
        course.totals.other_frames = 2;
        course.most_behind = Duration::from_millis(3);
        course.totals.echo(Duration::from_micros(1500));
        course.totals.parted("goodbye".into());
        let text = Summary::new(&course, Duration::from_secs(2)).to_string();
        for part in ["20 of 20 joined", "2.0 s, 3 ms behind", "3 frames", "p50 1.5 ms", "goodbye 1"]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_relay_that_is_not_there_is_pointed_out() {
        let mut course = Course { clients: 1, ..Course::default() };
        course.totals.not_joined(&std::io::ErrorKind::ConnectionRefused.into());
        let text = Summary::new(&course, Duration::ZERO).to_string();
        assert!(text.contains("is the relay running"), "{text}");
    }
}
