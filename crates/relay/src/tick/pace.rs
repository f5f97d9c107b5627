//! A pace as it stands on the link, and back.

use std::time::Duration;

use pulsegate_cadence::{Overrun, Strategy};
use pulsegate_protocol::proto::{self, deadline, pace};

use super::clock::nanos;

/// A beat may not be asked for more often than this: it would be a busy loop.
pub const SHORTEST_BEAT: Duration = Duration::from_micros(100);

/// A strategy as the link tells it.
pub fn to_proto(strategy: Strategy) -> proto::Pace {
    let strategy = match strategy {
        Strategy::Fixed { sleep } => pace::Strategy::Fixed(proto::Fixed { sleep_ns: nanos(sleep) }),
        Strategy::Adaptive { sleep, budget } => pace::Strategy::Adaptive(proto::Adaptive {
            sleep_ns: nanos(sleep),
            budget_ns: nanos(budget),
        }),
        Strategy::Combined { sleep, budget, overruns, calm } => {
            pace::Strategy::Combined(proto::Combined {
                sleep_ns: nanos(sleep),
                budget_ns: nanos(budget),
                overruns,
                calm,
            })
        }
        Strategy::Deadline { period, overrun } => {
            let (overrun, catch_up) = match overrun {
                Overrun::Skip => (deadline::Overrun::Skip, 0),
                Overrun::CatchUp { max } => (deadline::Overrun::CatchUp, max),
                Overrun::Stretch => (deadline::Overrun::Stretch, 0),
            };
            pace::Strategy::Deadline(proto::Deadline {
                period_ns: nanos(period),
                overrun: overrun.into(),
                catch_up,
            })
        }
    };
    proto::Pace { strategy: Some(strategy) }
}

/// The strategy that a logic server asks for, if it is one that can be kept.
pub fn from_proto(pace: &proto::Pace) -> Option<Strategy> {
    let ns = Duration::from_nanos;
    let strategy = match pace.strategy.as_ref()? {
        pace::Strategy::Fixed(fixed) => Strategy::Fixed { sleep: ns(fixed.sleep_ns) },
        pace::Strategy::Adaptive(adaptive) => {
            Strategy::Adaptive { sleep: ns(adaptive.sleep_ns), budget: ns(adaptive.budget_ns) }
        }
        pace::Strategy::Combined(combined) => Strategy::Combined {
            sleep: ns(combined.sleep_ns),
            budget: ns(combined.budget_ns),
            overruns: combined.overruns,
            calm: combined.calm,
        },
        pace::Strategy::Deadline(deadline) => Strategy::Deadline {
            period: ns(deadline.period_ns),
            overrun: match deadline.overrun() {
                deadline::Overrun::Skip => Overrun::Skip,
                deadline::Overrun::CatchUp => Overrun::CatchUp { max: deadline.catch_up },
                deadline::Overrun::Stretch => Overrun::Stretch,
            },
        },
    };
    (strategy.shortest_beat() >= SHORTEST_BEAT).then_some(strategy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_survives_the_link() {
        let ms = Duration::from_millis;
        for strategy in [
            Strategy::Fixed { sleep: ms(50) },
            Strategy::Adaptive { sleep: ms(50), budget: ms(7) },
            Strategy::Combined { sleep: ms(50), budget: ms(7), overruns: 3, calm: 20 },
            Strategy::Deadline { period: ms(16), overrun: Overrun::Skip },
            Strategy::Deadline { period: ms(16), overrun: Overrun::CatchUp { max: 5 } },
            Strategy::Deadline { period: ms(16), overrun: Overrun::Stretch },
        ] {
            assert_eq!(from_proto(&to_proto(strategy)), Some(strategy));
        }
    }

    #[test]
    fn a_busy_loop_is_not_a_pace() {
        assert_eq!(from_proto(&to_proto(Strategy::Fixed { sleep: Duration::ZERO })), None);
        assert_eq!(from_proto(&proto::Pace { strategy: None }), None);
    }
}
