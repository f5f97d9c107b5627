//! Messages from the relay to a logic server.
//!
//! The first byte says whether the rest is a message as it came over the wire, or what to put into
//! a tick.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use prost::Message as _;
use pulsegate_protocol::link::{self, MAX_MESSAGE};
use pulsegate_protocol::proto::{Tick, ToLogic, to_logic};
use pulsegate_protocol::tick::{Gathering, Head, Peek, events, peek};

use crate::recipe::Thing;

/// Any bytes are a message or none; and a tick written by hand is the one that the generated code
/// would write.
pub fn hold(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, wire)) => any(wire),
        Some((_, recipe)) => {
            if let Ok(recipe) = Recipe::arbitrary_take_rest(Unstructured::new(recipe)) {
                recipe.check();
            }
        }
        None => {}
    }
}

fn any(wire: &[u8]) {
    let _ = peek(wire);
    assert!(events(wire).count() <= wire.len());
    if let Ok(ToLogic { message: Some(message) }) = ToLogic::decode(wire) {
        let again = ToLogic::decode(link::to_logic(message.clone())).unwrap();
        assert_eq!(again.message, Some(message));
    }
}

#[derive(Debug, Arbitrary)]
struct Recipe {
    number: u64,
    epoch: u32,
    times: [u64; 3],
    seed: u64,
    previous: u32,
    first: Vec<Thing>,
    things: Vec<Thing>,
}

impl Recipe {
    fn check(self) {
        let [monotonic_ns, wall_ns, since_last_ns] = self.times;
        let Self { number, epoch, seed, previous, first, things, .. } = self;
        let head = Head { number, epoch, monotonic_ns, wall_ns, since_last_ns, seed };
        let mut batch = Gathering::with_capacity(0);
        let later: Vec<_> = things.into_iter().map(|thing| thing.put(&mut batch)).collect();
        let mut items = Vec::new();
        let mut sealed = batch.seal(&head);
        // What is prepended are events alone.
        let mut sink = Gathering::with_capacity(0);
        let first = first.into_iter().filter(|thing| !matches!(thing, Thing::Packet(..)));
        items.extend(first.map(|thing| thing.put(&mut sink)));
        sealed.prepend(items.iter().filter_map(|item| item.item.clone()));
        items.extend(later);
        assert_eq!(sealed.items as usize, items.len());

        let tick = sealed.chain(previous);
        let (number, checksum) = (head.number, tick.checksum);
        assert_eq!(peek(&tick.bytes), Ok(Peek { head, previous, checksum }));
        let found = events(&tick.bytes).map(Result::unwrap);
        let is_event = |item: &_| !matches!(item, pulsegate_protocol::proto::item::Item::Packet(_));
        assert!(found.eq(items.iter().filter_map(|item| item.item.clone()).filter(is_event)));
        let expected = Tick {
            number,
            epoch,
            previous,
            monotonic_ns,
            wall_ns,
            since_last_ns,
            seed,
            items,
            checksum,
        };
        sent_whole(&tick.bytes, expected);
    }
}

/// Prefix and bytes are what a logic server's generated code reads as that tick.
fn sent_whole(tick: &Bytes, expected: Tick) {
    let frame = [&link::tick_prefix(tick)[..], tick].concat();
    let (length, body) = frame.split_first_chunk().unwrap();
    assert_eq!(u32::from_be_bytes(*length) as usize, body.len());
    assert!(body.len() <= MAX_MESSAGE);
    let read = ToLogic::decode(body).unwrap();
    assert_eq!(read.message, Some(to_logic::Message::Tick(expected)));
}
