//! A tick with the packets and events of some sessions alone.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;
use pulsegate_protocol::proto::{self, item::Item};
use pulsegate_protocol::tick::{Damage, Gathering, peek};

/// Writes ticks anew, with what does not belong to these sessions left out.
#[derive(Debug)]
pub(crate) struct Only {
    sessions: BTreeSet<u64>,
    /// The checksum of the tick before: the chain is another one when ticks are.
    previous: Option<u32>,
}

impl Only {
    pub(crate) fn new(sessions: impl IntoIterator<Item = u64>) -> Self {
        Self { sessions: sessions.into_iter().collect(), previous: None }
    }

    /// The tick without the rest. What belongs to no session is kept.
    pub(crate) fn tick(&mut self, bytes: Bytes) -> Result<Bytes, Damage> {
        let was = peek(&bytes)?;
        let mut kept = Gathering::with_capacity(0);
        let tick = proto::Tick::decode(bytes).map_err(|_| Damage::Shape("an unreadable item"))?;
        for item in tick.items.into_iter().filter_map(|item| item.item) {
            if session_of(&item).is_some_and(|session| !self.sessions.contains(&session)) {
                continue;
            }
            match item {
                Item::Packet(packet) => kept.packet(packet.session, &packet.payload),
                event => kept.event(event),
            }
        }
        let tick = kept.seal(&was.head).chain(self.previous.unwrap_or(was.previous));
        self.previous = Some(tick.checksum);
        Ok(tick.bytes)
    }
}

const fn session_of(item: &Item) -> Option<u64> {
    match item {
        Item::Packet(packet) => Some(packet.session),
        Item::Open(open) => Some(open.session),
        Item::State(change) => Some(change.session),
        Item::Close(close) => Some(close.session),
        Item::Heartbeat(heartbeat) => Some(heartbeat.session),
        Item::Pace(_) | Item::Gap(_) | Item::Restored(_) | Item::Skipped(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::proto::{Close, Gap, Open};
    use pulsegate_protocol::tick::Head;

    use super::*;

    fn recorded(number: u64, previous: u32, sessions: &[u64]) -> Bytes {
        let mut gathering = Gathering::with_capacity(0);
        gathering.event(Item::Gap(Gap { first: 1, last: 1, why: "disk full".into() }));
        for &session in sessions {
            gathering.event(Item::Open(Open { session, peer: "192.0.2.1:5".into() }));
            gathering.packet(session, &session.to_be_bytes());
            gathering.event(Item::Close(Close { session, reason: 1 }));
        }
        gathering.seal(&Head { number, seed: 9, ..Head::default() }).chain(previous).bytes
    }

    #[test]
    fn other_sessions_are_left_out_and_the_chain_holds() {
        let mut only = Only::new([2, 3]);
        let mut previous = 77;
        for (number, all, kept) in
            [(5, &[1, 2, 3][..], &[2, 3][..]), (6, &[1], &[]), (7, &[3], &[3])]
        {
            let bytes = recorded(number, 77, all);
            let filtered = only.tick(bytes).unwrap();
            assert_eq!(filtered, recorded(number, previous, kept));
            previous = peek(&filtered).unwrap().checksum;
        }
    }
}
