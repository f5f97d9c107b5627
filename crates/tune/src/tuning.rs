//! All of it together: work in, a recommendation out.

use std::time::Duration;

use pulsegate_cadence::Strategy;

use crate::candidates::{Candidate, candidates, sides};
use crate::figures::Figures;
use crate::goal::{Aim, Goal};
use crate::recording::Recording;
use crate::show::{ms, percent, rate};
use crate::work::Work;

/// Wanted where nobody says anything else: the default beat of a relay.
const USUAL_PERIOD: Duration = Duration::from_millis(50);

/// Fewer ticks than these say little.
const ENOUGH_TICKS: usize = 200;

/// In the order in which they are shown.
const STRATEGIES: [&str; 4] = ["fixed", "adaptive", "combined", "deadline"];

/// What was tried, and what is the best of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// The work that all candidates did.
    pub work: Work,
    /// What they were judged by.
    pub goal: Goal,
    /// What they were held against.
    pub aim: Aim,
    /// What the recorded beats came to, if the work was recorded.
    pub recorded: Option<Figures>,
    /// All of them.
    pub candidates: Vec<Candidate>,
    /// The best of each strategy, as places in `candidates`.
    pub best: Vec<usize>,
    /// The recommended one, as a place in `candidates`.
    pub chosen: usize,
}

impl Tuning {
    /// Tries everything. Without a rate, the work's own is wanted, or 20 beats per second.
    pub fn new(work: Work, wanted: Option<f64>, goal: Goal) -> Self {
        let recording = work.recording.as_ref();
        let own = recording.and_then(Recording::period).unwrap_or(USUAL_PERIOD);
        let period = wanted.map_or(own, |rate| Duration::from_micros((1e6 / rate).round() as u64));
        let aim = Aim::new(wanted.unwrap_or(1.0 / period.as_secs_f64()), &work);
        let recorded = recording.map(|it| Figures::sum(it.all_beats(), period));
        let candidates = tried(&work, period, goal, &aim);
        let best_of = |name| {
            let all = candidates.iter().enumerate();
            goal.best(all.filter(|(_, it)| it.strategy.name() == name), &aim)
        };
        let best = STRATEGIES.into_iter().filter_map(best_of).collect();
        let chosen = goal.best(candidates.iter().enumerate(), &aim).unwrap_or_default();
        Self { work, goal, aim, recorded, candidates, best, chosen }
    }

    /// The recommended one.
    pub fn recommended(&self) -> &Candidate {
        &self.candidates[self.chosen]
    }

    /// Why it is recommended, in a sentence with its figures.
    pub fn reason(&self) -> String {
        let Figures { rate: beats, interval, asleep, backlog, .. } = self.recommended().figures;
        format!(
            "{}, of {} candidates: {} beats/s, {} ± {} ms apart (99 % within {} ms), asleep {} % of \
             the time, and at most {} ms on end without sleep.",
            self.goal.meaning(),
            self.candidates.len(),
            rate(beats),
            ms(interval.mean),
            ms(interval.deviation),
            ms(interval.p99),
            percent(asleep),
            ms(backlog),
        )
    }

    /// What makes this less than certain, each in a sentence.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let Aim { wanted, possible, .. } = self.aim;
        if self.aim.is_out_of_reach() {
            doubts.push(format!(
                "{} beats/s are more than this work leaves room for: {} leave a tenth of the time \
                 for sleep.",
                rate(wanted),
                rate(possible)
            ));
        }
        if !self.goal.admits(&self.recommended().figures, &self.aim) {
            doubts.push("No candidate is good enough for the goal; this one comes nearest.".into());
        }
        let strategy = self.recommended().strategy;
        let most = 1.0 / strategy.shortest_beat().as_secs_f64();
        let rests = matches!(strategy, Strategy::Fixed { .. } | Strategy::Combined { .. });
        if rests && most > wanted {
            doubts.push(format!(
                "When work gets lighter than this, {} beats more often than wanted: up to {} times a \
                 second.",
                strategy.name(),
                rate(most)
            ));
        }
        if self.work.ticks() < ENOUGH_TICKS {
            doubts.push(format!("{} ticks are few; record more.", self.work.ticks()));
        }
        doubts
    }
}

