//! What is shown side by side: the recorded beats, and those of candidates.

use pulsegate_cadence::Strategy;

use crate::figures::Figures;
use crate::recording::Recording;
use crate::settings::in_short;
use crate::simulate::{Beat, beats};
use crate::tuning::Tuning;

/// A row of a table, or a lane of a drawing.
pub(crate) struct Row<'a> {
    /// `recorded`, or the name of the strategy.
    pub(crate) name: &'static str,
    /// In a few words.
    pub(crate) settings: String,
    pub(crate) figures: &'a Figures,
    pub(crate) is_recommended: bool,
    /// Whether it is good enough for the goal. What is recorded is not judged.
    pub(crate) is_admitted: bool,
    /// The strategy of another row that did the very same, and stands for both.
    pub(crate) same_as: Option<&'static str>,
    source: Source<'a>,
    tuning: &'a Tuning,
}

#[derive(Clone, Copy)]
enum Source<'a> {
    Recorded(&'a Recording),
    Strategy(Strategy),
}

/// The recording, if there is one, and the best of each strategy.
pub(crate) fn best(tuning: &Tuning) -> Vec<Row<'_>> {
    let recorded = tuning.work.recording.as_ref().zip(tuning.recorded.as_ref());
    let recorded = recorded.map(|(recording, figures)| Row {
        name: "recorded",
        settings: format!("{} in force", recording.rules().join(" and ")),
        figures,
        is_recommended: false,
        is_admitted: true,
        same_as: None,
        source: Source::Recorded(recording),
        tuning,
    });
    let mut rows: Vec<_> = recorded.into_iter().collect();
    let places = tuning.best.iter();
    rows.extend(
        places.map(|place| Row { same_as: same(tuning, *place), ..candidate(tuning, *place) }),
    );
    rows
}

/// The recommended one, or else the first, of the best that have the figures of this one.
fn same(tuning: &Tuning, place: usize) -> Option<&'static str> {
    let at = |place: usize| &tuning.candidates[place];
    let mut ranked = std::iter::once(tuning.chosen).chain(tuning.best.iter().copied());
    let first = ranked.find(|other| at(*other).figures == at(place).figures)?;
    (first != place).then(|| at(first).strategy.name())
}

/// Every candidate.
pub(crate) fn all(tuning: &Tuning) -> impl Iterator<Item = Row<'_>> {
    (0..tuning.candidates.len()).map(|place| candidate(tuning, place))
}

fn candidate(tuning: &Tuning, place: usize) -> Row<'_> {
    let candidate = &tuning.candidates[place];
    Row {
        name: candidate.strategy.name(),
        settings: in_short(candidate.strategy),
        figures: &candidate.figures,
        is_recommended: place == tuning.chosen,
        is_admitted: tuning.goal.admits(&candidate.figures, &tuning.aim),
        same_as: None,
        source: Source::Strategy(candidate.strategy),
        tuning,
    }
}

impl Row<'_> {
    pub(crate) fn is_recorded(&self) -> bool {
        matches!(self.source, Source::Recorded(_))
    }

    /// Its beats in a run of the work.
    pub(crate) fn beats(&self, run: usize) -> Box<dyn Iterator<Item = Beat> + '_> {
        match self.source {
            Source::Recorded(recording) => Box::new(recording.beats(run)),
            Source::Strategy(strategy) => Box::new(beats(strategy, &self.tuning.work.runs[run])),
        }
    }

    /// Those of all runs.
    pub(crate) fn all_beats(&self) -> impl Iterator<Item = Beat> {
        (0..self.tuning.work.runs.len()).flat_map(|run| self.beats(run))
    }
}
