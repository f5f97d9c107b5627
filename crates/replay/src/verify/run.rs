//! A whole comparison.

use std::path::PathBuf;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::args::VerifyArgs;
use super::bisect;
use super::comparison::{Compared, Comparison, Found};
use super::surroundings;
use super::verdict::{Finding, Verdict};
use crate::audience::Nobody;
use crate::error::Error;
use crate::point::Point;
use crate::range::Range;
use crate::recording::Recording;
use crate::run::{Progress, blocking, play};

/// How many answers may wait to be compared.
const AHEAD: usize = 64;

/// Compares as the command line says, and tells of its progress a few times a second.
///
/// # Errors
/// See [`Error`]. A difference that was found before one is a verdict, not an error.
pub async fn run(args: &VerifyArgs, mut progress: impl FnMut(Progress)) -> Result<Verdict, Error> {
    let (dir, from, until) = (args.journal.clone(), args.from, args.until);
    let range = blocking(move || Range::to_play(&Recording::open(&dir)?, from, until)).await?;
    if args.bisect {
        bisect::run(args, &range, &mut progress).await
    } else {
        compare(args, &range, &mut progress).await
    }
}

/// Compares all of a range.
pub(crate) async fn compare(
    args: &VerifyArgs,
    range: &Range,
    progress: impl FnMut(Progress),
) -> Result<Verdict, Error> {
    let began = Instant::now();
    let (answered, answers) = mpsc::channel(AHEAD);
    let (dir, from, ignored) = (args.journal.clone(), range.first, args.ignore.clone());
    let comparing = blocking(move || {
        let reader = Recording::open(&dir)?.reader(from)?;
        Comparison::new(reader, from, ignored).run(answers)
    });
    let mut replay = args.replay();
    replay.from = Some(Point::Tick(range.first));
    replay.until = range.last.map(Point::Tick);
    let mut comparing = std::pin::pin!(comparing);
    let mut nobody = Nobody;
    let (compared, played) = tokio::select! {
        compared = &mut comparing => (compared?, Ok(())),
        // What it answered before it ended is compared first.
        played = play(replay, Some(answered), &mut nobody, progress) => {
            (comparing.await?, played.map(|_| ()))
        }
    };
    if compared.found.is_none() {
        played?;
    }
    let about = Verdict {
        journal: args.journal.clone(),
        logic: args.logic.clone(),
        notes: range.notes.clone(),
        ignored: args.ignore.iter().map(ToString::to_string).collect(),
        seconds: began.elapsed().as_secs_f64(),
        ..Verdict::default()
    };
    conclude(about, compared).await
}

/// Puts into a verdict what was compared, and what is known of the difference.
pub(crate) async fn conclude(about: Verdict, compared: Compared) -> Result<Verdict, Error> {
    let Compared { tally, found } = compared;
    if tally.compared == 0 {
        return Err(Error::NothingCompared { unanswered: tally.unanswered });
    }
    let found = match found {
        Some(found) => Some(describe(about.journal.clone(), tally.first_tick, found).await?),
        None => None,
    };
    Ok(Verdict { tally, found, ..about })
}

async fn describe(dir: PathBuf, first: u64, found: Found) -> Result<Finding, Error> {
    let Found { tick, difference, replies } = found;
    let session = difference.session();
    let (around, inputs, inputs_left_out) =
        blocking(move || surroundings::of(&dir, first..tick, replies, session)).await?;
    let itself = around.iter().find(|around| around.tick == tick);
    let time = itself.map_or_else(Timestamp::default, |around| around.time);
    Ok(Finding { tick, time, session, difference, around, inputs, inputs_left_out })
}
