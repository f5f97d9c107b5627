//! A batch in its wire form, written as it grows.
//!
//! The bytes of a [`proto::Tick`] are made once, where the packets arrive, and
//! are then the same in the journal and on the link. The head has a fixed length, so that items
//! can be appended before it is known; the checksum comes last.
//!
//! ```text
//! ├── head, 55 bytes ──┼── item ──┼── item ──┼─ … ─┼── checksum, 5 bytes ──┤
//! ```

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};
use thiserror::Error;

use crate::proto::{self, item::Item as Event};

const HEAD_LEN: usize = 9 + 5 + 5 + 4 * 9;
const PREVIOUS_AT: usize = 15;
const CHECKSUM_LEN: usize = 5;

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const FIXED32: u8 = 5;

const fn tag(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

const ITEM_TAG: u8 = tag(8, LENGTH_DELIMITED);
const PACKET_TAG: u8 = tag(1, LENGTH_DELIMITED);
const CHECKSUM_TAG: u8 = tag(15, FIXED32);

/// What a tick says besides its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The tick's number.
    pub number: u64,
    /// The life of the relay that sealed it.
    pub epoch: u32,
    /// Time since this epoch began.
    pub monotonic_ns: u64,
    /// Time since 1970-01-01 UTC.
    pub wall_ns: u64,
    /// Time since the beat before.
    pub since_last_ns: u64,
    /// See [`seed`](crate::link::seed).
    pub seed: u64,
}

/// A batch that is being gathered.
#[derive(Debug)]
pub struct Gathering {
    bytes: Vec<u8>,
    items: u32,
}

impl Gathering {
    /// An empty batch with room for about `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity.max(HEAD_LEN + CHECKSUM_LEN));
        bytes.resize(HEAD_LEN, 0);
        Self { bytes, items: 0 }
    }

    /// Appends a packet. The payload is copied, once.
    pub fn packet(&mut self, session: u64, payload: &[u8]) {
        let packet_len = 1
            + encoded_len_varint(session)
            + 1
            + encoded_len_varint(payload.len() as u64)
            + payload.len();
        let item_len = 1 + encoded_len_varint(packet_len as u64) + packet_len;

        let out = &mut self.bytes;
        out.reserve(1 + 10 + item_len);
        out.put_u8(ITEM_TAG);
        encode_varint(item_len as u64, out);
        out.put_u8(PACKET_TAG);
        encode_varint(packet_len as u64, out);
        out.put_u8(tag(1, VARINT));
        encode_varint(session, out);
        out.put_u8(tag(2, LENGTH_DELIMITED));
        encode_varint(payload.len() as u64, out);
        out.put_slice(payload);
        self.items += 1;
    }

    /// Appends an event.
    pub fn event(&mut self, event: Event) {
        let item = proto::Item { item: Some(event) };
        self.bytes.put_u8(ITEM_TAG);
        item.encode_length_delimited(&mut self.bytes).expect("a Vec grows");
        self.items += 1;
    }

    /// How many packets and events there are.
    pub fn items(&self) -> u32 {
        self.items
    }

    /// How many bytes the tick has so far.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the batch. Its place in the chain is for the journal to fill in.
    pub fn seal(self, head: &Head) -> Sealed {
        let Self { mut bytes, items } = self;
        let mut out = &mut bytes[..HEAD_LEN];
        out.put_u8(tag(1, FIXED64));
        out.put_u64_le(head.number);
        out.put_u8(tag(2, FIXED32));
        out.put_u32_le(head.epoch);
        out.put_u8(tag(3, FIXED32));
        out.put_u32_le(0);
        for (field, value) in
            [(4, head.monotonic_ns), (5, head.wall_ns), (6, head.since_last_ns), (7, head.seed)]
        {
            out.put_u8(tag(field, FIXED64));
            out.put_u64_le(value);
        }
        debug_assert!(out.is_empty());
        Sealed { number: head.number, wall_ns: head.wall_ns, items, bytes }
    }
}

/// A batch that takes no more items, and has no place in the chain yet.
#[derive(Debug)]
pub struct Sealed {
    /// The tick's number.
    pub number: u64,
    /// Time since 1970-01-01 UTC.
    pub wall_ns: u64,
    /// How many packets and events it holds.
    pub items: u32,
    bytes: Vec<u8>,
}

impl Sealed {
    /// Its events, as [`events`] gives them.
    pub fn events(&self) -> impl Iterator<Item = Result<Event, Damage>> {
        events_of(&self.bytes[HEAD_LEN..])
    }

    /// How many bytes it has, without the checksum.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Puts events before all others, as if they had been there when the batch was begun.
    pub fn prepend(&mut self, events: impl IntoIterator<Item = Event>) {
        let mut first = Gathering::with_capacity(0);
        events.into_iter().for_each(|event| first.event(event));
        self.bytes.splice(HEAD_LEN..HEAD_LEN, first.bytes.drain(HEAD_LEN..));
        self.items += first.items;
    }

