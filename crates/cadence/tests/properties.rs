//! What holds for any work whatever.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy as Arbitrary, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};
use pulsegate_cadence::{InForce, Overrun, Pacer, Strategy};

fn duration(max_us: u64) -> impl Arbitrary<Value = Duration> {
    (0..=max_us).prop_map(Duration::from_micros)
}

fn overrun() -> impl Arbitrary<Value = Overrun> {
    prop_oneof![
        Just(Overrun::Skip),
        (0u32..6).prop_map(|max| Overrun::CatchUp { max }),
        Just(Overrun::Stretch),
    ]
}

fn strategy() -> impl Arbitrary<Value = Strategy> {
    let sleep = || duration(100_000);
    prop_oneof![
        sleep().prop_map(|sleep| Strategy::Fixed { sleep }),
        (sleep(), sleep()).prop_map(|(sleep, budget)| Strategy::Adaptive { sleep, budget }),
        (sleep(), sleep(), 0u32..6, 0u32..6).prop_map(|(sleep, budget, overruns, calm)| {
            Strategy::Combined { sleep, budget, overruns, calm }
        }),
        (sleep(), overrun()).prop_map(|(period, overrun)| Strategy::Deadline { period, overrun }),
    ]
}

fn catches_up(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Deadline { overrun: Overrun::CatchUp { .. }, .. })
}

proptest! {
    #[test]
    fn no_beat_comes_before_the_work_is_done_but_to_catch_up(
        strategy in strategy(),
        works in vec(duration(300_000), 1..60),
    ) {
        let mut pacer = Pacer::new(strategy);
        let mut due = Duration::ZERO;
        for work in works {
            let next = pacer.next(due, work);
            prop_assert!(next.due >= due);
            if !catches_up(strategy) {
                prop_assert!(next.due >= due + work);
                prop_assert_eq!(next.due, due + work + next.sleep);
            }
            due = next.due;
        }
    }

    #[test]
    fn without_a_budget_the_period_never_drifts(
        sleep in duration(100_000),
        shares in vec(0.0..=1.0, 1..200),
    ) {
        let mut pacer = Pacer::new(Strategy::Adaptive { sleep, budget: Duration::ZERO });
        let mut due = Duration::ZERO;
        for (beat, share) in (1..).zip(shares) {
            due = pacer.next(due, sleep.mul_f64(share).min(sleep)).due;
            prop_assert_eq!(due, sleep * beat);
        }
    }

    #[test]
    fn skipping_and_catching_up_keep_to_the_grid(
        period in (100u64..100_000).prop_map(Duration::from_micros),
        catch_up in any::<bool>(),
        works in vec(duration(300_000), 1..60),
    ) {
        let overrun = if catch_up { Overrun::CatchUp { max: 3 } } else { Overrun::Skip };
        let mut pacer = Pacer::new(Strategy::Deadline { period, overrun });
        let mut due = Duration::ZERO;
        for work in works {
            let next = pacer.next(due, work);
            prop_assert_eq!(next.due.as_nanos() % period.as_nanos(), 0);
            if !catch_up {
                let step = next.due - due;
                prop_assert!(step == period || step < work + period);
            }
            due = next.due;
        }
    }

    #[test]
    fn catching_up_is_bounded(
        max in 0u32..6,
        works in vec((101u64..300_000).prop_map(Duration::from_micros), 1..60),
    ) {
        let period = Duration::from_micros(100);
        let overrun = Overrun::CatchUp { max };
        let mut pacer = Pacer::new(Strategy::Deadline { period, overrun });
        let (mut due, mut late_in_a_row) = (Duration::ZERO, 0);
        for work in works {
            let next = pacer.next(due, work);
            late_in_a_row = if next.due < due + work { late_in_a_row + 1 } else { 0 };
            prop_assert!(late_in_a_row <= max);
            due = next.due;
        }
    }

    #[test]
    fn combined_is_always_one_of_the_two(
        sleep in duration(100_000),
        budget in duration(100_000),
        overruns in 1u32..6,
        calm in 1u32..6,
        works in vec(duration(300_000), 1..100),
    ) {
        let mut combined = Pacer::new(Strategy::Combined { sleep, budget, overruns, calm });
        let mut fixed = Pacer::new(Strategy::Fixed { sleep });
        let mut adaptive = Pacer::new(Strategy::Adaptive { sleep, budget });
        let (mut due, mut starved_in_a_row) = (Duration::ZERO, 0);
        for work in works {
            let next = combined.next(due, work);
            let same = match next.in_force {
                InForce::Fixed => fixed.next(due, work),
                _ => adaptive.next(due, work),
            };
            prop_assert_eq!(next, same);
            let starved = next.in_force == InForce::Adaptive && next.sleep.is_zero();
            starved_in_a_row = if starved { starved_in_a_row + 1 } else { 0 };
            prop_assert!(starved_in_a_row <= overruns);
            due = next.due;
        }
    }
}
