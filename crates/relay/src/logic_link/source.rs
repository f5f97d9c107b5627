//! The ticks for the link: from memory while logic keeps up, from the journal while it catches up.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pulsegate_journal::{Error, Reader, Record, Watermark};
use pulsegate_protocol::proto::Restore;
use pulsegate_protocol::tick::{Chained, Damage};
use thiserror::Error as ThisError;
use tokio::task::{JoinHandle, spawn_blocking};

use super::rollback::Rollbacks;
use super::suspects::Suspects;
use crate::backlog::{Backlog, Place};

/// How much is read ahead of the link, at the most.
const AHEAD_TICKS: usize = 64;
const AHEAD_BYTES: usize = 4 * 1024 * 1024;

/// Why a tick cannot be had.
#[derive(Debug, ThisError)]
pub enum SourceError {
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] Error),
    /// There is no journal, and memory holds only the newest ticks.
    #[error(
        "tick {0} is no longer in memory and there is no journal (journal.dir = \"off\"); \
         start relay and logic server anew"
    )]
    NoJournal(u64),
    /// A tick is none, though its checksum fits.
    #[error("a tick that was to be skipped cannot be read: {0}")]
    Damaged(#[from] Damage),
    /// The thread that read the journal panicked.
    #[error("reading the journal panicked")]
    Panicked,
}

/// Where ticks are read from.
#[derive(Debug)]
pub struct Source {
    backlog: Arc<Backlog>,
    journal: Option<(PathBuf, Watermark)>,
    ahead: VecDeque<Chained>,
    /// The number after the last tick that the journal gave, or the one that is being read.
    next: u64,
    /// A reading that goes on, even if whoever asked for it no longer waits.
    reading: Option<JoinHandle<Result<Reading, Error>>>,
    reader: Option<Reader>,
    /// See [`Source::shown`].
    shown: u64,
    suspects: Arc<Suspects>,
    rollbacks: Arc<Rollbacks>,
}

#[derive(Debug)]
struct Reading {
    reader: Reader,
    ticks: VecDeque<Chained>,
}

impl Source {
    /// A source of what is in memory, and in the journal if there is one.
    pub fn new(backlog: Arc<Backlog>, journal: Option<(PathBuf, Watermark)>) -> Self {
        let shown = backlog.newest();
        Self {
            backlog,
            journal,
            ahead: VecDeque::new(),
            next: 0,
            reading: None,
            reader: None,
            shown,
            suspects: Arc::default(),
            rollbacks: Arc::default(),
        }
    }

    /// The same, by what is known of ticks that logic cannot take, or is not to take.
    pub fn knowing(self, suspects: Arc<Suspects>, rollbacks: Arc<Rollbacks>) -> Self {
        Self { suspects, rollbacks, ..self }
    }

    /// Where logic was brought back.
    pub fn rollbacks(&self) -> &Arc<Rollbacks> {
        &self.rollbacks
    }

    /// What is known of ticks that logic cannot take.
    pub fn suspects(&self) -> &Arc<Suspects> {
        &self.suspects
    }

    /// The newest tick of this journal that any logic server can have seen: one that an earlier
    /// life left, or that was handed out in this one.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// The tick with this number, or the first after it if it is in a gap or was left behind; waits
    /// until there is one. May be dropped and called again.
    pub async fn tick(&mut self, number: u64) -> Result<Chained, SourceError> {
        // No rollback is made while there is a link.
        let number = self.rollbacks.next(number);
        let tick = self.find(number).await?;
        self.shown = self.shown.max(tick.number);
        Ok(tick)
    }

    async fn find(&mut self, number: u64) -> Result<Chained, SourceError> {
        loop {
            match self.backlog.find(number) {
                Place::Memory(tick) => {
                    self.forget_reading();
                    return Ok(self.suspects.without_skipped(tick)?);
                }
                Place::Future => self.backlog.durable(number).await,
                Place::Journal => {
                    if let Some(tick) = self.journaled(number).await? {
                        return Ok(self.suspects.without_skipped(tick)?);
                    }
                }
            }
        }
    }

    /// Where a replay of everything begins.
    pub async fn oldest(&self) -> Result<u64, SourceError> {
        let Some((dir, _)) = self.journal.clone() else { return Ok(self.backlog.oldest()) };
        Ok(spawn_blocking(move || first_tick(&dir)).await.map_err(|_| SourceError::Panicked)??)
    }

    /// The newest state that logic gave us.
    pub async fn newest_snapshot(&self) -> Result<Option<Restore>, SourceError> {
        let Some((dir, _)) = self.journal.clone() else { return Ok(None) };
        // The tick that carries the last rollback may not be in the backlog yet.
        let timeline = self.rollbacks.timeline();
        let snapshot = move || Reader::open(dir)?.snapshot_on(&timeline, u64::MAX);
        let found = spawn_blocking(snapshot).await.map_err(|_| SourceError::Panicked)??;
        Ok(found.map(|(tick, state)| Restore { tick, state }))
    }

    /// The next tick from the journal; nothing if there was another reading to be waited for.
    async fn journaled(&mut self, number: u64) -> Result<Option<Chained>, SourceError> {
        if self.next != number {
            self.forget_reading();
        }
        if self.ahead.is_empty() {
            self.read_ahead(number).await?;
        }
        let tick = self.ahead.pop_front();
        self.next = tick.as_ref().map_or(number, |tick| tick.number + 1);
        Ok(tick)
    }

    async fn read_ahead(&mut self, number: u64) -> Result<(), SourceError> {
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => {
                let reader = self.reader.take();
                let journal = self.journal.clone().ok_or(SourceError::NoJournal(number))?;
                self.next = number;
                self.reading.insert(spawn_blocking(move || read(reader, journal, number)))
            }
        };
        let result = reading.await;
        self.reading = None;
        let Reading { reader, ticks } = result.map_err(|_| SourceError::Panicked)??;
        self.ahead = ticks;
        self.reader = Some(reader);
        Ok(())
    }

    fn forget_reading(&mut self) {
        self.ahead.clear();
        self.reading = None;
        self.reader = None;
    }
}

/// The first tick that a journal keeps.
pub(crate) fn first_tick(dir: &Path) -> Result<u64, Error> {
    Ok(match Reader::open(dir)?.read()? {
        Some(Record::Head(head)) => head.next_tick,
        // A segment begins with its head.
        _ => 1,
    })
}

/// Reads some ticks from `number` on, or from where `reader` stands.
fn read(
    reader: Option<Reader>,
    (dir, watermark): (PathBuf, Watermark),
    number: u64,
) -> Result<Reading, Error> {
    let mut reader = match reader {
        Some(reader) => reader,
        None => {
            let mut reader = Reader::follow(dir, watermark)?;
            reader.seek(number)?;
            reader
        }
    };
    let (mut ticks, mut bytes_read) = (VecDeque::new(), 0);
    while ticks.len() < AHEAD_TICKS && bytes_read < AHEAD_BYTES {
        match reader.read()? {
            Some(Record::Tick { peek, bytes }) => {
                bytes_read += bytes.len();
                ticks.push_back(Chained {
                    number: peek.head.number,
                    wall_ns: peek.head.wall_ns,
                    checksum: peek.checksum,
                    bytes,
                });
            }
            Some(_) => {}
            None => break,
        }
    }
    Ok(Reading { reader, ticks })
}
