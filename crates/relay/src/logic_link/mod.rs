//! ⑤ The link to the logic server: ticks out, answers back.
//!
//! - [`stream`]: TCP or a Unix socket
//! - [`handshake`]: who is there, and where to resume
//! - [`source`]: the ticks, from memory or from the journal; [`suspects`]: those that logic dies of
//! - [`rollback`]: the way back to an earlier tick
//! - [`exchange`]: ticks out and answers in, until the link breaks
//! - [`replies`]: an answer → the clients' outboxes

pub mod exchange;
pub mod handshake;
pub mod replies;
pub mod rollback;
pub mod source;
pub mod stream;
pub mod suspects;

use std::io;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use pulsegate_protocol::Reason;
use pulsegate_protocol::proto::{Goodbye, Skipped, goodbye::Code, item::Item};
use pulsegate_protocol::reason::{LOGIC_AWAY, LOGIC_BACK, ROLLED_BACK};
use serde_json::Value;
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::front::Front;
use crate::log::in_one_line;
use source::{Source, SourceError};
use stream::{Incoming, LogicAddress, Outgoing};

/// From which to which delay a link that ended is made again, each with jitter.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// After how long a connection that could not be made is tried again, with jitter. It costs next to
/// nothing, and whoever starts a logic server waits for it.
const KNOCK: Duration = Duration::from_millis(100);

/// How long the last ticks may take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// How the link is, for whoever asks.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The logic server's name, while it is connected.
    pub connected: Option<String>,
    /// Why the last link ended, or could not be made.
    pub trouble: Option<String>,
    /// Whether clients were told that logic is away.
    pub clients_know: bool,
}

