//! The strategies and settings that are worth a try.
//!
//! All are made from a few periods: multiples of the wanted one, and points of the work's own
//! distribution, for a period just above the p99 of the work is what an even beat needs.

use std::time::Duration;

use pulsegate_cadence::{Overrun, Strategy};

use crate::figures::Figures;
use crate::work::Work;

/// What `sleep` and `period` may be at least.
const SHORTEST: Duration = Duration::from_millis(1);

/// And at most: sessions are judged at beats, so a beat is shorter than their silence.
const LONGEST: Duration = Duration::from_secs(10);

/// Of the wanted period.
const SHARES: [f64; 6] = [0.5, 0.75, 0.9, 1.1, 1.25, 1.5];

/// How much of the period work takes, on average: the busiest that leaves some sleep, and less busy.
const LOADS: [f64; 3] = [0.9, 0.79, 0.65];

/// Points of the distribution of the work.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// Of the sleep: how much work leaves it untouched.
const BUDGETS: [f64; 3] = [0.0, 1.0 / 3.0, 1.0];

/// `overruns` and `calm` of `combined`: quick and slow to change sides. The first is the default.
const SWITCHES: [(u32, u32); 3] = [(3, 20), (1, 5), (10, 50)];

/// A strategy with its settings, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The strategy.
    pub strategy: Strategy,
    /// What its beats come to.
    pub figures: Figures,
    /// Whether it is a `combined` that is no better than one of its sides alone, or that changed
    /// sides but once: in the long run it is that side.
    pub is_needless: bool,
}

/// Strategies with settings, for work like this and a beat every `period`; fewer than 400. What is
/// simple and near the defaults comes first. All are tried with the same times, and
/// both [`sides`] of each `combined` are among them.
pub fn candidates(work: &Work, period: Duration) -> Vec<Strategy> {
    let periods = periods(work, period);
    let rests = periods.iter().map(|period| rest(*period, work.mean()));
    let times = distinct(periods.iter().copied().chain(rests));
    let mut all = Vec::new();
    all.extend(times.iter().flat_map(|time| adaptive(*time)));
    all.extend(times.iter().map(|time| Strategy::Fixed { sleep: *time }));
    all.extend(times.iter().flat_map(|time| combined(*time)));
    all.extend(times.iter().flat_map(|time| deadline(*time)));
    distinct(all)
}

/// What `combined` changes between; nothing for the others.
pub fn sides(strategy: Strategy) -> Option<[Strategy; 2]> {
    match strategy {
        Strategy::Combined { sleep, budget, .. } => {
            Some([Strategy::Fixed { sleep }, Strategy::Adaptive { sleep, budget }])
        }
        _ => None,
    }
}

fn distinct<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}

/// The wanted one first.
fn periods(work: &Work, wanted: Duration) -> Vec<Duration> {
    let others = SHARES.map(|share| wanted.mul_f64(share)).into_iter();
    let by_load = LOADS.map(|load| work.mean().div_f64(load));
    // A real beat takes a little longer than its work.
    let by_quantile = QUANTILES.map(|share| work.quantile(share).mul_f64(1.02));
    let others = others.chain(by_load).chain(by_quantile).map(round);
    let all = std::iter::once(wanted).chain(others);
    distinct(all.map(|period| period.clamp(SHORTEST, LONGEST)))
}

/// The sleep that makes a beat with work of this length as long as the period.
fn rest(period: Duration, work: Duration) -> Duration {
    round(period.saturating_sub(work)).max(SHORTEST)
}

/// Up to a number that is pleasant to read.
fn round(duration: Duration) -> Duration {
    let step = match duration.as_millis() {
        0..5 => 100,
        5..20 => 500,
        20..500 => 1000,
        _ => 10_000,
    };
    let steps = duration.as_micros().div_ceil(step);
    Duration::from_micros((steps * step) as u64)
}

fn adaptive(sleep: Duration) -> [Strategy; 3] {
    budgets(sleep).map(|budget| Strategy::Adaptive { sleep, budget })
}

fn combined(sleep: Duration) -> impl Iterator<Item = Strategy> {
    SWITCHES.into_iter().flat_map(move |(overruns, calm)| {
        let budgets = budgets(sleep).into_iter().take(2);
        budgets.map(move |budget| Strategy::Combined { sleep, budget, overruns, calm })
    })
}

fn budgets(sleep: Duration) -> [Duration; 3] {
    BUDGETS.map(|share| round(sleep.mul_f64(share)))
}

fn deadline(period: Duration) -> [Strategy; 3] {
    let catch_up = Overrun::CatchUp { max: 5 };
    [Overrun::Skip, catch_up, Overrun::Stretch]
        .map(|overrun| Strategy::Deadline { period, overrun })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::{prop_assert, proptest};

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn is_allowed(strategy: &Strategy) -> bool {
        let budget = match *strategy {
            Strategy::Adaptive { budget, .. } | Strategy::Combined { budget, .. } => budget,
            _ => Duration::ZERO,
        };
        let beat = strategy.shortest_beat();
        (SHORTEST..=LONGEST).contains(&beat) && budget <= LONGEST
    }

    #[test]
    fn the_wanted_period_is_tried_by_every_strategy_and_first() {
        let all = candidates(&Work::of("", vec![vec![MS(20), MS(60)]]), MS(50));
        let overrun = Overrun::Skip;
        assert_eq!(all[0], Strategy::Adaptive { sleep: MS(50), budget: Duration::ZERO });
        assert!(all.contains(&Strategy::Fixed { sleep: MS(10) }), "{all:?}");
        assert!(all.contains(&Strategy::Deadline { period: MS(50), overrun }), "{all:?}");
        let sleep = MS(50);
        let budget = Duration::ZERO;
        assert!(all.contains(&Strategy::Combined { sleep, budget, overruns: 3, calm: 20 }));
        let even = Strategy::Adaptive { sleep: MS(62), budget: Duration::ZERO };
        assert!(all.contains(&even), "just above the longest work: {all:?}");
    }

    #[test]
    fn both_sides_of_combined_are_tried_alone() {
        let all = candidates(&Work::of("", vec![vec![MS(20), MS(60)]]), MS(50));
        let sides: Vec<_> = all.iter().copied().filter_map(sides).flatten().collect();
        assert!(sides.len() > 50 && sides.iter().all(|side| all.contains(side)), "{sides:?}");
    }

    #[test]
    fn settings_are_pleasant_to_read() {
        let round = |us| round(Duration::from_micros(us)).as_micros();
        assert_eq!(
            [1, 1234, 7_001, 23_456, 700_001].map(round),
            [100, 1300, 7500, 24_000, 710_000]
        );
    }

    proptest! {
        #[test]
        fn there_are_enough_and_not_too_many_and_a_relay_takes_all(
            works in vec(0u64..20_000_000, 0..50),
            period in 1u64..10_000_000,
        ) {
            let run = works.into_iter().map(Duration::from_micros).collect();
            let all = candidates(&Work::of("", vec![run]), Duration::from_micros(period));
            prop_assert!((10..400).contains(&all.len()), "{}", all.len());
            prop_assert!(all.iter().all(is_allowed), "{all:?}");
        }
    }
}
