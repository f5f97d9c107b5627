//! The beats that a relay would have made.
//!
//! Where a beat is placed is [`Pacer`]'s doing, in here as in a relay. What is left is what the
//! relay's beat thread does with it: it beats when the beat is due, or at once if that is past; it
//! counts work from the due moment until the answer that it waits for; and it goes on without logic
//! when that takes too long. Which answer a beat waits for is [`Patience`]'s doing, here as there.

use std::collections::VecDeque;
use std::slice;
use std::time::Duration;

use pulsegate_cadence::{InForce, Pacer, Patience, Strategy};

/// After how long a beat goes on without logic: the default of `tick.stall_after`.
pub const STALL_AFTER: Duration = Duration::from_secs(2);

/// One beat. Times are offsets from the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Where the strategy wanted it.
    pub due: Duration,
    /// When it was: later, if work was not done before.
    pub at: Duration,
    /// When the work on it was done, as far as the next beat waited for it.
    pub done: Duration,
    /// Whether the next beat waited for logic's answer to this one.
    pub answered: bool,
    /// When the next beat was.
    pub next: Duration,
    /// The rule that placed the next beat.
    pub in_force: InForce,
}

impl Beat {
    /// From this beat to the next.
    pub fn interval(&self) -> Duration {
        self.next - self.at
    }

    /// Between the end of the work and the next beat.
    pub fn sleep(&self) -> Duration {
        self.next - self.done
    }
}

/// The beats of a strategy over a run of work times, one for each.
pub fn beats(strategy: Strategy, run: &[Duration]) -> Beats<'_> {
    let start = Duration::ZERO;
    Beats {
        pacer: Pacer::new(strategy),
        patience: Patience::new(0),
        run: run.iter(),
        due: start,
        at: start,
        logic: Logic::default(),
    }
}

/// See [`beats`].
#[derive(Debug, Clone)]
pub struct Beats<'a> {
    pacer: Pacer,
    patience: Patience,
    run: slice::Iter<'a, Duration>,
    due: Duration,
    at: Duration,
    logic: Logic,
}

/// A logic server that works on one tick after the other.
#[derive(Debug, Clone, Default)]
struct Logic {
    /// The last tick that it was sent.
    sent: u64,
    /// When it answers what it has not answered so far.
    answers: VecDeque<Duration>,
    /// When it has answered all that it was sent.
    free: Duration,
}

impl Logic {
    fn send(&mut self, at: Duration, work: Duration) {
        self.free = self.free.max(at) + work;
        self.sent += 1;
        self.answers.push_back(self.free);
    }

    /// The last tick that it has answered by then. Time does not go back.
    fn answered(&mut self, by: Duration) -> u64 {
        while self.answers.pop_front_if(|answer| *answer <= by).is_some() {}
        self.sent - self.answers.len() as u64
    }

    /// When it answers a tick that it had not answered when it was asked last.
    fn answers_at(&self, tick: u64) -> Duration {
        let first = self.sent - self.answers.len() as u64 + 1;
        self.answers[(tick - first) as usize]
    }
}

