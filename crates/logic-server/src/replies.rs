//! A game's answer to a tick.

use bytes::Bytes;
use pulsegate_protocol::pace;
use pulsegate_protocol::proto::{self, reply::To};

use crate::Strategy;

/// What goes back to clients after a tick, in the order in which it was said.
///
/// Replies to a session that is gone are dropped by the relay.
#[derive(Debug, Clone, Default)]
pub struct Replies {
    pub(crate) done: proto::Done,
}

impl Replies {
    /// A frame for one session.
    pub fn to(&mut self, session: u64, payload: impl Into<Bytes>) {
        self.add(To::Session(session), payload);
    }

    /// The same frame for several sessions; sent over the link once.
    pub fn several(&mut self, sessions: impl IntoIterator<Item = u64>, payload: impl Into<Bytes>) {
        let ids = sessions.into_iter().collect();
        self.add(To::Several(proto::Sessions { ids }), payload);
    }

    /// The same frame for every session that is open.
    pub fn all(&mut self, payload: impl Into<Bytes>) {
        self.add(To::All(proto::All {}), payload);
    }

    /// Ends a session, after the replies of this tick.
    pub fn close(&mut self, session: u64) {
        self.done.close.push(session);
    }

    /// Asks for another pace from the next beat on. The last wish in a tick counts.
    pub fn pace(&mut self, strategy: Strategy) {
        self.done.pace = Some(pace::to_wire(strategy));
    }

    /// The message that carries all of this, for a game's own tests.
    pub fn into_done(self) -> proto::Done {
        self.done
    }

    fn add(&mut self, to: To, payload: impl Into<Bytes>) {
        self.done.replies.push(proto::Reply { to: Some(to), payload: payload.into() });
    }
}
