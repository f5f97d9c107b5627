//! Ticks of which logic dies each time: named, held, and skipped when an operator says so.
//!
//! Logic may have read ticks ahead of the one it dies of, and may owe answers to ticks before it.
//! So after a death those that were in flight are sent one at a time: who dies then, dies of that
//! tick.
//!
//! A tick that is skipped goes to logic without its packets. Its number, its times and its events
//! stay, so that the next one follows, and logic knows who is there. The journal keeps all of it,
//! and says in a later tick that it was skipped. That word takes this way:
//!
//! 1. [`Suspects::ask`]: an operator says it. The link ends, and none is made until 3.
//! 2. The link's task, which has no link now, puts the word into a tick.
//! 3. [`Suspects::heed`]: the tick with the word is durable. From here on the word counts.
//!
//! So no answer to the whole tick can come behind a word that counts.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::tick::{Chained, Damage, events, without_packets};
use tokio::sync::watch;
use tracing::{error, warn};

/// So many deaths in a row of the same tick are no chance.
const SUSPECT_AFTER: u32 = 3;

/// What is known of such ticks.
#[derive(Debug, Default)]
pub struct Suspects(watch::Sender<Known>);

#[derive(Debug, Default)]
struct Known {
    last: Death,
    /// What was in flight at deaths and was not answered since, from first to last.
    careful: Option<(u64, u64)>,
    /// A word that does not count yet.
    word: Option<u64>,
    skipped: BTreeSet<u64>,
    /// Those of them that logic can only have seen whole.
    seen_whole: BTreeSet<u64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Death {
    tick: u64,
    times: u32,
}

/// A tick of which logic dies each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspect {
    /// Its number.
    pub tick: u64,
    /// How often in a row the link ended with this tick sent and not answered.
    pub deaths: u32,
}

impl Known {
    fn suspect(&self) -> Option<Suspect> {
        let Death { tick, times } = self.last;
        (times >= SUSPECT_AFTER).then_some(Suspect { tick, deaths: times })
    }
}

impl Suspects {
    /// Begins with what was skipped before.
    pub fn new(skipped: impl IntoIterator<Item = u64>) -> Self {
        let skipped = skipped.into_iter().collect();
        Self(watch::Sender::new(Known { skipped, ..Known::default() }))
    }

    /// A link ended, and these were the first and the last tick that had been sent over it and not
    /// answered.
    pub fn died_of(&self, in_flight: RangeInclusive<u64>) {
        let (tick, last) = in_flight.into_inner();
        self.0.send_modify(|known| {
            let times =
                if known.last.tick == tick { known.last.times.saturating_add(1) } else { 1 };
            known.last = Death { tick, times };
            known.careful = Some((tick, known.careful.map_or(last, |(_, until)| until.max(last))));
        });
        let suspect = self.suspect();
        if let Some(Suspect { tick, deaths: deaths @ SUSPECT_AFTER }) = suspect {
            error!(
                tick,
                deaths,
                "suspect tick: logic dies before it answers it, again and again; it is held"
            );
        }
    }

    /// Logic has answered all ticks up to this one. A word about one of them comes too late.
    pub fn answered(&self, tick: u64) {
        self.0.send_if_modified(|known| {
            if known.last.tick <= tick {
                known.last = Death::default();
            }
            known.careful = known.careful.filter(|(_, last)| *last > tick);
            known.word.take_if(|word| *word <= tick).is_some()
        });
    }

    /// Whether this tick is to be sent only when all before it are answered.
    pub fn goes_alone(&self, tick: u64) -> bool {
        self.0.borrow().careful.is_some_and(|(first, _)| tick >= first)
    }

    /// The tick that logic cannot get past, if there is one.
    pub fn suspect(&self) -> Option<Suspect> {
        self.0.borrow().suspect()
    }

    /// An operator wants this tick skipped; `false` if that may not be, since it is not suspect.
    pub fn ask(&self, tick: u64) -> bool {
        let mut granted = true;
        self.0.send_if_modified(|known| {
            if known.word == Some(tick) || known.skipped.contains(&tick) {
                return false;
            }
            granted = known.suspect().is_some_and(|suspect| suspect.tick == tick);
            known.word = Some(tick).filter(|_| granted).or(known.word);
            granted
        });
        granted
    }

    /// The word that does not count yet, if there is one.
    pub fn word(&self) -> Option<u64> {
        self.0.borrow().word
    }

    /// Waits until there is a word that does not count yet.
    pub async fn asked(&self) -> u64 {
        loop {
            // The sender is ours: it cannot be gone.
            let _ = self.0.subscribe().wait_for(|known| known.word.is_some()).await;
            if let Some(word) = self.word() {
                return word;
            }
        }
    }

    /// Waits until the word about this tick counts; `false` if logic answered the tick instead.
    pub async fn settled(&self, tick: u64) -> bool {
        let _ = self.0.subscribe().wait_for(|known| known.word != Some(tick)).await;
        self.0.borrow().skipped.contains(&tick)
    }

