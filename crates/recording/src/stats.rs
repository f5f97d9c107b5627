//! What a recording adds up to: in all, and by session or by second.
//!
//! Rows are given away as soon as nothing is added to them any more, so that a recording of any
//! length needs little memory.

mod seconds;
mod sessions;

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use pulsegate_journal::{Outline, Record, outline};
use pulsegate_protocol::proto::Open;
use pulsegate_replay::Range;
use serde::Serialize;

use crate::entry::{Entry, Kind};
use crate::error::Error;
use crate::present;
use crate::stretch::Stretch;
use seconds::Seconds;
use sessions::{Effect, Sessions};

pub use seconds::Second;
pub use sessions::{Session, TOLD_APART};

/// What is to have a row of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each session.
    Session,
    /// Each second in which there was a tick.
    Second,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Row {
    /// A session, when it has closed, or at the end.
    Session(Session),
    /// A second, in the order of the ticks.
    Second(Second),
}

/// What went in and out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Packets of clients.
    pub packets: u64,
    /// Their bodies, in bytes.
    pub bytes_in: u64,
    /// Replies; one to several or all sessions counts for each of them.
    pub replies: u64,
    /// Their bodies, in bytes.
    pub bytes_out: u64,
}

/// What all of a recording, or a range of it, adds up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// The first tick; 0: none.
    pub first_tick: u64,
    /// The last tick; 0: none.
    pub last_tick: u64,
    /// How many ticks there are.
    pub ticks: u64,
    /// How many of them a rollback left behind. What was in them counts as all else does.
    pub left_behind: u64,
    /// How many sessions opened.
    pub opened: u64,
    /// How many sessions closed.
    pub closed: u64,
    /// All of it.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Replies to sessions that had closed by then, or were never told apart: they are counted
    /// nowhere else.
    pub replies_to_nobody: u64,
    /// Sessions that have no row, because [`TOLD_APART`] others were open when they opened.
    pub sessions_untold: u64,
}

/// Adds a journal up, or a range of it, and gives each row to `tell`.
///
/// # Errors
/// Those of reading, and what `tell` cannot write.
pub fn add_up(
    dir: &Path,
    range: Option<&Range>,
    by: By,
    mut tell: impl FnMut(&Row) -> io::Result<()>,
) -> Result<Totals, Error> {
    let (mut stretch, present) = open(dir, range)?;
    let mut sums = Sums {
        by,
        left_behind: left_behind(dir),
        totals: Totals::default(),
        sessions: Sessions::new(present),
        seconds: Seconds::default(),
    };
    while let Some(record) = stretch.read()? {
        sums.take(&record, &mut tell)?;
    }
    sums.finish(&mut tell)
}

fn open(dir: &Path, range: Option<&Range>) -> Result<(Stretch, BTreeMap<u64, Open>), Error> {
    let stretch = match range {
        Some(range) => Stretch::open(dir, range)?,
        None => Stretch::whole(dir)?,
    };
    Ok((stretch, present::before(dir, range.map_or(0, |range| range.first))?))
}

/// Empty if the journal is too damaged to tell; then whoever reads it is told so.
fn left_behind(dir: &Path) -> Vec<RangeInclusive<u64>> {
    let known = |found: Outline| found.timeline.left_behind(0, found.last_tick);
    outline(dir).map(known).unwrap_or_default()
}

struct Sums {
    by: By,
    left_behind: Vec<RangeInclusive<u64>>,
    totals: Totals,
    sessions: Sessions,
    seconds: Seconds,
}

impl Sums {
    fn take(
        &mut self,
        record: &Record,
        tell: &mut impl FnMut(&Row) -> io::Result<()>,
    ) -> Result<(), Error> {
        if let Record::Tick { peek, .. } = record {
            let number = peek.head.number;
            self.totals.tick(number, self.left_behind.iter().any(|ticks| ticks.contains(&number)));
            self.seconds.tick(peek.head.number, peek.head.wall_ns);
        }
        for entry in Entry::all_of(record)? {
            let effect = self.sessions.take(&entry);
            self.totals.take(&entry, &effect);
            self.seconds.take(&entry, effect.reached);
            if let Some(session) = effect.row.filter(|_| self.by == By::Session) {
                tell(&Row::Session(session))?;
            }
        }
        while let Some(second) = self.seconds.next() {
            if self.by == By::Second {
                tell(&Row::Second(second))?;
            }
        }
        Ok(())
    }

    fn finish(mut self, tell: &mut impl FnMut(&Row) -> io::Result<()>) -> Result<Totals, Error> {
        self.totals.sessions_untold = self.sessions.untold();
        match self.by {
            By::Session => {
                self.sessions.rest().try_for_each(|session| tell(&Row::Session(session)))?;
            }
            By::Second => {
                self.seconds.rest().try_for_each(|second| tell(&Row::Second(second)))?;
            }
        }
        Ok(self.totals)
    }
}

impl Totals {
    fn tick(&mut self, number: u64, left_behind: bool) {
        self.last_tick = number;
        self.ticks += 1;
        self.left_behind += u64::from(left_behind);
        if self.first_tick == 0 {
            self.first_tick = number;
        }
    }

    fn take(&mut self, entry: &Entry, effect: &Effect) {
        self.opened += u64::from(effect.opened);
        self.closed += u64::from(effect.closed);
        self.replies_to_nobody += u64::from(entry.kind == Kind::Reply && effect.reached == 0);
        self.traffic.add(entry, effect.reached);
    }
}

impl Traffic {
    /// Counts a packet, or a reply that goes to so many sessions.
    fn add(&mut self, entry: &Entry, reached: u64) {
        let bytes = entry.body.as_ref().map_or(0, |body| body.len() as u64);
        match entry.kind {
            Kind::Packet => {
                self.packets += 1;
                self.bytes_in += bytes;
            }
            Kind::Reply => {
                self.replies += reached;
                self.bytes_out += reached * bytes;
            }
            _ => {}
        }
    }
}
