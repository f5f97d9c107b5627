//! What a journal holds, held against what a witness saw.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use pulsegate_journal::{Reader, Record, verify};
use pulsegate_protocol::proto::{Close, Reason, Tick, item::Item};

use crate::witness::{Witness, names_gap};

/// The ticks of a journal, as they were written.
#[derive(Debug)]
pub struct Recorded(BTreeMap<u64, Bytes>);

impl Recorded {
    /// Reads a whole journal, which must be as it was written.
    #[track_caller]
    pub fn of(journal: &Path) -> Self {
        if let Err(error) = verify(journal) {
            panic!("{error}");
        }
        Self::as_far_as_it_reads(journal)
    }

    /// Reads a journal that may be in use.
    #[track_caller]
    pub fn as_far_as_it_reads(journal: &Path) -> Self {
        let mut reader = Reader::open(journal).unwrap_or_else(|error| panic!("{error}"));
        let mut ticks = BTreeMap::new();
        while let Some(record) = reader.read().unwrap_or_else(|error| panic!("{error}")) {
            if let Record::Tick { peek, bytes } = record {
                ticks.insert(peek.head.number, bytes);
            }
        }
        Self(ticks)
    }

    /// How many ticks it holds.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The number of the last tick; 0: none.
    pub fn last(&self) -> u64 {
        self.0.keys().next_back().copied().unwrap_or(0)
    }

    /// Holds it against everything that is promised to a witness, of lives the last of which
    /// ended in order.
    #[track_caller]
    pub fn keeps_all_promises(&self, witness: &Witness) {
        self.holds_what_was_seen(witness);
        self.has_no_silent_holes();
        self.has_no_ghosts();
    }

    /// Every tick that the witness saw is here, byte for byte, and it has nothing to complain of.
    #[track_caller]
    pub fn holds_what_was_seen(&self, witness: &Witness) {
        witness.tell(|testimony| {
            assert_eq!(testimony.complaints, Vec::<String>::new());
            for (number, seen) in &testimony.ticks {
                let here = self.0.get(number);
                assert!(here.is_some_and(|here| *here == seen.bytes), "tick {number}: {here:?}");
            }
        });
    }

    /// Each tick follows the one before, but for those that a gap names.
    #[track_caller]
    pub fn has_no_silent_holes(&self) {
        let mut due = 1;
        for (number, bytes) in &self.0 {
            let whole = *number == due || names_gap(&decode(bytes), due);
            assert!(whole, "tick {number} where {due} was due, and no gap is named");
            due = number + 1;
        }
    }

    /// How many ticks are missing.
    pub fn missing(&self) -> u64 {
        self.last() - self.0.len() as u64
    }

    /// One open and one close for each session; and each life begins by closing all whom the one
    /// before left.
    #[track_caller]
    pub fn has_no_ghosts(&self) {
        let (mut present, mut past, mut epoch) = (BTreeSet::new(), BTreeSet::new(), 0);
        for bytes in self.0.values() {
            let tick = decode(bytes);
            let items = tick.items.into_iter().map(|item| item.item.unwrap());
            let mut items = items.filter(|item| !matches!(item, Item::Gap(_)));
            if tick.epoch > epoch {
                epoch = tick.epoch;
                for ghost in std::mem::take(&mut present) {
                    let close = Close { session: ghost, reason: Reason::RelayCrashed.into() };
                    assert_eq!(items.next(), Some(Item::Close(close)), "first in life {epoch}");
                    past.insert(ghost);
                }
            }
            for item in items {
                match item {
                    Item::Open(open) => {
                        assert!(!past.contains(&open.session) && present.insert(open.session));
                    }
                    Item::Packet(packet) => assert!(present.contains(&packet.session)),
                    Item::Close(close) => {
                        assert!(present.remove(&close.session) && past.insert(close.session));
                    }
                    _ => {}
                }
            }
        }
        assert!(present.is_empty(), "the last life ended in order: {present:?}");
    }
}

fn decode(bytes: &Bytes) -> Tick {
    Tick::decode(bytes.clone()).unwrap()
}
