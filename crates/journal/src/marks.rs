//! Where in a segment its ticks are: a small file beside it, for whoever goes straight to one.
//!
//! A segment has an index of its own only when it is compressed. Until then one would have to step
//! from its first record to the one that is wanted; and not even that could be done from its end,
//! for what a client sends may look like records. So the writer leaves a mark every now and then.
//!
//! Marks are no part of the journal. They are not synced, nothing is lost with them, and one is
//! believed only where the segment says the same. They go when the segment is compressed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use bytes::{Buf, BufMut};
use crc32fast::Hasher;
use pulsegate_protocol::proto::SegmentHead;

use crate::chunk::Chunk;
use crate::directory::{Directory, FILE_MODE};
use crate::walk::{Source, Step, Walk};

/// How far they are from each other at least, in bytes: what is stepped through behind one.
const APART: u64 = 256 * 1024;

/// How long a mark is in its file: four fields and a checksum.
const LENGTH: usize = 8 + 8 + 8 + 4 + 4;

/// More are not read: 64 GiB of a segment.
const MOST: u64 = 256 * 1024;

/// A chunk begins here, and its first tick is this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) offset: u64,
    pub(crate) tick: u64,
    pub(crate) wall_ns: u64,
    /// How many rollbacks and skipped ticks the ticks before this one tell of.
    pub(crate) turns: u32,
}

impl Mark {
    /// Its bytes, with a checksum that covers all before it too.
    fn encode(&self, before: u32) -> ([u8; LENGTH], u32) {
        let mut bytes = [0; LENGTH];
        let (fields, end) = bytes.split_at_mut(LENGTH - 4);
        let mut out = &mut *fields;
        out.put_u64_le(self.offset);
        out.put_u64_le(self.tick);
        out.put_u64_le(self.wall_ns);
        out.put_u32_le(self.turns);
        let mut hasher = Hasher::new_with_initial(before);
        hasher.update(fields);
        let checksum = hasher.finalize();
        end.copy_from_slice(&checksum.to_le_bytes());
        (bytes, checksum)
    }

    fn decode(mut bytes: &[u8]) -> Self {
        Self {
            offset: bytes.get_u64_le(),
            tick: bytes.get_u64_le(),
            wall_ns: bytes.get_u64_le(),
            turns: bytes.get_u32_le(),
        }
    }

    /// The chunk that begins here, if the segment says what the mark says.
    pub(crate) fn chunk(&self, segment: &impl Source) -> Option<Chunk> {
        let mut walk = Walk::new(segment);
        walk.go_to(self.offset);
        let Ok(Step::Chunk(chunk)) = walk.step() else { return None };
        let first = chunk.first_peek()?.head;
        let fits = !chunk.compressed && (first.number, first.wall_ns) == (self.tick, self.wall_ns);
        fits.then_some(chunk)
    }
}

/// Leaves the marks of one segment.
pub(crate) struct Marker {
    path: PathBuf,
    /// Of all marks so far.
    checksum: u32,
    is_begun: bool,
    /// Where the next one is due; nowhere after one that could not be written.
    next: Option<u64>,
}

impl Marker {
    pub(crate) fn new(dir: &Directory, head: &SegmentHead) -> Self {
        let path = dir.marks(head.segment);
        Self { path, checksum: origin(head), is_begun: false, next: Some(APART) }
    }

    /// Takes note of a chunk with a tick. Best effort: nothing rests on it.
    pub(crate) fn pass(&mut self, mark: &Mark) {
        if self.next.is_some_and(|next| mark.offset >= next) {
            let written = self.write(mark);
            self.next = written.is_ok().then_some(mark.offset + APART);
            if let Err(error) = written {
                tracing::debug!(%error, "a segment's marks could not be written");
            }
        }
    }

    /// The file is not kept open: marks are few, and a relay counts its files.
    fn write(&mut self, mark: &Mark) -> io::Result<()> {
        let (bytes, checksum) = mark.encode(self.checksum);
        let mut options = OpenOptions::new();
        match self.is_begun {
            true => options.append(true),
            false => options.create(true).write(true).truncate(true).mode(FILE_MODE),
        };
        (self.checksum, self.is_begun) = (checksum, true);
        options.open(&self.path)?.write_all(&bytes)
    }
}

/// The marks of a segment, in their order, as far as they are whole.
pub(crate) fn read(dir: &Directory, head: &SegmentHead) -> Vec<Mark> {
    let mut bytes = Vec::new();
    let read = File::open(dir.marks(head.segment))
        .and_then(|file| file.take(MOST * LENGTH as u64).read_to_end(&mut bytes));
    let mut checksum = origin(head);
    let whole = bytes.chunks_exact(LENGTH).map_while(|bytes| {
        let mark = Mark::decode(bytes);
        let (again, next) = mark.encode(checksum);
        checksum = next;
        (again == bytes).then_some(mark)
    });
    if read.is_ok() { whole.collect() } else { Vec::new() }
}

/// The marks of one segment are not those of another.
fn origin(head: &SegmentHead) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(head.lineage.as_bytes());
    hasher.update(&head.segment.to_le_bytes());
    hasher.update(&head.created_ns.to_le_bytes());
    hasher.finalize()
}
