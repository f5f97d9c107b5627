//! For which of logic's answers a beat waits before the next one is placed.
//!
//! While logic is up to date, that is the answer to the beat's own tick. After an outage logic has
//! to work off what it missed, and must gain on the beats meanwhile: for each beat there have to
//! be two answers, of which one is for what the beat adds. So it catches up with any pace, and a
//! pace that leaves time for as many answers anyway is not slowed at all.
//!
//! Beats never wait for a logic server that does not answer: once one was given up on, waiting
//! begins anew with its next answer.

/// So many answers there have to be for each beat while logic is behind.
const PER_BEAT: u64 = 2;

/// What must be remembered from beat to beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The answer that the beat before waited for, or a later one that was there already.
    reached: u64,
    /// The last answer when logic was given up on.
    gave_up_at: Option<u64>,
}

impl Patience {
    /// Before the first beat. Logic's last answer was to this tick, maybe in an earlier life: so
    /// far it does not answer.
    pub const fn new(answered: u64) -> Self {
        Self { reached: answered, gave_up_at: Some(answered) }
    }

    /// A beat made this tick, and logic's last answer is to tick `answered`. Returns the tick
    /// whose answer the next beat waits for; if it is there already, nothing is waited for.
    ///
    /// ```
    /// use pulsegate_cadence::Patience;
    ///
    /// let mut patience = Patience::new(0);
    /// assert_eq!(patience.awaited(1, 0), 1, "its own");
    /// patience.gave_up(0);
    /// assert_eq!(patience.awaited(2, 0), 0, "none");
    /// assert_eq!(patience.awaited(9, 3), 3, "none: it gained on the beats by itself");
    /// assert_eq!(patience.awaited(10, 3), 5, "two more");
    /// ```
    pub fn awaited(&mut self, tick: u64, answered: u64) -> u64 {
        self.reached = if answered + 1 >= tick {
            tick
        } else if self.gave_up_at == Some(answered) {
            answered
        } else {
            answered.max(self.reached + PER_BEAT).min(tick)
        };
        self.reached
    }

    /// The beat does not wait any longer; logic's last answer is to tick `answered`.
    pub const fn gave_up(&mut self, answered: u64) {
        self.gave_up_at = Some(answered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logic_that_is_up_to_date_is_waited_for_even_if_it_was_given_up_on() {
        let mut patience = Patience::new(6);
        assert_eq!(patience.awaited(7, 6), 7);
        patience.gave_up(6);
        assert_eq!(patience.awaited(7, 6), 7, "a logic server that is linked anew");
        assert_eq!(patience.awaited(9, 8), 9, "one behind, as a beat is that overran");
    }

    #[test]
    fn while_it_is_silent_beats_go_on_and_with_its_first_answer_they_wait_again() {
        let mut patience = Patience::new(6);
        for tick in 8..100 {
            assert_eq!(patience.awaited(tick, 6), 6);
        }
        assert_eq!(patience.awaited(100, 7), 8);
        assert_eq!(patience.awaited(101, 8), 10);
        patience.gave_up(9);
        assert_eq!(patience.awaited(102, 9), 9);
    }

    #[test]
    fn no_tick_is_waited_for_that_is_not_made_yet() {
        let mut patience = Patience::new(0);
        assert_eq!(patience.awaited(9, 6), 6);
        assert_eq!(patience.awaited(10, 7), 8);
        assert_eq!(patience.awaited(11, 8), 10);
        assert_eq!(patience.awaited(12, 10), 12);
        assert_eq!(patience.awaited(13, 12), 13, "up to date");
    }

    #[test]
    fn a_beat_that_leaves_time_for_two_answers_is_not_slowed() {
        let mut patience = Patience::new(0);
        for beat in 1..100 {
            assert_eq!(patience.awaited(1000 + beat, 2 * beat), 2 * beat);
        }
    }

    #[test]
    fn logic_that_gains_nothing_by_itself_gains_a_tick_with_each_beat() {
        let mut patience = Patience::new(0);
        let mut answered = 1;
        let caught_up = (51..200).find(|&tick| {
            answered = patience.awaited(tick, answered);
            answered == tick
        });
        assert!(caught_up.is_some_and(|tick| (95..=100).contains(&tick)), "{caught_up:?}");
    }
}
