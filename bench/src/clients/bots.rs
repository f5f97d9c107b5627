//! `pulsegate bots`: packets come in steps of 1 ms, and round trips are measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::beats::Points;
use crate::load::Load;
use crate::programs::Programs;

/// Between two joins. So clients do not all send in the same millisecond.
const JOIN_EVERY: Duration = Duration::from_micros(250);
/// Bytes in a packet.
const SIZE: u32 = 64;

/// What they counted.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    joined: u32,
    pub(super) packets_sent: u64,
    lost: u64,
    doubled: u64,
    out_of_order: u64,
    pub(super) other_frames: u64,
    /// From sending to echo; absent if nothing came back.
    round_trip_us: Option<RoundTrip>,
    closes: BTreeMap<String, u32>,
}

/// Percentiles in microseconds.
#[derive(Debug, Deserialize)]
struct RoundTrip {
    p50: u32,
    p99: u32,
    max: u32,
}

pub(super) fn command(programs: &Programs, address: SocketAddr, load: Load) -> Command {
    let heartbeat = if load.rate > 0.0 { "0s" } else { "5s" };
    let mut command = Command::new(programs.built("pulsegate"));
    command.args(["bots", &address.to_string(), "--json", "--duration", "1h"]);
    command.args(["--count", &load.clients.to_string(), "--rate", &load.rate.to_string()]);
    command.args(["--size", &SIZE.to_string(), "--heartbeat", heartbeat]);
    command.args(["--join-every", &format!("{}us", JOIN_EVERY.as_micros())]);
    command
}

impl Summary {
    /// Understands what they wrote.
    ///
    /// # Errors
    /// It is no summary, not all clients joined, or one of them met a fault.
    pub(super) fn read(text: &str, clients: u32) -> Result<Self> {
        let summary: Self = serde_json::from_str(text)?;
        let Self { joined, lost, doubled, out_of_order, .. } = summary;
        ensure!(joined == clients, "only {joined} of {clients} clients joined");
        ensure!(lost == 0, "{lost} of {} packets were lost", summary.packets_sent);
        ensure!(doubled == 0, "{doubled} packets came twice");
        ensure!(out_of_order == 0, "{out_of_order} packets came out of order");
        let in_order = summary.closes.get("goodbye").copied().unwrap_or_default();
        ensure!(in_order == joined, "clients were closed otherwise than asked");
        Ok(summary)
    }

    pub(super) fn round_trip_ms(&self) -> Result<Points> {
        let RoundTrip { p50, p99, max } =
            self.round_trip_us.as_ref().context("no packet came back")?;
        let [p50, p99, max] = [p50, p99, max].map(|us| f64::from(*us) / 1000.0);
        Ok(Points { p50, p99, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: &str = r#"{"bots":2,"joined":2,"packets_sent":40,"lost":0,"doubled":0,
        "out_of_order":0,"other_frames":0,"closes":{"goodbye":2},
        "round_trip_us":{"p50":10,"p90":20,"p99":30,"max":40}}"#;

    #[test]
    fn only_a_run_without_a_fault_counts() {
        Summary::read(WELL, 2).unwrap();
        let faults = [
            ("\"lost\":0", "\"lost\":1"),
            ("\"joined\":2", "\"joined\":1"),
            ("\"doubled\":0", "\"doubled\":1"),
            ("\"out_of_order\":0", "\"out_of_order\":1"),
            ("\"goodbye\":2", "\"goodbye\":1,\"silent\":1"),
        ];
        for (well, ill) in faults {
            let text = WELL.replace(well, ill);
            assert_ne!(text, WELL);
            assert!(Summary::read(&text, 2).is_err(), "{ill}");
        }
    }
}
