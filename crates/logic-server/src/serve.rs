//! Accepts relays until it is told to stop.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::address::Listener;
use crate::link;
use crate::seat::Seat;
use crate::{Logic, Pusher};

/// Relays that may be connected at once, those included that have not said who they are. More are
/// hung up on.
const MAX_LINKS: usize = 32;

/// The pause after a failed accept: out of files, it would fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server must know besides its game.
#[derive(Clone, Default)]
pub struct Options {
    /// Shared with the relay, which must prove that it knows it. Empty: everyone may link, so
    /// listen on loopback only.
    pub secret: String,
}

impl Debug for Options {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let secret = if self.secret.is_empty() { "none" } else { "hidden" };
        f.debug_struct("Options").field("secret", &secret).finish()
    }
}

/// Serves a game on a bound listener until `shutdown` fires; then the tick in hand is finished,
/// relays are told goodbye, and this returns within about three seconds.
///
/// The factory makes the game: at the start, for each replay, and after a panic. It may keep the
/// [`Pusher`] to speak between ticks. No error of a connection ends the server.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub async fn serve<L: Logic>(
    listener: impl Into<Listener>,
    options: Options,
    factory: impl Fn(Pusher) -> L + Send + Sync + 'static,
    shutdown: CancellationToken,
) {
    let listener = listener.into();
    let seat = Seat::new(Arc::new(factory));
    let secret: Arc<str> = options.secret.into();
    let links = TaskTracker::new();
    info!(game = L::NAME, address = %listener, "waiting for a relay");

    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((_, peer)) if links.len() >= MAX_LINKS => {
                warn!(peer, limit = MAX_LINKS, "too many links; hung up");
            }
            Ok((socket, peer)) => {
                let (seat, secret) = (Arc::clone(&seat), Arc::clone(&secret));
                links.spawn(link::run(socket, peer, seat, secret, shutdown.clone()));
            }
            Err(error) => {
                warn!(%error, "accept failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    links.close();
    links.wait().await;
    info!(game = L::NAME, "stopped");
}
