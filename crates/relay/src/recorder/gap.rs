//! Ticks that the journal could not keep, and what logic is told of them.
//!
//! Their packets are lost. Who came and who went is told in the first tick that can be written
//! again, so that there is one `open` and one `close` for each session, gap or not; and an
//! operator's word that a tick is to be skipped, which stands until it counts.

use std::collections::BTreeMap;

use pulsegate_protocol::proto::{self, item::Item};
use pulsegate_protocol::tick::Sealed;

/// Ticks that were lost, up to now.
#[derive(Debug)]
pub struct Gap {
    first: u64,
    why: String,
    /// The `open` or `close` that logic has not heard of, by session.
    missed: BTreeMap<u64, Item>,
    skipped: Vec<Item>,
}

/// A tick's events that are told even if the tick is lost.
pub(super) fn lasting(tick: &Sealed) -> Vec<Item> {
    let lasts = |event: &Item| matches!(event, Item::Open(_) | Item::Close(_) | Item::Skipped(_));
    tick.events().filter_map(Result::ok).filter(lasts).collect()
}

impl Gap {
    /// A gap that begins with the tick `first`.
    pub fn new(first: u64, why: String) -> Self {
        Self { first, why, missed: BTreeMap::new(), skipped: Vec::new() }
    }

    /// A tick with these lasting events is lost.
    pub(super) fn lose(&mut self, events: Vec<Item>) {
        for event in events {
            match &event {
                Item::Open(open) => self.missed.insert(open.session, event),
                Item::Close(close) => match self.missed.remove(&close.session) {
                    // It came and went within the gap: for logic it was never there.
                    Some(Item::Open(_)) => None,
                    _ => self.missed.insert(close.session, event),
                },
                _ => {
                    self.skipped.push(event);
                    None
                }
            };
        }
    }

    /// What the tick with this number, the first behind the gap, begins with.
    pub(super) fn told_in(&self, number: u64) -> Vec<Item> {
        let (first, last) = (self.first, number - 1);
        // If nothing but answers was lost, there is no gap between ticks.
        let gap =
            (first <= last).then(|| Item::Gap(proto::Gap { first, last, why: self.why.clone() }));
        let events = self.missed.values().chain(&self.skipped).cloned();
        gap.into_iter().chain(events).collect()
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::proto::{Close, Open};
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    fn open(session: u64) -> Item {
        Item::Open(Open { session, peer: String::new() })
    }

    fn close(session: u64) -> Item {
        Item::Close(Close { session, reason: 1 })
    }

    fn lost(events: impl IntoIterator<Item = Item>) -> Vec<Item> {
        let mut batch = Gathering::with_capacity(0);
        for event in events {
            batch.event(event);
            batch.packet(1, b"lost");
        }
        lasting(&batch.seal(&Head::default()))
    }

    #[test]
    fn who_came_or_went_in_a_gap_is_told_behind_it_and_who_did_both_is_not() {
        let mut gap = Gap::new(5, "full".into());
        gap.lose(lost([open(10), close(1), open(11)]));
        let word = Item::Skipped(proto::Skipped { tick: 3 });
        gap.lose(lost([close(10), word.clone(), close(2)]));
        let told = gap.told_in(7);
        let named = Item::Gap(proto::Gap { first: 5, last: 6, why: "full".into() });
        assert_eq!(told, [named, close(1), close(2), open(11), word]);
    }

    #[test]
    fn a_failure_that_cost_no_tick_is_no_gap() {
        assert_eq!(Gap::new(5, "full".into()).told_in(5), []);
    }
}
