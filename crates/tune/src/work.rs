//! How long each tick's work took.

mod distribution;
mod spreadsheet;

use std::path::Path;
use std::time::Duration;

pub use distribution::Distribution;
use pulsegate_replay::Range;

use crate::error::Error;
use crate::recording::{Recording, Tick};

/// Work times, in the order in which they came.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Where they come from, for people.
    pub origin: String,
    /// Ticks that followed one another. Two runs are not one sequence: between them the relay was
    /// restarted, or a tick's work is not known. None is empty.
    pub runs: Vec<Vec<Duration>>,
    /// What a journal tells besides, run by run.
    pub recording: Option<Recording>,
    sorted: Vec<Duration>,
}

impl Work {
    /// The ticks of a range of a journal whose work is known: from the beat until logic's answer.
    ///
    /// # Errors
    /// The journal is damaged, or logic answered none of these ticks in time.
    pub fn recorded(dir: &Path, range: &Range) -> Result<Self, Error> {
        let recording = Recording::read(dir, range)?;
        if recording.runs.is_empty() {
            return Err(Error::Unanswered(dir.to_owned()));
        }
        let works = |run: &Vec<_>| run.iter().map(Tick::work).collect();
        let runs = recording.runs.iter().map(works).collect();
        let work = Self::of(format!("journal {}", dir.display()), runs);
        Ok(Self { recording: Some(recording), ..work })
    }

    /// Durations of a CSV file, as one run.
    ///
    /// # Errors
    /// The file cannot be read, a line of it holds no duration, or it is not clear which column.
    pub fn listed(path: &Path, column: Option<&str>) -> Result<Self, Error> {
        let run = spreadsheet::read(path, column)?;
        Ok(Self::of(path.display().to_string(), vec![run]))
    }

    /// So many work times out of a distribution, as one run: the same for the same seed.
    pub fn drawn(distribution: &Distribution, ticks: u64, seed: u64) -> Self {
        Self::of(distribution.to_string(), vec![distribution.draw(ticks, seed)])
    }

    /// These runs; those without a tick do not count.
    pub fn of(origin: impl Into<String>, mut runs: Vec<Vec<Duration>>) -> Self {
        runs.retain(|run| !run.is_empty());
        let mut sorted: Vec<_> = runs.iter().flatten().copied().collect();
        sorted.sort_unstable();
        Self { origin: origin.into(), runs, recording: None, sorted }
    }

    /// How many there are.
    pub fn ticks(&self) -> usize {
        self.sorted.len()
    }

    /// The mean; 0 if there are none.
    pub fn mean(&self) -> Duration {
        let sum: Duration = self.sorted.iter().sum();
        u32::try_from(self.ticks())
            .ok()
            .and_then(|count| sum.checked_div(count))
            .unwrap_or_default()
    }

    /// So large a share of the work times is no longer than this; 0 if there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.ticks() as f64).ceil() as usize;
        let index = rank.max(1).min(self.ticks()) - usize::from(!self.sorted.is_empty());
        self.sorted.get(index).copied().unwrap_or_default()
    }

    /// The longest; 0 if there are none.
    pub fn longest(&self) -> Duration {
        self.sorted.last().copied().unwrap_or_default()
    }
}

/// No work is longer, and sums of such times do not overflow.
const LONGEST: Duration = Duration::from_secs(3600);

/// A duration such as `12.5ms`, of an hour at most; a number alone is in this unit.
fn duration(text: &str, unit: &str) -> Result<Duration, String> {
    let text = text.trim();
    let duration = match text.parse::<f64>() {
        Ok(number) => Duration::try_from_secs_f64(number * seconds_in(unit))
            .map_err(|_| format!("{text} is no length of time"))?,
        Err(_) => humantime::parse_duration(text)
            .map_err(|error| format!("{text:?} is no duration: {error}"))?,
    };
    if duration > LONGEST { Err(format!("{text} is longer than an hour")) } else { Ok(duration) }
}

fn seconds_in(unit: &str) -> f64 {
    match unit {
        "s" => 1.0,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => 1e-3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn quantiles_are_work_times_that_there_were() {
        let work = Work::of("", vec![vec![MS(4), MS(1)], vec![], vec![MS(3), MS(2)]]);
        assert_eq!(work.runs.len(), 2);
        assert_eq!(
            [0.0, 0.25, 0.5, 0.51, 1.0].map(|share| work.quantile(share)),
            [1, 1, 2, 3, 4].map(MS)
        );
        assert_eq!((work.mean(), work.longest()), (Duration::from_micros(2500), MS(4)));
    }

    #[test]
    fn a_number_alone_is_in_milliseconds_unless_told_otherwise() {
        assert_eq!(duration("12.5", "ms"), Ok(Duration::from_micros(12_500)));
        assert_eq!(duration(" 12.5ms ", "s"), Ok(Duration::from_micros(12_500)));
        assert_eq!(duration("7", "us"), Ok(Duration::from_micros(7)));
        for text in ["", "-1", "nan", "soon", "1e30", "61min"] {
            assert!(duration(text, "ms").is_err(), "{text}");
        }
    }
}
