//! An operator brings logic back to an earlier tick, and play goes on from there.
//!
//! Clients stay connected, nothing is erased, and tick numbers go on: the next tick carries
//! `Restored`, and follows the one to which logic was brought back. That word takes this way:
//!
//! 1. [`Rollbacks::ask`]: an operator says it. The link ends, and none is made until 4.
//! 2. [`Rollbacks::release`]: the link's task has no link now.
//! 3. [`Rollbacks::told`]: the journal's thread puts the word before all else in the next tick,
//!    and behind it what logic must know of sessions that came and left since.
//! 4. [`Rollbacks::heed`]: that tick is durable. From here on the word counts.
//!
//! So no answer to a tick that is left behind can come after the word counts.

use pulsegate_journal::{Attendance, Timeline};
use pulsegate_protocol::Reason;
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::proto::{Cause, Close, Restored, Rollback, State, StateChange};
use pulsegate_protocol::tick::{Chained, events};
use tokio::sync::watch;
use tracing::warn;

/// An operator's word.
#[derive(Debug, Clone)]
pub struct Word {
    /// The tick that logic is brought back to.
    pub to: u64,
    /// Who was there behind that tick.
    pub then: Attendance,
    /// The tick of the snapshot from which it is brought there; 0: there is none.
    pub from: u64,
}

/// The course of play, and the word that is to change it.
#[derive(Debug, Default)]
pub struct Rollbacks(watch::Sender<Known>);

#[derive(Debug, Default)]
struct Known {
    timeline: Timeline,
    word: Option<Word>,
    /// Whether the word may be put into a tick.
    released: bool,
}

impl Rollbacks {
    /// Begins with the course that play took before.
    pub fn new(timeline: Timeline) -> Self {
        Self(watch::Sender::new(Known { timeline, ..Known::default() }))
    }

    /// The course of play so far.
    pub fn timeline(&self) -> Timeline {
        self.0.borrow().timeline.clone()
    }

    /// The tick with this number, or the one that play went on with if it was left behind.
    pub fn next(&self, number: u64) -> u64 {
        self.0.borrow().timeline.next(number, u64::MAX).unwrap_or(number)
    }

    /// Whether play went on from this tick.
    pub fn leads_on(&self, tick: u64) -> bool {
        tick == 0 || self.0.borrow().timeline.leads(tick, u64::MAX)
    }

    /// An operator wants logic brought back; `false` if another word is on its way.
    pub fn ask(&self, word: Word) -> bool {
        self.0.send_if_modified(|known| {
            let free = known.word.is_none();
            if free {
                known.word = Some(word);
            }
            free
        })
    }

    /// Whether there is a word that does not count yet.
    pub fn is_asked(&self) -> bool {
        self.0.borrow().word.is_some()
    }

    /// Waits until there is one.
    pub async fn asked(&self) {
        // The sender is ours: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|known| known.word.is_some()).await;
    }

    /// The word may be put into a tick: there is no link.
    pub fn release(&self) {
        self.0.send_modify(|known| known.released = known.word.is_some());
    }

    /// Waits until no word is on its way. The last rollback that counts.
    pub async fn settled(&self) -> Option<Rollback> {
        let _ = self.0.subscribe().wait_for(|known| known.word.is_none()).await;
        self.0.borrow().timeline.rollbacks().last().copied()
    }

    fn released(&self) -> Option<u64> {
        let known = self.0.borrow();
        known.word.as_ref().filter(|_| known.released).map(|word| word.to)
    }

    /// What the next tick is to begin with; `now` are those who are there before it.
    pub fn told(&self, now: impl FnOnce() -> Attendance) -> Vec<Item> {
        let known = self.0.borrow();
        match known.word.as_ref().filter(|_| known.released) {
            Some(word) => word.items(&now()),
            None => Vec::new(),
        }
    }

    /// A tick is durable: the word that it carries counts from now on. Returns the tick
    /// from which on all must be kept: the snapshot's answer is behind it.
    pub fn heed(&self, durable: &Chained) -> Option<u64> {
        let to = self.released()?;
        let is_said = |event| matches!(event, Ok(Item::Restored(restored)) if restored.tick == to);
        if !events(&durable.bytes).any(is_said) {
            return None;
        }
        let mut from = None;
        self.0.send_modify(|known| {
            let rollbacks = known.timeline.rollbacks().iter().copied();
            let newest = Rollback { tick: durable.number, to };
            known.timeline = Timeline::new(rollbacks.chain([newest]));
            known.released = false;
            from = known.word.take().map(|word| word.from);
        });
        warn!(
            to,
            tick = durable.number,
            left_behind = durable.number - 1 - to,
            "logic is brought back, as an operator asked"
        );
        from
    }
}

