//! Simulated clients, in a process of their own.

mod bots;
mod even;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::beats::Points;
use crate::load::{Arrival, Load};
use crate::process::Process;
use crate::programs::Programs;

const JOIN_WITHIN: Duration = Duration::from_secs(60);
/// Bots wait up to 5 s for echoes, and 5 s for being closed.
const END_WITHIN: Duration = Duration::from_secs(20);

/// Clients that play.
#[derive(Debug)]
pub(crate) struct Clients {
    process: Process,
    load: Load,
    joined: Instant,
}

/// Clients that send nothing more, and wait for what has not come back.
#[derive(Debug)]
pub(crate) struct Parting {
    process: Process,
    load: Load,
    /// From when all had joined.
    played: Duration,
}

/// What clients counted, without a fault.
#[derive(Debug)]
pub(crate) enum Summary {
    /// Of clients whose packets are spread evenly.
    Even(even::Summary),
    /// Of all others.
    Bots(bots::Summary),
}

impl Clients {
    /// Starts them, and waits until all are connected. They play for at least `length` then.
    ///
    /// # Errors
    /// They cannot be started, or not all connect.
    pub(crate) fn join(
        programs: &Programs,
        address: SocketAddr,
        load: Load,
        length: Duration,
    ) -> Result<Self> {
        let mut command = match load.arrival {
            Arrival::Even => even::command(programs, address, load, length),
            Arrival::InSteps => bots::command(programs, address, load),
        };
        let mut process = Process::start("the clients", &mut command)?;
        let what = format!("{} connections", load.clients);
        let all = load.clients as usize;
        process.wait_until(&what, JOIN_WITHIN, |pid| crate::kernel::open_files(pid) >= all)?;
        Ok(Self { process, load, joined: Instant::now() })
    }

    /// Whether they say goodbye, and wait for being closed.
    pub(crate) fn say_goodbye(&self) -> bool {
        self.load.arrival == Arrival::InSteps
    }

    /// Tells them to send nothing more; those whose packets are spread evenly end by themselves.
    ///
    /// # Errors
    /// They ended before this.
    pub(crate) fn stop(mut self) -> Result<Parting> {
        let played = self.joined.elapsed();
        if self.process.has_ended()? {
            self.process.output(END_WITHIN)?;
            bail!("the clients ended while it was measured");
        }
        if self.load.arrival == Arrival::InSteps {
            self.process.interrupt();
        }
        Ok(Parting { process: self.process, load: self.load, played })
    }
}

impl Parting {
    /// Waits until they are gone.
    ///
    /// # Errors
    /// A packet was lost or out of order, a client was closed, or they could not send what they
    /// should: then the figures mean nothing.
    pub(crate) fn summary(self) -> Result<Summary> {
        let Self { process, load, played } = self;
        let text = process.output(END_WITHIN)?;
        let summary = match load.arrival {
            Arrival::Even => even::Summary::read(&text).map(Summary::Even),
            Arrival::InSteps => bots::Summary::read(&text, load.clients).map(Summary::Bots),
        };
        let summary =
            summary.with_context(|| format!("the clients' summary is not in order: {text}"))?;
        let due = load.rate * f64::from(load.clients) * played.as_secs_f64();
        let sent = summary.sent();
        ensure!(sent >= due * 0.9, "the clients sent {sent} packets where {due:.0} were due");
        Ok(summary)
    }
}

impl Summary {
    /// How long packets took there and back, in milliseconds.
    ///
    /// # Errors
    /// It was not measured, or none came back.
    pub(crate) fn round_trip_ms(&self) -> Result<Points> {
        match self {
            Self::Even(_) => bail!("these clients do not measure round trips"),
            Self::Bots(summary) => summary.round_trip_ms(),
        }
    }

    /// Frames that are no echoes.
    pub(crate) fn other_frames(&self) -> u64 {
        match self {
            Self::Even(_) => 0,
            Self::Bots(summary) => summary.other_frames,
        }
    }

    /// How late packets were sent that should be spread evenly: 99 in 100 by at most so many
    /// microseconds.
    pub(crate) fn late_p99_us(&self) -> Option<f64> {
        match self {
            Self::Even(summary) => Some(summary.late_p99_us),
            Self::Bots(_) => None,
        }
    }

    fn sent(&self) -> f64 {
        match self {
            Self::Even(summary) => summary.sent as f64,
            Self::Bots(summary) => summary.packets_sent as f64,
        }
    }
}
