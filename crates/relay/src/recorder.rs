//! ④ Sealed batch → journal, on a thread of its own: it may wait for the disk, nobody else does.
//!
//! A tick goes on to the link when [`Writer::append`] has returned, and not before.

mod disk_wait;
mod gap;
mod queues;

use std::sync::Arc;
use std::time::Duration;

use pulsegate_journal::{Error, Now, Writer};
use pulsegate_protocol::tick::{Chained, Sealed};
use tokio::runtime::Handle;
use tracing::{error, info};

pub use self::disk_wait::DiskWait;
pub use self::gap::Gap;
pub use self::queues::{
    Answers, Batch, Batches, Entry, Inbox, NoPlace, Place, QUEUE, Room, queues,
};

use crate::admin::metrics::Metrics;
use crate::backlog::Backlog;
use crate::config::OnError;
use crate::logic_link::rollback::Rollbacks;
use crate::logic_link::suspects::Suspects;
use crate::tick::clock::{Clock, wall_ns};
use crate::tick::figures::{Timing, micros};

/// How long answers may wait for a batch to be recorded with.
const LINGER: Duration = Duration::from_millis(250);

/// The journal's thread.
pub struct Recorder {
    /// What is to be recorded.
    pub inbox: Inbox,
    /// Where; with none, ticks only get their place in the chain.
    pub store: Store,
    /// Who is told of the words in a tick once it is durable.
    pub suspects: Arc<Suspects>,
    /// The same, of the words that bring logic back.
    pub rollbacks: Arc<Rollbacks>,
    /// Where ticks go from here.
    pub backlog: Arc<Backlog>,
    /// What could not be kept since the journal failed.
    pub gap: Option<Gap>,
    /// What to do when the journal fails.
    pub on_error: OnError,
    /// Whether it waits for the disk.
    pub disk: Arc<DiskWait>,
    /// The relay's time.
    pub clock: Arc<Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// Where ticks are kept.
pub enum Store {
    /// On disk.
    Journal(Box<Writer>),
    /// Nowhere; the checksum of the last tick.
    Nowhere(u32),
}

impl Recorder {
    /// Records until the last beat was and the link has ended, then finishes the journal.
    ///
    /// # Errors
    /// The journal's first failure, unless `on_error` says to go on.
    pub fn run(mut self, runtime: &Handle) -> Result<(), Error> {
        let mut patience = LINGER;
        while let Some(batch) = runtime.block_on(self.inbox.next(patience)) {
            // Those that were there when the batch came: it does not wait for what still comes.
            for _ in 0..self.inbox.entries() {
                let Some((entry, _bytes)) = self.inbox.entry() else { break };
                self.take(entry)?;
            }
            if let Some(Batch { sealed, timing }) = batch {
                let taken = self.take_tick(sealed, timing.as_ref(), self.now());
                self.survive(taken)?;
            }
            let due = self.poll()?.map(|due| due.saturating_sub(self.clock.now()));
            patience = due.map_or(LINGER, |due| due.min(LINGER));
        }
        while let Some((entry, _bytes)) = runtime.block_on(self.inbox.last_entry()) {
            self.take(entry)?;
            self.poll()?;
        }
        match self.store {
            Store::Journal(writer) => writer.finish(),
            Store::Nowhere(_) => Ok(()),
        }
    }

    fn take(&mut self, entry: Entry) -> Result<(), Error> {
        let now = self.now();
        let result = match entry {
            Entry::Answer { tick, bytes, snapshot } => {
                self.write(|writer| writer.answer(&bytes, tick, snapshot, now))
            }
            Entry::Push(bytes) => self.write(|writer| writer.push(&bytes, now)),
            Entry::KeepFrom(tick) => self.write(|writer| {
                writer.keep_from(tick);
                Ok(())
            }),
        };
        self.survive(result)
    }

