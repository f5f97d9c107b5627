//! Simulated clients: `pulsegate bots` in a process of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::beats::Points;
use crate::process::Process;
use crate::programs::Programs;
use crate::spread::whole;

/// Between two joins. So their packets are spread over time, as those of players are.
const JOIN_EVERY: Duration = Duration::from_micros(250);
const JOIN_WITHIN: Duration = Duration::from_secs(60);
/// They wait up to 5 s for echoes, and 5 s for being closed.
const END_WITHIN: Duration = Duration::from_secs(20);
/// Bytes in a packet.
const SIZE: u32 = 64;

/// How many clients do what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    pub(crate) clients: u32,
    /// Packets a second, of each.
    pub(crate) rate: f64,
}

impl Load {
    /// Clients that send packets of 64 bytes.
    pub(crate) const fn busy(clients: u32, rate: f64) -> Self {
        Self { clients, rate }
    }

    /// Clients that send a heartbeat each 5 s.
    pub(crate) const fn idle(clients: u32) -> Self {
        Self { clients, rate: 0.0 }
    }

    /// As it is called in names of figures.
    pub(crate) fn name(self) -> String {
        match self {
            Self { clients, rate: 0.0 } => format!("{clients}-idle"),
            Self { clients, rate } => format!("{clients}x{rate}"),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { clients, rate: 0.0 } => write!(f, "{} idle clients", whole(clients.into())),
            Self { clients, rate } => {
                write!(f, "{} clients × {rate}/s", whole(clients.into()))
            }
        }
    }
}

/// Clients that play.
#[derive(Debug)]
pub(crate) struct Clients {
    process: Process,
    load: Load,
    joined_first: Instant,
}

/// Clients that were told to stop, and wait for what has not come back.
#[derive(Debug)]
pub(crate) struct Parting {
    process: Process,
    load: Load,
    /// Of all clients together.
    played: Duration,
}

/// What the clients counted.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    joined: u32,
    packets_sent: u64,
    lost: u64,
    doubled: u64,
    out_of_order: u64,
    /// Frames that are no echoes.
    pub(crate) other_frames: u64,
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

impl Clients {
    /// Starts them, and waits until all are connected.
    ///
    /// # Errors
    /// They cannot be started, or not all connect.
    pub(crate) fn join(programs: &Programs, address: SocketAddr, load: Load) -> Result<Self> {
        let heartbeat = if load.rate > 0.0 { "0s" } else { "5s" };
        let mut command = Command::new(programs.built("pulsegate"));
        command.args(["bots", &address.to_string(), "--json", "--duration", "1h"]);
        command.args(["--count", &load.clients.to_string(), "--rate", &load.rate.to_string()]);
        command.args(["--size", &SIZE.to_string(), "--heartbeat", heartbeat]);
        command.args(["--join-every", &format!("{}us", JOIN_EVERY.as_micros())]);
        let joined_first = Instant::now();
        let mut process = Process::start("the clients", &mut command)?;
        let what = format!("{} connections", load.clients);
        let all = load.clients as usize;
        process.wait_until(&what, JOIN_WITHIN, |pid| crate::kernel::open_files(pid) >= all)?;
        Ok(Self { process, load, joined_first })
    }

    /// Tells them to send nothing more.
    pub(crate) fn stop(self) -> Parting {
        self.process.interrupt();
        let Self { process, load, joined_first } = self;
        let joining = JOIN_EVERY * load.clients;
        let played = (joined_first.elapsed().saturating_sub(joining / 2)) * load.clients;
        Parting { process, load, played }
    }
}

impl Parting {
    /// Waits until they are gone.
    ///
    /// # Errors
    /// A packet was lost or out of order, a client was closed, or they could not send what they
    /// should: then the figures mean nothing.
    pub(crate) fn summary(self) -> Result<Summary> {
        let text = self.process.output(END_WITHIN)?;
        let summary: Summary = serde_json::from_str(&text)
            .with_context(|| format!("the clients' summary is not understood: {text}"))?;
        summary.check(self.load, self.played)?;
        Ok(summary)
    }
}

impl Summary {
    /// How long packets took there and back, in milliseconds.
    ///
    /// # Errors
    /// None came back.
    pub(crate) fn round_trip_ms(&self) -> Result<Points> {
        let RoundTrip { p50, p99, max } =
            self.round_trip_us.as_ref().context("no packet came back")?;
        let [p50, p99, max] = [p50, p99, max].map(|us| f64::from(*us) / 1000.0);
        Ok(Points { p50, p99, max })
    }

    fn check(&self, load: Load, played: Duration) -> Result<()> {
        let Self { joined, lost, doubled, out_of_order, .. } = *self;
        ensure!(joined == load.clients, "only {joined} of {} clients joined", load.clients);
        ensure!(lost == 0, "{lost} of {} packets were lost", self.packets_sent);
        ensure!(doubled == 0, "{doubled} packets came twice");
        ensure!(out_of_order == 0, "{out_of_order} packets came out of order");
        let in_order = self.closes.get("goodbye").copied().unwrap_or_default();
        ensure!(in_order == joined, "clients were closed otherwise than asked: {:?}", self.closes);
        let due = load.rate * played.as_secs_f64();
        let sent = self.packets_sent as f64;
        ensure!(sent >= due * 0.9, "the clients sent {sent} packets where {due:.0} were due");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str) -> Summary {
        serde_json::from_str(text).unwrap()
    }

    const WELL: &str = r#"{"bots":2,"joined":2,"packets_sent":40,"lost":0,"doubled":0,
        "out_of_order":0,"other_frames":0,"closes":{"goodbye":2},
        "round_trip_us":{"p50":10,"p90":20,"p99":30,"max":40}}"#;

    #[test]
    fn only_a_run_without_a_fault_counts() {
        let load = Load::busy(2, 20.0);
        let check = |text: &str| summary(text).check(load, Duration::from_secs(2));
        check(WELL).unwrap();
        let faults = [
            ("\"lost\":0", "\"lost\":1"),
            ("\"joined\":2", "\"joined\":1"),
            ("\"doubled\":0", "\"doubled\":1"),
            ("\"out_of_order\":0", "\"out_of_order\":1"),
            ("\"goodbye\":2", "\"goodbye\":1,\"silent\":1"),
            ("\"packets_sent\":40", "\"packets_sent\":30"),
        ];
        for (well, ill) in faults {
            let text = WELL.replace(well, ill);
            assert_ne!(text, WELL);
            assert!(check(&text).is_err(), "{ill}");
        }
    }

    #[test]
    fn loads_have_names() {
        assert_eq!(Load::busy(1_000, 20.0).name(), "1000x20");
        assert_eq!(Load::idle(10_000).name(), "10000-idle");
    }
}
