//! When each tick goes out, as arithmetic.

use std::time::Duration;

use pulsegate_protocol::tick::Head;

use crate::args::Speed;

/// Follows the recorded times from the first tick played on.
#[derive(Debug)]
pub(crate) struct Pacing {
    speed: Speed,
    last: Option<Head>,
    recorded: Duration,
}

impl Pacing {
    pub(crate) const fn new(speed: Speed) -> Self {
        Self { speed, last: None, recorded: Duration::ZERO }
    }

    /// When this tick is due, counted from the first one.
    ///
    /// The time between two lives of the relay is left out: nobody played.
    pub(crate) fn due(&mut self, head: &Head) -> Duration {
        if let Some(last) = self.last.replace(*head)
            && last.epoch == head.epoch
        {
            let passed = head.monotonic_ns.saturating_sub(last.monotonic_ns);
            self.recorded += Duration::from_nanos(passed);
        }
        match self.speed {
            Speed::Times(factor) => self.recorded.div_f64(factor),
            Speed::Max => Duration::ZERO,
        }
    }

    /// The recorded time from the first tick to the last one.
    pub(crate) const fn recorded(&self) -> Duration {
        self.recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(epoch: u32, monotonic_ms: u64) -> Head {
        Head { epoch, monotonic_ns: monotonic_ms * 1_000_000, ..Head::default() }
    }

    fn dues(speed: Speed, heads: &[Head]) -> Vec<u128> {
        let mut pacing = Pacing::new(speed);
        heads.iter().map(|head| pacing.due(head).as_millis()).collect()
    }

    #[test]
    fn ticks_keep_their_recorded_distance() {
        let heads = [head(1, 1000), head(1, 1050), head(1, 1200), head(1, 1200)];
        assert_eq!(dues(Speed::Times(1.0), &heads), [0, 50, 200, 200]);
        assert_eq!(dues(Speed::Times(10.0), &heads), [0, 5, 20, 20]);
        assert_eq!(dues(Speed::Times(0.5), &heads), [0, 100, 400, 400]);
        assert_eq!(dues(Speed::Max, &heads), [0; 4]);
    }

    #[test]
    fn the_time_between_two_lives_is_left_out() {
        let heads = [head(1, 1000), head(1, 1050), head(2, 10), head(2, 60)];
        assert_eq!(dues(Speed::Times(1.0), &heads), [0, 50, 50, 100]);
    }
}
