//! The arithmetic of each strategy, as tables.

use std::time::Duration;

use pulsegate_cadence::{InForce, Overrun, Pacer, Strategy};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The beats, in ms, that follow one due at 0 when the ticks take `works` ms. A beat is sealed at
/// its due time, or when the work before it ended, whichever is later; `works` count from then.
fn beats(strategy: Strategy, works: &[u64]) -> Vec<u128> {
    let mut pacer = Pacer::new(strategy);
    let (mut due, mut free) = (ms(0), ms(0));
    works
        .iter()
        .map(|work| {
            free = due.max(free) + ms(*work);
            due = pacer.next(due, free - due).due;
            due.as_millis()
        })
        .collect()
}

fn sleeps(strategy: Strategy, works: &[u64]) -> Vec<(u128, InForce)> {
    let mut pacer = Pacer::new(strategy);
    let mut due = ms(0);
    works
        .iter()
        .map(|work| {
            let next = pacer.next(due, ms(*work));
            due = next.due;
            (next.sleep.as_millis(), next.in_force)
        })
        .collect()
}

#[test]
fn adaptive_follows_the_worked_example() {
    let strategy = Strategy::Adaptive { sleep: ms(1000), budget: ms(2000) };
    for (work, sleep) in
        [(0, 1000), (1500, 1000), (2000, 1000), (2600, 400), (2999, 1), (3000, 0), (9000, 0)]
    {
        let next = Pacer::new(strategy).next(ms(7), ms(work));
        assert_eq!(next.sleep, ms(sleep), "work {work}");
        assert_eq!(next.due, ms(7 + work + sleep), "work {work}");
    }
}

#[test]
fn fixed_always_sleeps() {
    assert_eq!(beats(Strategy::Fixed { sleep: ms(50) }, &[0, 10, 500, 5]), [50, 110, 660, 715]);
}

#[test]
fn adaptive_without_a_budget_keeps_its_period_and_goes_on_from_an_overrun() {
    let strategy = Strategy::Adaptive { sleep: ms(50), budget: ms(0) };
    assert_eq!(beats(strategy, &[3, 49, 50, 120, 10]), [50, 100, 150, 270, 320]);
}

#[test]
fn combined_breathes_after_overruns_in_a_row_and_is_adaptive_again_after_calm() {
    use InForce::{Adaptive, Fixed};
    let strategy = Strategy::Combined { sleep: ms(100), budget: ms(0), overruns: 2, calm: 3 };
    let works = [100, 10, 100, 150, 150, 50, 50, 51, 50, 0, 50, 50];
    let expected = [
        (0, Adaptive),
        (90, Adaptive), // An easy tick between: the count begins again.
        (0, Adaptive),
        (0, Adaptive),
        (100, Fixed),
        (100, Fixed),
        (100, Fixed),
        (100, Fixed), // A hard tick between.
        (100, Fixed),
        (100, Fixed),
        (100, Fixed),
        (50, Adaptive),
    ];
    assert_eq!(sleeps(strategy, &works), expected);
}

#[test]
fn deadline_stays_on_its_grid_while_work_fits() {
    for overrun in [Overrun::Skip, Overrun::CatchUp { max: 9 }, Overrun::Stretch] {
        let strategy = Strategy::Deadline { period: ms(50), overrun };
        assert_eq!(beats(strategy, &[0, 49, 50, 1]), [50, 100, 150, 200], "{overrun:?}");
    }
}

#[test]
fn a_point_that_was_missed_is_placed_by_the_overrun_rule() {
    let works = [10, 130, 10, 10, 10];
    for (overrun, expected) in [
        (Overrun::Skip, [50, 200, 250, 300, 350]),
        (Overrun::CatchUp { max: 5 }, [50, 100, 150, 200, 250]),
        (Overrun::CatchUp { max: 1 }, [50, 100, 200, 250, 300]),
        (Overrun::CatchUp { max: 0 }, [50, 200, 250, 300, 350]),
        (Overrun::Stretch, [50, 180, 230, 280, 330]),
    ] {
        let strategy = Strategy::Deadline { period: ms(50), overrun };
        assert_eq!(beats(strategy, &works), expected, "{overrun:?}");
    }
}

#[test]
fn work_that_ends_on_a_point_of_the_grid_beats_there() {
    let strategy = Strategy::Deadline { period: ms(50), overrun: Overrun::Skip };
    assert_eq!(beats(strategy, &[150, 1]), [150, 200]);
}

#[test]
fn another_strategy_takes_over_at_the_next_placement() {
    let mut pacer = Pacer::new(Strategy::Fixed { sleep: ms(50) });
    let due = pacer.next(ms(0), ms(7)).due;
    pacer.set(Strategy::Deadline { period: ms(20), overrun: Overrun::Skip });
    assert_eq!(pacer.next(due, ms(5)).due, ms(77));
}

#[test]
fn setting_the_same_strategy_forgets_nothing() {
    let strategy = Strategy::Combined { sleep: ms(10), budget: ms(0), overruns: 2, calm: 2 };
    let mut pacer = Pacer::new(strategy);
    pacer.next(ms(0), ms(10));
    pacer.set(strategy);
    pacer.next(ms(10), ms(10));
    assert_eq!(pacer.next(ms(20), ms(10)).in_force, InForce::Fixed);
}

#[test]
fn absurd_settings_neither_panic_nor_stand_still() {
    let strategy = Strategy::Deadline { period: ms(0), overrun: Overrun::Skip };
    assert!(Pacer::new(strategy).next(ms(5), ms(0)).due > ms(5));
    for strategy in [
        Strategy::Fixed { sleep: Duration::MAX },
        Strategy::Adaptive { sleep: Duration::MAX, budget: Duration::MAX },
        Strategy::Deadline { period: Duration::MAX, overrun: Overrun::Skip },
    ] {
        assert_eq!(Pacer::new(strategy).next(ms(5), ms(5)).due, Duration::MAX);
    }
}

#[test]
fn each_strategy_goes_by_its_word_in_configuration_and_metrics() {
    let (sleep, budget) = (ms(1), ms(1));
    for (strategy, word, in_force) in [
        (Strategy::Fixed { sleep }, "fixed", "fixed"),
        (Strategy::Adaptive { sleep, budget }, "adaptive", "adaptive"),
        (Strategy::Combined { sleep, budget, overruns: 1, calm: 1 }, "combined", "adaptive"),
        (Strategy::Deadline { period: sleep, overrun: Overrun::Skip }, "deadline", "deadline"),
    ] {
        assert_eq!(strategy.name(), word);
        assert_eq!(Pacer::new(strategy).next(ms(0), ms(0)).in_force.name(), in_force);
    }
}
