//! The segment that is being written.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use prost::Message as _;
use pulsegate_protocol::proto::SegmentHead;
use rustix::fs::{fdatasync, fsync};

use crate::directory::{Directory, create_file};
use crate::error::Error;
use crate::format::{self, McapWriter, Topic};
use crate::marks::{Mark, Marker};

/// One open segment. Dropped without [`Live::seal`] it stays as a crash would leave it.
pub(crate) struct Live {
    path: PathBuf,
    /// Always there but for the moment of dropping.
    mcap: Option<McapWriter>,
    /// The same file: MCAP's writer does not lend its own.
    file: File,
    marker: Marker,
    /// When it was begun.
    pub(crate) begun: Duration,
    /// How long the file is, in bytes.
    pub(crate) size: u64,
    /// How many ticks it holds.
    pub(crate) ticks: u64,
    /// How many bytes wait for the next flush.
    pub(crate) waiting: usize,
}

impl Live {
    /// Creates a segment, writes its head, and makes both the head and the name durable.
    ///
    /// A file that could not be finished is removed again, so that no file lacks its head.
    pub(crate) fn create(
        dir: &Directory,
        head: &SegmentHead,
        begun: Duration,
    ) -> Result<Self, Error> {
        let path = dir.segment(head.segment);
        let file = create_file(&path)?;
        let marker = Marker::new(dir, head);
        let live = Self::begin(file, path.clone(), marker, head, begun)
            .map_err(Error::io("write", &path))
            .and_then(|live| dir.sync().map(|()| live));
        if live.is_err() {
            // If this fails too, recovery removes it.
            let _ = fs::remove_file(&path);
        }
        live
    }

    fn begin(
        file: File,
        path: PathBuf,
        marker: Marker,
        head: &SegmentHead,
        begun: Duration,
    ) -> io::Result<Self> {
        let mcap = Some(format::begin_live(file.try_clone()?).map_err(format::io_error)?);
        let mut live = Self { path, mcap, file, marker, begun, size: 0, ticks: 0, waiting: 0 };
        let sequence = head.segment as u32;
        live.put(Topic::Heads, sequence, head.created_ns, &head.encode_to_vec())?;
        live.flush_to_file()?;
        fsync(&live.file)?;
        Ok(live)
    }

    /// Adds a record to those that wait for the next flush.
    pub(crate) fn write(
        &mut self,
        topic: Topic,
        sequence: u32,
        log_time: u64,
        data: &[u8],
    ) -> Result<(), Error> {
        self.put(topic, sequence, log_time, data).map_err(Error::io("write", &self.path))
    }

    /// Writes what waits, as one chunk.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.flush_to_file().map_err(Error::io("write", &self.path))
    }

    /// Takes note of the chunk that was flushed last, whose first tick this is.
    pub(crate) fn mark(&mut self, mark: &Mark) {
        self.marker.pass(mark);
    }

    /// Makes what was flushed durable. To be called once only if it fails: the kernel forgets
    /// what it could not write. The standard library's own would try again after a signal.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        fdatasync(&self.file).map_err(io::Error::from).map_err(Error::io("sync", &self.path))
    }

    /// Ends the segment with its summary and checksums, durably. Its records are synced first:
    /// whoever finds its last bytes can rely on them.
    pub(crate) fn seal(mut self) -> Result<(), Error> {
        self.flush()?;
        self.sync()?;
        let sealed = match &mut self.mcap {
            Some(mcap) => mcap.finish().map_err(format::io_error),
            None => Ok(Default::default()),
        };
        sealed.and_then(|_| Ok(fdatasync(&self.file)?)).map_err(Error::io("finish", &self.path))
    }

    fn put(&mut self, topic: Topic, sequence: u32, time: u64, data: &[u8]) -> io::Result<()> {
        self.waiting += data.len();
        let mcap = self.mcap.as_mut().ok_or(io::ErrorKind::Other)?;
        format::write(mcap, topic, sequence, time, data).map_err(format::io_error)
    }

    fn flush_to_file(&mut self) -> io::Result<()> {
        let mcap = self.mcap.as_mut().ok_or(io::ErrorKind::Other)?;
        mcap.flush().map_err(format::io_error)?;
        self.waiting = 0;
        let file = self.file.metadata()?;
        self.size = file.len();
        if file.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the file was deleted"));
        }
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // MCAP's writer would end the file on its own, also after a failure.
        if let Some(mcap) = self.mcap.take() {
            mcap.into_inner();
        }
    }
}
