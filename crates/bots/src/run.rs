//! All bots, from the first join to the last goodbye.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::args::Options;
use crate::bot;
use crate::summary::Summary;
use crate::traffic::Totals;

/// How often progress is told.
pub(crate) const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// Files that this process needs beside one for each bot.
const OTHER_FILES: u64 = 64;

/// Longer runs are not told apart; the clock cannot count beyond some hundred years.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// Why no bot could be started.
#[derive(Debug, Error)]
pub enum Error {
    /// The relay's address leads nowhere.
    #[error("cannot find the relay at `{address}`: {source}; give it as host:port")]
    Address {
        /// As it was given.
        address: String,
        /// What the resolver says.
        source: std::io::Error,
    },
    /// Each bot needs an open file.
    #[error(
        "{count} bots need {needed} open files, and this process may have {limit}; raise it with `ulimit -n {needed}`, or ask for fewer bots"
    )]
    Files {
        /// How many bots were asked for.
        count: u32,
        /// How many files they need.
        needed: u64,
        /// The limit that cannot be raised from here.
        limit: u64,
    },
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since the first bot was to join.
    pub elapsed: Duration,
    /// Until the bots stop sending.
    pub total: Duration,
    /// How many bots joined so far.
    pub joined: u32,
    /// How many of them are gone again.
    pub parted: u32,
    /// How many packets were sent.
    pub sent: u64,
    /// How many of them came back.
    pub echoed: u64,
}

/// Plays it all, and tells of its progress a few times a second.
///
/// Bot n joins n × `join_every` after the start. All stop sending `duration` after the last one was
/// to join, wait up to 5 s for what has not come back, say goodbye, and wait up to 5 s to be closed.
pub async fn run(options: Options, mut progress: impl FnMut(Progress)) -> Result<Summary, Error> {
    let plan = Arc::new(Plan::new(options).await?);
    allow_files(plan.options.count)?;
    let mut bots = JoinSet::new();
    for id in 0..plan.options.count {
        bots.spawn(bot::live(id, Arc::clone(&plan)));
    }
    let mut tell_at = plan.start;
    loop {
        tokio::select! {
            ended = bots.join_next() => match ended {
                Some(ended) => finished(ended),
                None => break,
            },
            () = sleep_until(tell_at) => {
                progress(plan.progress());
                tell_at = Instant::now() + PROGRESS_EVERY;
            }
        }
    }
    progress(plan.progress());
    let summary = Summary::new(&plan.totals(), plan.options.count, plan.now());
    Ok(summary)
}

/// What all bots share.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) options: Options,
    pub(crate) address: SocketAddr,
    start: Instant,
    totals: Mutex<Totals>,
}

impl Plan {
    async fn new(options: Options) -> Result<Self, Error> {
        let address = resolve(&options.address).await?;
        Ok(Self { options, address, start: Instant::now(), totals: Mutex::default() })
    }

    /// Time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.start + at.min(LONGEST)
    }

    pub(crate) fn join_at(&self, id: u32) -> Duration {
        self.options.join_every.saturating_mul(id)
    }

    /// When nothing is sent any more.
    pub(crate) fn ends(&self) -> Duration {
        self.join_at(self.options.count - 1).saturating_add(self.options.duration)
    }

    /// The sums so far. Held only for a few additions.
    pub(crate) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> Progress {
        let totals = self.totals();
        Progress {
            elapsed: self.now(),
            total: self.ends(),
            joined: totals.joined,
            parted: totals.gone(),
            sent: totals.packets_sent,
            echoed: totals.echoed(),
        }
    }
}

/// A client's life is over; if by a panic, so is this.
pub(crate) fn finished(ended: Result<(), JoinError>) {
    if let Err(fault) = ended
        && fault.is_panic()
    {
        std::panic::resume_unwind(fault.into_panic());
    }
}

pub(crate) async fn resolve(address: &str) -> Result<SocketAddr, Error> {
    let error = |source| Error::Address { address: address.to_owned(), source };
    let mut found = tokio::net::lookup_host(address).await.map_err(error)?;
    found.next().ok_or_else(|| error(std::io::ErrorKind::NotFound.into()))
}

/// Lets this process open as many files as it may.
pub(crate) fn allow_all_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Without it there are fewer clients, and the summary says why.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// Raises the soft limit of open files as far as needed.
fn allow_files(count: u32) -> Result<(), Error> {
    let needed = u64::from(count) + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|limit| limit >= needed) {
        return Ok(());
    }
    let limit = maximum.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(needed), maximum };
    if needed > limit || setrlimit(Resource::Nofile, raised).is_err() {
        return Err(Error::Files { count, needed, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_bots_are_refused_before_the_first_one_joins() {
        match allow_files(u32::MAX) {
            Err(error @ Error::Files { .. }) => assert!(error.to_string().contains("ulimit -n")),
            // A machine without any limit.
            other => assert!(other.is_ok() && getrlimit(Resource::Nofile).maximum.is_none()),
        }
    }
}
