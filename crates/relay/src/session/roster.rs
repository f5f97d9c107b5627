//! The way to each client, and who departed.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use pulsegate_protocol::Reason;
use serde_json::Value;
use tracing::debug;

use super::newcomers::Newcomers;
use super::sources::{Neighbours, Sources};
use crate::admin::metrics::Metrics;
use crate::client::Client;
use crate::tick::clock::{self, Clock};
use crate::tick::intake::{Full, Intake};

/// Every session that is open, by id, and a bounded list of those that were.
#[derive(Debug)]
pub struct Roster {
    clients: RwLock<HashMap<u64, Arc<Client>>>,
    newcomers: Newcomers,
    sources: Mutex<Sources>,
    departed: Mutex<VecDeque<Departure>>,
    intake: Arc<Intake>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
}

/// Someone who was here.
#[derive(Debug, Clone)]
pub struct Departure {
    /// The session's id.
    pub id: u64,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Why it ended.
    pub reason: Reason,
    /// When, in wall time.
    pub closed_at_ns: u64,
    /// How long it was open.
    pub lived: Duration,
}

impl Roster {
    /// Nobody yet.
    pub fn new(intake: Arc<Intake>, clock: Arc<Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            clients: RwLock::default(),
            newcomers: Newcomers::default(),
            sources: Mutex::default(),
            departed: Mutex::default(),
            intake,
            clock,
            metrics,
        }
    }

    /// Begins a session: its `open` goes into the batch, and it is on the list before logic can
    /// reply to it.
    ///
    /// # Errors
    /// If the batch has no room: wait for [`Intake::space`], then try again.
    pub fn begin(&self, client: &Arc<Client>) -> Result<(), Full> {
        self.intake.open(client, || self.list(client))
    }

    fn list(&self, client: &Arc<Client>) {
        self.metrics.opened.inc();
        lock(&self.sources).enter(client.peer.ip());
        self.newcomers.enter(client);
        let mut clients = self.clients.write().unwrap_or_else(PoisonError::into_inner);
        clients.insert(client.id, Arc::clone(client));
    }

    /// The client with this id, while its session is open.
    pub fn get(&self, id: u64) -> Option<Arc<Client>> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Everyone whose session is open.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The ids of all sessions that are open, the oldest first.
    pub fn ids(&self) -> Vec<u64> {
        let clients = self.clients.read().unwrap_or_else(PoisonError::into_inner);
        let mut ids: Vec<_> = clients.keys().copied().collect();
        drop(clients);
        ids.sort_unstable();
        ids
    }

    /// How many sessions are open.
    pub fn len(&self) -> usize {
        self.clients.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no session is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many sessions are open from where `address` is.
    pub fn neighbours(&self, address: IpAddr) -> Neighbours {
        lock(&self.sources).neighbours(address)
    }

    /// A whole frame came from this client.
    pub fn has_spoken(&self, client: &Client) {
        self.newcomers.leave(client.id);
    }

    /// How many clients are here of whom no whole frame has come yet.
    pub fn newcomers(&self) -> usize {
        self.newcomers.len()
    }

    /// The newcomer that has waited longest, if there are more than `limit`.
    pub fn newcomer_too_many(&self, limit: usize) -> Option<Arc<Client>> {
        self.newcomers.one_too_many(limit)
    }

    /// Ends a session: its `close` goes into the batch, its client's task is woken to part with
    /// it. Does nothing if it has ended before.
    ///
    /// `details` is shown to the client beside the reason; `keep` is how many departed are kept.
    pub fn end(&self, client: &Arc<Client>, reason: Reason, details: Value, keep: usize) {
        if !self.intake.close(client, reason) {
            return;
        }
        self.clients.write().unwrap_or_else(PoisonError::into_inner).remove(&client.id);
        self.newcomers.leave(client.id);
        lock(&self.sources).leave(client.peer.ip());
        let lived = self.clock.now().saturating_sub(client.opened);
        debug!(session = client.id, peer = %client.peer, reason = reason.name(), ?lived, "session closed");
        self.metrics.closed(reason);
        self.remember(
            Departure {
                id: client.id,
                peer: client.peer,
                reason,
                closed_at_ns: clock::wall_ns(),
                lived,
            },
            keep,
        );
        client.part(details);
    }

    /// Who departed last, newest first.
    pub fn departed(&self) -> Vec<Departure> {
        lock(&self.departed).iter().rev().cloned().collect()
    }

    fn remember(&self, departure: Departure, keep: usize) {
        let mut departed = lock(&self.departed);
        departed.push_back(departure);
        let surplus = departed.len().saturating_sub(keep);
        departed.drain(..surplus);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
