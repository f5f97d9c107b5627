//! A journal that is written from another one's records, not by a relay: cut, merged or mended.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use bytes::Bytes;
use prost::Message as _;
use pulsegate_protocol::proto::SegmentHead;

use crate::chunk::{Bad, Message};
use crate::directory::{Directory, create_file, new_lineage};
use crate::error::Error;
use crate::format::{self, McapWriter, Topic};
use crate::options::Sync;
use crate::reader::Record;
use crate::standing::Standing;

/// How much content goes into one compressed chunk, in bytes: what a seek decompresses at most.
const CHUNK_CONTENT: usize = 1024 * 1024;

/// How much content goes into one segment, in bytes. Its index is in memory until it is finished.
const SEGMENT_CONTENT: usize = 256 * 1024 * 1024;

/// As whose journal a transcript is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lineage {
    /// As the one it was written from: a relay and a logic server take it for that one.
    Same,
    /// As a new one that names the one it was cut out of.
    Cut,
    /// As a new one that names no other.
    New,
}

/// Writes records into a new journal, whose segments are finished and compressed.
///
/// Tick numbers and bytes stay as they are; heads are made anew. Until [`Transcript::finish`] there
/// is no journal in the directory, and a transcript that is dropped before that leaves nothing.
pub struct Transcript {
    dir: Directory,
    /// Whether the directory was not there before.
    created: bool,
    lineage: Lineage,
    standing: Option<Standing>,
    /// When the segment was begun that is read: it was before its first tick.
    created_ns: u64,
    out: Option<Out>,
    finished: bool,
}

impl Transcript {
    /// Begins one in a directory that is empty, or not there yet.
    ///
    /// # Errors
    /// [`Error::Occupied`] if something is in it, and what the file system refuses.
    pub fn begin(dir: impl AsRef<Path>, lineage: Lineage) -> Result<Self, Error> {
        let path = dir.as_ref();
        let created = !path.exists();
        let dir = Directory::create(path)?;
        if fs::read_dir(path).map_err(Error::io("read", path))?.next().is_some() {
            return Err(Error::Occupied(path.to_owned()));
        }
        let (standing, out) = (None, None);
        Ok(Self { dir, created, lineage, standing, created_ns: 0, out, finished: false })
    }

    /// Takes note of a record that lies before the first one that is to be written. The first of
    /// all must be a head.
    ///
    /// # Errors
    /// [`Error::Transcript`] if it does not follow the one before.
    pub fn pass(&mut self, record: &Record) -> Result<(), Error> {
        match record {
            Record::Head(head) => self.cross(head),
            record => self.follow(record).map(|_| ()),
        }
    }

    /// Writes a record behind the last one. A head begins a new segment where one is needed: at a
    /// new life, and at a gap.
    ///
    /// # Errors
    /// [`Error::Transcript`] if it does not follow the one before; what the file system refuses.
    pub fn put(&mut self, record: &Record) -> Result<(), Error> {
        if let Record::Head(head) = record {
            return self.cross(head);
        }
        if self.out.is_none() {
            self.begin_segment()?;
        }
        let full = self.out.as_ref().is_some_and(|out| out.content >= SEGMENT_CONTENT);
        if full && matches!(record, Record::Tick { .. }) {
            self.begin_segment()?;
        }
        let message = self.follow(record)?;
        match &mut self.out {
            Some(out) => out.put(&message),
            None => Ok(()),
        }
    }

