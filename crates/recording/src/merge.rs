//! Parts of one recording, joined again.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use pulsegate_journal::{Lineage, Reader, Record, Transcript};
use pulsegate_protocol::proto::SegmentHead;

use crate::error::Error;

/// How many answers, pushes and timings are remembered, to find them again in another part.
const REMEMBERED: usize = 65_536;

/// What was joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The first tick.
    pub first: u64,
    /// The last tick.
    pub last: u64,
    /// How many ticks were in more than one part. They were the same there.
    pub shared: u64,
}

/// Joins parts of one recording into a new journal, in an empty directory: copies that were made
/// at different times, and cuts. Of copies alone comes the journal itself, with its lineage; with
/// a cut among them, a cut.
///
/// # Errors
/// [`Error::OtherRecording`] if a part is of another lineage, [`Error::Differs`] if a tick or an
/// answer is not the same in two parts, [`Error::Hole`] if ticks are in none. Then there is
/// nothing in the directory.
pub fn merge(parts: &[PathBuf], out: &Path) -> Result<Merged, Error> {
    let mut parts = parts.iter().map(|dir| Part::open(dir)).collect::<Result<Vec<_>, _>>()?;
    parts.sort_by_key(|part| part.head.next_tick);
    let Some(oldest) = parts.first() else { return Err(Error::NoParts) };
    if let Some(other) = parts.iter().find(|part| part.origin() != oldest.origin()) {
        return Err(Error::OtherRecording {
            a: oldest.dir.clone(),
            lineage_a: oldest.origin().to_owned(),
            b: other.dir.clone(),
            lineage_b: other.origin().to_owned(),
        });
    }
    let copies = parts.iter().all(|part| part.head.cut_of.is_empty());
    let lineage = if copies { Lineage::Same } else { Lineage::Cut };
    let (first, head) = (oldest.head.next_tick, oldest.head.clone());
    let mut seam = Seam {
        transcript: Transcript::begin(out, lineage)?,
        merged: Merged { first, last: first - 1, shared: 0 },
        checksum: head.previous,
        remembered: Remembered::default(),
    };
    seam.transcript.put(&Record::Head(head))?;
    while seam.step(&mut parts)? {}
    seam.transcript.finish()?;
    Ok(seam.merged)
}

/// One part, and how far it was read.
struct Part {
    dir: PathBuf,
    head: SegmentHead,
    reader: Reader,
    /// What lies before the next tick: heads, and other records.
    heads: Vec<SegmentHead>,
    between: Vec<Record>,
    next: Option<Tick>,
}

struct Tick {
    number: u64,
    checksum: u32,
    record: Record,
}

impl Part {
    fn open(dir: &Path) -> Result<Self, Error> {
        let mut reader = Reader::open(dir)?;
        let Some(Record::Head(head)) = reader.read()? else {
            return Err(pulsegate_journal::Error::NoJournal(dir.to_owned()).into());
        };
        let (heads, between) = (vec![head.clone()], Vec::new());
        let mut part = Self { dir: dir.to_owned(), head, reader, heads, between, next: None };
        part.read_to_tick()?;
        Ok(part)
    }

    /// The lineage of which all of it is.
    fn origin(&self) -> &str {
        if self.head.cut_of.is_empty() { &self.head.lineage } else { &self.head.cut_of }
    }

    fn number(&self) -> Option<u64> {
        self.next.as_ref().map(|tick| tick.number)
    }

    fn read_to_tick(&mut self) -> Result<(), Error> {
        self.next = None;
        while let Some(record) = self.reader.read()? {
            match record {
                Record::Head(head) => self.heads.push(head),
                Record::Tick { peek, .. } => {
                    let (number, checksum) = (peek.head.number, peek.checksum);
                    self.next = Some(Tick { number, checksum, record });
                    return Ok(());
                }
                record => self.between.push(record),
            }
        }
        Ok(())
    }
}

