//! A segment from record to record.
//!
//! Nothing in a file is believed before it is checked: lengths against the file's, the opening
//! against the bytes that it always has, chunks against their checksums, and in a thorough walk
//! the whole of a finished segment against the two checksums at its end.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::{Buf, Bytes};
use crc32fast::Hasher;

use crate::chunk::{Bad, CHUNK_HEAD, Chunk, RECORD_HEAD, op};
use crate::format::{MAGIC, MAX_CHUNK, OPENING, Topic};

/// Where a segment's bytes come from. Several may read it at once.
pub(crate) trait Source {
    fn length(&self) -> io::Result<u64>;
    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    fn bytes(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        let mut buffer = vec![0; length as usize];
        self.fill(&mut buffer, offset)?;
        Ok(buffer.into())
    }
}

impl Source for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

/// Why a walk cannot go on.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    Bad { offset: u64, what: Bad },
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// What the walk came to.
#[derive(Debug)]
pub(crate) enum Step {
    Chunk(Chunk),
    /// The end of a finished segment.
    Sealed,
    /// The end of the file, right behind a chunk. More may be written there.
    End,
}

/// A position in a segment.
#[derive(Debug)]
pub(crate) struct Walk<S> {
    source: S,
    at: u64,
    /// Whether the last chunk was compressed: only then may an index follow it.
    indexed: bool,
    /// In a thorough walk: the checksum of all bytes so far.
    crc: Option<Hasher>,
}

impl<S: Source> Walk<S> {
    /// A walk that checks each chunk, from the start.
    pub(crate) fn new(source: S) -> Self {
        Self { source, at: 0, indexed: false, crc: None }
    }

    /// A walk that also checks what lies between and behind the chunks.
    pub(crate) fn thorough(source: S) -> Self {
        Self { source, at: 0, indexed: false, crc: Some(Hasher::new()) }
    }

