//! What a game implements.

use thiserror::Error;

use crate::{Replies, Tick};

/// A game's rules.
///
/// Ticks are the only input: a game that looks at nothing else, no clock and no random source of
/// its own, does the same again when a recording is played to it.
pub trait Logic: Send + 'static {
    /// What logs and the relay's status page call it.
    const NAME: &'static str;

    /// Whether there is anything to lose.
    const MEMORY: Memory = Memory::State;

    /// Applies one batch. Runs on a thread of its own, so it may take its time; the next beat
    /// waits for it.
    ///
    /// A panic drops the game: the link ends, and the relay builds a new game from its journal.
    fn tick(&mut self, tick: &Tick, replies: &mut Replies);

    /// The state as bytes, for [`restore`](Self::restore). Asked for now and then after a tick,
    /// so that a rebuild need not begin at the first one.
    ///
    /// The default is none: a rebuild then applies every tick there ever was.
    fn snapshot(&self) -> Option<Vec<u8>> {
        None
    }

    /// Takes the state that [`snapshot`](Self::snapshot) returned. Called on a fresh game only;
    /// if it fails, that game is dropped.
    fn restore(&mut self, _state: &[u8]) -> Result<(), RestoreError> {
        Err(RestoreError::new("this game takes no snapshots"))
    }

    /// A number that is equal for equal states, so that two runs can be compared tick by tick.
    fn state_hash(&self) -> Option<u64> {
        None
    }

    /// The link to the relay ended, and the game is kept for the next one.
    ///
    /// Answers and pushes that were under way on the link may never arrive.
    fn link_lost(&mut self) {}
}

/// What a game keeps from one tick to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// A state, which is as old as the last tick applied. No tick is applied to it twice, and a
    /// lost one is rebuilt from the journal.
    State,
    /// Nothing that must be rebuilt. Ticks that were never answered are given again.
    Nothing,
}

/// Why a snapshot was not taken.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct RestoreError(String);

impl RestoreError {
    /// An error that says `why`, for a person: the relay's log shows it.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<serde_json::Error> for RestoreError {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}
