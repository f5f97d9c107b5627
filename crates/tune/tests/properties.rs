//! What holds for any work whatever.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::collection::vec;
use proptest::{prop_assert, prop_assert_eq, proptest};
use pulsegate_cadence::Pacer;
use pulsegate_tune::candidates::candidates;
use pulsegate_tune::figures::Figures;
use pulsegate_tune::simulate::{STALL_AFTER, beats};
use pulsegate_tune::{Goal, Tuning, Work};

fn run(works: Vec<u64>) -> Vec<Duration> {
    works.into_iter().map(Duration::from_micros).collect()
}

proptest! {
    #[test]
    fn a_beat_is_never_before_it_is_due_nor_before_the_work_is_done(
        works in vec(0u64..300_000, 1..60),
        period in 1_000u64..200_000,
    ) {
        let run = run(works);
        let period = Duration::from_micros(period);
        for strategy in candidates(&Work::of("", vec![run.clone()]), period) {
            let all: Vec<_> = beats(strategy, &run).collect();
            prop_assert_eq!(all.len(), run.len());
            for (beat, work) in all.iter().zip(&run) {
                prop_assert!(beat.at >= beat.due && beat.next >= beat.done);
                prop_assert_eq!(beat.done, beat.at + *work);
            }
            for pair in all.windows(2) {
                prop_assert_eq!(pair[0].next, pair[1].at);
            }
        }
    }

    #[test]
    fn where_a_beat_is_due_is_what_the_relays_pacer_says(
        works in vec(0u64..3_000_000, 1..60),
    ) {
        let run = run(works);
        for strategy in candidates(&Work::of("", vec![run.clone()]), Duration::from_millis(50)) {
            let mut pacer = Pacer::new(strategy);
            let mut due = Duration::ZERO;
            for beat in beats(strategy, &run) {
                prop_assert_eq!(beat.due, due);
                prop_assert!(beat.done <= beat.at.max(beat.due + STALL_AFTER));
                due = pacer.next(due, beat.done - beat.due).due;
            }
        }
    }

    #[test]
    fn shares_are_shares_and_the_rate_is_what_the_intervals_say(
        works in vec(0u64..3_000_000, 1..60),
    ) {
        let runs = vec![run(works)];
        let period = Duration::from_millis(50);
        for strategy in candidates(&Work::of("", runs.clone()), period) {
            let it = Figures::of(strategy, &runs, period);
            prop_assert!((0.0..=1.0).contains(&it.asleep), "{it:?}");
            prop_assert!((it.rate * it.interval.mean.as_secs_f64() - 1.0).abs() < 1e-3, "{it:?}");
            prop_assert!(it.interval.p99 <= it.interval.max, "{it:?}");
            prop_assert!(it.late.p50 <= it.late.p99 && it.late.p99 <= it.late.max, "{it:?}");
        }
    }

    #[test]
    fn any_work_has_a_recommendation_and_always_the_same(
        works in vec(0u64..3_000_000, 1..40),
        goal in proptest::sample::select(vec![Goal::Steady, Goal::Gentle, Goal::Fast]),
    ) {
        let work = Work::of("", vec![run(works)]);
        let tuning = Tuning::new(work.clone(), None, goal);
        prop_assert_eq!(tuning.best.len(), 4);
        prop_assert!(tuning.best.contains(&tuning.chosen));
        prop_assert_eq!(Tuning::new(work, None, goal), tuning);
    }
}