    pub(crate) fn source(&self) -> &S {
        &self.source
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Goes to a chunk that [`Walk::offsets`] named, or to one that was stepped over.
    pub(crate) fn go_to(&mut self, offset: u64) {
        debug_assert!(self.crc.is_none(), "a thorough walk reads every byte once");
        self.at = offset;
    }

    /// The next chunk, or the end. After a fault the walk stands where it stood before.
    pub(crate) fn step(&mut self) -> Result<Step, Fault> {
        if self.at == 0 {
            self.opening()?;
        }
        let end = self.source.length()?;
        loop {
            let Some((opcode, length)) = self.record(end)? else { return Ok(Step::End) };
            match opcode {
                op::CHUNK => return self.chunk(length).map(Step::Chunk),
                op::MESSAGE_INDEX if self.indexed => self.index(length)?,
                op::DATA_END => {
                    self.tail(length)?;
                    return Ok(Step::Sealed);
                }
                _ => return Err(self.bad("a record of an unknown kind")),
            }
        }
    }

    /// Where the chunks of a stretch begin, found by their lengths alone, as far as those make
    /// sense. The stretch begins with the file or with a chunk.
    pub(crate) fn offsets(&self, stretch: Range<u64>) -> Result<Vec<u64>, Fault> {
        let mut scout = Walk::new(&self.source);
        let mut offsets = Vec::new();
        if stretch.start == 0 {
            scout.opening()?;
        } else {
            scout.at = stretch.start;
        }
        let end = self.source.length()?;
        while scout.at < stretch.end
            && let Ok(Some((opcode, length))) = scout.record(end)
        {
            match opcode {
                op::CHUNK => {
                    offsets.push(scout.at);
                    scout.at += RECORD_HEAD + length;
                }
                op::MESSAGE_INDEX if scout.index(length).is_ok() => {}
                _ => break,
            }
        }
        Ok(offsets)
    }

    fn bad(&self, what: impl Into<Bad>) -> Fault {
        Fault::Bad { offset: self.at, what: what.into() }
    }

    fn opening(&mut self) -> Result<(), Fault> {
        let length = OPENING.len() as u64;
        if self.source.length()? < length {
            return Err(self.bad("a file that ends within its first record"));
        }
        let bytes = self.source.bytes(0, length)?;
        if bytes != OPENING {
            return Err(self.bad("a file that does not begin as a segment does"));
        }
        self.pass(&bytes);
        Ok(())
    }

    /// The head of the record that begins here; nothing if the file ends here, at `end`.
    fn record(&self, end: u64) -> Result<Option<(u8, u64)>, Fault> {
        let left = end.saturating_sub(self.at);
        if left == 0 {
            return Ok(None);
        }
        if left < RECORD_HEAD {
            return Err(self.bad("a record that is cut short"));
        }
        let mut head = [0; RECORD_HEAD as usize];
        self.source.fill(&mut head, self.at)?;
        let mut head = &head[..];
        let (opcode, length) = (head.get_u8(), head.get_u64_le());
        if length > left - RECORD_HEAD {
            return Err(self
                .bad(format!("a record of {length} bytes where {} are left", left - RECORD_HEAD)));
        }
        Ok(Some((opcode, length)))
    }

    fn chunk(&mut self, length: u64) -> Result<Chunk, Fault> {
        if length > MAX_CHUNK + CHUNK_HEAD {
            return Err(self.bad("a chunk longer than any that is written"));
        }
        let record = self.source.bytes(self.at, RECORD_HEAD + length)?;
        let chunk = Chunk::parse(self.at, record.slice(RECORD_HEAD as usize..))
            .map_err(|what| self.bad(what))?;
        self.pass(&record);
        self.indexed = chunk.compressed;
        Ok(chunk)
    }

    /// Steps over an index, if it is one: one flipped bit makes a chunk's opcode an index's.
    fn index(&mut self, length: u64) -> Result<(), Fault> {
        let mut head = self.source.bytes(self.at + RECORD_HEAD, length.min(INDEX_HEAD))?;
        let fits = head.len() as u64 == INDEX_HEAD
            && Topic::of_channel(head.get_u16_le()).is_some()
            && u64::from(head.get_u32_le()) + INDEX_HEAD == length;
        if !fits {
            return Err(self.bad("an index that is none"));
        }
        if self.crc.is_some() {
            let record = self.source.bytes(self.at, RECORD_HEAD + length)?;
            self.pass(&record);
        } else {
            self.at += RECORD_HEAD + length;
        }
        Ok(())
    }

    fn pass(&mut self, bytes: &[u8]) {
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
        self.at += bytes.len() as u64;
    }

    /// What follows the last chunk of a finished segment: two checksums that cover every byte.
    fn tail(&self, length: u64) -> Result<(), Fault> {
        let Some(crc) = &self.crc else { return Ok(()) };
        let rest = self.source.length()? - self.at;
        if rest > MAX_CHUNK {
            return Err(self.bad("an end longer than any that is written"));
        }
        let tail = self.source.bytes(self.at, rest)?;
        check_tail(self.at, tail, length, crc.clone().finalize()).map_err(|what| self.bad(what))
    }
}

/// An index begins with its channel and the length of what follows.
const INDEX_HEAD: u64 = 2 + 4;

/// Footer: summary start, start of the summary's offsets, checksum.
const FOOTER_LEN: u64 = 8 + 8 + 4;

fn check_tail(at: u64, mut tail: Bytes, length: u64, data_crc: u32) -> Result<(), Bad> {
    let data_end = RECORD_HEAD + 4;
    let footer = RECORD_HEAD + FOOTER_LEN + MAGIC.len() as u64;
    if length != 4 || (tail.len() as u64) < data_end + footer {
        return Err("an end that is cut short".into());
    }
    if !tail.ends_with(MAGIC) {
        return Err("an end without its last bytes".into());
    }
    tail.advance(RECORD_HEAD as usize);
    if tail.get_u32_le() != data_crc {
        return Err("records whose common checksum does not fit".into());
    }
    // The summary's checksum covers the footer too, up to the checksum itself.
    let summary = tail.split_to(tail.len() - MAGIC.len() - 4);
    if tail.get_u32_le() != crc32fast::hash(&summary) {
        return Err("a summary whose checksum does not fit".into());
    }
    let mut footer = summary.slice(summary.len() - (RECORD_HEAD + FOOTER_LEN - 4) as usize..);
    let right = footer.get_u8() == op::FOOTER
        && footer.get_u64_le() == FOOTER_LEN
        && footer.get_u64_le() == at + data_end;
    if right { Ok(()) } else { Err("a footer that does not fit its file".into()) }
}

/// Whether the file ends as a finished segment does.
pub(crate) fn is_sealed(source: &impl Source) -> io::Result<bool> {
    let length = MAGIC.len() as u64;
    let at = source.length()?.saturating_sub(length);
    Ok(at > 0 && source.bytes(at, length)? == MAGIC)
}

/// Where the records of a finished segment end, as its last bytes say; nothing if they say nothing.
pub(crate) fn end_of_records(source: &impl Source) -> io::Result<Option<u64>> {
    let size = RECORD_HEAD + FOOTER_LEN + MAGIC.len() as u64;
    let Some(at) = source.length()?.checked_sub(size) else { return Ok(None) };
    let mut footer = source.bytes(at, size)?;
    let whole = footer.ends_with(MAGIC)
        && footer.get_u8() == op::FOOTER
        && footer.get_u64_le() == FOOTER_LEN;
    Ok(whole.then(|| footer.get_u64_le().saturating_sub(RECORD_HEAD + 4)))
}

/// Whether the file was finished once: it ends so, or but for its very last bytes.
pub(crate) fn was_sealed(source: &impl Source) -> io::Result<bool> {
    let end = RECORD_HEAD + FOOTER_LEN + MAGIC.len() as u64;
    let at = source.length()?.saturating_sub(end);
    let mut footer = source.bytes(at, RECORD_HEAD.min(source.length()?))?;
    let is_footer = footer.len() as u64 == RECORD_HEAD
        && footer.get_u8() == op::FOOTER
        && footer.get_u64_le() == FOOTER_LEN;
    Ok(is_footer || is_sealed(source)?)
}

/// The first whole chunk behind `offset` that holds a tick after `last`, or no tick at all: if
/// there is one, then what lies before it was damaged, and is not just the end of writing.
///
/// A chunk with older ticks is what a reused block of the disk may show.
pub(crate) fn later_chunk(
    source: &impl Source,
    offset: u64,
    last: u64,
) -> io::Result<Option<Chunk>> {
    let rest = source.length()?.saturating_sub(offset + 1);
    let bytes = source.bytes(offset + 1, rest)?;
    let chunks = (0..bytes.len()).filter(|at| bytes[*at] == op::CHUNK).filter_map(|at| {
        let body = plausible_chunk(&bytes, at)?;
        Chunk::parse(offset + 1 + at as u64, body).ok()
    });
    Ok(chunks.into_iter().find(|chunk| chunk.first_tick().is_none_or(|tick| tick > last)))
}

/// Cheap checks first: a chunk's checksum is worth computing only where its lengths agree.
fn plausible_chunk(bytes: &Bytes, at: usize) -> Option<Bytes> {
    let u64_at = |at: usize| {
        bytes.get(at..at + 8).map(|field| u64::from_le_bytes(field.try_into().expect("8 bytes")))
    };
    let body_at = at + RECORD_HEAD as usize;
    let length = u64_at(at + 1)?;
    let body_end = usize::try_from(length).ok()?.checked_add(body_at)?;
    if length < CHUNK_HEAD || body_end > bytes.len() {
        return None;
    }
    let name_at = body_at + 28;
    let name_len = u32::from_le_bytes(bytes[name_at..name_at + 4].try_into().expect("4 bytes"));
    let content = length.checked_sub(CHUNK_HEAD + u64::from(name_len))?;
    (u64_at(name_at + 4 + name_len as usize)? == content).then(|| bytes.slice(body_at..body_end))
}

impl<S: Source> Source for &S {
    fn length(&self) -> io::Result<u64> {
        (**self).length()
    }

    fn fill(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).fill(buffer, offset)
    }
}
