//! Packets, one after another, by the clock.

use std::io::Write;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use hdrhistogram::Histogram;
use rustix::thread::{clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::crowd::Crowd;

const BODY: usize = 64;
/// A packet with its length in front: no heartbeat, whoever reads it.
pub(crate) const PACKET: [u8; 4 + BODY] = packet();

/// All runs have the same order of clients.
const SEED: u64 = 20;
const SECOND_NS: u64 = 1_000_000_000;

/// What was sent, and how punctually.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Packets of each client.
    pub(crate) packets: Vec<u64>,
    late_ns: Histogram<u64>,
}

impl Sent {
    /// How long after their time packets were sent: 99 in 100 by no more than these microseconds.
    pub(crate) fn late_p99_us(&self) -> f64 {
        self.late_ns.value_at_quantile(0.99) as f64 / 1000.0
    }
}

/// Sends one packet each `1 / (clients × rate)` seconds until told that it is over. The turn of a
/// client that has not joined yet passes in silence; packets that are late follow at once.
///
/// # Errors
/// A client cannot send: its connection is gone, or nobody reads what it sends.
pub(crate) fn send_until(over: &AtomicBool, crowd: &Crowd, rate: f64) -> Result<Sent> {
    set_current_timer_slack(NonZeroU64::new(1)).context("cannot ask for exact timers")?;
    let order = order(crowd.len());
    let step_ns = SECOND_NS as f64 / (order.len() as f64 * rate);
    let mut sent = Sent { packets: vec![0; order.len()], late_ns: Histogram::new(3)? };
    let begin = now_ns();
    for (turn, &client) in order.iter().cycle().enumerate() {
        // From the begin each time: steps that are rounded and added up would drift.
        let due = begin + (turn as f64 * step_ns) as u64;
        let now = sleep_until(due);
        if over.load(Ordering::Relaxed) {
            break;
        }
        let Some(mut stream) = crowd.get(client) else { continue };
        let wrote =
            stream.write(&PACKET).with_context(|| format!("client {client} cannot send"))?;
        ensure!(wrote == PACKET.len(), "client {client} cannot send: nobody reads it");
        sent.packets[client] += 1;
        sent.late_ns.record(now - due)?;
    }
    Ok(sent)
}

fn order(clients: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..clients).collect();
    Rng::with_seed(SEED).shuffle(&mut order);
    order
}

/// Sleeps, unless it is late already, and returns what the clock says then: never less than `due`.
fn sleep_until(due: u64) -> u64 {
    let wake = Timespec { tv_sec: (due / SECOND_NS) as i64, tv_nsec: (due % SECOND_NS) as _ };
    let mut now = now_ns();
    while now < due {
        // A signal may wake it early; then it sleeps again.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &wake);
        now = now_ns();
    }
    now
}

fn now_ns() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    tv_sec as u64 * SECOND_NS + tv_nsec as u64
}

const fn packet() -> [u8; 4 + BODY] {
    let mut packet = [b'x'; 4 + BODY];
    let length = (BODY as u32).to_be_bytes();
    let mut at = 0;
    while at < length.len() {
        packet[at] = length[at];
        at += 1;
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_its_length_and_that_many_bytes() {
        assert_eq!(PACKET[..4], [0, 0, 0, 64]);
        assert_eq!(PACKET[4..], [b'x'; 64]);
    }

    #[test]
    fn every_client_has_its_turn_in_an_order_that_does_not_change() {
        let mut first = order(100);
        assert_eq!(first, order(100));
        assert!(!first.is_sorted());
        first.sort_unstable();
        assert_eq!(first, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn nobody_wakes_too_early() {
        let due = now_ns() + 300_000;
        assert!(sleep_until(due) >= due);
        assert!(sleep_until(due) >= due);
    }
}
