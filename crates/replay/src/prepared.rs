//! What is known and ready before the first tick is sent.

use pulsegate_protocol::proto::welcome::Resume;
use tokio::sync::mpsc;

use crate::args::ReplayArgs;
use crate::error::Error;
use crate::feed::{self, Course, Follows, Recorded};
use crate::only::Only;
use crate::plan::Plan;
use crate::range::Range;
use crate::recording::Recording;

/// What the command line asks for, in a recording.
pub(crate) struct Wanted {
    pub(crate) range: Range,
    pause_at: Option<u64>,
}

impl Wanted {
    pub(crate) fn find(args: &ReplayArgs) -> Result<(Recording, Self), Error> {
        let recording = Recording::open(&args.journal)?;
        let mut range = Range::to_play(&recording, args.from, args.until)?;
        let pause_at = args.pause_at.map(|point| range.tick_at(&recording, point)).transpose()?;
        Ok((recording, Self { range, pause_at }))
    }
}

/// What is ready to be sent.
pub(crate) struct Prepared {
    pub(crate) recording: Recording,
    pub(crate) plan: Plan,
    pub(crate) feed: mpsc::Receiver<Result<Recorded, Error>>,
    /// Where to stop first.
    pub(crate) pause_at: Option<u64>,
    /// What a person should know of how the command line was understood.
    pub(crate) notes: Vec<String>,
    /// The last tick, as far as is known.
    pub(crate) last: u64,
}

impl Prepared {
    /// Gets ready for a logic server that resumes like this. The feed begins to read ahead.
    pub(crate) fn new(
        resume: Resume,
        recording: Recording,
        wanted: Wanted,
        args: ReplayArgs,
    ) -> Result<Self, Error> {
        let Wanted { mut range, pause_at } = wanted;
        let keeps_state = !matches!(resume, Resume::Stateless(_));
        let end = range.last.unwrap_or(u64::MAX);
        let from = recording.timeline().next(range.first, end).unwrap_or(range.first);
        let plan = Plan::new(resume, &recording, from, &args)?;
        let last = end.min(recording.last_tick());
        if last < plan.from {
            return Err(recording.out_of_range());
        }
        if let Some(tick) = pause_at.filter(|at| *at < plan.from) {
            return Err(Error::Pause { tick, first: plan.from, last });
        }
        if args.prelude && plan.prelude.is_none() {
            range.notes.push("no prelude was needed".into());
        }
        let only = (!args.sessions.is_empty()).then(|| Only::new(args.sessions));
        let skipped = if args.whole { Vec::new() } else { recording.skipped().to_vec() };
        let follows =
            if keeps_state { Follows::After(plan.state_behind()) } else { Follows::Anything };
        let prelude = plan.prelude.as_ref().map(|prelude| prelude.tick.clone());
        let course = Course { prelude, timeline: recording.timeline().clone(), last: range.last };
        let feed = feed::start(recording.reader(plan.first)?, follows, course, only, skipped);
        Ok(Self { recording, plan, feed, pause_at, notes: range.notes, last })
    }
}
