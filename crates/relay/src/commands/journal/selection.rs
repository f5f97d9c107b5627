//! Which part of a journal a command is about.

use std::path::PathBuf;

use clap::Args;
use miette::IntoDiagnostic;
use pulsegate_recording::{Condition, Filter, Kind, Stretch};
use pulsegate_replay::{Point, Range};

/// A range of ticks.
#[derive(Debug, Args)]
pub(super) struct Part {
    /// The journal's directory; a relay may be writing it
    pub(super) dir: PathBuf,
    /// The first tick: its number, a time such as 2026-07-01T20:15:00Z or 14:03:10, -5m for five
    /// minutes before the end, or session:812:open
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub(super) from: Option<Point>,
    /// The last tick, in the same ways
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub(super) until: Option<Point>,
}

impl Part {
    /// The ticks that are meant, if not all are. What a person should know of how they were found
    /// goes to standard error.
    pub(super) fn range(&self) -> miette::Result<Option<Range>> {
        if self.from.is_none() && self.until.is_none() {
            return Ok(None);
        }
        let range = Range::find(&self.dir, self.from, self.until).into_diagnostic()?;
        range.notes.iter().for_each(|note| eprintln!("{note}"));
        Ok(Some(range))
    }

    /// The records that are meant.
    pub(super) fn open(&self) -> miette::Result<Stretch> {
        match self.range()? {
            Some(range) => Stretch::open(&self.dir, &range),
            None => Stretch::whole(&self.dir),
        }
        .into_diagnostic()
    }
}

/// Some of what is recorded there.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Only what concerns this session; may be given several times
    #[arg(long = "session", value_name = "ID")]
    pub(super) sessions: Vec<u64>,
    /// Only these kinds, with commas between: packet, open, state, close, pace, gap, restored,
    /// heartbeat, skipped, reply; and if asked for, answer, push, timing, head
    #[arg(long = "kind", value_name = "KIND", value_delimiter = ',')]
    pub(super) kinds: Vec<Kind>,
    /// Only packets and replies whose JSON body says so: players[3].x=5, move!=north,
    /// players[*].hp<10, or a path alone. A * stands for each key or element. May be given several
    /// times: all must hold. Bodies that are no JSON are left out, and counted
    #[arg(long = "where", value_name = "CONDITION")]
    pub(super) conditions: Vec<Condition>,
}

impl Wanted {
    pub(super) fn filter(&self) -> Filter {
        Filter::new(self.sessions.clone(), self.kinds.clone(), self.conditions.clone())
    }
}

/// Tells of the bodies that could not be compared.
pub(super) fn tell_of_others(filter: &Filter) {
    match filter.not_json() {
        0 => {}
        1 => eprintln!("1 body is no JSON: --where says nothing of it, and it is left out"),
        count => {
            eprintln!(
                "{count} bodies are no JSON: --where says nothing of them; they are left out"
            );
        }
    }
}