    /// A tick is durable: the word that it carries counts from now on.
    pub fn heed(&self, durable: &Chained) {
        let Some(word) = self.word() else { return };
        let is_said = |event| matches!(event, Ok(Item::Skipped(skipped)) if skipped.tick == word);
        if events(&durable.bytes).any(is_said) {
            self.0.send_modify(|known| {
                known.word = None;
                known.skipped.insert(word);
                known.seen_whole.insert(word);
            });
            warn!(tick = word, "the packets of this tick are left out, as an operator asked");
        }
    }

    /// The tick as logic is to see it.
    ///
    /// # Errors
    /// A tick that is none.
    pub fn without_skipped(&self, tick: Chained) -> Result<Chained, Damage> {
        if !self.0.borrow().skipped.contains(&tick.number) {
            return Ok(tick);
        }
        self.0.send_if_modified(|known| {
            known.seen_whole.remove(&tick.number);
            false
        });
        without_packets(&tick.bytes)
    }

    /// A tick that logic applied with packets that were to be left out, if there is one in `ticks`.
    pub fn applied_whole(&self, ticks: RangeInclusive<u64>) -> Option<u64> {
        self.0.borrow().seen_whole.iter().find(|tick| ticks.contains(tick)).copied()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use pulsegate_protocol::proto::Skipped;
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    fn poison() -> Chained {
        let mut gathering = Gathering::with_capacity(0);
        gathering.packet(1, b"poison");
        gathering.seal(&Head { number: 7, ..Head::default() }).chain(5)
    }

    fn word(tick: u64) -> Chained {
        let mut gathering = Gathering::with_capacity(0);
        gathering.event(Item::Skipped(Skipped { tick }));
        gathering.seal(&Head { number: 20, ..Head::default() }).chain(5)
    }

    fn suspecting(tick: u64) -> Suspects {
        let suspects = Suspects::default();
        (0..SUSPECT_AFTER).for_each(|_| suspects.died_of(tick..=tick));
        suspects
    }

    #[test]
    fn a_tick_is_suspect_after_some_deaths_in_a_row_until_it_is_answered() {
        let suspects = Suspects::default();
        suspects.died_of(7..=7);
        suspects.died_of(7..=9);
        assert_eq!(suspects.suspect(), None);
        suspects.died_of(8..=8);
        suspects.died_of(7..=7);
        suspects.died_of(7..=7);
        assert_eq!(suspects.suspect(), None);
        suspects.answered(6);
        suspects.died_of(7..=7);
        suspects.died_of(7..=7);
        assert_eq!(suspects.suspect(), Some(Suspect { tick: 7, deaths: 4 }));
        suspects.answered(7);
        assert_eq!(suspects.suspect(), None);
    }

    #[test]
    fn what_was_in_flight_at_a_death_goes_alone_until_all_of_it_is_answered() {
        let suspects = Suspects::default();
        suspects.died_of(10..=40);
        assert_eq!([9, 10, 41].map(|tick| suspects.goes_alone(tick)), [false, true, true]);
        suspects.answered(20);
        suspects.died_of(21..=21);
        assert_eq!([20, 21, 41].map(|tick| suspects.goes_alone(tick)), [false, true, true]);
        suspects.answered(39);
        assert!(suspects.goes_alone(40));
        suspects.answered(40);
        assert!(!suspects.goes_alone(41));
    }

    #[test]
    fn a_word_counts_when_the_tick_that_carries_it_is_durable_and_not_before() {
        let suspects = suspecting(7);
        let sent = || suspects.without_skipped(poison()).unwrap().bytes;
        assert!(!suspects.ask(8), "nobody died of it");
        assert_eq!(suspects.word(), None);
        assert!(suspects.ask(7));
        assert!(suspects.ask(7), "saying it again changes nothing");
        suspects.heed(&word(6));
        suspects.heed(&poison());
        assert_eq!((suspects.word(), sent()), (Some(7), poison().bytes));
        assert_eq!(suspects.settled(7).now_or_never(), None);
        suspects.heed(&word(7));
        assert_eq!(
            (suspects.word(), sent()),
            (None, without_packets(&poison().bytes).unwrap().bytes)
        );
        assert_eq!(suspects.settled(7).now_or_never(), Some(true));
    }

    #[test]
    fn a_word_about_a_tick_that_is_answered_comes_too_late() {
        let suspects = suspecting(7);
        assert!(suspects.ask(7));
        assert_eq!(suspects.asked().now_or_never(), Some(7));
        suspects.answered(7);
        assert_eq!(suspects.settled(7).now_or_never(), Some(false));
        assert_eq!(suspects.asked().now_or_never(), None);
        assert!(!suspects.ask(7));
    }

    #[test]
    fn logic_can_only_have_applied_the_whole_tick_until_it_is_given_the_rest() {
        let suspects = suspecting(7);
        suspects.ask(7);
        suspects.heed(&word(7));
        assert_eq!([5..=6, 5..=7].map(|ticks| suspects.applied_whole(ticks)), [None, Some(7)]);
        suspects.without_skipped(poison()).unwrap();
        assert_eq!(suspects.applied_whole(5..=7), None);
    }
}
