//! The one game of the server, and which link plays it.

use std::sync::{Arc, Mutex, PoisonError};

use pulsegate_protocol::proto::{Goodbye, Hello, Mode, goodbye::Code};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use crate::Logic;
use crate::game::{Factory, Game};
use crate::handshake::goodbye;

/// Where the live relay sits. Replays never do: each gets a game of its own.
pub(crate) struct Seat<L: Logic> {
    game: Arc<AsyncMutex<Game<L>>>,
    factory: Factory<L>,
    taken: Mutex<Taken>,
}

/// Who sits there.
#[derive(Default)]
struct Taken {
    /// Live links so far. More than none means that this server is a live one.
    links: u64,
    owner: Option<Owner>,
}

struct Owner {
    link: u64,
    lineage: String,
    replaced: CancellationToken,
}

/// The right to play a game, until it is dropped.
pub(crate) struct Claim<L: Logic> {
    /// Fires when a newer link of the same relay takes over.
    pub(crate) replaced: CancellationToken,
    game: Arc<AsyncMutex<Game<L>>>,
    /// The seat, and the number under which it was taken; `None` for a replay.
    seat: Option<(Arc<Seat<L>>, u64)>,
}

impl<L: Logic> Seat<L> {
    pub(crate) fn new(factory: Factory<L>) -> Arc<Self> {
        let game = Arc::new(AsyncMutex::new(Game::new(Arc::clone(&factory))));
        Arc::new(Self { game, factory, taken: Mutex::default() })
    }

    /// Takes the seat for a live relay, or lays out a fresh game for a replay.
    pub(crate) fn claim(self: &Arc<Self>, hello: &Hello) -> Result<Claim<L>, Goodbye> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if hello.mode() == Mode::Replay {
            return self.claim_replay(&taken);
        }
        match &taken.owner {
            Some(owner) if owner.lineage != hello.lineage => {
                let text = format!(
                    "this logic server serves the relay with journal {}; yours is {}",
                    owner.lineage, hello.lineage
                );
                return Err(goodbye(Code::Owned, text));
            }
            Some(owner) => owner.replaced.cancel(),
            None => {}
        }
        taken.links += 1;
        let (link, replaced) = (taken.links, CancellationToken::new());
        taken.owner =
            Some(Owner { link, lineage: hello.lineage.clone(), replaced: replaced.clone() });
        let seat = Some((Arc::clone(self), link));
        Ok(Claim { replaced, game: Arc::clone(&self.game), seat })
    }

    fn claim_replay(&self, taken: &Taken) -> Result<Claim<L>, Goodbye> {
        if taken.links > 0 {
            let text = "this logic server serves or has served live players; \
                        start another one for the replay";
            return Err(goodbye(Code::Live, text));
        }
        let game = Arc::new(AsyncMutex::new(Game::new(Arc::clone(&self.factory))));
        Ok(Claim { replaced: CancellationToken::new(), game, seat: None })
    }

    fn leave(&self, link: u64) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.owner.as_ref().is_some_and(|owner| owner.link == link) {
            taken.owner = None;
        }
    }
}

impl<L: Logic> Claim<L> {
    /// The game, once the link before has finished the tick that it has in hand.
    pub(crate) async fn game(&self) -> OwnedMutexGuard<Game<L>> {
        Arc::clone(&self.game).lock_owned().await
    }
}

impl<L: Logic> Drop for Claim<L> {
    fn drop(&mut self) {
        if let Some((seat, link)) = self.seat.take() {
            seat.leave(link);
        }
    }
}
