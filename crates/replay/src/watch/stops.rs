//! Where a replay stops for a key.

use super::Next;
use crate::audience::Key;

/// The stops to come, as the command line and keys say.
#[derive(Debug)]
pub(crate) struct Stops {
    /// Whether Enter leads to the next tick.
    step: bool,
    /// Whether each tick is a stop now.
    stepping: bool,
    /// The first tick to stop at, wherever else it stops.
    pause_at: Option<u64>,
}

impl Stops {
    pub(crate) const fn new(step: bool, pause_at: Option<u64>) -> Self {
        Self { step, stepping: step && pause_at.is_none(), pause_at }
    }

    /// What the keys do, in a line.
    pub(crate) const fn keys(&self) -> &'static str {
        if self.step {
            "Enter, space or n: next tick; c: go on without stopping; q: end"
        } else {
            "Enter, space or c: go on; n: next tick; q: end"
        }
    }

    /// The same, as it is asked at each stop.
    pub(crate) const fn asked(&self) -> &'static str {
        if self.step {
            "Enter: next tick, c: go on, q: end"
        } else {
            "Enter: go on, n: next tick, q: end"
        }
    }

    pub(crate) fn is_at(&self, tick: u64) -> bool {
        self.stepping || self.pause_at.is_some_and(|at| at <= tick)
    }

    /// A key was pressed before this tick was sent.
    pub(crate) fn pressed(&mut self, tick: u64, key: Key) -> Next {
        self.pause_at.take_if(|at| *at <= tick);
        self.stepping = match key {
            Key::Enter => self.step,
            Key::Next => true,
            Key::GoOn => false,
            Key::End => return Next::End,
        };
        Next::GoOn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ticks of 1 to 9 before which it stops, if these keys are pressed there.
    fn stops(step: bool, pause_at: Option<u64>, keys: &[Key]) -> Vec<u64> {
        let (mut stops, mut keys) = (Stops::new(step, pause_at), keys.iter());
        let mut at = Vec::new();
        for tick in 1..=9 {
            if stops.is_at(tick) {
                at.push(tick);
                if stops.pressed(tick, *keys.next().unwrap_or(&Key::End)) == Next::End {
                    break;
                }
            }
        }
        at
    }

    #[test]
    fn it_stops_where_it_is_told_and_goes_on_as_the_keys_say() {
        use Key::{End, Enter, GoOn, Next};
        for (step, pause_at, keys, expected) in [
            (true, None, &[Enter, Next, Enter, End][..], &[1, 2, 3, 4][..]),
            (true, None, &[Enter, GoOn], &[1, 2]),
            (true, Some(5), &[Enter, Enter, GoOn], &[5, 6, 7]),
            (false, Some(5), &[Enter], &[5]),
            (false, Some(5), &[GoOn], &[5]),
            (false, Some(5), &[Next, Next, Enter], &[5, 6, 7]),
            (false, None, &[], &[]),
        ] {
            assert_eq!(stops(step, pause_at, keys), expected, "{step} {pause_at:?} {keys:?}");
        }
    }
}