/// Why a link ended.
#[derive(Debug, Error)]
pub enum LinkError {
    /// No connection could be made.
    #[error("cannot connect to {address}: {error}")]
    Connect {
        /// Where to.
        address: LogicAddress,
        /// What the kernel said.
        error: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The logic server closed the connection without a word.
    #[error("the logic server closed the connection")]
    Closed,
    /// Nothing came for `logic.timeout`.
    #[error("the logic server said nothing for {0:?} (logic.timeout)")]
    Silent(Duration),
    /// It sent what it must not send.
    #[error("the logic server broke the protocol: {0}")]
    Protocol(String),
    /// It ended the link with a reason.
    #[error("the logic server said goodbye ({}): {text}", code.as_str_name())]
    Goodbye {
        /// Its code.
        code: Code,
        /// Its words.
        text: String,
    },
    /// It wants ticks that are not to be had.
    #[error(transparent)]
    Resume(#[from] handshake::CannotResume),
    /// An operator has a tick skipped that may be on its way, or on its way to be answered.
    #[error("tick {0} is to be skipped; the link is made again once the journal says so")]
    Skipping(u64),
    /// An operator has logic brought back.
    #[error(
        "logic is brought back to an earlier tick; the link is made again once the journal says so"
    )]
    RollingBack,
    /// The journal could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl LinkError {
    /// The name under which it is counted.
    const fn name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::Io(_) | Self::Closed => "disconnected",
            Self::Silent(_) => "silent",
            Self::Protocol(_) => "protocol",
            Self::Goodbye { .. } => "goodbye",
            Self::Resume(_) => "resume",
            Self::Skipping(_) => "skip",
            Self::RollingBack => "rollback",
            Self::Source(_) => "source",
        }
    }

    /// Whether a logic server that dies of a tick ends its link like this.
    const fn may_be_a_death(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Closed | Self::Silent(_) | Self::Goodbye { .. })
    }

    /// Whether nobody is there.
    const fn is_absence(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

impl From<Goodbye> for LinkError {
    fn from(goodbye: Goodbye) -> Self {
        Self::Goodbye { code: goodbye.code(), text: in_one_line(&goodbye.text) }
    }
}

/// What the logic server is told at the end, if it is still there to listen.
fn goodbye_for(result: &Result<(), LinkError>) -> Option<Goodbye> {
    let (code, text) = match result {
        Ok(()) => (Code::Shutdown, "the relay stops".to_owned()),
        Err(error @ LinkError::Protocol(_)) => (Code::Protocol, error.to_string()),
        Err(error @ LinkError::Source(_)) => (Code::Behind, error.to_string()),
        Err(LinkError::Resume(error)) => (error.code(), error.to_string()),
        Err(_) => return None,
    };
    Some(Goodbye { code: code.into(), text })
}

/// The link's task and what it shares.
#[derive(Debug)]
pub struct LogicLink {
    /// Where the logic server is.
    pub address: LogicAddress,
    /// What clients see.
    pub front: Arc<Front>,
    /// Where the ticks come from.
    pub source: Source,
    /// Where answers go.
    pub replies: replies::Replies,
    /// Who this relay is.
    pub identity: handshake::Identity,
    /// How the link is.
    pub status: Arc<Mutex<Status>>,
}

impl LogicLink {
    /// Keeps a link, until `stop`; then sees the last ticks answered and says goodbye.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut away_since = Instant::now();
        let (mut delays, mut knocks) = (backoff(BACKOFF), backoff((KNOCK, KNOCK)));
        let suspects = Arc::clone(self.source.suspects());
        let rollbacks = Arc::clone(self.source.rollbacks());
        loop {
            tokio::select! {
                biased;
                () = self.heed_operator() => {}
                () = stop.cancelled() => return,
            }
            let answered = self.replies.answered();
            let ended = tokio::select! {
                ended = self.link_once(&stop) => ended,
                tick = suspects.asked() => Err(LinkError::Skipping(tick)),
                () = rollbacks.asked() => Err(LinkError::RollingBack),
            };
            let Err(error) = ended else { return };
            if self.lost_link(&error) {
                away_since = Instant::now();
                // A link that brought logic on was worth making. One that dies of its first tick,
                // or sooner, is made more and more rarely.
                if self.replies.answered() > answered {
                    delays = backoff(BACKOFF);
                }
            }
            self.give_up_on_clients(away_since);
            let delays = if error.is_absence() { &mut knocks } else { &mut delays };
            let delay = delays.next().unwrap_or(BACKOFF.1);
            tokio::select! {
                () = sleep(delay) => {}
                _ = suspects.asked() => {}
                () = rollbacks.asked() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Has an operator's word put into a tick, and waits until it counts. There is no link
    /// meanwhile, over which a tick could be answered that is to be skipped or left behind.
    async fn heed_operator(&self) {
        let rollbacks = self.source.rollbacks();
        if rollbacks.is_asked() {
            rollbacks.release();
            rollbacks.settled().await;
            if self.front.config.load().client.outage_notices {
                self.front.tell_everybody(ROLLED_BACK);
            }
        }
        let suspects = self.source.suspects();
        if let Some(tick) = suspects.word() {
            self.front.intake.event(Item::Skipped(Skipped { tick }));
            suspects.settled(tick).await;
        }
    }

    async fn link_once(&mut self, stop: &CancellationToken) -> Result<(), LinkError> {
        let timeout = self.front.config.load().logic.timeout;
        let (mut incoming, mut out) = tokio::select! {
            connected = stream::connect(&self.address, timeout) => connected.map_err(|error| {
                LinkError::Connect { address: self.address.clone(), error }
            })?,
            () = stop.cancelled() => return Ok(()),
        };
        incoming.take_at_most(self.front.config.load().limits.answer);
        let result = tokio::select! {
            result = self.converse(&mut incoming, &mut out, timeout, stop) => result,
            // A logic server that hangs does not hold up the relay's end.
            () = long_after(stop) => Ok(()),
        };
        if let Some(goodbye) = goodbye_for(&result) {
            out.say_goodbye(goodbye).await;
        }
        result
    }

    async fn converse(
        &mut self,
        incoming: &mut Incoming,
        out: &mut Outgoing,
        timeout: Duration,
        stop: &CancellationToken,
    ) -> Result<(), LinkError> {
        let pace = self.front.beat.pace();
        let snapshot_every = self.front.config.load().logic.snapshot_every.unwrap_or(0);
        let hello = self.identity.hello(pace, snapshot_every, self.replies.answered());
        let welcome =
            handshake::greet(incoming, out, &hello, &self.identity.secret, timeout).await?;
        let met =
            handshake::resume(welcome, &self.identity, &mut self.source, &self.replies).await?;
        self.connected(&met.name);
        exchange::run(met, incoming, out, &mut self.source, &self.replies, timeout, stop).await
    }

    fn connected(&self, name: &str) {
        info!(logic = name, address = %self.address, "logic server connected");
        let connected = Status { connected: Some(name.to_owned()), ..Status::default() };
        let before = mem::replace(&mut *self.status(), connected);
        if before.clients_know {
            self.front.tell_everybody(LOGIC_BACK);
        }
        self.front.logic_is_lost.store(false, Ordering::Relaxed);
        self.front.metrics.link_up.set(1);
        self.front.metrics.links.inc();
        self.front.beat.set_linked(true);
    }

    /// Notes why a link ended; `true` if there was one.
    fn lost_link(&self, error: &LinkError) -> bool {
        self.front.beat.set_linked(false);
        self.front.metrics.link_up.set(0);
        let mut status = self.status();
        let had_one = status.connected.take().is_some();
        if had_one {
            self.front.metrics.link_lost(error.name());
            status.clients_know = self.front.config.load().client.outage_notices;
        }
        let text = error.to_string();
        // A server that stays away is one line, not one for each attempt.
        if had_one || status.trouble.as_deref() != Some(&text) {
            warn!(address = %self.address, error = %text, "logic server is away; ticks wait in the journal");
        }
        status.trouble = Some(text);
        let tell = had_one && status.clients_know;
        drop(status);
        if tell {
            self.front.tell_everybody(LOGIC_AWAY);
        }
        had_one
    }

    fn give_up_on_clients(&self, away_since: Instant) {
        let max_outage = self.front.config.load().logic.max_outage;
        if away_since.elapsed() < max_outage {
            return;
        }
        if !self.front.logic_is_lost.swap(true, Ordering::Relaxed) {
            warn!(?max_outage, "logic server is away for too long; clients are closed");
        }
        for client in self.front.roster.all() {
            self.front.end(&client, Reason::LogicAway, Value::Null);
        }
    }

    fn status(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn long_after(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(LAST_ANSWERS).await;
}

fn backoff((least, most): (Duration, Duration)) -> backon::ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(least)
        .with_max_delay(most)
        .without_max_times()
        .with_jitter()
        .build()
}
