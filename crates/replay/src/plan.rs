//! Where to begin, by what the logic server holds.

use pulsegate_protocol::proto::{Restore, welcome::Resume};

use crate::args::ReplayArgs;
use crate::error::Error;
use crate::prelude::Prelude;
use crate::recording::Recording;

/// What is sent, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The state to begin with.
    pub(crate) restore: Option<Restore>,
    /// The tick to begin with, made up.
    pub(crate) prelude: Option<Prelude>,
    /// The first tick to send.
    pub(crate) first: u64,
    /// The first tick to send at its time; those before are sent at full speed.
    pub(crate) from: u64,
}

impl Plan {
    /// How a logic server that resumes like this is brought to the beginning of the range.
    pub(crate) fn new(
        resume: Resume,
        recording: &Recording,
        from: u64,
        args: &ReplayArgs,
    ) -> Result<Self, Error> {
        match resume {
            Resume::Rebuild(_) | Resume::Stateless(_) if args.prelude => {
                let prelude = Prelude::to(recording, from)?;
                Ok(Self { prelude, ..Self::at(from) })
            }
            Resume::Stateless(_) => Ok(Self::at(from)),
            Resume::Applied(applied) if applied.lineage != recording.lineage() => {
                let (theirs, ours) = (applied.lineage, recording.lineage().to_owned());
                Err(Error::Lineage { theirs, ours })
            }
            Resume::Applied(applied) => {
                let first = applied.tick.saturating_add(1);
                if first > recording.last_tick() {
                    return Err(recording.out_of_range());
                }
                Ok(Self { first, ..Self::at(from.max(first)) })
            }
            Resume::Rebuild(_) => Self::rebuild(recording, args, from),
        }
    }

    fn rebuild(recording: &Recording, args: &ReplayArgs, from: u64) -> Result<Self, Error> {
        let before = recording.timeline().before(from);
        // A snapshot holds every session.
        let restore = if args.sessions.is_empty() { recording.snapshot(before)? } else { None };
        let first = restore.as_ref().map_or(1, |restore| restore.tick + 1);
        if first < recording.first_tick() {
            return Err(Error::NoBeginning { first: recording.first_tick() });
        }
        Ok(Self { restore, first, ..Self::at(from) })
    }

    /// The range and nothing before it.
    const fn at(from: u64) -> Self {
        Self { restore: None, prelude: None, first: from, from }
    }

    /// The tick after which logic's state is the one that the first tick to send follows.
    pub(crate) fn state_behind(&self) -> u64 {
        let restored = self.restore.as_ref().map(|restore| restore.tick);
        let made_up = self.prelude.as_ref().map(|prelude| prelude.tick.head.number);
        restored.or(made_up).unwrap_or(self.first - 1)
    }
}