impl Iterator for Beats<'_> {
    type Item = Beat;

    fn next(&mut self) -> Option<Beat> {
        let work = *self.run.next()?;
        let (due, at) = (self.due, self.at);
        self.logic.send(at, work);
        let answered = self.logic.answered(at);
        let awaited = self.patience.awaited(self.logic.sent, answered);
        let give_up = at.max(due + STALL_AFTER);
        let done = match awaited > answered {
            true => self.logic.answers_at(awaited).min(give_up),
            false => at,
        };
        let answered = self.logic.answered(done);
        if answered < awaited {
            self.patience.gave_up(answered);
        }
        let placed = self.pacer.next(due, done - due);
        self.due = placed.due;
        self.at = placed.due.max(done);
        let answered = answered == self.logic.sent;
        Some(Beat { due, at, done, answered, next: self.at, in_force: placed.in_force })
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_cadence::Overrun;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn simulated(strategy: Strategy, works: &[u64]) -> Vec<Beat> {
        let run: Vec<_> = works.iter().copied().map(MS).collect();
        beats(strategy, &run).collect()
    }

    fn at_and_sleep(beats: &[Beat]) -> Vec<(u128, u128)> {
        beats.iter().map(|beat| (beat.at.as_millis(), beat.sleep().as_millis())).collect()
    }

    #[test]
    fn adaptive_eats_into_its_sleep_as_in_the_example_of_cadence() {
        // A tenth of it: a relay does not wait for longer than two seconds.
        let strategy = Strategy::Adaptive { sleep: MS(100), budget: MS(200) };
        let beats = simulated(strategy, &[150, 260, 300, 350, 20]);
        assert_eq!(at_and_sleep(&beats), [(0, 100), (250, 40), (550, 0), (850, 0), (1200, 100)]);
        assert!(beats.iter().all(|beat| beat.at == beat.due && beat.answered));
    }

    #[test]
    fn catching_up_is_late_for_what_it_missed_and_then_on_time() {
        let strategy = Strategy::Deadline { period: MS(50), overrun: Overrun::CatchUp { max: 5 } };
        let beats = simulated(strategy, &[120, 10, 10, 10]);
        let due_and_at: Vec<_> =
            beats.iter().map(|beat| (beat.due.as_millis(), beat.at.as_millis())).collect();
        assert_eq!(due_and_at, [(0, 0), (50, 120), (100, 130), (150, 150)]);
        let sleeps: Vec<_> = beats.iter().map(|beat| beat.sleep().as_millis()).collect();
        assert_eq!(sleeps, [0, 0, 10, 40]);
    }

    #[test]
    fn skipping_waits_for_the_next_point_and_stretching_moves_the_grid() {
        let at = |overrun| {
            let strategy = Strategy::Deadline { period: MS(50), overrun };
            let beats = simulated(strategy, &[10, 70, 10, 10]);
            beats.iter().map(|beat| beat.at.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(at(Overrun::Skip), [0, 50, 150, 200]);
        assert_eq!(at(Overrun::Stretch), [0, 50, 120, 170]);
    }

    #[test]
    fn combined_rests_while_it_is_fixed() {
        let strategy = Strategy::Combined { sleep: MS(50), budget: MS(0), overruns: 2, calm: 2 };
        let beats = simulated(strategy, &[60, 60, 60, 10, 10, 10]);
        let sleeps: Vec<_> = beats.iter().map(|beat| beat.sleep().as_millis()).collect();
        assert_eq!(sleeps, [0, 0, 50, 50, 50, 40]);
        let fixed: Vec<_> = beats.iter().map(|beat| beat.in_force == InForce::Fixed).collect();
        assert_eq!(fixed, [false, false, true, true, true, false]);
    }

    #[test]
    fn a_pace_that_is_quicker_than_logic_lets_it_catch_up() {
        let strategy = Strategy::Fixed { sleep: MS(5) };
        let works = [&[2500][..], &[20; 300]].concat();
        let beats = simulated(strategy, &works);
        let behind: Vec<_> = (1..=301).zip(&beats).filter(|(_, beat)| !beat.answered).collect();
        let ((_, first), (caught_up, last)) = (behind[0], behind[behind.len() - 1]);
        assert_eq!((first.at, first.done, first.answered), (MS(0), MS(2000), false));
        // A hundred beats without logic, and for each of them one more on the way back.
        assert!((190..=220).contains(&caught_up), "{caught_up}");
        assert!(last.at <= MS(2500 + 220 * 20), "{:?}", last.at);
        assert!(beats[caught_up..].iter().all(|beat| beat.answered));
    }

    #[test]
    fn beats_go_on_without_logic_until_it_has_answered_all() {
        let strategy = Strategy::Adaptive { sleep: MS(1000), budget: MS(0) };
        let beats = simulated(strategy, &[3500, 10, 10, 10]);
        assert_eq!(at_and_sleep(&beats), [(0, 0), (2000, 1000), (3000, 1000), (4000, 990)]);
        let answered: Vec<_> = beats.iter().map(|beat| beat.answered).collect();
        assert_eq!(answered, [false, false, false, true]);
    }
}
