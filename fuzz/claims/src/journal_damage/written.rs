//! A journal, and what was written into it where.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::Bytes;
use prost::Message as _;
use pulsegate_journal::{Now, Options, Timing, Writer};
use pulsegate_protocol::proto::Done;
use pulsegate_protocol::tick::{Gathering, Head, Sealed};

use crate::recipe::Thing;

/// What is in every push here.
pub(super) const PUSH: &[u8] = b"\x08\x01";

/// More in one life says nothing new.
const ACTS: usize = 10;

/// One life of a relay.
#[derive(Debug, Arbitrary)]
pub(super) struct Life {
    acts: Vec<Act>,
    /// Whether it ends in order.
    finished: bool,
    small_segments: bool,
}

#[derive(Debug, Arbitrary)]
enum Act {
    Tick(Vec<Thing>),
    BigTick(u8),
    Answer {
        snapshot: bool,
    },
    Push,
    Timing,
    /// Time goes on, by so many tenths of a second.
    Wait(u8),
}

/// All ticks and answers that were ever written.
#[derive(Debug, Default)]
pub(super) struct Written {
    ticks: Vec<Tick>,
    answers: Vec<Vec<u8>>,
}

/// A tick, and where its chunk is.
#[derive(Debug)]
pub(super) struct Tick {
    pub(super) number: u64,
    pub(super) bytes: Bytes,
    segment: u64,
    place: Range<usize>,
    chunk: Vec<u8>,
}

impl Tick {
    /// Whether its whole chunk is where it was, in this segment.
    pub(super) fn is_in(&self, segment: &[u8]) -> bool {
        segment.get(self.place.clone()) == Some(&self.chunk[..])
    }
}

impl Written {
    /// Writes a journal. Whatever is compressed meanwhile holds the same.
    pub(super) fn by(lives: impl Iterator<Item = Life>, dir: &Path) -> Self {
        let mut written = Self::default();
        for life in lives {
            written.live(life, dir);
        }
        written
    }

    pub(super) fn tick(&self, number: u64) -> Option<&Tick> {
        self.ticks.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    pub(super) fn has_answer(&self, done: &[u8]) -> bool {
        self.answers.iter().any(|answer| answer == done)
    }

    pub(super) fn ticks_of(&self, segment: u64) -> impl Iterator<Item = &Tick> {
        self.ticks.iter().filter(move |tick| tick.segment == segment)
    }

    /// The first tick that is in `segment` or one after it.
    pub(super) fn first_tick_from(&self, segment: u64) -> u64 {
        self.ticks.iter().find(|tick| tick.segment >= segment).map_or(0, |tick| tick.number)
    }

    /// The last tick that lies wholly before a place.
    pub(super) fn last_tick_before(&self, segment: u64, offset: usize) -> u64 {
        let before = |tick: &&Tick| {
            tick.segment < segment || tick.segment == segment && tick.place.end <= offset
        };
        self.ticks.iter().rev().find(before).map_or(0, |tick| tick.number)
    }

    fn live(&mut self, life: Life, dir: &Path) {
        let mut options = Options::new(dir);
        if life.small_segments {
            options.segment_size = 30_000;
        }
        let mut now = Now { monotonic: Duration::ZERO, wall_ns: 1 };
        let (mut writer, _) = Writer::open(options, now).unwrap();
        for act in life.acts.into_iter().take(ACTS) {
            self.act(act, &mut writer, &mut now, dir);
        }
        if life.finished {
            writer.finish().unwrap();
        }
    }

    fn act(&mut self, act: Act, writer: &mut Writer, now: &mut Now, dir: &Path) {
        let last = self.ticks.len() as u64;
        match act {
            Act::Tick(things) => self.append(writer, tick(last + 1, things), *now, dir),
            Act::BigTick(size) => {
                let payload = vec![size; usize::from(size) * 100];
                let big = tick(last + 1, vec![Thing::Packet(0, payload)]);
                self.append(writer, big, *now, dir);
            }
            // There is no tick 0.
            Act::Answer { .. } if last == 0 => {}
            Act::Answer { snapshot } => {
                let state = snapshot.then(|| Bytes::from(vec![last as u8; 20]));
                let done = Done { tick: last, snapshot: state, ..Done::default() }.encode_to_vec();
                writer.answer(&done, last, snapshot, *now).unwrap();
                self.answers.push(done);
            }
            Act::Push => writer.push(PUSH, *now).unwrap(),
            Act::Timing => {
                writer.timing(&Timing { tick: last, ..Timing::default() }, *now).unwrap();
            }
            Act::Wait(tenths) => {
                now.monotonic += Duration::from_millis(u64::from(tenths) * 100);
                writer.poll(*now).unwrap();
            }
        }
    }

    fn append(&mut self, writer: &mut Writer, tick: Sealed, now: Now, dir: &Path) {
        let before = newest(dir);
        let tick = writer.append(tick, now).unwrap();
        let (segment, length) = newest(dir);
        let path = dir.join(format!("{segment:08}.mcap"));
        let start = if before.0 == segment { before.1 } else { 0 };
        let chunk = fs::read(path).unwrap()[start..length].to_vec();
        let place = start..length;
        self.ticks.push(Tick { number: tick.number, bytes: tick.bytes, segment, place, chunk });
    }
}

/// The number of the newest segment, and its length.
fn newest(dir: &Path) -> (u64, usize) {
    let files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let number = |name: &str| name.strip_suffix(".mcap")?.parse().ok();
    let numbers = files.filter_map(|file| number(file.file_name().to_str()?));
    let newest: u64 = numbers.max().unwrap_or(0);
    let file = fs::metadata(dir.join(format!("{newest:08}.mcap")));
    (newest, file.map_or(0, |file| file.len() as usize))
}

/// A tick of these things.
pub(super) fn tick(number: u64, things: Vec<Thing>) -> Sealed {
    let mut batch = Gathering::with_capacity(0);
    for thing in things {
        thing.put(&mut batch);
    }
    batch.seal(&Head { number, wall_ns: number, ..Head::default() })
}