/// Where the parts are joined.
struct Seam {
    transcript: Transcript,
    merged: Merged,
    /// The checksum of the last tick.
    checksum: u32,
    remembered: Remembered,
}

impl Seam {
    /// Takes the next tick, and what lies before it. `false` at the end of all parts.
    fn step(&mut self, parts: &mut [Part]) -> Result<bool, Error> {
        let next = parts.iter().filter_map(Part::number).min();
        let here = |part: &Part| part.next.is_none() || part.number() == next;
        let mut here: Vec<&mut Part> = parts.iter_mut().filter(|part| here(part)).collect();
        self.refuse_hole(&here, next)?;
        for part in &mut here {
            for head in std::mem::take(&mut part.heads) {
                self.transcript.put(&Record::Head(head))?;
            }
            for record in std::mem::take(&mut part.between) {
                if self.remembered.is_new(&record, &part.dir)? {
                    self.transcript.put(&record)?;
                }
            }
        }
        self.tick(&here)?;
        for part in here.into_iter().filter(|part| part.next.is_some()) {
            part.read_to_tick()?;
        }
        Ok(next.is_some())
    }

    /// Ticks may be missing where the recording itself marks a gap, and nowhere else.
    fn refuse_hole(&self, here: &[&mut Part], next: Option<u64>) -> Result<(), Error> {
        let (first, Some(next)) = (self.merged.last + 1, next) else { return Ok(()) };
        let mut heads = here.iter().flat_map(|part| &part.heads);
        let marked = heads.any(|head| head.next_tick == next && head.previous == self.checksum);
        if next > first && !marked {
            return Err(Error::Hole { first, last: next - 1 });
        }
        Ok(())
    }

    fn tick(&mut self, here: &[&mut Part]) -> Result<(), Error> {
        let mut ticks = here.iter().filter_map(|part| Some((&part.dir, part.next.as_ref()?)));
        let Some((dir, tick)) = ticks.next() else { return Ok(()) };
        for (other, same) in ticks {
            if same.record != tick.record {
                let what = format!("tick {}", tick.number);
                return Err(Error::Differs { what, a: dir.clone(), b: other.clone() });
            }
            self.merged.shared += 1;
        }
        self.transcript.put(&tick.record)?;
        (self.merged.last, self.checksum) = (tick.number, tick.checksum);
        Ok(())
    }
}

/// The newest answers, pushes and timings: what they are, and of which part.
#[derive(Default)]
struct Remembered {
    known: HashMap<Key, (u64, PathBuf)>,
    order: VecDeque<Key>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Answer {
        tick: u64,
    },
    /// Several may be recorded at once.
    Push {
        wall_ns: u64,
        hash: u64,
    },
    Timing {
        tick: u64,
    },
}

impl Remembered {
    /// Whether a record was not taken from another part before.
    fn is_new(&mut self, record: &Record, part: &Path) -> Result<bool, Error> {
        let (key, hash) = match record {
            Record::Answer { tick, bytes, .. } => (Key::Answer { tick: *tick }, hash(bytes)),
            Record::Push { wall_ns, bytes } => {
                let hash = hash(bytes);
                (Key::Push { wall_ns: *wall_ns, hash }, hash)
            }
            Record::Timing(timing) => (Key::Timing { tick: timing.tick }, 0),
            Record::Head(_) | Record::Tick { .. } => return Ok(true),
        };
        match self.known.get(&key) {
            Some((_, known)) if known == part => return Ok(true),
            Some((known, _)) if *known == hash => return Ok(false),
            Some((_, known)) => {
                let what = match key {
                    Key::Answer { tick } => format!("the answer to tick {tick}"),
                    key => format!("{key:?}"),
                };
                return Err(Error::Differs { what, a: known.clone(), b: part.to_owned() });
            }
            None => {}
        }
        self.known.insert(key, (hash, part.to_owned()));
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        Ok(true)
    }
}

fn hash(bytes: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
