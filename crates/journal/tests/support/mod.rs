//! A journal in a directory of its own, and ticks to put into it.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use prost::Message as _;
use pulsegate_journal::{Error, Now, Options, Reader, Record, Recovered, Writer};
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::{Close, Done, Open};
use pulsegate_protocol::tick::{Chained, Gathering, Head, Sealed};
use tempfile::TempDir;

pub(crate) struct Journal {
    pub(crate) options: Options,
    _dir: TempDir,
}

impl Journal {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { options: Options::new(dir.path().join("journal")), _dir: dir }
    }

    pub(crate) fn open(&self) -> (Writer, Recovered) {
        self.try_open().unwrap()
    }

    pub(crate) fn try_open(&self) -> Result<(Writer, Recovered), Error> {
        Writer::open(self.options.clone(), at(0))
    }

    /// A journal of these ticks in one segment, as a crash leaves it.
    pub(crate) fn crashed(ticks: std::ops::RangeInclusive<u64>) -> (Self, Vec<Chained>) {
        let journal = Self::new();
        let (mut writer, _) = journal.open();
        let ticks = ticks.map(|number| writer.append(tick(number), at(number)).unwrap()).collect();
        (journal, ticks)
    }

    pub(crate) fn file(&self, segment: u64) -> PathBuf {
        self.options.dir.join(format!("{segment:08}.mcap"))
    }

    pub(crate) fn bytes(&self, segment: u64) -> Vec<u8> {
        fs::read(self.file(segment)).unwrap()
    }

    pub(crate) fn put(&self, segment: u64, bytes: &[u8]) {
        fs::write(self.file(segment), bytes).unwrap();
    }

    pub(crate) fn segments(&self) -> Vec<u64> {
        let names = fs::read_dir(&self.options.dir).unwrap();
        let mut segments: Vec<u64> = names
            .filter_map(|entry| {
                entry.unwrap().file_name().to_str().unwrap().strip_suffix(".mcap")?.parse().ok()
            })
            .collect();
        segments.sort_unstable();
        segments
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(&self.options.dir).unwrap()
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        rest(&mut self.reader())
    }

    pub(crate) fn ticks(&self) -> Vec<u64> {
        numbers(&self.records())
    }
}

pub(crate) fn rest(reader: &mut Reader) -> Vec<Record> {
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

pub(crate) fn numbers(records: &[Record]) -> Vec<u64> {
    let number = |record: &Record| match record {
        Record::Tick { peek, .. } => Some(peek.head.number),
        _ => None,
    };
    records.iter().filter_map(number).collect()
}

/// So many milliseconds later.
pub(crate) fn at(ms: u64) -> Now {
    Now {
        monotonic: Duration::from_millis(ms),
        wall_ns: 1_700_000_000_000_000_000 + ms * 1_000_000,
    }
}

/// A tick with one packet.
pub(crate) fn tick(number: u64) -> Sealed {
    let mut batch = Gathering::with_capacity(0);
    batch.packet(1, format!("{{\"move\":{number}}}").as_bytes());
    seal(number, batch)
}

pub(crate) fn tick_of(number: u64, payload: &[u8]) -> Sealed {
    let mut batch = Gathering::with_capacity(0);
    batch.packet(1, payload);
    seal(number, batch)
}

pub(crate) fn opening(number: u64, session: u64) -> Sealed {
    let mut batch = Gathering::with_capacity(0);
    batch.event(Event::Open(Open { session, peer: "192.0.2.1:5".into() }));
    seal(number, batch)
}

pub(crate) fn closing(number: u64, session: u64) -> Sealed {
    let mut batch = Gathering::with_capacity(0);
    batch.event(Event::Close(Close { session, reason: 1 }));
    seal(number, batch)
}

fn seal(number: u64, batch: Gathering) -> Sealed {
    batch.seal(&Head { number, epoch: 1, wall_ns: at(number).wall_ns, ..Head::default() })
}

pub(crate) fn done(tick: u64) -> Vec<u8> {
    Done { tick, busy_ns: 1000, ..Default::default() }.encode_to_vec()
}

pub(crate) fn done_with_snapshot(tick: u64) -> Vec<u8> {
    let snapshot = Some(format!("state {tick}").into_bytes().into());
    Done { tick, snapshot, ..Default::default() }.encode_to_vec()
}

/// Waits for a condition, ten seconds at most.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("did not happen: {what}");
}
