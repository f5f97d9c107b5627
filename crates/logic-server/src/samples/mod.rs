//! Games to try Pulsegate with, and to read before writing one.

pub mod arena;
pub mod bridge;
pub mod echo;

use std::str::FromStr;

use thiserror::Error;
use tokio_util::sync::CancellationToken;

pub use arena::Arena;
pub use bridge::{Bridge, GameServer, ProxyHeader};
pub use echo::Echo;

use crate::{Listener, Options, serve};

/// One of the sample games.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sample {
    /// Each packet goes back to its sender, byte for byte.
    Echo,
    /// A small world: players on a grid.
    Arena,
    /// An unchanged TCP game server behind the relay.
    Bridge(GameServer),
}

/// A word that names no sample.
#[derive(Debug, Error)]
#[error("`{0}` is no built-in logic: choose `echo` or `arena`")]
pub struct UnknownSample(String);

impl FromStr for Sample {
    type Err = UnknownSample;

    /// Reads `echo` or `arena`, the samples that need nothing else.
    fn from_str(word: &str) -> Result<Self, UnknownSample> {
        match word {
            "echo" => Ok(Self::Echo),
            "arena" => Ok(Self::Arena),
            _ => Err(UnknownSample(word.into())),
        }
    }
}

/// Serves a sample until `shutdown` fires, like [`serve()`](crate::serve()).
pub async fn run_sample(
    sample: Sample,
    listener: impl Into<Listener>,
    options: Options,
    shutdown: CancellationToken,
) {
    match sample {
        Sample::Echo => serve(listener, options, |_| Echo, shutdown).await,
        Sample::Arena => serve(listener, options, |_| Arena::default(), shutdown).await,
        Sample::Bridge(server) => {
            let bridge = move |pusher| Bridge::new(server.clone(), pusher);
            serve(listener, options, bridge, shutdown).await;
        }
    }
}