    fn take_tick(
        &mut self,
        mut sealed: Sealed,
        timing: Option<&Timing>,
        now: Now,
    ) -> Result<(), Error> {
        let number = sealed.number;
        if let Some(timing) = timing {
            let written = self.write(|writer| writer.timing(&record(timing), now));
            self.survive(written)?;
        }
        // A batch that cannot be written is gone, but some of its events are told later.
        let lasting =
            if self.on_error == OnError::Gap { gap::lasting(&sealed) } else { Vec::new() };
        if let Some(gap) = &self.gap {
            sealed.prepend(gap.told_in(number));
        }
        if let Store::Journal(writer) = &self.store {
            let told = self.rollbacks.told(|| writer.attendance());
            if !told.is_empty() {
                sealed.prepend(told);
            }
        }
        match self.append(sealed, now) {
            Ok(tick) => self.pass_on(tick),
            Err(error) => {
                self.survive(Err(error))?;
                if let Some(gap) = &mut self.gap {
                    gap.lose(lasting);
                }
            }
        }
        Ok(())
    }

    fn append(&mut self, sealed: Sealed, now: Now) -> Result<Chained, Error> {
        let began = self.clock.now();
        self.disk.begin(began);
        let appended = self.store_tick(sealed, now);
        let done = self.clock.now();
        self.disk.end(done);
        let tick = appended?;
        self.metrics.journaled(tick.bytes.len(), done.saturating_sub(began));
        Ok(tick)
    }

    fn store_tick(&mut self, sealed: Sealed, now: Now) -> Result<Chained, Error> {
        match &mut self.store {
            Store::Nowhere(previous) => {
                let tick = sealed.chain(*previous);
                *previous = tick.checksum;
                Ok(tick)
            }
            Store::Journal(writer) => {
                writer.restart_after_failure(sealed.number, now)?;
                writer.append(sealed, now)
            }
        }
    }

    fn pass_on(&mut self, tick: Chained) {
        if self.gap.take().is_some() {
            self.metrics.journal_failed.set(0);
            info!(tick = tick.number, "journal goes on after a gap");
        }
        self.suspects.heed(&tick);
        if let (Some(from), Store::Journal(writer)) = (self.rollbacks.heed(&tick), &mut self.store)
        {
            writer.keep_from(from);
        }
        self.backlog.push(tick);
    }

    fn write(&mut self, write: impl FnOnce(&mut Writer) -> Result<(), Error>) -> Result<(), Error> {
        match &mut self.store {
            // What comes between a failure and the tick that ends the gap is part of the gap.
            Store::Journal(writer) if writer.failure().is_none() => {
                self.disk.begin(self.clock.now());
                let written = write(writer);
                self.disk.end(self.clock.now());
                written
            }
            _ => Ok(()),
        }
    }

    fn poll(&mut self) -> Result<Option<Duration>, Error> {
        let now = self.now();
        let Store::Journal(writer) = &mut self.store else { return Ok(None) };
        if writer.failure().is_some() {
            return Ok(None);
        }
        self.disk.begin(now.monotonic);
        let polled = writer.poll(now);
        self.disk.end(self.clock.now());
        match polled {
            Ok(due) => Ok(due),
            Err(error) => self.survive(Err(error)).map(|()| None),
        }
    }

    /// Makes a failure one that stops the process, or a gap.
    fn survive(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        let Err(failure) = result else { return Ok(()) };
        let first = self.metrics.journal_failed.set(1) == 0;
        if self.on_error == OnError::Stop {
            return Err(failure);
        }
        if first {
            error!(error = %failure, "journal failed; ticks are lost until it can be written again");
        }
        if self.gap.is_none() {
            self.gap = Some(Gap::new(self.backlog.newest() + 1, failure.to_string()));
        }
        Ok(())
    }

    fn now(&self) -> Now {
        Now { monotonic: self.clock.now(), wall_ns: wall_ns() }
    }
}

fn record(timing: &Timing) -> pulsegate_journal::Timing {
    pulsegate_journal::Timing {
        tick: timing.tick,
        lateness_us: micros(timing.lateness),
        work_us: micros(timing.work),
        sleep_us: micros(timing.sleep),
        strategy: timing.strategy.name().to_owned(),
        items: timing.items.into(),
        bytes: timing.bytes as u64,
    }
}