fn tried(work: &Work, period: Duration, goal: Goal, aim: &Aim) -> Vec<Candidate> {
    let attempt = |strategy| (strategy, Figures::of(strategy, &work.runs, period));
    let all: Vec<_> = candidates(work, period).into_iter().map(attempt).collect();
    let candidate = |&(strategy, figures): &(Strategy, Figures)| {
        let does_as_well = |side: &Strategy| {
            let alone = all.iter().find(|(other, _)| other == side);
            alone.is_some_and(|(_, alone)| goal.is_as_good(alone, &figures, aim))
        };
        let is_needless = sides(strategy).is_some_and(|sides| {
            figures.switches <= work.runs.len() as u64 || sides.iter().any(does_as_well)
        });
        Candidate { strategy, figures, is_needless }
    };
    all.iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Calm, then a wave that no beat of 50 ms can hold, again and again.
    fn waves() -> Work {
        let wave = [vec![MS(15); 60], vec![MS(70); 20]].concat();
        Work::of("waves", vec![wave.repeat(5)])
    }

    fn tuned(goal: Goal) -> Tuning {
        Tuning::new(waves(), Some(20.0), goal)
    }

    #[test]
    fn steady_is_more_even_than_any_other_that_is_admitted() {
        let tuning = tuned(Goal::Steady);
        let best = tuning.recommended().figures;
        assert!(best.rate >= 16.0, "{best:?}");
        let is_admitted = |it: &&Candidate| Goal::Steady.admits(&it.figures, &tuning.aim);
        let admitted = tuning.candidates.iter().filter(is_admitted);
        for other in admitted {
            assert!(best.spread() <= other.figures.spread() + 0.01, "{best:?} {other:?}");
        }
    }

    #[test]
    fn gentle_sleeps_most_and_keeps_the_rate() {
        let tuning = tuned(Goal::Gentle);
        let best = tuning.recommended().figures;
        assert!(best.rate >= 18.0, "{best:?}");
        assert!(best.asleep > tuned(Goal::Fast).recommended().figures.asleep);
        let is_admitted = |it: &&Candidate| Goal::Gentle.admits(&it.figures, &tuning.aim);
        for other in tuning.candidates.iter().filter(is_admitted) {
            assert!(best.asleep + 0.01 >= other.figures.asleep, "{best:?} {other:?}");
        }
    }

    #[test]
    fn fast_beats_most_and_never_piles_up() {
        let best = tuned(Goal::Fast).recommended().figures;
        assert!(best.rate > 20.0 && best.asleep >= 0.2 && best.backlog <= MS(500), "{best:?}");
    }

    #[test]
    fn light_work_is_left_at_the_wanted_beat_with_the_default_strategy() {
        let work = Work::of("light", vec![vec![MS(1); 500]]);
        let tuning = Tuning::new(work, Some(20.0), Goal::Steady);
        let expected = Strategy::Adaptive { sleep: MS(50), budget: Duration::ZERO };
        assert_eq!(tuning.recommended().strategy, expected);
        assert_eq!(tuning.doubts(), Vec::<String>::new());
    }

    #[test]
    fn a_wish_that_cannot_be_had_is_told() {
        let work = Work::of("heavy", vec![vec![MS(90); 500]]);
        let tuning = Tuning::new(work, Some(20.0), Goal::Steady);
        assert!(tuning.doubts()[0].contains("20 beats/s are more than this work leaves room for"));
        let best = tuning.recommended().figures;
        assert!((8.0..=10.1).contains(&best.rate) && best.asleep > 0.05, "{best:?}");
    }

    #[test]
    fn a_fixed_rest_that_lets_light_work_beat_too_often_is_told() {
        let work = Work::drawn(&"exponential(10ms)".parse().unwrap(), 2000, 1);
        let doubts = Tuning::new(work, Some(30.0), Goal::Fast).doubts();
        let told = "fixed beats more often than wanted: up to 344.8 times a second";
        assert!(doubts[0].contains(told), "{doubts:?}");
        let light = Work::of("light", vec![vec![MS(1); 500]]);
        assert!(Tuning::new(light, Some(20.0), Goal::Gentle).doubts().is_empty());
    }

    #[test]
    fn where_nothing_is_good_enough_what_is_nearest_is_recommended_and_that_is_told() {
        let wave = [vec![MS(22); 26], vec![MS(56); 14]].concat();
        // No pace waits so long.
        let hang = vec![MS(2500)];
        let work = Work::of("heavy waves", vec![wave.repeat(5), hang]);
        let tuning = Tuning::new(work, Some(26.0), Goal::Gentle);
        let best = tuning.recommended().figures;
        assert!(best.rate > 0.85 * tuning.aim.possible, "{best:?}");
        assert!(tuning.doubts().iter().any(|doubt| doubt.contains("No candidate")), "{best:?}");
    }

    #[test]
    fn the_wanted_beat_is_not_given_up_for_a_spread_that_nobody_notices() {
        let run = (0..1000).map(|tick| MS(if tick % 500 == 250 { 19 } else { 5 }));
        let tuning = Tuning::new(Work::of("", vec![run.collect()]), Some(60.0), Goal::Steady);
        let best = tuning.recommended().figures;
        assert!((59.5..=60.5).contains(&best.rate), "{best:?}");
    }

    #[test]
    fn combined_is_not_recommended_for_what_one_of_its_sides_does_alone() {
        let tuned = |work: &str, rate, goal| {
            let work = Work::drawn(&work.parse().unwrap(), 2000, 1);
            Tuning::new(work, Some(rate), goal)
        };
        for (work, rate, goal) in [
            ("normal(12ms,4ms)", 60.0, Goal::Gentle),
            ("exponential(10ms)", 80.0, Goal::Gentle),
            ("exponential(8ms)", 80.0, Goal::Fast),
            ("lognormal(30ms,12ms)", 50.0, Goal::Fast),
        ] {
            let best = *tuned(work, rate, goal).recommended();
            assert_ne!(best.strategy.name(), "combined", "{work}: {best:?}");
        }
        let best = *tuned("exponential(10ms)", 30.0, Goal::Fast).recommended();
        let sleep = Duration::from_micros(2900);
        assert_eq!(best.strategy, Strategy::Fixed { sleep }, "and not combined, with one switch");
    }

    #[test]
    fn every_strategy_is_among_the_best_and_the_recommended_one_too() {
        let tuning = tuned(Goal::Gentle);
        let names: Vec<_> =
            tuning.best.iter().map(|place| tuning.candidates[*place].strategy.name()).collect();
        assert_eq!(names, STRATEGIES);
        assert!(tuning.best.contains(&tuning.chosen));
        assert_eq!(tuned(Goal::Gentle), tuning, "the same again");
    }
}
