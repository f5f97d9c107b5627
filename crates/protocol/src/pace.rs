//! A strategy as the link tells it.

use std::time::Duration;

use pulsegate_cadence::{Overrun, Strategy};

use crate::proto::{self, deadline, pace::Strategy as Wire};

/// A beat may not be asked for more often than this: it would be a busy loop.
pub const SHORTEST_BEAT: Duration = Duration::from_micros(100);

/// The link's form of a strategy. Times above 584 years are taken for that.
pub fn to_wire(strategy: Strategy) -> proto::Pace {
    let wire = match strategy {
        Strategy::Fixed { sleep } => Wire::Fixed(proto::Fixed { sleep_ns: nanos(sleep) }),
        Strategy::Adaptive { sleep, budget } => {
            Wire::Adaptive(proto::Adaptive { sleep_ns: nanos(sleep), budget_ns: nanos(budget) })
        }
        Strategy::Combined { sleep, budget, overruns, calm } => Wire::Combined(proto::Combined {
            sleep_ns: nanos(sleep),
            budget_ns: nanos(budget),
            overruns,
            calm,
        }),
        Strategy::Deadline { period, overrun } => {
            let (overrun, catch_up) = match overrun {
                Overrun::Skip => (deadline::Overrun::Skip, 0),
                Overrun::CatchUp { max } => (deadline::Overrun::CatchUp, max),
                Overrun::Stretch => (deadline::Overrun::Stretch, 0),
            };
            let period_ns = nanos(period);
            Wire::Deadline(proto::Deadline { period_ns, overrun: overrun.into(), catch_up })
        }
    };
    proto::Pace { strategy: Some(wire) }
}

/// The strategy that a message means.
///
/// `None` if it names none that is known here, or one that beats more often than
/// [`SHORTEST_BEAT`].
pub fn from_wire(pace: &proto::Pace) -> Option<Strategy> {
    let strategy = match pace.strategy.as_ref()? {
        Wire::Fixed(it) => Strategy::Fixed { sleep: Duration::from_nanos(it.sleep_ns) },
        Wire::Adaptive(it) => Strategy::Adaptive {
            sleep: Duration::from_nanos(it.sleep_ns),
            budget: Duration::from_nanos(it.budget_ns),
        },
        Wire::Combined(it) => Strategy::Combined {
            sleep: Duration::from_nanos(it.sleep_ns),
            budget: Duration::from_nanos(it.budget_ns),
            overruns: it.overruns,
            calm: it.calm,
        },
        Wire::Deadline(it) => Strategy::Deadline {
            period: Duration::from_nanos(it.period_ns),
            overrun: match deadline::Overrun::try_from(it.overrun).ok()? {
                deadline::Overrun::Skip => Overrun::Skip,
                deadline::Overrun::CatchUp => Overrun::CatchUp { max: it.catch_up },
                deadline::Overrun::Stretch => Overrun::Stretch,
            },
        },
    };
    (strategy.shortest_beat() >= SHORTEST_BEAT).then_some(strategy)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_comes_back_as_it_went() {
        let (sleep, budget) = (Duration::from_millis(50), Duration::from_nanos(7));
        for strategy in [
            Strategy::Fixed { sleep },
            Strategy::Adaptive { sleep, budget },
            Strategy::Combined { sleep, budget, overruns: 3, calm: 20 },
            Strategy::Deadline { period: sleep, overrun: Overrun::Skip },
            Strategy::Deadline { period: sleep, overrun: Overrun::CatchUp { max: 5 } },
            Strategy::Deadline { period: sleep, overrun: Overrun::Stretch },
        ] {
            assert_eq!(from_wire(&to_wire(strategy)), Some(strategy));
        }
    }

    #[test]
    fn a_busy_loop_is_not_a_pace() {
        let too_short = SHORTEST_BEAT - Duration::from_nanos(1);
        assert_eq!(from_wire(&to_wire(Strategy::Fixed { sleep: too_short })), None);
        let just_long_enough = Strategy::Fixed { sleep: SHORTEST_BEAT };
        assert_eq!(from_wire(&to_wire(just_long_enough)), Some(just_long_enough));
    }

    #[test]
    fn what_is_not_known_here_is_not_a_pace() {
        assert_eq!(from_wire(&proto::Pace { strategy: None }), None);
        let overrun = proto::Deadline { period_ns: 50_000_000, overrun: 99, catch_up: 0 };
        assert_eq!(from_wire(&proto::Pace { strategy: Some(Wire::Deadline(overrun)) }), None);
    }
}
