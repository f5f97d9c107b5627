//! Which candidate is the best, and for what.

use std::cmp::Ordering;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::candidates::Candidate;
use crate::figures::Figures;
use crate::work::Work;

/// Of the time, to be left for sleep by a beat that somebody might call possible.
const LEAST_SLEEP: f64 = 0.1;

/// Work may pile up for so long.
const LONGEST_BACKLOG: Duration = Duration::from_millis(500);

/// What the beat is to be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// The most even beat that keeps four fifths of the wanted beats
    Steady,
    /// The most sleep for the machine that keeps nine of ten wanted beats, and then the shortest
    /// time without sleep
    Gentle,
    /// The most beats that leave a fifth of the time for sleep, and never pile up: no more than
    /// half a second on end without sleep, or one long tick's work
    Fast,
}

/// What candidates are held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aim {
    /// Wanted beats per second.
    pub wanted: f64,
    /// The same, or as many as the work leaves room for.
    pub possible: f64,
    /// The longest work of a tick: so long a time without sleep there is with any strategy.
    pub longest_work: Duration,
}

impl Aim {
    /// So many beats per second, for this work.
    pub fn new(wanted: f64, work: &Work) -> Self {
        let most = (1.0 - LEAST_SLEEP) / work.mean().as_secs_f64();
        Self { wanted, possible: wanted.min(most), longest_work: work.longest() }
    }

    /// Whether the work leaves no room for the wanted beats.
    pub fn is_out_of_reach(&self) -> bool {
        self.possible < self.wanted
    }
}

impl Goal {
    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Gentle => "gentle",
            Self::Fast => "fast",
        }
    }

    /// What it means, in half a sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Steady => "the most even beat that keeps four fifths of the wanted beats",
            Self::Gentle => {
                "the most sleep that keeps nine of ten wanted beats, and then the shortest time without"
            }
            Self::Fast => "the most beats that leave a fifth of the time asleep and never pile up",
        }
    }

    /// Whether these figures are good enough at all.
    pub fn admits(self, figures: &Figures, aim: &Aim) -> bool {
        self.shortfall(figures, aim) <= 0.0
    }

    /// How far these figures are from good enough: 0 if they are, and otherwise as a share of what
    /// is asked for, summed up. What beats without logic is far from it.
    fn shortfall(self, figures: &Figures, aim: &Aim) -> f64 {
        let breaks = f64::from(figures.stalls > 0);
        let rate = figures.rate / aim.possible;
        let missing = match self {
            Self::Steady => (0.8 - rate).max(0.0),
            Self::Gentle => (0.9 - rate).max(0.0),
            Self::Fast => {
                let longest = aim.longest_work.max(LONGEST_BACKLOG).as_secs_f64();
                let backlog = figures.backlog.as_secs_f64() / longest;
                (0.2 - figures.asleep).max(0.0) + (backlog - 1.0).max(0.0)
            }
        };
        breaks + missing
    }

    /// The best of these, by its place among them; the first, of those that are equally good. If
    /// none is good enough, the one that is nearest to it. `None` only if there are none.
    pub fn best<'a>(
        self,
        all: impl Iterator<Item = (usize, &'a Candidate)>,
        aim: &Aim,
    ) -> Option<usize> {
        let ranked = all.map(|(place, candidate)| {
            let [short, rest @ ..] = self.demerits(&candidate.figures, aim);
            (place, (short, candidate.is_needless, rest))
        });
        ranked.min_by(|(_, a), (_, b)| a.partial_cmp(b).unwrap_or(Ordering::Equal)).map(|it| it.0)
    }

    /// Whether the first is as good as the second in everything, but for a percent that nobody would
    /// notice.
    pub fn is_as_good(self, first: &Figures, second: &Figures, aim: &Aim) -> bool {
        let [first, second] = [first, second].map(|figures| self.demerits(figures, aim));
        first.iter().zip(second).all(|(first, second)| *first <= second + 1.0)
    }

    /// What speaks against a candidate, the gravest first. A percent makes no difference that
    /// anybody would notice, so it leaves the word to what comes next.
    fn demerits(self, figures: &Figures, aim: &Aim) -> [f64; 5] {
        let percents = |share: f64| (100.0 * share).round();
        let short = (100.0 * self.shortfall(figures, aim)).ceil();
        // Below a percent nobody would notice it at all.
        let spread = (100.0 * figures.spread()).floor();
        let backlog = percents(figures.backlog.as_secs_f64());
        let off = percents((figures.rate / aim.possible).ln().abs());
        let asleep = percents(figures.asleep);
        match self {
            Self::Steady => [short, spread, off, -asleep, backlog],
            Self::Gentle => [short, -asleep, backlog, spread, off],
            Self::Fast => [short, -percents(figures.rate.ln()), spread, backlog, -asleep],
        }
    }
}
