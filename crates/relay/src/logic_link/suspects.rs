//! Ticks of which logic dies each time: named, held, and skipped when an operator says so.
//!
//! A tick that is skipped goes to logic without its packets. Its number, its times and its events
//! stay, so that the next one follows, and logic knows who is there. The journal keeps all of it,
//! and says in a later tick, before logic sees any of this, that it was skipped.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pulsegate_protocol::tick::{Chained, Damage, without_packets};
use tracing::error;

/// So many deaths in a row of the same tick are no chance.
const SUSPECT_AFTER: u32 = 3;

/// What is known of such ticks.
#[derive(Debug, Default)]
pub struct Suspects(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: Death,
    skipped: BTreeSet<u64>,
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

impl Suspects {
    /// Begins with what was skipped before.
    pub fn new(skipped: impl IntoIterator<Item = u64>) -> Self {
        let skipped = skipped.into_iter().collect();
        Self(Mutex::new(Inner { last: Death::default(), skipped }))
    }

    /// A link ended, and this was the first tick that had been sent over it and not answered.
    pub fn died_of(&self, tick: u64) {
        let mut inner = self.lock();
        let times = if inner.last.tick == tick { inner.last.times.saturating_add(1) } else { 1 };
        inner.last = Death { tick, times };
        drop(inner);
        if times == SUSPECT_AFTER {
            error!(
                tick,
                deaths = times,
                "suspect tick: logic dies before it answers it, again and again; it is held"
            );
        }
    }

    /// Logic has answered all ticks up to this one.
    pub fn answered(&self, tick: u64) {
        let mut inner = self.lock();
        if inner.last.tick <= tick {
            inner.last = Death::default();
        }
    }

    /// The tick that logic cannot get past, if there is one.
    pub fn suspect(&self) -> Option<Suspect> {
        let Death { tick, times } = self.lock().last;
        (times >= SUSPECT_AFTER).then_some(Suspect { tick, deaths: times })
    }

    /// Leaves a tick's packets out from now on. That must be in the journal before.
    pub fn skip(&self, tick: u64) {
        self.lock().skipped.insert(tick);
    }

    /// The tick as logic is to see it.
    ///
    /// # Errors
    /// A tick that is none.
    pub fn without_skipped(&self, tick: Chained) -> Result<Chained, Damage> {
        let skipped = self.lock().skipped.contains(&tick.number);
        if skipped { without_packets(&tick.bytes) } else { Ok(tick) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    #[test]
    fn a_tick_is_suspect_after_some_deaths_in_a_row_until_it_is_answered() {
        let suspects = Suspects::default();
        suspects.died_of(7);
        suspects.died_of(7);
        assert_eq!(suspects.suspect(), None);
        suspects.died_of(8);
        suspects.died_of(7);
        suspects.died_of(7);
        assert_eq!(suspects.suspect(), None);
        suspects.answered(6);
        suspects.died_of(7);
        suspects.died_of(7);
        assert_eq!(suspects.suspect(), Some(Suspect { tick: 7, deaths: 4 }));
        suspects.answered(7);
        assert_eq!(suspects.suspect(), None);
    }

    #[test]
    fn only_what_was_skipped_loses_its_packets() {
        let mut gathering = Gathering::with_capacity(0);
        gathering.packet(1, b"poison");
        let whole = gathering.seal(&Head { number: 7, ..Head::default() }).chain(5);
        let suspects = Suspects::new([8]);
        let sent = |suspects: &Suspects| suspects.without_skipped(whole.clone()).unwrap().bytes;
        assert_eq!(sent(&suspects), whole.bytes);
        suspects.skip(7);
        assert_eq!(sent(&suspects), without_packets(&whole.bytes).unwrap().bytes);
    }
}
