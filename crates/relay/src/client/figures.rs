//! What is counted and shown of a client. Its task writes, others read; no locks on the way of a
//! frame.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use pulsegate_protocol::heartbeat::Claims;
use pulsegate_protocol::proto::State;

use crate::session::liveness::{Liveness, Seen};
use crate::tick::clock::nanos;

/// Counters and stamps of one client.
#[derive(Debug)]
pub struct Figures {
    began: Duration,
    last_frame: AtomicU64,
    last_packet: AtomicU64,
    /// Whether the beat thread was told of a frame and has not looked yet.
    look_due: AtomicBool,
    /// Heartbeats received.
    pub heartbeats: AtomicU64,
    /// Frames received, heartbeats included.
    pub frames_in: AtomicU64,
    /// Bytes received.
    pub bytes_in: AtomicU64,
    /// Frames sent.
    pub frames_out: AtomicU64,
    /// Bytes sent.
    pub bytes_out: AtomicU64,
    state: AtomicU8,
    since: AtomicU64,
    score: AtomicU32,
    strikes: AtomicU32,
    claims: Mutex<Option<Box<Claims>>>,
}

/// How a session is, as its judge last said.
#[derive(Debug, Clone, Copy)]
pub struct Condition {
    /// Its state.
    pub state: State,
    /// Since when, in listened time.
    pub since: Duration,
    /// Its score, under the score policy.
    pub score: u32,
    /// Its strikes, under the score policy.
    pub strikes: u32,
}

impl Figures {
    /// A client that connected at `now` of the listened time.
    pub fn new(now: Duration) -> Self {
        Self {
            began: now,
            last_frame: AtomicU64::new(nanos(now)),
            last_packet: AtomicU64::new(nanos(now)),
            look_due: AtomicBool::new(false),
            heartbeats: AtomicU64::new(0),
            frames_in: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            frames_out: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            state: AtomicU8::new(State::Alive as u8),
            since: AtomicU64::new(nanos(now)),
            score: AtomicU32::new(0),
            strikes: AtomicU32::new(0),
            claims: Mutex::new(None),
        }
    }

    /// When it connected, in listened time.
    pub fn began(&self) -> Duration {
        self.began
    }

    /// Bytes came, whole frames or not.
    pub fn bytes_came(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// So many frames went out, whose bodies have so many bytes.
    pub fn frames_sent(&self, count: u64, bytes: u64) {
        self.frames_out.fetch_add(count, Relaxed);
        self.bytes_out.fetch_add(bytes, Relaxed);
    }

    /// A frame came.
    pub fn frame_came(&self, now: Duration) {
        self.last_frame.store(nanos(now), Relaxed);
        self.frames_in.fetch_add(1, Relaxed);
    }

    /// That frame was a packet.
    pub fn packet_came(&self, now: Duration) {
        self.last_packet.store(nanos(now), Relaxed);
    }

    /// That frame was a heartbeat.
    pub fn heartbeat_came(&self, claims: Option<Claims>) {
        self.heartbeats.fetch_add(1, Relaxed);
        if let Some(claims) = claims {
            *self.lock_claims() = Some(Box::new(claims));
        }
    }

    /// When it was last heard, in listened time.
    pub fn seen(&self) -> Seen {
        Seen {
            frame: Duration::from_nanos(self.last_frame.load(Relaxed)),
            packet: Duration::from_nanos(self.last_packet.load(Relaxed)),
        }
    }

    /// Moves stamps that lie after `now` to `now`.
    pub fn clamp(&self, now: Duration) {
        self.last_frame.fetch_min(nanos(now), Relaxed);
        self.last_packet.fetch_min(nanos(now), Relaxed);
    }

    /// Whether its judge holds it to be alive.
    pub fn is_alive(&self) -> bool {
        self.state.load(Relaxed) == State::Alive as u8
    }

    /// Whether a frame of this client should be told to the beat thread: it is not `alive`, and
    /// was not told since the last look.
    pub fn wants_look(&self) -> bool {
        !self.is_alive() && !self.look_due.swap(true, Relaxed)
    }

    /// The beat thread looks at it now.
    pub fn look_taken(&self) {
        self.look_due.store(false, Relaxed);
    }

    /// Shows what its judge says.
    pub fn show(&self, liveness: &Liveness) {
        self.state.store(liveness.state() as u8, Relaxed);
        self.since.store(nanos(liveness.since()), Relaxed);
        self.score.store(liveness.score(), Relaxed);
        self.strikes.store(liveness.strikes(), Relaxed);
    }

    /// How it is.
    pub fn condition(&self) -> Condition {
        Condition {
            state: State::try_from(i32::from(self.state.load(Relaxed))).unwrap_or(State::Alive),
            since: Duration::from_nanos(self.since.load(Relaxed)),
            score: self.score.load(Relaxed),
            strikes: self.strikes.load(Relaxed),
        }
    }

    /// What it last said of itself.
    pub fn claims(&self) -> Option<Claims> {
        self.lock_claims().as_deref().cloned()
    }

    fn lock_claims(&self) -> std::sync::MutexGuard<'_, Option<Box<Claims>>> {
        self.claims.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
