//! How much a client may send.
//!
//! A client over its allowance is not read from until it is within it again: its own sender has
//! to wait, nobody else does, and nothing is lost. A second's worth may come at once.
//!
//! Nobody is closed for being over it, however long: a client that floods costs no more than its
//! allowance, and one that has much to say for a moment must not lose its session for it.

use std::time::Duration;

/// What a client may send per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes, headers included; `None`: any number.
    pub bytes: Option<u64>,
    /// Frames; `None`: any number.
    pub frames: Option<u64>,
}

/// What a client has used of its allowance, as the time at which all of it will be paid for.
/// (The generic cell rate algorithm, ITU-T I.371.)
#[derive(Debug, Default)]
pub struct Allowance {
    bytes_paid: Duration,
    frames_paid: Duration,
}

const BURST: Duration = Duration::from_secs(1);

impl Allowance {
    /// Charges what arrived at `now`; says until when to read no more.
    pub fn charge(
        &mut self,
        now: Duration,
        bytes: u64,
        frames: u64,
        rate: Rate,
    ) -> Option<Duration> {
        let bytes = charge(&mut self.bytes_paid, now, bytes, rate.bytes);
        let frames = charge(&mut self.frames_paid, now, frames, rate.frames);
        bytes.max(frames)
    }
}

fn charge(paid: &mut Duration, now: Duration, amount: u64, rate: Option<u64>) -> Option<Duration> {
    let nanos = u128::from(amount) * 1_000_000_000 / u128::from(rate?.max(1));
    let cost = Duration::from_nanos(nanos.try_into().unwrap_or(u64::MAX));
    *paid = (*paid).max(now).saturating_add(cost);
    let until = paid.saturating_sub(BURST);
    (until > now).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { bytes: Some(1000), frames: Some(10) };

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_seconds_worth_may_come_at_once() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.charge(at(5000), 1000, 10, RATE), None);
        assert_eq!(allowance.charge(at(5000), 1, 0, RATE), Some(at(5001)));
    }

    #[test]
    fn whoever_keeps_to_the_rate_is_never_stopped() {
        let mut allowance = Allowance::default();
        for step in 0..10_000 {
            assert_eq!(allowance.charge(at(step * 100), 100, 1, RATE), None);
        }
    }

    #[test]
    fn bytes_and_frames_count_each_for_itself() {
        let mut allowance = Allowance::default();
        assert_eq!(allowance.charge(at(0), 0, 20, RATE), Some(at(1000)));
        let mut allowance = Allowance::default();
        assert_eq!(allowance.charge(at(0), 3000, 1, RATE), Some(at(2000)));
        let free = Rate { bytes: None, frames: None };
        assert_eq!(Allowance::default().charge(at(0), u64::MAX, u64::MAX, free), None);
    }
}
