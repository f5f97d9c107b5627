//! A row for each second in which there was a tick.

use std::collections::VecDeque;

use serde::{Serialize, Serializer};

use super::Traffic;
use crate::entry::{Entry, Kind};
use crate::line::time;

/// So many seconds wait for answers that are late. What comes later still is in the totals alone.
const WAITING: usize = 120;

/// A row has no more ticks than this, if the clock stands still.
const TICKS: u64 = 100_000;

const NS: u64 = 1_000_000_000;

/// What happened in a second of the wall clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Second {
    /// When it began, in nanoseconds since 1970-01-01 UTC.
    #[serde(rename = "second", serialize_with = "as_time")]
    pub begun_ns: u64,
    /// The first tick in it.
    pub first_tick: u64,
    /// How many ticks were sealed in it.
    pub ticks: u64,
    /// What was sent in them, and answered to them.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// How long logic worked for them, in microseconds.
    pub work_us: u64,
    /// The median of how late their beats were, in microseconds; nothing without timings.
    pub lateness_p50_us: Option<u64>,
    /// What 99 of 100 of them were late at the most.
    pub lateness_p99_us: Option<u64>,
}

fn as_time<S: Serializer>(begun_ns: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time(*begun_ns))
}

/// The seconds to which something may still be added, oldest first.
#[derive(Default)]
pub(super) struct Seconds {
    waiting: VecDeque<(Second, Vec<u64>)>,
    answered: u64,
    timed: u64,
}

impl Seconds {
    pub(super) fn tick(&mut self, number: u64, wall_ns: u64) {
        let begun_ns = wall_ns - wall_ns % NS;
        match self.waiting.back_mut() {
            Some((second, _)) if second.begun_ns == begun_ns && second.ticks < TICKS => {
                second.ticks += 1;
            }
            _ => self.waiting.push_back((Second::begun(begun_ns, number), Vec::new())),
        }
    }

    /// Takes an entry; a reply goes to so many sessions.
    pub(super) fn take(&mut self, entry: &Entry, reached: u64) {
        match entry.kind {
            Kind::Answer => self.answered = self.answered.max(entry.tick),
            Kind::Timing => self.timed = self.timed.max(entry.tick),
            _ => {}
        }
        let mut seconds = self.waiting.iter_mut().rev();
        let Some((second, lateness)) = seconds.find(|(second, _)| second.first_tick <= entry.tick)
        else {
            return;
        };
        second.traffic.add(entry, reached);
        if entry.kind == Kind::Timing {
            second.work_us += entry.number("work_us");
            lateness.push(entry.number("lateness_us"));
        }
    }

    /// The next second that is complete, or has waited for too long.
    pub(super) fn next(&mut self) -> Option<Second> {
        let (next, _) = self.waiting.get(1)?;
        let complete = self.answered.min(self.timed) + 1 >= next.first_tick;
        if complete || self.waiting.len() > WAITING { self.pop() } else { None }
    }

    /// Those that are left.
    pub(super) fn rest(mut self) -> impl Iterator<Item = Second> {
        std::iter::from_fn(move || self.pop())
    }

    fn pop(&mut self) -> Option<Second> {
        let (mut second, mut lateness) = self.waiting.pop_front()?;
        lateness.sort_unstable();
        second.lateness_p50_us = percentile(&lateness, 50);
        second.lateness_p99_us = percentile(&lateness, 99);
        Some(second)
    }
}

impl Second {
    fn begun(begun_ns: u64, first_tick: u64) -> Self {
        Self {
            begun_ns,
            first_tick,
            ticks: 1,
            traffic: Traffic::default(),
            work_us: 0,
            lateness_p50_us: None,
            lateness_p99_us: None,
        }
    }
}

/// The smallest value that so many of a hundred do not exceed.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Who;

    fn entry(tick: u64, kind: Kind, said: Vec<(&'static str, serde_json::Value)>) -> Entry {
        Entry { tick, wall_ns: 0, kind, who: Who::All, said, body: Some("abc".into()) }
    }

    fn timing(tick: u64, lateness_us: u64) -> Entry {
        let said = vec![("lateness_us", lateness_us.into()), ("work_us", 10.into())];
        entry(tick, Kind::Timing, said)
    }

    #[test]
    fn answers_and_timings_count_for_the_second_of_their_tick() {
        let mut seconds = Seconds::default();
        for tick in 1..=200 {
            seconds.tick(tick, tick * NS / 100 - 1);
        }
        assert_eq!(seconds.next(), None, "neither answered nor timed");
        (1..=100).for_each(|tick| seconds.take(&timing(tick, tick), 0));
        seconds.take(&entry(100, Kind::Reply, vec![]), 4);
        assert_eq!(seconds.next(), None, "not answered");
        seconds.take(&entry(100, Kind::Answer, vec![]), 0);
        let first = seconds.next().unwrap();
        assert_eq!((first.ticks, first.first_tick, first.work_us), (100, 1, 1000));
        assert_eq!((first.lateness_p50_us, first.lateness_p99_us), (Some(50), Some(99)));
        assert_eq!((first.traffic.replies, first.traffic.bytes_out), (4, 12));
        let rest: Vec<_> = seconds.rest().collect();
        assert_eq!((rest.len(), rest[0].ticks, rest[0].lateness_p50_us), (1, 100, None));
    }

    #[test]
    fn seconds_do_not_wait_for_ever() {
        let mut seconds = Seconds::default();
        for tick in 1..=WAITING as u64 + 5 {
            seconds.tick(tick, tick * NS);
        }
        assert_eq!(std::iter::from_fn(|| seconds.next()).count(), 5);
    }
}
