//! Values that must not leave the house, replaced in records.

mod edit;
mod pseudonym;
mod rules;

use prost::Message as _;
use pulsegate_journal::Record;
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::{Done, Open, Push, Reply, SegmentHead, Tick};
use pulsegate_protocol::tick::{Gathering, Peek, peek};
use pulsegate_replay::Place;

use crate::error::Error;
use edit::redacted;
use pseudonym::Pseudonyms;

pub use rules::Rules;

/// The words of a heartbeat that mean something; a client may claim anything.
const CLAIMS: [&str; 4] = ["", "alive", "leave", "close"];

/// Replaces values in records, one after another.
///
/// Ticks are chained anew, so they belong to another lineage than their originals. Logic's
/// snapshots and state hashes are left out: they hold, or stand for, the values of before.
#[derive(Debug)]
pub struct Redaction {
    rules: Rules,
    pseudonyms: Pseudonyms,
    /// The checksum of the last tick.
    previous: Option<u32>,
    /// How many values each rule replaced.
    replaced: Vec<u64>,
    kept: u64,
}

impl Redaction {
    /// A redaction by rules. Without a key in them, pseudonyms are others in each one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new(rules: Rules) -> Result<Self, Error> {
        let pseudonyms = Pseudonyms::new(rules.key.as_deref())?;
        let replaced = vec![0; rules.values.len()];
        Ok(Self { rules, pseudonyms, previous: None, replaced, kept: 0 })
    }

    /// The path of each rule, and how many values it replaced so far.
    pub fn replaced(&self) -> impl Iterator<Item = (&Place, u64)> {
        let places = self.rules.values.iter().map(|rule| &rule.place);
        places.zip(self.replaced.iter().copied())
    }

    /// How many bodies were kept as they are, because they are no JSON object or array and the
    /// rules do not ask for zero bytes.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// A record without what must not be in it.
    ///
    /// # Errors
    /// [`Error::Nonsense`] if it cannot be decoded.
    pub fn record(&mut self, record: Record) -> Result<Record, Error> {
        Ok(match record {
            Record::Head(head) => Record::Head(self.head(head)),
            Record::Tick { peek: was, bytes } => {
                let tick = Tick::decode(bytes)
                    .map_err(|error| Error::nonsense(format!("tick {}", was.head.number), error))?;
                self.tick(&was, tick)?
            }
            Record::Answer { tick, wall_ns, bytes } => {
                let done = Done::decode(bytes).map_err(|error| {
                    Error::nonsense(format!("the answer to tick {tick}"), error)
                })?;
                let replies = self.replies(done.replies);
                let done = Done { replies, state_hash: None, snapshot: None, ..done };
                Record::Answer { tick, wall_ns, bytes: done.encode_to_vec().into() }
            }
            Record::Push { wall_ns, bytes } => {
                let push = Push::decode(bytes).map_err(|error| Error::nonsense("a push", error))?;
                let push = Push { replies: self.replies(push.replies), ..push };
                Record::Push { wall_ns, bytes: push.encode_to_vec().into() }
            }
            Record::Timing(timing) => Record::Timing(timing),
        })
    }

    /// The same for a session that opened before the first record.
    pub fn open(&self, mut open: Open) -> Open {
        open.peer = self.peer(&open.peer);
        open
    }

    fn head(&self, mut head: SegmentHead) -> SegmentHead {
        head.present = head.present.into_iter().map(|open| self.open(open)).collect();
        head
    }

    fn tick(&mut self, was: &Peek, tick: Tick) -> Result<Record, Error> {
        let mut rest = Gathering::with_capacity(0);
        for event in tick.items.into_iter().filter_map(|item| item.item) {
            match self.event(event) {
                Event::Packet(packet) => rest.packet(packet.session, &packet.payload),
                event => rest.event(event),
            }
        }
        let bytes = rest.seal(&was.head).chain(self.previous.unwrap_or(was.previous)).bytes;
        let peek = peek(&bytes)
            .map_err(|damage| Error::nonsense(format!("tick {}", was.head.number), damage))?;
        self.previous = Some(peek.checksum);
        Ok(Record::Tick { peek, bytes })
    }

    fn event(&mut self, event: Event) -> Event {
        match event {
            Event::Packet(mut packet) => {
                packet.payload = self.body(&packet.payload).into();
                Event::Packet(packet)
            }
            Event::Open(open) => Event::Open(self.open(open)),
            Event::Heartbeat(mut heartbeat) => {
                if !CLAIMS.contains(&heartbeat.claim.as_str()) {
                    heartbeat.claim.clear();
                }
                Event::Heartbeat(heartbeat)
            }
            event => event,
        }
    }

    fn replies(&mut self, replies: Vec<Reply>) -> Vec<Reply> {
        let redacted = |reply: Reply| Reply { payload: self.body(&reply.payload).into(), ..reply };
        replies.into_iter().map(redacted).collect()
    }

    fn peer(&self, peer: &str) -> String {
        if self.rules.keep_peers { peer.to_owned() } else { self.pseudonyms.peer(peer) }
    }

    fn body(&mut self, body: &[u8]) -> Vec<u8> {
        match redacted(body, &self.rules.values, &self.pseudonyms, &mut self.replaced) {
            Some(Ok(body)) => body,
            // What is JSON and cannot be taken apart may hold anything.
            Some(Err(_)) => vec![0; body.len()],
            None if self.rules.zero_raw => vec![0; body.len()],
            None => {
                self.kept += u64::from(!body.is_empty());
                body.to_vec()
            }
        }
    }
}
