//! The first tick that differs, by halving a recording at its snapshots.
//!
//! Each stretch between two snapshots can be played alone, from the state that was recorded before
//! it. As long as answers and states are the same, playing all of it is playing the stretches one
//! after another: so the first tick that differs is in the first stretch that differs when it is
//! played alone. Halving finds that one if all stretches behind it differ too; where they need not,
//! it finds one whose predecessor does not differ. A stretch is compared tick by tick.

use std::path::Path;

use prost::Message as _;
use pulsegate_journal::Record;
use pulsegate_protocol::proto::Done;

use super::args::VerifyArgs;
use super::run::compare;
use super::verdict::Verdict;
use crate::error::Error;
use crate::range::Range;
use crate::recording::Recording;
use crate::run::{Progress, blocking};

/// Compares a few stretches of a range; all of it, if the last stretch does not differ.
pub(crate) async fn run(
    args: &VerifyArgs,
    range: &Range,
    progress: &mut impl FnMut(Progress),
) -> Result<Verdict, Error> {
    let (dir, whole) = (args.journal.clone(), range.clone());
    let stretches = blocking(move || stretches(&dir, &whole)).await?;
    let mut search = Search { args, progress, played: 0, compared: 0 };
    let (mut low, mut high) = (0, stretches.len() - 1);
    let Some(mut verdict) = search.differs(&stretches[high]).await? else {
        let mut verdict = compare(args, range, search.progress).await?;
        verdict.notes.push("the last stretch does not differ, so all of it was compared".into());
        return Ok(verdict);
    };
    while low < high {
        let middle = low.midpoint(high);
        match search.differs(&stretches[middle]).await? {
            Some(earlier) => (high, verdict) = (middle, earlier),
            None => low = middle + 1,
        }
    }
    let Search { played, compared, .. } = search;
    verdict.notes.extend(range.notes.iter().cloned());
    verdict.notes.push(format!(
        "found in {played} of {} stretches between snapshots, {compared} ticks of {}",
        stretches.len(),
        stretches[stretches.len() - 1].last.unwrap_or(range.first) + 1 - range.first,
    ));
    verdict.notes.push(match high.checked_sub(1).map(|before| &stretches[before]) {
        None => "it is in the first stretch: it is the first one that there is".into(),
        Some(before) => format!(
            "the stretch before it, ticks {} to {}, does not differ: it is the first one, \
             unless a stretch further ahead differs that those behind it do not follow",
            before.first,
            before.last.unwrap_or_default()
        ),
    });
    Ok(verdict)
}

struct Search<'a, P> {
    args: &'a VerifyArgs,
    progress: &'a mut P,
    /// How many stretches were played, with how many ticks.
    played: usize,
    compared: u64,
}

impl<P: FnMut(Progress)> Search<'_, P> {
    /// The verdict on a stretch, if it is that something differs.
    async fn differs(&mut self, stretch: &Range) -> Result<Option<Verdict>, Error> {
        self.played += 1;
        let verdict = match compare(self.args, stretch, &mut *self.progress).await {
            // No answer was recorded in it, so none is another one now.
            Err(Error::NothingCompared { .. }) => return Ok(None),
            verdict => verdict?,
        };
        self.compared += verdict.tally.compared;
        if verdict.tally.hashes == 0 {
            return Err(Error::NoHashes);
        }
        Ok(Some(verdict).filter(|verdict| verdict.found.is_some()))
    }
}

/// Cuts a range behind each of its snapshots. There is at least one stretch.
fn stretches(dir: &Path, range: &Range) -> Result<Vec<Range>, Error> {
    let recording = Recording::open(dir)?;
    let last = range.last.unwrap_or(u64::MAX).min(recording.last_tick());
    let mut reader = recording.reader(range.first)?;
    let mut stretches = Vec::new();
    let mut first = range.first;
    let stretch = |first, last| Range { first, last: Some(last), notes: Vec::new() };
    while let Some(record) = reader.read()? {
        let Record::Answer { tick, bytes, .. } = record else { continue };
        if tick >= last {
            break;
        }
        let has_snapshot = Done::decode(bytes).is_ok_and(|done| done.snapshot.is_some());
        if has_snapshot && tick >= first {
            stretches.push(stretch(first, tick));
            first = tick + 1;
        }
    }
    stretches.push(stretch(first, last));
    Ok(stretches)
}
