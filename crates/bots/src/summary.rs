//! What it all came to.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::traffic::{Row, Totals, Traffic, table};

/// What a run of bots came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many bots were asked for.
    pub bots: u32,
    /// From the start to the last goodbye.
    pub seconds: f64,
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
    /// What they sent and received.
    #[serde(flatten)]
    pub traffic: Traffic,
}

impl Summary {
    pub(crate) fn new(totals: &Totals, bots: u32, elapsed: Duration) -> Self {
        Self {
            bots,
            seconds: elapsed.as_secs_f64(),
            echoed: totals.echoed(),
            lost: totals.lost,
            doubled: totals.doubled,
            out_of_order: totals.out_of_order,
            misdelivered: totals.misdelivered,
            other_frames: totals.other_frames,
            traffic: totals.traffic(),
        }
    }

    /// Whether every bot joined, and every packet came back once, in order, to its sender.
    pub fn is_flawless(&self) -> bool {
        let faults = [self.lost, self.doubled, self.out_of_order, self.misdelivered];
        self.traffic.joined == self.bots && faults == [0; 4]
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![
            ("bots", format!("{} of {} joined", self.traffic.joined, self.bots)),
            self.traffic.sent(),
            ("came back", format!("{} packets", self.echoed)),
            ("lost", self.lost.to_string()),
            ("doubled", self.doubled.to_string()),
            ("out of order", self.out_of_order.to_string()),
            ("misdelivered", self.misdelivered.to_string()),
            ("other frames", self.other_frames.to_string()),
        ];
        rows.extend(self.traffic.rest());
        rows
    }

    /// What a person should make of the figures, where they are odd.
    fn hint(&self) -> Option<&'static str> {
        if self.traffic.joined == 0 && self.bots > 0 {
            return Some("no bot could connect: is the relay running there?");
        }
        (self.traffic.packets_sent > 0 && self.echoed == 0)
            .then_some("nothing came back: only a logic server that echoes sends packets back")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(f, &self.rows())?;
        self.hint().map_or(Ok(()), |hint| writeln!(f, "{hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played() -> Summary {
        let mut totals = Totals::default();
        (totals.joined, totals.packets_sent) = (2, 2);
        totals.echo(Duration::from_micros(1500));
        totals.echo(Duration::from_micros(2500));
        totals.parted("goodbye".into());
        totals.parted("silent".into());
        Summary::new(&totals, 2, Duration::from_secs(1))
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
        assert!(!Summary { bots: 3, ..played() }.is_flawless());
    }

    #[test]
    fn a_relay_that_is_not_there_is_pointed_out() {
        let mut totals = Totals::default();
        totals.not_joined(&std::io::ErrorKind::ConnectionRefused.into());
        let text = Summary::new(&totals, 1, Duration::ZERO).to_string();
        assert!(text.contains("connection refused 1"), "{text}");
        assert!(text.contains("is the relay running"), "{text}");
    }
}
