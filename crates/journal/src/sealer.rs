//! A thread that compresses finished segments, and deletes those that are no longer kept.
//!
//! One thread does both, in order, so that a segment is never renamed back after its deletion.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::chunk::{Chunk, Message};
use crate::directory::{Directory, create_file, open_file};
use crate::error::Error;
use crate::format;
use crate::walk::{Fault, Step, Walk};

/// How many jobs may wait. A compression that finds no place is done after the next start of
/// the relay, a deletion at the next rotation.
const QUEUE: usize = 64;

/// How much content goes into one compressed chunk, in bytes: what a seek decompresses at most.
const CHUNK_CONTENT: usize = 1024 * 1024;

/// Leaves the processor to the beat and the sockets.
const NICENESS: i32 = 10;

enum Job {
    Compress(u64),
    Delete(u64),
}

/// The thread. Dropping it cuts the job at hand short and waits for the thread's end.
pub(crate) struct Sealer {
    jobs: Option<SyncSender<Job>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sealer {
    pub(crate) fn start(dir: &Directory) -> Result<Self, Error> {
        let (jobs, queue) = sync_channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work { dir: dir.clone(), stop: Arc::clone(&stop) };
        let thread = std::thread::Builder::new()
            .name("journal-sealer".into())
            .spawn(move || work.run(&queue))
            .map_err(Error::io("start a thread for", dir.path()))?;
        Ok(Self { jobs: Some(jobs), stop, thread: Some(thread) })
    }

    /// Asks for a segment's compression.
    pub(crate) fn compress(&self, segment: u64) {
        if !self.ask(Job::Compress(segment)) {
            tracing::warn!(segment, "too many segments wait for compression; left as it is");
        }
    }

    /// Asks for a segment's deletion. `false` if that must be asked again later.
    pub(crate) fn delete(&self, segment: u64) -> bool {
        self.ask(Job::Delete(segment))
    }

    fn ask(&self, job: Job) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(job).is_ok())
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's sealing thread panicked");
        }
    }
}

struct Work {
    dir: Directory,
    stop: Arc<AtomicBool>,
}

impl Work {
    fn run(&self, queue: &Receiver<Job>) {
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "the sealing thread keeps its priority");
        }
        for job in queue {
            match job {
                Job::Delete(segment) => self.delete(segment),
                Job::Compress(_) if self.stopped() => {}
                Job::Compress(segment) => self.compress(segment),
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn delete(&self, segment: u64) {
        match self.dir.remove(&self.dir.segment(segment)) {
            Ok(()) => {
                self.dir.remove_marks(segment);
                tracing::info!(segment, "segment deleted: it is no longer kept");
            }
            Err(error) => tracing::warn!(segment, %error, "segment not deleted"),
        }
    }

    /// A failure leaves the segment as it is: compression saves room, and nothing rests on it.
    fn compress(&self, segment: u64) {
        let result = self.rewrite(segment);
        if !matches!(result, Ok(true)) {
            let _ = fs::remove_file(self.dir.unfinished(segment));
        }
        match result {
            Ok(true) => {
                self.dir.remove_marks(segment);
                tracing::debug!(segment, "segment compressed");
            }
            Ok(false) => tracing::debug!(segment, "compression put off: the journal closes"),
            Err(error) => tracing::warn!(segment, %error, "segment not compressed"),
        }
    }

    /// `false` if it was told to stop before the end.
    fn rewrite(&self, segment: u64) -> io::Result<bool> {
        let (old, new) = (self.dir.segment(segment), self.dir.unfinished(segment));
        if !self.copy(segment)? || !self.same(segment)? {
            return Ok(false);
        }
        rustix::fs::fsync(fs::File::open(&new)?)?;
        fs::rename(new, old)?;
        self.dir.sync().map_err(io::Error::other)?;
        Ok(true)
    }

    fn copy(&self, segment: u64) -> io::Result<bool> {
        let old = open_file(&self.dir.segment(segment)).map_err(io::Error::other)?;
        let new = create_file(&self.dir.unfinished(segment)).map_err(io::Error::other)?;
        let mut walk = Walk::thorough(old);
        let mut out = format::begin_compressed(new).map_err(format::io_error)?;
        let mut content = 0;
        while let Some(chunk) = next_chunk(&mut walk)? {
            if self.stopped() {
                out.into_inner();
                return Ok(false);
            }
            for Message { topic, sequence, log_time, data } in chunk.messages {
                format::write(&mut out, topic, sequence, log_time, &data)
                    .map_err(format::io_error)?;
                content += data.len();
                // The head is read often: it has a small chunk of its own.
                if topic == format::Topic::Heads || content >= CHUNK_CONTENT {
                    out.flush().map_err(format::io_error)?;
                    content = 0;
                }
            }
        }
        out.finish().map_err(format::io_error)?;
        Ok(true)
    }

    /// Reads both files again and compares every message. `false` if it was told to stop.
    fn same(&self, segment: u64) -> io::Result<bool> {
        let old = open_file(&self.dir.segment(segment)).map_err(io::Error::other)?;
        let new = open_file(&self.dir.unfinished(segment)).map_err(io::Error::other)?;
        let (mut old, mut new) = (Messages::new(old), Messages::new(new));
        while !self.stopped() {
            match (old.next()?, new.next()?) {
                (None, None) => return Ok(true),
                (old, new) if old == new => {}
                _ => return Err(io::Error::other("the compressed copy differs")),
            }
        }
        Ok(false)
    }
}

struct Messages {
    walk: Walk<fs::File>,
    chunk: std::vec::IntoIter<Message>,
}

impl Messages {
    fn new(file: fs::File) -> Self {
        Self { walk: Walk::thorough(file), chunk: Vec::new().into_iter() }
    }

    fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.chunk.next() {
                return Ok(Some(message));
            }
            match next_chunk(&mut self.walk)? {
                Some(chunk) => self.chunk = chunk.messages.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

fn next_chunk(walk: &mut Walk<fs::File>) -> io::Result<Option<Chunk>> {
    match walk.step() {
        Ok(Step::Chunk(chunk)) => Ok(Some(chunk)),
        Ok(Step::Sealed | Step::End) => Ok(None),
        Err(Fault::Io(error)) => Err(error),
        Err(Fault::Bad { offset, what }) => {
            Err(io::Error::other(format!("damaged at byte {offset}: {}", what.0)))
        }
    }
}
