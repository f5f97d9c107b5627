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
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::front::Front;
use crate::recorder::Entry;

/// How often, in ticks, the journal is told that logic will not ask for the answered ones again.
const KEEP_EVERY: u64 = 256;

/// The way of an answer.
#[derive(Debug)]
pub struct Replies {
    front: Arc<Front>,
    recorder: mpsc::Sender<Entry>,
    answered: watch::Sender<u64>,
    /// What comes before this tick is answered comes from a rebuild, and was sent before.
    rebuilt_until: AtomicU64,
    /// Whether logic keeps no state, and so never needs a tick again that it answered.
    stateless: AtomicBool,
}

impl Replies {
    /// `answered` holds the last tick that was ever answered.
    pub fn new(
        front: Arc<Front>,
        recorder: mpsc::Sender<Entry>,
        answered: watch::Sender<u64>,
    ) -> Self {
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
        let Some(journal) = self.journal().await else { return };
        self.deliver(&done.replies);
        self.close(&done.close);
        self.advance(done.tick);
        if let Some(wish) = &done.pace {
            match pace::from_wire(wish) {
                Some(strategy) => self.front.beat.set_pace(strategy, "logic"),
                None => warn!(tick = done.tick, "logic asked for a pace that cannot be kept"),
            }
        }
        let bytes = recorded.unwrap_or_else(|| done.encode_to_vec().into());
        let snapshot = done.snapshot.is_some();
        journal.send(Entry::Answer { tick: done.tick, bytes, snapshot });
        if (snapshot || (self.stateless.load(Relaxed) && done.tick.is_multiple_of(KEEP_EVERY)))
            && let Some(journal) = self.journal().await
        {
            journal.send(Entry::KeepFrom(done.tick + 1));
        }
    }

    /// Takes what logic sends between two answers.
    pub async fn push(&self, push: Push, recorded: Option<Bytes>) {
        if push.applied < self.rebuilt_until.load(Relaxed) {
            self.drop_replies("answered_before", &push.replies);
            return;
        }
        let Some(journal) = self.journal().await else { return };
        self.deliver(&push.replies);
        self.close(&push.close);
        let bytes = recorded.unwrap_or_else(|| push.encode_to_vec().into());
        journal.send(Entry::Push(bytes));
    }

    fn deliver(&self, replies: &[Reply]) {
        for reply in replies {
            match &reply.to {
                Some(To::Session(id)) => self.deliver_to(*id, &reply.payload),
                Some(To::Several(sessions)) => {
                    sessions.ids.iter().for_each(|id| self.deliver_to(*id, &reply.payload));
                }
                Some(To::All(_)) => {
                    for client in self.front.roster.all() {
                        self.front.post(&client, &reply.payload);
                    }
                }
                None => self.front.metrics.reply_dropped("no_addressee"),
            }
        }
    }

    fn deliver_to(&self, id: u64, payload: &[u8]) {
        match self.front.roster.get(id) {
            Some(client) => self.front.post(&client, payload),
            None => self.front.metrics.reply_dropped("gone"),
        }
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
        replies.iter().for_each(|_| self.front.metrics.reply_dropped(why));
    }

    /// Waits for room in the journal's queue; the journal never waits for this link. A journal
    /// that is gone takes the whole process with it.
    async fn journal(&self) -> Option<mpsc::Permit<'_, Entry>> {
        self.recorder.reserve().await.ok()
    }
}
