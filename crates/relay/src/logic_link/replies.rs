//! An answer → the clients' outboxes, and the journal.
//!
//! Replies to a tick that was answered before are dropped: a logic server that rebuilds its state
//! from old ticks sends nobody anything twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use pulsegate_protocol::proto::{Done, Push, Reply, reply::To};
use pulsegate_protocol::{Reason, pace};
use serde_json::Value;
use tokio::sync::watch;
use tracing::warn;

use crate::client::Client;
use crate::client::frames::Frames;
use crate::front::Front;
use crate::recorder::{Answers, Entry};

/// How often, in ticks, the journal is told that logic will not ask for the answered ones again.
const KEEP_EVERY: u64 = 256;

/// The way of an answer.
#[derive(Debug)]
pub struct Replies {
    front: Arc<Front>,
    recorder: Answers,
    answered: watch::Sender<u64>,
    /// What comes before this tick is answered comes from a rebuild, and was sent before.
    rebuilt_until: AtomicU64,
    /// Whether logic keeps no state, and so never needs a tick again that it answered.
    stateless: AtomicBool,
}

impl Replies {
    /// `answered` holds the last tick that was ever answered.
    pub fn new(front: Arc<Front>, recorder: Answers, answered: watch::Sender<u64>) -> Self {
        Self {
            front,
            recorder,
            answered,
            rebuilt_until: AtomicU64::new(0),
            stateless: AtomicBool::new(false),
        }
    }

    /// The last tick that was ever answered.
    pub fn answered(&self) -> u64 {
        *self.answered.borrow()
    }

    /// The logic server keeps no state.
    pub fn logic_is_stateless(&self) {
        self.stateless.store(true, Relaxed);
        self.rebuilt_until.store(0, Relaxed);
    }

    /// The logic server holds state. If it has to be rebuilt, nothing new comes of it up to here.
    pub fn logic_holds_state(&self) {
        self.stateless.store(false, Relaxed);
        self.rebuilt_until.store(self.answered(), Relaxed);
    }

    /// The last tick that was sealed.
    pub fn last_sealed(&self) -> u64 {
        self.front.beat.gathering() - 1
    }

    /// Takes the answer to a tick; `recorded` are the bytes that it came in. If this is dropped
    /// before it is through, the answer is delivered and recorded, or neither.
    pub async fn done(&self, done: Done, recorded: Option<Bytes>) {
        self.front.metrics.logic_busy(Duration::from_nanos(done.busy_ns));
        if done.tick <= self.answered() {
            self.drop_replies("answered_before", &done.replies);
            return;
        }
        let bytes = recorded.unwrap_or_else(|| done.encode_to_vec().into());
        let Some(journal) = self.recorder.room(bytes.len()).await else { return };
        self.deliver(&done.replies);
        self.close(&done.close);
        self.advance(done.tick);
        if let Some(wish) = &done.pace {
            match pace::from_wire(wish) {
                Some(strategy) => self.front.beat.set_pace(strategy, "logic"),
                None => warn!(tick = done.tick, "logic asked for a pace that cannot be kept"),
            }
        }
        let snapshot = done.snapshot.is_some();
        journal.put(Entry::Answer { tick: done.tick, bytes, snapshot });
        if (snapshot || (self.stateless.load(Relaxed) && done.tick.is_multiple_of(KEEP_EVERY)))
            && let Some(journal) = self.recorder.room(0).await
        {
            journal.put(Entry::KeepFrom(done.tick + 1));
        }
    }

    /// Takes what logic sends between two answers.
    pub async fn push(&self, push: Push, recorded: Option<Bytes>) {
        if push.applied < self.rebuilt_until.load(Relaxed) {
            self.drop_replies("answered_before", &push.replies);
            return;
        }
        let bytes = recorded.unwrap_or_else(|| push.encode_to_vec().into());
        let Some(journal) = self.recorder.room(bytes.len()).await else { return };
        self.deliver(&push.replies);
        self.close(&push.close);
        journal.put(Entry::Push(bytes));
    }

    /// Sends each client its replies in their order, and those that follow one another with one
    /// call.
    fn deliver(&self, replies: &[Reply]) {
        let room = self.front.config.load().limits.outbox;
        let mut frames = Frames::new(self.front.framing, room);
        for run in replies.chunk_by(|a, b| session(a).is_some() && session(b).is_some()) {
            match &run[0].to {
                Some(To::Session(_)) => self.deliver_to_each(run, &mut frames),
                Some(To::Several(sessions)) => {
                    let clients = sessions.ids.iter().filter_map(|id| self.client(*id, 1));
                    self.deliver_to_all(clients, &run[0].payload, &mut frames);
                }
                Some(To::All(_)) => {
                    let clients = self.front.roster.all().into_iter();
                    self.deliver_to_all(clients, &run[0].payload, &mut frames);
                }
                None => self.front.metrics.replies_dropped("no_addressee", 1),
            }
        }
    }

    /// Sends replies that are for one client each, first to the client whose reply is first.
    fn deliver_to_each(&self, replies: &[Reply], frames: &mut Frames) {
        let mut order: Vec<_> = replies.iter().filter_map(session).zip(0..).collect();
        order.sort_unstable();
        let mut by_client: Vec<_> = order.chunk_by(|a, b| a.0 == b.0).collect();
        by_client.sort_unstable_by_key(|theirs| theirs[0].1);
        for theirs in by_client {
            let Some(client) = self.client(theirs[0].0, theirs.len()) else { continue };
            for (_, index) in theirs {
                let payload = &replies[*index].payload;
                if !frames.have_room_for(payload.len()) {
                    self.front.post(&client, frames);
                    frames.clear();
                }
                self.add(payload, frames);
            }
            self.front.post(&client, frames);
            frames.clear();
        }
    }

    fn deliver_to_all(
        &self,
        clients: impl Iterator<Item = Arc<Client>>,
        payload: &[u8],
        frames: &mut Frames,
    ) {
        self.add(payload, frames);
        clients.for_each(|client| self.front.post(&client, frames));
        frames.clear();
    }

    fn add(&self, payload: &[u8], frames: &mut Frames) {
        if frames.add(payload).is_err() {
            self.front.metrics.replies_dropped("too_large", 1);
        }
    }

    /// The client that so many replies are for, if it is still there.
    fn client(&self, session: u64, replies: usize) -> Option<Arc<Client>> {
        let client = self.front.roster.get(session);
        if client.is_none() {
            self.front.metrics.replies_dropped("gone", replies as u64);
        }
        client
    }

    fn close(&self, ids: &[u64]) {
        for client in ids.iter().filter_map(|id| self.front.roster.get(*id)) {
            self.front.end(&client, Reason::Logic, Value::Null);
        }
    }

    fn advance(&self, tick: u64) {
        self.answered.send_if_modified(|answered| {
            let later = tick > *answered;
            *answered = tick.max(*answered);
            later
        });
        self.front.beat.answered(self.answered(), self.front.clock.now());
    }

    fn drop_replies(&self, why: &'static str, replies: &[Reply]) {
        self.front.metrics.replies_dropped(why, replies.len() as u64);
    }
}

/// The one session that a reply is for.
fn session(reply: &Reply) -> Option<u64> {
    match reply.to {
        Some(To::Session(id)) => Some(id),
        _ => None,
    }
}
