//! Answers between ticks, for logic that cannot wait for a beat.

use bytes::Bytes;
use pulsegate_protocol::proto::{self, reply::To};
use thiserror::Error;
use tokio::sync::mpsc::{self, error::TrySendError};

/// How many pushes may wait for the relay.
const CAPACITY: usize = 256;

/// Sends to clients at any time. Clones share one queue, in which order is kept.
///
/// The queue belongs to the game, not to the link: while no relay is linked, it fills.
/// Between pushes and the answers to ticks there is no order.
#[derive(Debug, Clone)]
pub struct Pusher {
    queue: mpsc::Sender<proto::Push>,
}

/// Why nothing was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PushError {
    /// The queue is full: the relay takes less than the game says. Try again later, or say less.
    #[error("{CAPACITY} pushes wait for the relay already")]
    Full,
    /// The game was dropped, and nobody will ever read the queue.
    #[error("the game that this pusher belonged to is gone")]
    Gone,
}

/// The other end of a [`Pusher`]'s queue.
pub(crate) type Pushes = mpsc::Receiver<proto::Push>;

impl Pusher {
    /// A pusher, and the queue that a link drains.
    pub(crate) fn new() -> (Self, Pushes) {
        let (queue, pushes) = mpsc::channel(CAPACITY);
        (Self { queue }, pushes)
    }

    /// Sends a frame to one session, and waits for room in the queue.
    pub async fn push(&self, session: u64, payload: impl Into<Bytes>) -> Result<(), PushError> {
        self.queue.send(reply(session, payload)).await.map_err(|_| PushError::Gone)
    }

    /// Sends a frame to one session if there is room in the queue.
    pub fn try_push(&self, session: u64, payload: impl Into<Bytes>) -> Result<(), PushError> {
        self.queue.try_send(reply(session, payload)).map_err(|error| match error {
            TrySendError::Full(_) => PushError::Full,
            TrySendError::Closed(_) => PushError::Gone,
        })
    }

    /// Ends a session after all that was pushed to it so far. Waits for room in the queue.
    pub async fn close(&self, session: u64) -> Result<(), PushError> {
        let push = proto::Push { close: vec![session], ..Default::default() };
        self.queue.send(push).await.map_err(|_| PushError::Gone)
    }
}

fn reply(session: u64, payload: impl Into<Bytes>) -> proto::Push {
    let reply = proto::Reply { to: Some(To::Session(session)), payload: payload.into() };
    proto::Push { replies: vec![reply], ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_says_so_and_a_dropped_one_too() {
        let (pusher, pushes) = Pusher::new();
        for _ in 0..CAPACITY {
            assert_eq!(pusher.try_push(1, "x"), Ok(()));
        }
        assert_eq!(pusher.try_push(1, "x"), Err(PushError::Full));
        drop(pushes);
        assert_eq!(pusher.try_push(1, "x"), Err(PushError::Gone));
    }
}
