//! What beats come to.

use std::time::Duration;

use pulsegate_cadence::{InForce, Strategy};
use serde::{Serialize, Serializer};

use crate::simulate::{Beat, beats};

/// Beats over all runs, summed up. As JSON, durations are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Beats per second.
    pub rate: f64,
    /// From beat to beat.
    pub interval: Intervals,
    /// How late beats were: behind the moment at which the strategy wanted them, or behind one
    /// wanted period after the beat before, whichever is more.
    pub late: Lateness,
    /// The share of the time in which nothing was worked on.
    pub asleep: f64,
    /// The longest time on end without any sleep, since there was always work: work times of one
    /// or more ticks.
    #[serde(rename = "backlog_us", serialize_with = "micros")]
    pub backlog: Duration,
    /// How often `combined` changed between adaptive and fixed.
    pub switches: u64,
    /// How many beats went on without logic's answer.
    pub stalls: u64,
}

/// How even a beat is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Intervals {
    /// On average.
    #[serde(rename = "mean_us", serialize_with = "micros")]
    pub mean: Duration,
    /// The standard deviation.
    #[serde(rename = "deviation_us", serialize_with = "micros")]
    pub deviation: Duration,
    /// 99 of 100 are no longer.
    #[serde(rename = "p99_us", serialize_with = "micros")]
    pub p99: Duration,
    /// The longest.
    #[serde(rename = "max_us", serialize_with = "micros")]
    pub max: Duration,
}

/// How late beats are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lateness {
    /// Half of all are no later.
    #[serde(rename = "p50_us", serialize_with = "micros")]
    pub p50: Duration,
    /// 99 of 100 are no later.
    #[serde(rename = "p99_us", serialize_with = "micros")]
    pub p99: Duration,
    /// The latest.
    #[serde(rename = "max_us", serialize_with = "micros")]
    pub max: Duration,
}

impl Figures {
    /// Those of a strategy over runs of work times, when a beat is wanted every `period`. Each run
    /// starts anew. Without any work time, all is 0.
    pub fn of(strategy: Strategy, runs: &[Vec<Duration>], period: Duration) -> Self {
        Self::sum(runs.iter().map(|run| beats(strategy, run)), period)
    }

    /// Those of beats, run by run. Without any beat, all is 0.
    pub fn sum(runs: impl Iterator<Item = impl Iterator<Item = Beat>>, period: Duration) -> Self {
        let mut sums = Sums::default();
        for run in runs {
            sums.begin_run();
            run.for_each(|beat| sums.add(&beat, period));
        }
        sums.figures()
    }

    /// How uneven the beat is: the standard deviation as a share of the mean interval.
    pub fn spread(&self) -> f64 {
        share(self.interval.deviation, self.interval.mean)
    }
}

/// What is known of the beats so far.
#[derive(Default)]
struct Sums {
    intervals: Vec<Duration>,
    late: Vec<Duration>,
    total: Duration,
    sleep: Duration,
    awake: Duration,
    backlog: Duration,
    in_force: Option<InForce>,
    switches: u64,
    stalls: u64,
}

impl Sums {
    fn begin_run(&mut self) {
        self.awake = Duration::ZERO;
        self.in_force = None;
    }

    fn add(&mut self, beat: &Beat, period: Duration) {
        let (interval, sleep) = (beat.interval(), beat.sleep());
        self.intervals.push(interval);
        let behind_strategy = beat.at - beat.due;
        self.late.push(behind_strategy.max(interval.saturating_sub(period)));
        self.total += interval;
        self.sleep += sleep;

        self.awake += interval - sleep;
        self.backlog = self.backlog.max(self.awake);
        if !sleep.is_zero() {
            self.awake = Duration::ZERO;
        }
        let before = self.in_force.replace(beat.in_force);
        self.switches += u64::from(before.is_some_and(|before| before != beat.in_force));
        self.stalls += u64::from(!beat.answered);
    }

    fn figures(mut self) -> Figures {
        let count = self.intervals.len();
        let mean = seconds(&self.total) / count.max(1) as f64;
        let square = |interval: &Duration| (interval.as_secs_f64() - mean).powi(2);
        let variance = self.intervals.iter().map(square).sum::<f64>() / count.max(1) as f64;
        let duration = Duration::from_secs_f64;
        let [_, p99, max] = points(&mut self.intervals);
        let interval =
            Intervals { mean: duration(mean), deviation: duration(variance.sqrt()), p99, max };
        let [p50, p99, max] = points(&mut self.late);
        Figures {
            rate: if mean > 0.0 { 1.0 / mean } else { 0.0 },
            interval,
            late: Lateness { p50, p99, max },
            asleep: share(self.sleep, self.total),
            backlog: self.backlog,
            switches: self.switches,
            stalls: self.stalls,
        }
    }
}

/// The one in the middle, the one above 99 of 100, and the largest.
fn points(values: &mut [Duration]) -> [Duration; 3] {
    let count = values.len();
    [0.5, 0.99, 1.0].map(|share| {
        let rank = (share * count as f64).ceil() as usize;
        let index = rank.max(1) - 1;
        if count == 0 { Duration::ZERO } else { *values.select_nth_unstable(index).1 }
    })
}

fn seconds(duration: &Duration) -> f64 {
    duration.as_secs_f64()
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

/// A duration in whole microseconds.
pub(crate) fn micros<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(duration.as_micros().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn figures(strategy: Strategy, runs: &[&[u64]]) -> Figures {
        let runs: Vec<Vec<_>> =
            runs.iter().map(|run| run.iter().copied().map(MS).collect()).collect();
        Figures::of(strategy, &runs, MS(50))
    }

    #[test]
    fn figures_are_those_computed_by_hand() {
        // From beat to beat: 50, 90, 70, 50, 50 ms.
        let strategy = Strategy::Adaptive { sleep: MS(50), budget: MS(0) };
        let it = figures(strategy, &[&[20, 90, 70, 40, 10]]);
        assert!((it.rate - 5.0 / 0.310).abs() < 1e-9, "{it:?}");
        assert!((it.asleep - 80.0 / 310.0).abs() < 1e-9, "{it:?}");
        assert_eq!((it.interval.mean, it.interval.p99, it.interval.max), (MS(62), MS(90), MS(90)));
        assert_eq!(it.interval.deviation, MS(16));
        assert_eq!((it.late.p50, it.late.max), (MS(0), MS(40)));
        assert_eq!(it.backlog, MS(90 + 70 + 40), "until there was sleep again");
        assert_eq!((it.switches, it.stalls), (0, 0));
    }

    #[test]
    fn runs_do_not_touch_one_another() {
        let strategy = Strategy::Combined { sleep: MS(50), budget: MS(0), overruns: 2, calm: 5 };
        let it = figures(strategy, &[&[60], &[60], &[60]]);
        assert_eq!(it.switches, 0);
        assert_eq!(it.backlog, MS(60));
        assert_eq!(figures(strategy, &[&[60, 60, 60]]).switches, 1);
    }

    #[test]
    fn a_beat_that_is_made_up_for_is_late_although_it_follows_soon() {
        let overrun = pulsegate_cadence::Overrun::CatchUp { max: 5 };
        let it = figures(Strategy::Deadline { period: MS(50), overrun }, &[&[120, 10, 10]]);
        assert_eq!((it.late.p50, it.late.max), (MS(70), MS(70)));
    }

    #[test]
    fn no_work_times_are_no_figures() {
        let it = figures(Strategy::default(), &[]);
        assert_eq!((it.rate, it.asleep, it.interval.max), (0.0, 0.0, Duration::ZERO));
    }
}
