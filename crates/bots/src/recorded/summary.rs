//! What a play of recorded clients came to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::Course;
use crate::traffic::{Row, Traffic, table};

/// What a play of recorded clients came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many clients there were.
    pub clients: u32,
    /// From the start to the last goodbye.
    pub seconds: f64,
    /// How late a cue was at the most, in milliseconds: more than a beat or so, and the relay, or
    /// this machine, did not keep up with the recording at this speed.
    pub behind_ms: f64,
    /// Frames received by all.
    pub frames_received: u64,
    /// What they sent and received.
    #[serde(flatten)]
    pub traffic: Traffic,
}

impl Summary {
    pub(super) fn new(course: &Course, elapsed: Duration) -> Self {
        let totals = &course.totals;
        Self {
            clients: course.clients,
            seconds: elapsed.as_secs_f64(),
            behind_ms: course.most_behind.as_secs_f64() * 1000.0,
            frames_received: totals.echoed() + totals.other_frames,
            traffic: totals.traffic(),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![
            ("clients", format!("{} of {} joined", self.traffic.joined, self.clients)),
            ("took", format!("{:.1} s, {:.0} ms behind at the most", self.seconds, self.behind_ms)),
            self.traffic.sent(),
            ("received", format!("{} frames", self.frames_received)),
        ];
        rows.extend(self.traffic.rest());
        rows
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, &self.rows())?;
        if self.traffic.joined == 0 && self.clients > 0 {
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
