//! A whole replay.

use std::time::Duration;

use pulsegate_protocol::proto::{Done, welcome::Resume};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::args::ReplayArgs;
use crate::error::Error;
use crate::exchange::{self, Standing};
use crate::feed::{self, Course, Follows, Recorded};
use crate::link;
use crate::only::Only;
use crate::pacing::Pacing;
use crate::plan::Plan;
use crate::range::Range;
use crate::recording::Recording;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The first tick that is sent, be it to bring the logic server to the range.
    pub first: u64,
    /// The last tick of the range.
    pub last: u64,
    /// The last tick that was answered; 0: none.
    pub answered: u64,
    /// Whether the range has been reached.
    pub in_range: bool,
}

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// What the logic server calls itself.
    pub logic: String,
    /// How the range was understood, where that may be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Ticks sent in all, those before the range included.
    pub ticks: u64,
    /// Ticks of the range.
    pub played: u64,
    /// The last tick that was answered.
    pub last_tick: u64,
    /// What the logic server would have sent to clients.
    pub replies: u64,
    /// The logic server's hash of its state at the end, if it makes one: 16 hexadecimal digits.
    pub state_hash: Option<String>,
    /// How long the range took to play.
    pub seconds: f64,
    /// Ticks of the range, by the second.
    pub ticks_per_second: f64,
    /// How many times as fast as the recording that was.
    pub real_time_factor: f64,
}

/// Plays a recording, and tells of its progress a few times a second.
///
/// # Errors
///
/// See [`Error`]. If the journal is damaged, all before the damage is played first.
pub async fn run(args: ReplayArgs, progress: impl FnMut(Progress)) -> Result<Summary, Error> {
    play(args, None, progress).await
}

/// The same; each answer is handed on, and nothing more is read until it is taken.
pub(crate) async fn play(
    args: ReplayArgs,
    answers: Option<mpsc::Sender<Done>>,
    mut progress: impl FnMut(Progress),
) -> Result<Summary, Error> {
    let dir = args.journal.clone();
    let (from, until) = (args.from, args.until);
    let (recording, range) = blocking(move || {
        let recording = Recording::open(&dir)?;
        let range = Range::of(&recording, from, until)?;
        Ok((recording, range))
    })
    .await?;
    let link::Met { mut incoming, mut outgoing, name, resume } =
        link::meet(&args, &recording, range.first).await?;

    let pacing = Pacing::new(args.speed);
    let notes = range.notes.clone();
    let Prepared { plan, feed, nothing, last } =
        blocking(move || prepare(resume, &recording, &range, args)).await?;

    let first = plan.first;
    let standing = watch::Sender::new(Standing::default());
    let exchange =
        exchange::run(plan, pacing, feed, answers, &mut incoming, &mut outgoing, &standing);
    let mut exchange = std::pin::pin!(exchange);
    let mut tell_at = Instant::now();
    let ended = loop {
        tokio::select! {
            ended = &mut exchange => break ended,
            () = sleep_until(tell_at) => {
                progress(how_far(first, last, &standing));
                tell_at = Instant::now() + PROGRESS_EVERY;
            }
        }
    };
    progress(how_far(first, last, &standing));
    ended?;
    let standing = *standing.borrow();
    if standing.played == 0 {
        return Err(nothing);
    }
    Ok(summary(name, notes, &standing))
}

/// What is ready to be sent.
struct Prepared {
    plan: Plan,
    feed: mpsc::Receiver<Result<Recorded, Error>>,
    /// What to say if nothing was in the range.
    nothing: Error,
    /// The last tick, as far as is known.
    last: u64,
}

fn prepare(
    resume: Resume,
    recording: &Recording,
    range: &Range,
    args: ReplayArgs,
) -> Result<Prepared, Error> {
    let keeps_state = !matches!(resume, Resume::Stateless(_));
    let end = range.last.unwrap_or(u64::MAX);
    let from = recording.timeline().next(range.first, end).unwrap_or(range.first);
    let plan = Plan::new(resume, recording, from, &args)?;
    let last = end.min(recording.last_tick());
    if last < plan.from {
        return Err(recording.out_of_range());
    }
    let only = (!args.sessions.is_empty()).then(|| Only::new(args.sessions));
    let skipped = if args.whole { Vec::new() } else { recording.skipped().to_vec() };
    let before = plan.restore.as_ref().map_or(plan.first - 1, |restore| restore.tick);
    let follows = if keeps_state { Follows::After(before) } else { Follows::Anything };
    let course = Course { timeline: recording.timeline().clone(), last: range.last };
    let feed = feed::start(recording.reader(plan.first)?, follows, course, only, skipped);
    Ok(Prepared { plan, feed, nothing: recording.out_of_range(), last })
}

/// Runs what blocks beside what does not.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
}

fn how_far(first: u64, last: u64, standing: &watch::Sender<Standing>) -> Progress {
    let standing = standing.borrow();
    Progress { first, last, answered: standing.answered, in_range: standing.played > 0 }
}

fn summary(logic: String, notes: Vec<String>, standing: &Standing) -> Summary {
    let seconds = standing.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
    let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
    Summary {
        logic,
        notes,
        ticks: standing.ticks_sent,
        played: standing.played,
        last_tick: standing.answered,
        replies: standing.replies,
        state_hash: standing.state_hash.map(|hash| format!("{hash:016x}")),
        seconds,
        ticks_per_second: per_second(standing.played as f64),
        real_time_factor: per_second(standing.recorded.as_secs_f64()),
    }
}
