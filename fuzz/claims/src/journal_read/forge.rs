//! Segments that are right as far as their checksums go, and as wrong as a fuzzer likes otherwise.

use arbitrary::Arbitrary;
use bytes::BufMut;
use prost::Message as _;
use pulsegate_journal::Timing;
use pulsegate_protocol::proto::{Done, Open, Push, SegmentHead};
use pulsegate_protocol::tick::{Gathering, Head};

use crate::recipe::Thing;

/// What each segment begins with.
const OPENING: &[u8] = b"\x89MCAP0\r\n\x01\x1a\0\0\0\0\0\0\0\x09\0\0\0pulsegate\x09\0\0\0pulsegate";
const MAGIC: &[u8] = b"\x89MCAP0\r\n";

const FOOTER: u8 = 0x02;
const MESSAGE: u8 = 0x05;
const CHUNK: u8 = 0x06;
const DATA_END: u8 = 0x0F;

/// A whole journal.
#[derive(Debug, Arbitrary)]
pub(super) struct Forgery(Vec<Segment>);

#[derive(Debug, Arbitrary)]
struct Segment {
    head: OddHead,
    chunks: Vec<Part>,
    sealed: bool,
}

/// A head is as it should be, but for these.
#[derive(Debug, Arbitrary)]
struct OddHead {
    missing: bool,
    next_tick: Option<u64>,
    epoch: Option<u64>,
    previous: Option<u32>,
    answered: Option<u64>,
    snapshot: Option<(u64, u64)>,
    present: Option<Vec<u8>>,
}

#[derive(Debug, Arbitrary)]
enum Part {
    Chunk(Vec<Said>),
    /// A record of any kind.
    Record(u8, Vec<u8>),
    Bytes(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Said {
    Tick(Vec<Thing>),
    OddTick { number: u64, previous: u32, things: Vec<Thing> },
    Answer { tick: u64, snapshot: Option<Vec<u8>> },
    Push,
    Timing(u64),
    Any { channel: u16, sequence: u32, time: u64, data: Vec<u8> },
}

/// Where the forged journal is.
#[derive(Debug, Default)]
struct Forger {
    next_tick: u64,
    epoch: u64,
    checksum: u32,
    answered: u64,
    present: Vec<u8>,
}

impl Forgery {
    pub(super) fn segments(self) -> Vec<Vec<u8>> {
        let mut forger = Forger { next_tick: 1, ..Forger::default() };
        self.0.into_iter().zip(1..).map(|(segment, number)| forger.write(number, segment)).collect()
    }
}

impl Forger {
    fn write(&mut self, number: u64, segment: Segment) -> Vec<u8> {
        let mut file = OPENING.to_vec();
        self.epoch = self.epoch.wrapping_add(1);
        if !segment.head.missing {
            let message = self.head(number, segment.head);
            record(&mut file, CHUNK, &chunk(&[message]));
        }
        for part in segment.chunks {
            match part {
                Part::Bytes(bytes) => file.extend(bytes),
                Part::Record(kind, body) => record(&mut file, kind, &body),
                Part::Chunk(said) => {
                    let messages: Vec<_> =
                        said.into_iter().map(|said| self.message(said)).collect();
                    record(&mut file, CHUNK, &chunk(&messages));
                }
            }
        }
        if segment.sealed {
            seal(&mut file);
        }
        file
    }

    fn head(&mut self, segment: u64, odd: OddHead) -> Message {
        self.next_tick = odd.next_tick.unwrap_or(self.next_tick);
        self.epoch = odd.epoch.unwrap_or(self.epoch);
        self.checksum = odd.previous.unwrap_or(self.checksum);
        self.answered = odd.answered.unwrap_or(self.answered);
        self.present = odd.present.unwrap_or_else(|| std::mem::take(&mut self.present));
        let (snapshot_tick, snapshot_segment) = odd.snapshot.unwrap_or_default();
        let open = |session: &u8| Open { session: (*session).into(), peer: String::new() };
        let head = SegmentHead {
            format: 1,
            lineage: "forged".into(),
            segment,
            epoch: self.epoch,
            next_tick: self.next_tick,
            previous: self.checksum,
            answered: self.answered,
            snapshot_tick,
            snapshot_segment,
            present: self.present.iter().map(open).collect(),
            created_ns: segment,
            ..SegmentHead::default()
        };
        Message { channel: 1, sequence: segment as u32, time: segment, data: head.encode_to_vec() }
    }

    fn message(&mut self, said: Said) -> Message {
        let message = |channel, sequence: u64, data| Message {
            channel,
            sequence: sequence as u32,
            time: sequence,
            data,
        };
        match said {
            Said::Tick(things) => self.tick(self.next_tick, self.checksum, things),
            Said::OddTick { number, previous, things } => self.tick(number, previous, things),
            Said::Answer { tick, snapshot } => {
                self.answered = self.answered.max(tick);
                let snapshot = snapshot.map(Into::into);
                message(3, tick, Done { tick, snapshot, ..Done::default() }.encode_to_vec())
            }
            Said::Push => message(4, 0, Push::default().encode_to_vec()),
            Said::Timing(tick) => {
                let timing = Timing { tick, ..Timing::default() };
                message(5, tick, serde_json::to_vec(&timing).unwrap())
            }
            Said::Any { channel, sequence, time, data } => {
                // All but timings: whether they are any is for their reader to say.
                Message { channel: channel % 5, sequence, time, data }
            }
        }
    }

    fn tick(&mut self, number: u64, previous: u32, things: Vec<Thing>) -> Message {
        let mut batch = Gathering::with_capacity(0);
        for thing in things {
            thing.put(&mut batch);
        }
        let head = Head { number, wall_ns: number, ..Head::default() };
        let tick = batch.seal(&head).chain(previous);
        self.checksum = tick.checksum;
        self.next_tick = number.wrapping_add(1);
        let data = tick.bytes.to_vec();
        Message { channel: 2, sequence: number as u32, time: number, data }
    }
}

struct Message {
    channel: u16,
    sequence: u32,
    time: u64,
    data: Vec<u8>,
}

fn record(file: &mut Vec<u8>, kind: u8, body: &[u8]) {
    file.put_u8(kind);
    file.put_u64_le(body.len() as u64);
    file.put_slice(body);
}

fn chunk(messages: &[Message]) -> Vec<u8> {
    let mut content = Vec::new();
    for Message { channel, sequence, time, data } in messages {
        let mut body = Vec::new();
        body.put_u16_le(*channel);
        body.put_u32_le(*sequence);
        body.put_u64_le(*time);
        body.put_u64_le(*time);
        body.put_slice(data);
        record(&mut content, MESSAGE, &body);
    }
    let times = || messages.iter().map(|message| message.time);
    let mut body = Vec::new();
    body.put_u64_le(times().min().unwrap_or(0));
    body.put_u64_le(times().max().unwrap_or(0));
    body.put_u64_le(content.len() as u64);
    body.put_u32_le(crc32fast::hash(&content));
    body.put_u32_le(0);
    body.put_u64_le(content.len() as u64);
    body.put_slice(&content);
    body
}

/// The end of a finished segment, without a summary.
fn seal(file: &mut Vec<u8>) {
    let checksum = crc32fast::hash(file);
    record(file, DATA_END, &checksum.to_le_bytes());
    let at = file.len();
    file.put_u8(FOOTER);
    file.put_u64_le(20);
    file.put_u64_le(at as u64);
    file.put_u64_le(0);
    let checksum = crc32fast::hash(&file[at..]);
    file.put_u32_le(checksum);
    file.put_slice(MAGIC);
}