    /// Puts the tick behind the one whose checksum is `previous`.
    pub fn chain(self, previous: u32) -> Chained {
        let Self { number, wall_ns, mut bytes, .. } = self;
        bytes[PREVIOUS_AT..PREVIOUS_AT + 4].copy_from_slice(&previous.to_le_bytes());
        let checksum = crc32c::crc32c(&bytes);
        bytes.put_u8(CHECKSUM_TAG);
        bytes.put_u32_le(checksum);
        Chained { number, wall_ns, checksum, bytes: bytes.into() }
    }
}

/// A finished tick: the bytes that are journaled and sent.
#[derive(Debug, Clone)]
pub struct Chained {
    /// The tick's number.
    pub number: u64,
    /// Time since 1970-01-01 UTC.
    pub wall_ns: u64,
    /// Its own checksum, which the next tick repeats.
    pub checksum: u32,
    /// The encoded [`proto::Tick`].
    pub bytes: Bytes,
}

/// Why bytes are not a tick.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    /// They do not begin with a tick's head, or do not end with a checksum.
    #[error("not a tick: {0}")]
    Shape(&'static str),
    /// The checksum does not fit.
    #[error("the checksum of tick {number} does not fit its {length} bytes")]
    Checksum {
        /// The number that the head gives; not to be believed.
        number: u64,
        /// How many bytes there are.
        length: usize,
    },
}

/// What can be read of a tick without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// What the head says.
    pub head: Head,
    /// The checksum of the tick before.
    pub previous: u32,
    /// The tick's own checksum. It fits.
    pub checksum: u32,
}

/// Reads the head of an encoded tick and checks its checksum.
pub fn peek(bytes: &[u8]) -> Result<Peek, Damage> {
    let Some(body_len) = bytes.len().checked_sub(CHECKSUM_LEN).filter(|len| *len >= HEAD_LEN)
    else {
        return Err(Damage::Shape("too short"));
    };
    let (body, mut end) = bytes.split_at(body_len);
    if end.get_u8() != CHECKSUM_TAG {
        return Err(Damage::Shape("no checksum at the end"));
    }
    let checksum = end.get_u32_le();

    let mut rest = body;
    let mut expect = |field, wire_type| -> Result<u64, Damage> {
        if rest.get_u8() != tag(field, wire_type) {
            return Err(Damage::Shape("no tick's head at the start"));
        }
        Ok(if wire_type == FIXED64 { rest.get_u64_le() } else { rest.get_u32_le().into() })
    };
    let number = expect(1, FIXED64)?;
    let epoch = expect(2, FIXED32)? as u32;
    let previous = expect(3, FIXED32)? as u32;
    let head = Head {
        number,
        epoch,
        monotonic_ns: expect(4, FIXED64)?,
        wall_ns: expect(5, FIXED64)?,
        since_last_ns: expect(6, FIXED64)?,
        seed: expect(7, FIXED64)?,
    };
    if crc32c::crc32c(body) != checksum {
        return Err(Damage::Checksum { number, length: bytes.len() });
    }
    Ok(Peek { head, previous, checksum })
}

/// The events of an encoded tick; packets are stepped over without a look inside.
pub fn events(bytes: &[u8]) -> impl Iterator<Item = Result<Event, Damage>> {
    let end = bytes.len().saturating_sub(CHECKSUM_LEN);
    events_of(bytes.get(HEAD_LEN..end).unwrap_or_default())
}

/// An encoded tick without its packets. Its head and its events stay as they were.
pub fn without_packets(bytes: &[u8]) -> Result<Chained, Damage> {
    let was = peek(bytes)?;
    let mut rest = Gathering::with_capacity(0);
    for event in events(bytes) {
        rest.event(event?);
    }
    Ok(rest.seal(&was.head).chain(was.previous))
}

fn events_of(mut rest: &[u8]) -> impl Iterator<Item = Result<Event, Damage>> {
    std::iter::from_fn(move || {
        loop {
            match next_item(&mut rest) {
                Ok(None) => return None,
                Ok(Some(item)) if item.first() == Some(&PACKET_TAG) => {}
                Ok(Some(item)) => {
                    return Some(
                        proto::Item::decode(item)
                            .ok()
                            .and_then(|item| item.item)
                            .ok_or(Damage::Shape("an item that is no event")),
                    );
                }
                Err(damage) => {
                    rest = &[];
                    return Some(Err(damage));
                }
            }
        }
    })
}

