//! Journals to measure, and what is in them.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use pulsegate_journal::{Now, Options, Sync, Writer};
use pulsegate_protocol::tick::{Gathering, Head, Sealed};
use rustix::fs::{Advice, fadvise};
use tempfile::TempDir;

const MIB: u64 = 1024 * 1024;
const PAYLOAD: usize = 100;

/// How many packets a tick holds, and how many ticks a second has.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) packets: u64,
    pub(crate) hertz: u64,
}

pub(crate) const MANY_AND_SLOW: Pace = Pace { packets: 1000, hertz: 20 };
pub(crate) const FEW_AND_FAST: Pace = Pace { packets: 10, hertz: 128 };

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets of {PAYLOAD} B, {} a second", self.packets, self.hertz)
    }
}

/// A directory on the disk under the target directory; `/tmp` may be memory.
pub(crate) fn scratch() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// Batches from tick 1 on, whose payloads cannot be compressed.
pub(crate) struct Batches {
    pace: Pace,
    number: u64,
    size: usize,
    noise: u64,
}

impl Batches {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, number: 0, size: 0, noise: 0x9E37_79B9_7F4A_7C15 }
    }

    /// The next batch, and when it is sealed.
    pub(crate) fn next(&mut self) -> (Sealed, Now) {
        let mut batch = Gathering::with_capacity(self.size);
        for session in 1..=self.pace.packets {
            batch.packet(session, &self.payload());
        }
        self.size = batch.size();
        self.number += 1;
        let monotonic = Duration::from_secs(self.number) / self.pace.hertz as u32;
        let wall_ns = monotonic.as_nanos() as u64;
        let head = Head { number: self.number, epoch: 1, wall_ns, ..Head::default() };
        (batch.seal(&head), Now { monotonic, wall_ns })
    }

    fn payload(&mut self) -> [u8; PAYLOAD] {
        let mut payload = [0; PAYLOAD];
        for bytes in payload.chunks_mut(8) {
            // Xorshift: enough for a compressor.
            self.noise ^= self.noise << 13;
            self.noise ^= self.noise >> 7;
            self.noise ^= self.noise << 17;
            bytes.copy_from_slice(&self.noise.to_le_bytes()[..bytes.len()]);
        }
        payload
    }
}

/// A journal as a crash leaves it: its last segment is not finished.
pub(crate) struct Recording {
    pub(crate) pace: Pace,
    pub(crate) ticks: u64,
    size: u64,
    last_segment: u64,
    dir: TempDir,
}

impl Recording {
    /// Writes a journal of about so many mebibytes.
    pub(crate) fn make(pace: Pace, mebibytes: u64) -> Result<Self> {
        let dir = scratch()?;
        let options = Options { sync: Sync::Os, ..Options::new(dir.path()) };
        let (mut writer, _) = Writer::open(options, Now::default())?;
        let mut batches = Batches::new(pace);
        let mut written = 0;
        while written < mebibytes * MIB {
            let (batch, now) = batches.next();
            written += writer.append(batch, now)?.bytes.len() as u64;
        }
        drop(writer);
        let mut made = Self { pace, ticks: batches.number, size: 0, last_segment: 0, dir };
        for segment in made.segments()? {
            made.last_segment = fs::metadata(segment)?.len();
            made.size += made.last_segment;
        }
        Ok(made)
    }

    /// The same journal once more, for one use: whoever opens it adds to it.
    pub(crate) fn copy(&self) -> Result<TempDir> {
        let copy = scratch()?;
        for segment in self.segments()? {
            let name = segment.file_name().unwrap_or_default();
            fs::hard_link(&segment, copy.path().join(name))?;
        }
        Ok(copy)
    }

    /// Has the system forget what it holds of the files in memory.
    pub(crate) fn chill(&self) -> Result<()> {
        for segment in self.segments()? {
            let file = File::open(segment)?;
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    fn segments(&self) -> Result<Vec<PathBuf>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(self.dir.path())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "mcap") {
                segments.push(path);
            }
        }
        segments.sort();
        Ok(segments)
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pace, ticks, size, last_segment, .. } = self;
        let (size, last) = (size / MIB, last_segment / MIB);
        write!(f, "{size} MiB ({last} in the last segment): {ticks} ticks of {pace}")
    }
}