impl Word {
    fn items(&self, now: &Attendance) -> Vec<Item> {
        let then = &self.then;
        let left = then.present.keys().filter(|id| !now.present.contains_key(id));
        let came = now.present.iter().filter(|(id, _)| !then.present.contains_key(id));
        let stayed = now.present.keys().filter(|id| then.present.contains_key(id));
        let mut items = vec![Item::Restored(Restored { tick: self.to })];
        items.extend(
            left.map(|&session| Item::Close(Close { session, reason: Reason::RolledBack.into() })),
        );
        items.extend(came.clone().map(|(_, open)| Item::Open(open.clone())));
        let came = came.map(|(id, _)| id).filter(|id| now.leaving.contains(id));
        let other = stayed.filter(|id| then.leaving.contains(id) != now.leaving.contains(id));
        items.extend(came.chain(other).map(|&session| {
            let leaves = now.leaving.contains(&session);
            let state = if leaves { State::Leave } else { State::Alive };
            let cause = Cause::Rollback.into();
            Item::State(StateChange { session, state: state.into(), cause })
        }));
        items
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use pulsegate_protocol::proto::Open;
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    fn attendance(present: &[u64], leaving: &[u64]) -> Attendance {
        let open = |session: &u64| (*session, Open { session: *session, peer: String::new() });
        Attendance {
            present: present.iter().map(open).collect(),
            leaving: leaving.iter().copied().collect(),
        }
    }

    fn word(to: u64) -> Word {
        Word { to, then: attendance(&[1, 2, 3, 4], &[3]), from: 2 }
    }

    fn durable(number: u64, items: Vec<Item>) -> Chained {
        let mut gathering = Gathering::with_capacity(0);
        items.into_iter().for_each(|item| gathering.event(item));
        gathering.seal(&Head { number, ..Head::default() }).chain(5)
    }

    fn state(session: u64, state: State) -> Item {
        Item::State(StateChange { session, state: state.into(), cause: Cause::Rollback.into() })
    }

    #[test]
    fn logic_is_told_who_came_who_left_and_who_is_in_another_state() {
        let rollbacks = Rollbacks::default();
        assert!(rollbacks.ask(word(7)));
        let now = || attendance(&[2, 3, 4, 5, 6], &[4, 6]);
        assert_eq!(rollbacks.told(now), [], "there is a link still");
        rollbacks.release();
        let close = Close { session: 1, reason: Reason::RolledBack.into() };
        let open = |session| Item::Open(Open { session, peer: String::new() });
        assert_eq!(
            rollbacks.told(now),
            [
                Item::Restored(Restored { tick: 7 }),
                Item::Close(close),
                open(5),
                open(6),
                state(6, State::Leave),
                state(3, State::Alive),
                state(4, State::Leave),
            ]
        );
    }

    #[test]
    fn a_word_counts_when_the_tick_that_carries_it_is_durable_and_not_before() {
        let rollbacks = Rollbacks::new(Timeline::new([Rollback { tick: 5, to: 3 }]));
        assert!(rollbacks.ask(word(7)));
        assert!(!rollbacks.ask(word(8)), "one at a time");
        rollbacks.release();
        let told = rollbacks.told(Attendance::default);
        assert_eq!(rollbacks.heed(&durable(20, Vec::new())), None);
        assert!(rollbacks.is_asked() && rollbacks.settled().now_or_never().is_none());
        assert_eq!(rollbacks.heed(&durable(21, told)), Some(2));
        assert_eq!(rollbacks.settled().now_or_never(), Some(Some(Rollback { tick: 21, to: 7 })));
        assert_eq!(rollbacks.timeline().stretches(30).count(), 3);
        assert_eq!(rollbacks.told(Attendance::default), []);
    }

    #[tokio::test]
    async fn a_word_is_waited_for() {
        let rollbacks = Rollbacks::default();
        let nobody = tokio::time::timeout(Duration::from_millis(10), rollbacks.asked()).await;
        assert!(nobody.is_err());
        rollbacks.ask(word(7));
        rollbacks.asked().await;
    }
}
