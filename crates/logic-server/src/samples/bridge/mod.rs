//! An unchanged TCP game server behind the relay.
//!
//! Each session gets a connection of its own to the game server. Packets are handed over byte for
//! byte; what the game server says is pushed as it comes, in order. The end of either side is the
//! end of the other.
//!
//! What waits is limited, per session, in both directions:
//! - Towards the game server, [`TO_SERVER`] bytes. A session whose game server reads so little
//!   that they are full is closed.
//! - Towards the client, the [`Pusher`]'s queue. While it is full, the game server's connections
//!   are not read, and so it waits as it would for a slow client.
//!
//! The bridge keeps no state that could be rebuilt: a TCP connection cannot be opened in its
//! middle. When the link to the relay ends, every connection is closed, and so are the sessions
//! that are still there when the relay is back.

mod connection;
mod proxy_header;

use std::collections::HashMap;
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

pub use proxy_header::ProxyHeader;

use crate::{Event, Logic, Memory, Pusher, Replies, Tick};

/// Bytes of a session that may wait for the game server.
pub const TO_SERVER: usize = 1024 * 1024;

/// How long a game server has to take a gone client's last bytes and to hang up.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Where the game server is, and how it wants to be spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GameServer {
    /// `host:port`.
    pub address: String,
    /// Which header tells it the client's address, if any.
    pub proxy_header: Option<ProxyHeader>,
}

/// The bridge's connections.
#[derive(Debug)]
pub struct Bridge {
    server: GameServer,
    pusher: Pusher,
    /// Every session between its open and its close; `None` for one without a connection.
    sessions: HashMap<u64, Option<Connection>>,
    /// Sessions that lost their connection with the link, for the next tick to close.
    cut: Vec<u64>,
}

/// The game's end of a session's connection. Dropped, the task is ended at once.
#[derive(Debug)]
struct Connection {
    to_server: DuplexStream,
    task: AbortOnDropHandle<()>,
}

/// What became of a payload.
enum Taken {
    Wholly,
    /// There was no room for all of it.
    Full,
    /// The connection has ended.
    Over,
}

impl Bridge {
    /// A bridge without sessions.
    pub fn new(server: GameServer, pusher: Pusher) -> Self {
        Self { server, pusher, sessions: HashMap::new(), cut: Vec::new() }
    }

    fn open(&mut self, session: u64, peer: &str) {
        let (server, pusher, peer) = (&self.server, &self.pusher, peer.to_owned());
        self.sessions
            .entry(session)
            .or_insert_with(|| Some(Connection::open(server.clone(), pusher, session, peer)));
    }

    /// Hands bytes over. A session that has nowhere to hand them to is closed.
    fn hand_over(&mut self, session: u64, payload: &[u8], replies: &mut Replies) {
        let connection = self.sessions.entry(session).or_default();
        match connection.as_mut().map(|connection| connection.take(payload)) {
            // The task of one that is over closes the session itself, behind its last bytes.
            Some(Taken::Wholly | Taken::Over) => {}
            Some(Taken::Full) => {
                warn!(session, limit = TO_SERVER, "the game server does not read; session closed");
                *connection = None;
                replies.close(session);
            }
            None => replies.close(session),
        }
    }

    /// Lets what waits reach the game server, then closes its connection.
    fn close(&mut self, session: u64) {
        if let Some(Some(Connection { to_server, task })) = self.sessions.remove(&session) {
            drop(to_server);
            // Out of time, the task is dropped, and so ended.
            tokio::spawn(timeout(CLOSE_WITHIN, task));
        }
    }
}

impl Connection {
    fn open(server: GameServer, pusher: &Pusher, session: u64, peer: String) -> Self {
        let (to_server, from_client) = tokio::io::duplex(TO_SERVER);
        let task = connection::run(server, session, peer, from_client, pusher.clone());
        Self { to_server, task: AbortOnDropHandle::new(tokio::spawn(task)) }
    }

    fn take(&mut self, payload: &[u8]) -> Taken {
        match self.to_server.write_all(payload).now_or_never() {
            Some(Ok(())) => Taken::Wholly,
            Some(Err(_)) => Taken::Over,
            None => Taken::Full,
        }
    }
}

impl Logic for Bridge {
    const NAME: &'static str = "bridge";
    const MEMORY: Memory = Memory::Nothing;

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        self.cut.drain(..).for_each(|session| replies.close(session));
        for event in tick.events() {
            match event {
                Event::Open { session, peer } => self.open(session, peer),
                Event::Packet { session, payload } => self.hand_over(session, payload, replies),
                Event::Close { session, .. } => self.close(session),
                _ => {}
            }
        }
    }

    fn link_lost(&mut self) {
        // Bytes may have been lost on the link, and a stream with a hole is worse than none.
        self.sessions.values_mut().for_each(|connection| *connection = None);
        self.cut = self.sessions.keys().copied().collect();
    }
}