fn next_item<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Damage> {
    if rest.is_empty() {
        return Ok(None);
    }
    if rest.get_u8() != ITEM_TAG {
        return Err(Damage::Shape("a field that is no item"));
    }
    let length = decode_varint(rest).map_err(|_| Damage::Shape("a broken item length"))?;
    match usize::try_from(length) {
        Ok(length) if length <= rest.len() => {
            let (item, after) = rest.split_at(length);
            *rest = after;
            Ok(Some(item))
        }
        _ => Err(Damage::Shape("an item longer than its tick")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Head {
        Head { number: 7, epoch: 2, monotonic_ns: 3, wall_ns: 4, since_last_ns: 5, seed: 6 }
    }

    fn open(session: u64) -> Event {
        Event::Open(proto::Open { session, peer: "192.0.2.1:5".into() })
    }

    proptest! {
        #[test]
        fn the_hand_written_form_is_what_the_generated_code_writes(
            packets in prop::collection::vec((1u64.., prop::collection::vec(any::<u8>(), 1..300)), 0..40)
        ) {
            let mut gathering = Gathering::with_capacity(0);
            let mut expected = proto::Tick {
                number: 7, epoch: 2, previous: 8, monotonic_ns: 3, wall_ns: 4, since_last_ns: 5,
                seed: 6, ..Default::default()
            };
            for (session, payload) in packets {
                let before = gathering.size();
                gathering.event(open(session));
                gathering.packet(session, &payload);
                prop_assert!(gathering.size() > before + payload.len());
                expected.items.push(proto::Item { item: Some(open(session)) });
                expected.items.push(proto::Item {
                    item: Some(Event::Packet(proto::Packet { session, payload: payload.into() })),
                });
            }
            let sealed = gathering.seal(&head());
            let size = sealed.size();
            let tick = sealed.chain(8);
            prop_assert_eq!(size + CHECKSUM_LEN, tick.bytes.len());
            expected.checksum = tick.checksum;
            prop_assert_eq!(&tick.bytes[..], &expected.encode_to_vec()[..]);
            prop_assert_eq!(proto::Tick::decode(tick.bytes.clone()).unwrap(), expected);
        }

        #[test]
        fn peek_and_events_survive_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(peek(&bytes).is_err());
            let _ = events(&bytes).count();
        }
    }

    #[test]
    fn a_peek_reads_the_head_and_finds_every_flipped_bit() {
        let mut gathering = Gathering::with_capacity(100);
        gathering.packet(1, b"hello");
        let tick = gathering.seal(&head()).chain(9);
        let peeked = peek(&tick.bytes).unwrap();
        assert_eq!(peeked, Peek { head: head(), previous: 9, checksum: tick.checksum });

        for bit in 0..tick.bytes.len() * 8 {
            let mut flipped = tick.bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(peek(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_is_prepended_was_there_first() {
        let mut late = Gathering::with_capacity(0);
        late.packet(1, b"x");
        let mut sealed = late.seal(&head());
        sealed.prepend([open(1), open(2)]);
        let found: Vec<_> = sealed.events().map(Result::unwrap).collect();
        assert_eq!(found, [open(1), open(2)]);

        let mut whole = Gathering::with_capacity(0);
        [1, 2].into_iter().for_each(|session| whole.event(open(session)));
        whole.packet(1, b"x");
        let whole = whole.seal(&head());
        assert_eq!(sealed.items, whole.items);
        assert_eq!(sealed.chain(3).bytes, whole.chain(3).bytes);
    }

    #[test]
    fn without_its_packets_a_tick_keeps_its_head_and_its_events() {
        let mut whole = Gathering::with_capacity(0);
        whole.event(open(1));
        let mut rest = Gathering::with_capacity(0);
        rest.event(open(1));
        whole.packet(1, b"poison");
        let (whole, rest) = (whole.seal(&head()).chain(9), rest.seal(&head()).chain(9));
        assert_eq!(without_packets(&whole.bytes).unwrap().bytes, rest.bytes);
        assert!(without_packets(b"no tick").is_err());
    }

    #[test]
    fn events_are_found_between_packets() {
        let mut gathering = Gathering::with_capacity(0);
        gathering.event(open(1));
        gathering.packet(1, b"x");
        gathering.packet(1, b"");
        gathering.event(open(2));
        assert_eq!(gathering.items(), 4);
        let tick = gathering.seal(&head()).chain(0);
        let events: Vec<_> = events(&tick.bytes).collect();
        assert_eq!(events, [Ok(open(1)), Ok(open(2))]);
    }

    #[test]
    fn an_item_that_is_cut_is_told_behind_those_before_it() {
        let mut gathering = Gathering::with_capacity(0);
        gathering.event(open(1));
        gathering.event(open(2));
        let tick = gathering.seal(&head()).chain(0).bytes;
        let events: Vec<_> = events(&tick[..tick.len() - 1]).collect();
        assert_eq!(events, [Ok(open(1)), Err(Damage::Shape("an item longer than its tick"))]);
    }
}
