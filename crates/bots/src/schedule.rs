//! When a bot sends what. Times are absolute, so a bot that was held up owes nothing less.

use std::time::Duration;

use crate::args::Options;

/// Something to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    Packet,
    Heartbeat,
}

/// What one bot sends, in times since the run began.
#[derive(Debug)]
pub(crate) struct Schedule {
    packets: Series,
    heartbeats: Series,
    /// Nothing is sent from here on.
    ends: Duration,
}

#[derive(Debug)]
struct Series {
    next: Duration,
    every: Duration,
}

impl Schedule {
    /// For a bot that joined now, and plays until `ends`.
    pub(crate) fn new(options: &Options, joined: Duration, ends: Duration) -> Self {
        let packet_every =
            (options.rate > 0.0).then(|| Duration::from_secs_f64(1.0 / options.rate));
        let muted = options.mute_after.map(|after| joined.saturating_add(after));
        Self {
            packets: Series::from(joined, packet_every),
            heartbeats: Series::from(joined, options.heartbeat),
            ends: muted.map_or(ends, |muted| muted.min(ends)),
        }
    }

    /// Takes the first thing that is due. A heartbeat goes first.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Sending> {
        let due = self.next_at()?;
        if due > now {
            return None;
        }
        if self.heartbeats.next == due {
            self.heartbeats.step();
            return Some(Sending::Heartbeat);
        }
        self.packets.step();
        Some(Sending::Packet)
    }

    /// When something is due next; `None`: never again.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        Some(self.packets.next.min(self.heartbeats.next)).filter(|next| *next < self.ends)
    }

    /// Sends nothing any more.
    pub(crate) fn end(&mut self) {
        self.ends = Duration::ZERO;
    }
}

impl Series {
    fn from(start: Duration, every: Option<Duration>) -> Self {
        match every {
            Some(every) => Self { next: start, every },
            None => Self { next: Duration::MAX, every: Duration::MAX },
        }
    }

    fn step(&mut self) {
        self.next = self.next.saturating_add(self.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn options(rate: f64, heartbeat: Option<Duration>, mute_after: Option<Duration>) -> Options {
        Options { rate, heartbeat, mute_after, ..Options::new("") }
    }

    fn all(mut schedule: Schedule) -> Vec<(u64, Sending)> {
        let mut sendings = Vec::new();
        while let Some(at) = schedule.next_at() {
            let sending = schedule.take_due(at).expect("it is due");
            sendings.push((at.as_millis() as u64, sending));
        }
        sendings
    }

    #[test]
    fn packets_and_heartbeats_keep_to_their_own_times() {
        use Sending::{Heartbeat, Packet};
        let schedule = Schedule::new(&options(20.0, Some(ms(80)), None), ms(7), ms(167));
        let expected = [
            (7, Heartbeat),
            (7, Packet),
            (57, Packet),
            (87, Heartbeat),
            (107, Packet),
            (157, Packet),
        ];
        assert_eq!(all(schedule), expected);
    }

    #[test]
    fn a_bot_without_packets_still_beats_and_one_with_neither_is_silent() {
        let beats = Schedule::new(&options(0.0, Some(ms(100)), None), ms(0), ms(300));
        assert_eq!(all(beats).len(), 3);
        assert_eq!(all(Schedule::new(&options(0.0, None, None), ms(0), ms(300))), []);
    }

    #[test]
    fn a_muted_bot_sends_nothing_more() {
        let schedule = Schedule::new(&options(20.0, None, Some(ms(100))), ms(500), ms(9000));
        assert_eq!(all(schedule).last(), Some(&(550, Sending::Packet)));
    }

    #[test]
    fn a_bot_that_was_held_up_sends_all_that_it_owes() {
        let mut schedule = Schedule::new(&options(20.0, None, None), ms(0), ms(9000));
        let sent = std::iter::from_fn(|| schedule.take_due(ms(1000))).count();
        assert_eq!(sent, 21);
        assert_eq!(schedule.next_at(), Some(ms(1050)));
    }
}
