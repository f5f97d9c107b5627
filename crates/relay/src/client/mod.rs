//! ① Clients: their connections, and the way back to them.
//!
//! - [`listener`]: who is let in
//! - [`connection`]: one client's task: bytes → frames → batch
//! - [`allowance`]: how much a client may send
//! - [`frames`]: frames as they go over the wire
//! - [`outbox`]: what is on its way back to a client
//! - [`parting`]: how a connection ends so that the client can still read why
//! - [`figures`]: what is counted and shown of a client

pub mod allowance;
pub mod connection;
pub mod figures;
pub mod frames;
pub mod listener;
pub mod outbox;
pub mod parting;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::Duration;

use futures::task::AtomicWaker;
use pulsegate_protocol::Reason;
use serde_json::Value;

use figures::Figures;
use outbox::Outbox;

/// One client, as all threads know it.
#[derive(Debug)]
pub struct Client {
    /// The session's id.
    pub id: u64,
    /// Where it came from.
    pub peer: SocketAddr,
    /// When it connected, in the relay's time.
    pub opened: Duration,
    /// What is counted and shown of it.
    pub figures: Figures,
    /// The only way back to it.
    pub outbox: Outbox,
    ended: OnceLock<Reason>,
    parting: OnceLock<Box<Value>>,
    task: AtomicWaker,
}

impl Client {
    /// A client whose session begins now.
    pub fn new(
        id: u64,
        peer: SocketAddr,
        opened: Duration,
        figures: Figures,
        outbox: Outbox,
    ) -> Self {
        Self {
            id,
            peer,
            opened,
            figures,
            outbox,
            ended: OnceLock::new(),
            parting: OnceLock::new(),
            task: AtomicWaker::new(),
        }
    }

    /// Whether its session is over.
    pub fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// Ends its session; `false` if it was over. Only the intake calls this, under its lock.
    pub fn mark_ended(&self, reason: Reason) -> bool {
        self.ended.set(reason).is_ok()
    }

    /// Has its task say goodbye, with these details beside the reason.
    pub fn part(&self, details: Value) {
        // Whoever ended the session is the only one who gets here.
        let _ = self.parting.set(Box::new(details));
        self.task.wake();
    }

    /// Why it has to part, once all is said about it.
    fn parting(&self) -> Option<(Reason, &Value)> {
        Some((*self.ended.get()?, &**self.parting.get()?))
    }

    /// Whether it sent bytes that nobody has read yet.
    pub fn has_unread_bytes(&self) -> bool {
        self.outbox.unread_bytes() > 0
    }

    /// Sets whether replies are held back until they are handed over.
    pub fn hold_back(&self, hold: bool, now: Duration) {
        if hold {
            self.outbox.hold_back();
        } else {
            self.outbox.release(now);
            self.task.wake();
        }
    }

    /// Sends what was held back.
    pub fn hand_over(&self, now: Duration) {
        self.outbox.hand_over(now);
        self.task.wake();
    }

    /// Has whatever wakes it wake this task.
    fn wakes(&self, task: &Waker) {
        self.task.register(task);
    }

    /// Wakes its task, to go on with what the socket would not take.
    pub fn wake(&self) {
        self.task.wake();
    }
}
