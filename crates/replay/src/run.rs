//! A whole replay.

use std::time::Duration;

use pulsegate_protocol::proto::welcome::Resume;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::args::{Point, ReplayArgs};
use crate::error::Error;
use crate::exchange::{self, Standing};
use crate::feed::{self, Recorded};
use crate::link;
use crate::only::Only;
use crate::pacing::Pacing;
use crate::plan::Plan;
use crate::recording::Recording;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The first tick that is sent, be it to bring the logic server to the range.
    pub first: u64,
    /// The last tick of the range, if it was given as a number; else the journal's last.
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
pub async fn run(args: ReplayArgs, mut progress: impl FnMut(Progress)) -> Result<Summary, Error> {
    let dir = args.journal.clone();
    let recording = blocking(move || Recording::open(&dir)).await?;
    let link::Met { mut incoming, mut outgoing, name, resume } =
        link::meet(&args, &recording).await?;

    let pacing = Pacing::new(args.speed);
    let Prepared { plan, feed, range, last } =
        blocking(move || prepare(resume, &recording, args)).await?;

    let first = plan.first;
    let standing = watch::Sender::new(Standing::default());
    let exchange = exchange::run(plan, pacing, feed, &mut incoming, &mut outgoing, &standing);
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
        return Err(range);
    }
    Ok(summary(name, &standing))
}

/// What is ready to be sent.
struct Prepared {
    plan: Plan,
    feed: mpsc::Receiver<Result<Recorded, Error>>,
    /// What to say if nothing was in the range.
    range: Error,
    /// The last tick that may come.
    last: u64,
}

fn prepare(resume: Resume, recording: &Recording, args: ReplayArgs) -> Result<Prepared, Error> {
    let plan = Plan::new(resume, recording, &args)?;
    let last = match args.until {
        Some(Point::Tick(until)) => until.min(recording.last_tick()),
        Some(Point::Time(_)) | None => recording.last_tick(),
    };
    if last < plan.from {
        return Err(recording.out_of_range());
    }
    let only = (!args.sessions.is_empty()).then(|| Only::new(args.sessions));
    let skipped = if args.whole { Vec::new() } else { recording.skipped().to_vec() };
    let feed = feed::start(recording.reader(plan.first)?, args.until, only, skipped);
    Ok(Prepared { plan, feed, range: recording.out_of_range(), last })
}

async fn blocking<T: Send + 'static>(
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

fn summary(logic: String, standing: &Standing) -> Summary {
    let seconds = standing.began.map_or(0.0, |began| began.elapsed().as_secs_f64());
    let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
    Summary {
        logic,
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
