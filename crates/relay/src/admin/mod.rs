//! What an operator asks: health, metrics, sessions; and the few things that can be told.
//!
//! - [`api`]: the routes
//! - [`door`]: the port's connections
//! - [`guard`]: who may change something
//! - [`list`]: long lists
//! - [`metrics`]: what is counted
//! - [`refusal`]: a request that is not granted
//! - [`rollback`]: the word that brings logic back
//! - [`shown`]: what the answers look like
//! - [`skip`]: the word that a tick is to be skipped

pub mod api;
pub mod door;
pub mod guard;
pub mod list;
pub mod metrics;
pub mod refusal;
pub mod rollback;
pub mod shown;
pub mod skip;

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

pub use self::door::{CONNECTION, CONNECTIONS, serve};
use crate::backlog::Backlog;
use crate::config::LogicAddress;
use crate::front::Front;
use crate::logic_link::Status;
use crate::logic_link::rollback::Rollbacks;
use crate::logic_link::suspects::{Suspect, Suspects};
use crate::recorder::DiskWait;
use crate::tick::figures::TickFigures;

/// What can be seen of a relay from outside its way of data.
#[derive(Debug)]
pub struct View {
    /// The clients' side.
    pub front: Arc<Front>,
    /// The ticks' timings.
    pub figures: Arc<TickFigures>,
    /// The newest ticks.
    pub backlog: Arc<Backlog>,
    /// Whether the journal waits for the disk.
    pub disk: Arc<DiskWait>,
    /// How the link is.
    pub link: Arc<Mutex<Status>>,
    /// What is known of ticks that logic cannot take.
    pub suspects: Arc<Suspects>,
    /// Where logic was brought back.
    pub rollbacks: Arc<Rollbacks>,
    /// Where logic is, as it was configured.
    pub logic: LogicAddress,
    /// The journal's random id.
    pub lineage: String,
    /// Which life of a relay this is.
    pub epoch: u64,
    /// When this process started, in wall time.
    pub started_ns: u64,
    /// Fires when the relay begins to end.
    pub stopping: CancellationToken,
}

impl View {
    /// Why clients should not be sent here now; empty if they should.
    pub fn not_ready(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.stopping.is_cancelled() {
            reasons.push("the relay stops".to_owned());
        }
        let link = self.link();
        if link.connected.is_none() {
            let trouble = link.trouble.as_deref().unwrap_or("not connected yet");
            reasons.push(format!("logic is away: {trouble}"));
        }
        if let Some(Suspect { tick, deaths }) = self.suspects.suspect() {
            reasons.push(format!(
                "logic died {deaths} times of tick {tick}, which is held: mend logic, or have that \
                 tick's packets left out by POST /api/logic/skip {{\"tick\":{tick}}}"
            ));
        }
        if self.front.metrics.journal_failed.get() != 0 {
            reasons.push("the journal has failed".to_owned());
        }
        if let Some(wait) = self.disk.too_long(self.front.clock.now()) {
            reasons.push(format!("the journal has waited {wait:.1?} for the disk"));
        }
        reasons
    }

    /// How the link is.
    pub fn link(&self) -> Status {
        self.link.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last tick that is durable, and the last that logic answered.
    pub fn ticks(&self) -> (u64, u64) {
        let answered = *self.front.answered.borrow();
        (self.backlog.newest(), answered)
    }
}
