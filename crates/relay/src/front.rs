//! What every client's task shares.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use pulsegate_protocol::heartbeat::Recognition;
use pulsegate_protocol::{Framing, Reason};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::admin::metrics::Metrics;
use crate::client::Client;
use crate::client::frames::Frames;
use crate::client::outbox::Posted;
use crate::config::Config;
use crate::session::roster::Roster;
use crate::tick::beat::Beat;
use crate::tick::clock::Clock;
use crate::tick::intake::Intake;

/// How many connections there may be beside `limits.sessions`: of clients that are told why they
/// are closed. Above it, whoever has taken longest makes room for the next that is let in.
pub const PARTING: usize = 256;

/// The side of the relay that clients see.
#[derive(Debug)]
pub struct Front {
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// How bytes become frames; fixed for the life of the process.
    pub framing: Framing,
    /// What answers a heartbeat, where that is wanted.
    pub ack: Frames,
    /// The relay's time.
    pub clock: Arc<Clock>,
    /// Where frames go.
    pub intake: Arc<Intake>,
    /// Who is here.
    pub roster: Arc<Roster>,
    /// The beat.
    pub beat: Arc<Beat>,
    /// The last tick that logic answered.
    pub answered: watch::Receiver<u64>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether logic was away for longer than `max_outage`.
    pub logic_is_lost: AtomicBool,
    /// The id of the session that was let in last.
    pub last_session: AtomicU64,
    /// A task for each connection.
    pub connections: TaskTracker,
    /// Wakes the task that has parted longest, to be cut off.
    pub room_needed: Notify,
}

impl Front {
    /// The id for a new session.
    pub fn next_session(&self) -> u64 {
        self.last_session.fetch_add(1, Relaxed) + 1
    }

    /// Why a client from this address is not let in, if it is not.
    pub fn turns_away(&self, address: IpAddr) -> Option<Reason> {
        let limits = &self.config.load().limits;
        let reached = |most: Option<usize>, there| most.is_some_and(|most| there >= most);
        let neighbours = self.roster.neighbours(address);
        if self.logic_is_lost.load(Relaxed) {
            Some(Reason::LogicAway)
        } else if self.roster.len() >= limits.sessions {
            Some(Reason::ServerFull)
        } else if reached(limits.sessions_per_address, neighbours.address) {
            Some(Reason::AddressFull)
        } else if reached(limits.sessions_per_prefix, neighbours.prefix) {
            Some(Reason::PrefixFull)
        } else {
            None
        }
    }

    /// The client that has waited longest with its first frame, if there are too many such.
    pub fn newcomer_too_many(&self) -> Option<Arc<Client>> {
        let config = self.config.load();
        // Where a client need not say anything, saying nothing is no reason to close it.
        let limit = config.limits.newcomers.filter(|_| config.client.first_frame_within.is_some());
        limit.and_then(|limit| self.roster.newcomer_too_many(limit))
    }

    /// Has the client that has taken longest to part cut off, if there is a connection too many now
    /// that one more was let in. While nobody is let in, everybody is waited for.
    pub fn make_room_among_the_parting(&self) {
        if self.connections.len() > self.config.load().limits.sessions + PARTING {
            self.room_needed.notify_one();
        }
    }

    /// Ends a session, unless it has ended.
    pub fn end(&self, client: &Arc<Client>, reason: Reason, details: Value) {
        let keep = self.config.load().liveness.departed;
        self.roster.end(client, reason, details, keep);
    }

    /// Tells every client something of the relay's own; with raw framing nobody can be told.
    pub fn tell_everybody(&self, body: &[u8]) {
        let mut frames = Frames::new(self.framing, 0);
        if self.framing != Framing::Raw && frames.add(body).is_ok() {
            self.roster.all().iter().for_each(|client| self.post(client, &frames));
        }
    }

    /// Sends a client frames; closes it if it does not read.
    pub fn post(&self, client: &Arc<Client>, frames: &Frames) {
        if frames.count() == 0 {
            return;
        }
        let room = self.config.load().outbox();
        match client.outbox.post(frames.wire(), self.clock.listened(), room) {
            Posted::Sent => self.sent(client, frames),
            Posted::Waits => {
                self.sent(client, frames);
                client.wake();
            }
            Posted::Full if room.may_hold(frames.wire().len()) => {
                self.end(client, Reason::SlowReader, Value::Null);
            }
            Posted::Full => self.end_for_a_long_reply(client, frames.wire().len(), room.bytes),
            Posted::Gone => self.metrics.replies_dropped("gone", frames.count()),
        }
    }

    fn end_for_a_long_reply(&self, client: &Arc<Client>, reply: usize, outbox: usize) {
        warn!(
            session = client.id,
            peer = %client.peer,
            reply,
            outbox,
            "a reply is longer than a client's outbox (limits.outbox); this client is closed"
        );
        self.end(client, Reason::ReplyTooLarge, Value::Null);
    }

    fn sent(&self, client: &Client, frames: &Frames) {
        client.figures.frames_sent(frames.count(), frames.body_bytes());
        self.metrics.frames_out.inc_by(frames.count());
        self.metrics.bytes_out.inc_by(frames.body_bytes());
    }

    /// What a body is, by the configuration.
    pub fn recognise(&self, body: &[u8], config: &Config) -> Recognition {
        if self.framing == Framing::Raw {
            return Recognition::Packet;
        }
        config.heartbeat.matches.recognise(body)
    }
}
