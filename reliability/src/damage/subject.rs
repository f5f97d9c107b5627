//! A journal to be damaged: a few segments, as small as they get.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pulsegate_journal::{Now, Options, Reader, Record, Writer, info};
use pulsegate_protocol::tick::{Gathering, Head};
use pulsegate_tests::eventually;
use tempfile::TempDir;

/// How many lives wrote it; each but the last ended in order, and its segment is compressed.
const LIVES: u64 = 3;

/// How many ticks each life has, and how many bytes of noise are in each.
const TICKS: u64 = 26;
const NOISE: usize = 420;

/// A journal, and a copy of each file as it was written.
pub(crate) struct Subject {
    home: TempDir,
    whole: Vec<Vec<u8>>,
    records: Vec<Record>,
}

impl Subject {
    /// One of these dice.
    pub(crate) fn new(dice: &mut fastrand::Rng) -> Self {
        let home = home();
        let dir = home.path().join("journal");
        let mut next = 1;
        for life in 1..=LIVES {
            let (mut writer, _) = Writer::open(Options::new(&dir), at(next)).unwrap();
            eventually("earlier lives are compressed", || {
                let segments = info(&dir).unwrap().segments;
                segments.iter().rev().skip(1).all(|segment| segment.compressed)
            });
            for _ in 0..TICKS {
                let noise: Vec<u8> = (0..NOISE).map(|_| dice.u8(..)).collect();
                let mut batch = Gathering::with_capacity(NOISE);
                batch.packet(1, &noise);
                let head = Head { number: next, wall_ns: at(next).wall_ns, ..Head::default() };
                writer.append(batch.seal(&head), at(next)).unwrap();
                writer.answer(&done(next), next, false, at(next)).unwrap();
                next += 1;
            }
            if life < LIVES {
                writer.finish().unwrap();
            }
        }
        Self::of(home)
    }

    fn of(home: TempDir) -> Self {
        let dir = home.path().join("journal");
        let mut reader = Reader::open(&dir).unwrap();
        let records = std::iter::from_fn(|| reader.read().unwrap()).collect();
        let count = info(&dir).unwrap().segments.len();
        let whole = (1..=count).map(|number| fs::read(segment(&dir, number)).unwrap()).collect();
        Self { home, whole, records }
    }

    /// The same, in files of its own.
    pub(crate) fn copy(&self) -> Self {
        let home = home();
        self.copy_to(&home.path().join("journal"));
        Self { home, whole: self.whole.clone(), records: self.records.clone() }
    }

    /// Copies it as it is now.
    pub(crate) fn copy_to(&self, dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        for file in fs::read_dir(self.dir()).unwrap().map(|file| file.unwrap()) {
            fs::copy(file.path(), dir.join(file.file_name())).unwrap();
        }
    }

    /// Makes all as it was.
    pub(crate) fn heal(&self) {
        for file in fs::read_dir(self.dir()).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some() {
                fs::remove_file(file).unwrap();
            }
        }
        for number in 1..=self.whole.len() {
            self.put(number, self.whole(number));
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("journal")
    }

    pub(crate) fn file(&self, number: usize) -> PathBuf {
        segment(&self.dir(), number)
    }

    /// A segment's file, to be written to.
    pub(crate) fn open(&self, number: usize) -> File {
        OpenOptions::new().write(true).open(self.file(number)).unwrap()
    }

    pub(crate) fn put(&self, number: usize, bytes: &[u8]) {
        fs::write(self.file(number), bytes).unwrap();
    }

    /// How many segments there are.
    pub(crate) fn segments(&self) -> usize {
        self.whole.len()
    }

    /// A segment as it was written.
    pub(crate) fn whole(&self, number: usize) -> &[u8] {
        &self.whole[number - 1]
    }

    /// The size of all segments, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.whole.iter().map(Vec::len).sum()
    }

    /// All that was written.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) fn last_tick(&self) -> u64 {
        LIVES * TICKS
    }

    /// The last tick before a segment.
    pub(crate) fn tick_before(&self, number: usize) -> u64 {
        (number as u64 - 1) * TICKS
    }
}

fn segment(dir: &Path, number: usize) -> PathBuf {
    dir.join(format!("{number:08}.mcap"))
}

/// In memory where that is possible: nothing here is about disks.
fn home() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn at(tick: u64) -> Now {
    let monotonic = Duration::from_millis(50 * tick);
    Now { monotonic, wall_ns: 1_700_000_000_000_000_000 + monotonic.as_nanos() as u64 }
}

/// The bytes of a `Done` that says nothing but its tick.
fn done(tick: u64) -> Vec<u8> {
    use prost::Message;
    pulsegate_protocol::proto::Done { tick, ..Default::default() }.encode_to_vec()
}
