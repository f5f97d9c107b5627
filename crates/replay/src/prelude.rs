//! A tick that is made up, for a logic server that would else know of nobody.

use std::fmt;

use pulsegate_journal::Attendance;
use pulsegate_protocol::link;
use pulsegate_protocol::proto::{Cause, Gap, State, StateChange, item::Item};
use pulsegate_protocol::tick::{Damage, Gathering, Head, events};
use serde::Serialize;

use crate::error::Error;
use crate::feed::Recorded;
use crate::recording::{Recording, next_tick};

/// What is sent instead of all that came before a range.
#[derive(Debug)]
pub(crate) struct Prelude {
    pub(crate) tick: Recorded,
    pub(crate) opened: Opened,
}

/// The sessions that a made-up tick opens. Any other state from before the range is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Opened {
    /// The number of the made-up tick: that of the tick before the range.
    pub tick: u64,
    /// How many sessions were there behind that tick.
    pub sessions: usize,
    /// How many of them were in `leave`.
    pub leaving: usize,
}

impl Prelude {
    /// The prelude to the ticks from a number on; nothing before a journal's very first tick.
    pub(crate) fn to(recording: &Recording, from: u64) -> Result<Option<Self>, Error> {
        let first = next_tick(&mut recording.reader(from)?)?;
        let (peek, bytes) = first.ok_or_else(|| recording.out_of_range())?;
        let unreadable =
            |damage: Damage| Error::Protocol(format!("tick {from} of the journal: {damage}"));
        let lost = lost_before(&peek.head, &bytes).map_err(unreadable)?;
        let before = lost.unwrap_or_else(|| recording.timeline().before(peek.head.number));
        if before == 0 {
            return Ok(None);
        }
        let attendance = recording.attendance(before)?;
        let opened = Opened {
            tick: before,
            sessions: attendance.present.len(),
            leaving: attendance.leaving.len(),
        };
        let head = head(before, &peek.head, recording.lineage());
        // No tick led to it.
        let bytes = gather(attendance).seal(&head).chain(0).bytes;
        Ok(Some(Self { tick: Recorded { head, bytes }, opened }))
    }
}

/// The tick that a tick follows, if it names a gap before itself.
fn lost_before(head: &Head, bytes: &[u8]) -> Result<Option<u64>, Damage> {
    let mut before = None;
    for event in events(bytes) {
        if let Item::Gap(Gap { first, last, .. }) = event?
            && (first..head.number).contains(&last)
        {
            let known = before.unwrap_or(u64::MAX);
            before = Some(known.min(first.saturating_sub(1)));
        }
    }
    Ok(before)
}

/// It is as old as the tick before the range.
fn head(number: u64, next: &Head, lineage: &str) -> Head {
    Head {
        number,
        epoch: next.epoch,
        monotonic_ns: next.monotonic_ns.saturating_sub(next.since_last_ns),
        wall_ns: next.wall_ns.saturating_sub(next.since_last_ns),
        since_last_ns: 0,
        seed: link::seed(lineage, number),
    }
}

fn gather(attendance: Attendance) -> Gathering {
    let mut gathering = Gathering::with_capacity(0);
    for open in attendance.present.into_values() {
        gathering.event(Item::Open(open));
    }
    for session in attendance.leaving {
        // Why it left is not known any more.
        let (state, cause) = (State::Leave.into(), Cause::Unspecified.into());
        gathering.event(Item::State(StateChange { session, state, cause }));
    }
    gathering
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tick, sessions, leaving } = self;
        write!(
            f,
            "a made-up tick {tick}: {sessions} sessions open, {leaving} in leave; all other state \
             is missing"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(number: u64, gaps: &[(u64, u64)]) -> Option<u64> {
        let mut batch = Gathering::with_capacity(0);
        for &(first, last) in gaps {
            batch.event(Item::Gap(Gap { first, last, why: "disk full".into() }));
        }
        let head = Head { number, ..Head::default() };
        lost_before(&head, &batch.seal(&head).chain(0).bytes).unwrap()
    }

    #[test]
    fn behind_a_gap_comes_the_tick_before_it() {
        assert_eq!(lost(14, &[]), None);
        assert_eq!(lost(14, &[(11, 13)]), Some(10));
        assert_eq!(lost(16, &[(11, 13), (14, 15)]), Some(10));
        assert_eq!(lost(14, &[(1, 13)]), Some(0));
    }
}
