//! A whole replay.

use std::time::Duration;

use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::args::ReplayArgs;
use crate::audience::{Audience, Nobody};
use crate::error::Error;
use crate::exchange::{self, Answer, Listener, Standing};
use crate::link;
use crate::pacing::Pacing;
use crate::prelude::Opened;
use crate::prepared::{Prepared, Wanted};
use crate::verify::verdict::Verdict;
use crate::watch::Watch;

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
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// What the logic server calls itself.
    pub logic: String,
    /// How the range was understood, where that may be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The sessions that a made-up tick opened before the range, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prelude: Option<Opened>,
    /// Ticks sent in all, those before the range included.
    pub ticks: u64,
    /// Ticks of the range.
    pub played: u64,
    /// The last tick that was answered.
    pub last_tick: u64,
    /// What the logic server would have sent to clients in the range.
    pub replies: u64,
    /// The logic server's hash of its state at the end, if it makes one: 16 hexadecimal digits.
    pub state_hash: Option<String>,
    /// How long the range took to play, without the waiting for keys.
    pub seconds: f64,
    /// Ticks of the range, by the second.
    pub ticks_per_second: f64,
    /// How many times as fast as the recording that was.
    pub real_time_factor: f64,
    /// Whether the answers were the recorded ones, if that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// Plays a recording, and tells of its progress a few times a second. It stops nowhere.
///
/// # Errors
///
/// See [`Error`]. If the journal is damaged, all before the damage is played first.
pub async fn run(args: ReplayArgs, progress: impl FnMut(Progress)) -> Result<Summary, Error> {
    play(args, None, &mut Nobody, progress).await
}

/// The same before an audience: where it is to stop, it is asked how to go on.
///
/// # Errors
///
/// As [`run()`]. A difference that was found before an error is a verdict, not an error.
pub async fn watched(
    args: ReplayArgs,
    audience: &mut impl Audience,
    progress: impl FnMut(Progress),
) -> Result<Summary, Error> {
    play(args, None, audience, progress).await
}

/// Plays. Each answer is handed on if somebody takes them, and nothing more is read until it is
/// taken.
pub(crate) async fn play<A: Audience>(
    args: ReplayArgs,
    answers: Option<mpsc::Sender<Answer>>,
    audience: &mut A,
    progress: impl FnMut(Progress),
) -> Result<Summary, Error> {
    let opening = args.clone();
    let (recording, wanted) = blocking(move || Wanted::find(&opening)).await?;
    let link::Met { mut link, name, resume } =
        link::meet(&args, &recording, wanted.range.first).await?;
    let (pacing, asked) = (Pacing::new(args.speed), args.clone());
    let Prepared { recording, mut plan, feed, pause_at, notes, last } =
        blocking(move || Prepared::new(resume, recording, wanted, asked)).await?;

    let opened = plan.prelude.as_ref().map(|prelude| prelude.opened);
    let mut watch = Watch::new(audience, &args, &recording, &plan, pause_at)?;
    let listener = match (&mut watch, answers) {
        (Some(watch), _) => Listener::Watch(watch),
        (None, Some(answers)) => Listener::Channel(answers),
        (None, None) => Listener::Nobody,
    };
    let standing = watch::Sender::new(Standing::default());
    let first = plan.first;
    let exchange = exchange::run(&mut plan, pacing, feed, listener, &mut link, &standing);
    let ended = tell(exchange, progress, || how_far(first, last, &standing)).await;

    let ended_early = watch.as_ref().is_some_and(Watch::was_ended);
    let verdict = watch.and_then(Watch::into_verdict);
    if verdict.as_ref().is_none_or(|verdict| verdict.found.is_none()) {
        ended?;
    }
    let standing = *standing.borrow();
    if standing.played == 0 && !ended_early {
        return Err(recording.out_of_range());
    }
    Ok(summary(
        Summary { logic: name, notes, prelude: opened, verdict, ..Summary::default() },
        &standing,
    ))
}

/// Tells of the progress of something until it ends.
async fn tell<T>(
    work: impl Future<Output = T>,
    mut progress: impl FnMut(Progress),
    how_far: impl Fn() -> Progress,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut tell_at = Instant::now();
    let ended = loop {
        tokio::select! {
            ended = &mut work => break ended,
            () = sleep_until(tell_at) => {
                progress(how_far());
                tell_at = Instant::now() + PROGRESS_EVERY;
            }
        }
    };
    progress(how_far());
    ended
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

/// What is known beforehand, with what came of it.
fn summary(about: Summary, standing: &Standing) -> Summary {
    let lasted = standing.began.map_or(Duration::ZERO, |began| began.elapsed());
    let seconds = lasted.saturating_sub(standing.held).as_secs_f64();
    let per_second = |amount: f64| if seconds > 0.0 { amount / seconds } else { 0.0 };
    Summary {
        ticks: standing.ticks_sent,
        played: standing.played,
        last_tick: standing.answered,
        replies: standing.replies,
        state_hash: standing.state_hash.map(|hash| format!("{hash:016x}")),
        seconds,
        ticks_per_second: per_second(standing.played as f64),
        real_time_factor: per_second(standing.recorded.as_secs_f64()),
        ..about
    }
}