    /// Ends the journal, durably.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn finish(mut self) -> Result<(), Error> {
        if self.out.is_none() {
            self.begin_segment()?;
        }
        let last = self.out.as_ref().map_or(0, |out| out.segment);
        self.out.take().map_or(Ok(()), Out::seal)?;
        for segment in 1..=last {
            let to = self.dir.segment(segment);
            fs::rename(self.dir.unfinished(segment), &to).map_err(Error::io("rename to", &to))?;
        }
        self.finished = true;
        self.dir.sync()
    }

    fn cross(&mut self, head: &SegmentHead) -> Result<(), Error> {
        self.created_ns = head.created_ns;
        let Some(standing) = &mut self.standing else {
            self.standing = Some(self.adopt(head)?);
            return Ok(());
        };
        let (life, gap) = (head.epoch > standing.epoch, head.next_tick > standing.last_tick + 1);
        if gap && head.previous != standing.checksum && self.lineage != Lineage::New {
            let what = format!(
                "tick {} is followed by tick {}, and not by a marked gap",
                standing.last_tick, head.next_tick
            );
            return Err(self.misplaced(what));
        }
        if life {
            standing.epoch = head.epoch;
        }
        if gap {
            standing.last_tick = head.next_tick - 1;
        }
        if (life || gap) && self.out.is_some() { self.begin_segment() } else { Ok(()) }
    }

    fn adopt(&self, head: &SegmentHead) -> Result<Standing, Error> {
        let mut standing = Standing { segment: 0, snapshot: None, ..Standing::at(head) };
        let origin = if head.cut_of.is_empty() { &head.lineage } else { &head.cut_of };
        match self.lineage {
            Lineage::Same => {}
            Lineage::Cut => standing.cut_of = origin.clone(),
            Lineage::New => standing.cut_of = String::new(),
        }
        if self.lineage != Lineage::Same {
            standing.lineage = new_lineage(&self.dir)?;
        }
        Ok(standing)
    }

    /// Follows a record, and gives it as it is to be filed.
    fn follow(&mut self, record: &Record) -> Result<Message, Error> {
        let Some(standing) = &mut self.standing else {
            return Err(self.misplaced("its first record is no head".into()));
        };
        let message = message(record, standing.last_tick, standing.wall_ns.max(self.created_ns));
        let followed = message.and_then(|message| standing.follow(&message).map(|()| message));
        followed.map_err(|Bad(what)| self.misplaced(what.into_owned()))
    }

    fn begin_segment(&mut self) -> Result<(), Error> {
        if let Some(out) = self.out.take() {
            out.seal()?;
        }
        let Some(standing) = &mut self.standing else {
            return Err(self.misplaced("its first record is no head".into()));
        };
        standing.segment += 1;
        if standing.segment == 1 {
            // Those that were passed are not here.
            standing.snapshot = None;
        }
        let head = standing.head(Sync::Tick, self.created_ns);
        self.out = Some(Out::begin(&self.dir, &head)?);
        Ok(())
    }

    fn misplaced(&self, what: String) -> Error {
        Error::Transcript { dir: self.dir.path().to_owned(), what }
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        if !self.finished {
            // Without them there is no journal here; what cannot be removed is no harm.
            let _ = self.dir.remove_unfinished();
            if self.created {
                let _ = fs::remove_dir(self.dir.path());
            }
        }
    }
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcript")
            .field("dir", &self.dir)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// A record as a message. Those that do not say when they were recorded get the time `now`.
fn message(record: &Record, last_tick: u64, now: u64) -> Result<Message, Bad> {
    let (topic, sequence, log_time, data) = match record {
        Record::Head(_) => return Err("a second head in one segment".into()),
        Record::Tick { peek, bytes } => {
            (Topic::Ticks, peek.head.number, peek.head.wall_ns, bytes.clone())
        }
        Record::Answer { tick, wall_ns, bytes } => (Topic::Answers, *tick, *wall_ns, bytes.clone()),
        Record::Push { wall_ns, bytes } => (Topic::Pushes, last_tick, *wall_ns, bytes.clone()),
        Record::Timing(timing) => {
            let json = serde_json::to_vec(timing).map_err(|error| Bad(error.to_string().into()))?;
            (Topic::Timing, timing.tick, now, Bytes::from(json))
        }
    };
    Ok(Message { topic, sequence: sequence as u32, log_time, data })
}

/// The segment that is being written.
struct Out {
    segment: u64,
    mcap: McapWriter,
    /// The same file: MCAP's writer does not lend its own.
    file: File,
    path: std::path::PathBuf,
    chunk: usize,
    content: usize,
}

impl Out {
    fn begin(dir: &Directory, head: &SegmentHead) -> Result<Self, Error> {
        let path = dir.unfinished(head.segment);
        let file = create_file(&path)?;
        let begin = || -> io::Result<_> {
            let mcap = format::begin_compressed(file.try_clone()?).map_err(format::io_error)?;
            Ok((mcap, file))
        };
        let (mcap, file) = begin().map_err(Error::io("write", &path))?;
        let mut out = Self { segment: head.segment, mcap, file, path, chunk: 0, content: 0 };
        out.put(&Message {
            topic: Topic::Heads,
            sequence: head.segment as u32,
            log_time: head.created_ns,
            data: head.encode_to_vec().into(),
        })?;
        Ok(out)
    }

    fn put(&mut self, message: &Message) -> Result<(), Error> {
        let Message { topic, sequence, log_time, data } = message;
        self.chunk += data.len();
        self.content += data.len();
        let written = format::write(&mut self.mcap, *topic, *sequence, *log_time, data);
        let flushed = written.and_then(|()| {
            // The head is read often: it has a small chunk of its own.
            if *topic == Topic::Heads || self.chunk >= CHUNK_CONTENT {
                self.chunk = 0;
                return self.mcap.flush();
            }
            Ok(())
        });
        flushed.map_err(format::io_error).map_err(Error::io("write", &self.path))
    }

    fn seal(mut self) -> Result<(), Error> {
        let sealed = self.mcap.finish().map_err(format::io_error);
        sealed
            .and_then(|_| Ok(rustix::fs::fsync(&self.file)?))
            .map_err(Error::io("finish", &self.path))
    }
}
