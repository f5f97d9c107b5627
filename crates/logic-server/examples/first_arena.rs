//! The arena as it was first written, with a fault. `docs/debugging.md` finds it in a recording.
//!
//! `cargo run -p pulsegate-logic --example first_arena`; it listens on 127.0.0.1:14002, or where its
//! argument says.

use std::collections::HashMap;

use pulsegate_logic::{Address, Event, Logic, Options, Replies, RestoreError, Tick, serve};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

const SIZE: u8 = 64;

#[derive(Default)]
struct Arena {
    players: Vec<Player>,
    /// Where in `players` the one of a session is.
    places: HashMap<u64, usize>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Player {
    id: u64,
    x: u8,
    y: u8,
}

#[derive(Deserialize)]
struct Command {
    r#move: String,
}

impl Logic for Arena {
    const NAME: &'static str = "first arena";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        for event in tick.events() {
            match event {
                Event::Open { session, .. } => self.open(session, tick.seed()),
                Event::Close { session, .. } => self.close(session),
                Event::Packet { session, payload } => {
                    if let Err(error) = self.obey(session, payload) {
                        replies.to(session, json!({ "error": error }).to_string());
                    }
                }
                _ => {}
            }
        }
        if !self.players.is_empty() {
            let view = json!({ "tick": tick.number(), "players": self.list() });
            replies.all(view.to_string());
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(&self.list()).ok()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.players = serde_json::from_slice(state)?;
        self.places = (0..).zip(&self.players).map(|(place, player)| (player.id, place)).collect();
        Ok(())
    }

    fn state_hash(&self) -> Option<u64> {
        let digest = Sha256::digest(self.snapshot()?);
        digest.first_chunk().copied().map(u64::from_le_bytes)
    }
}

impl Arena {
    fn open(&mut self, session: u64, seed: u64) {
        let mixed = (seed ^ session.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_be_bytes();
        self.places.insert(session, self.players.len());
        self.players.push(Player { id: session, x: mixed[0] % SIZE, y: mixed[1] % SIZE });
    }

    fn close(&mut self, session: u64) {
        if let Some(place) = self.places.remove(&session) {
            self.players.swap_remove(place);
        }
    }

    fn obey(&mut self, session: u64, command: &[u8]) -> Result<(), String> {
        let command: Command = serde_json::from_slice(command)
            .map_err(|error| format!(r#"expected a command like {{"move":"north"}}: {error}"#))?;
        let place = self.places.get(&session);
        let player = place.and_then(|&place| self.players.get_mut(place));
        let player = player.ok_or("you are not in the arena")?;
        match &*command.r#move {
            "north" => player.y = player.y.saturating_sub(1),
            "south" => player.y = (player.y + 1).min(SIZE - 1),
            "east" => player.x = (player.x + 1).min(SIZE - 1),
            "west" => player.x = player.x.saturating_sub(1),
            other => return Err(format!("there is no way {other}")),
        }
        Ok(())
    }

    /// The players in the order of their ids, so that equal worlds are equal bytes.
    fn list(&self) -> Vec<Player> {
        let mut players = self.players.clone();
        players.sort_by_key(|player| player.id);
        players
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:14002".into());
    let listener = Address::Tcp(address.clone()).bind().await.inspect_err(|_| {
        eprintln!("cannot listen on {address}: does an older game run there still?");
    })?;
    serve(listener, Options::default(), |_| Arena::default(), CancellationToken::new()).await;
    Ok(())
}
