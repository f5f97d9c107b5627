//! A small deterministic world: players on a grid.
//!
//! A client sends `{"move":"north"}` (or `south`, `east`, `west`), and everyone is sent
//! `{"tick":7,"players":[{"id":1,"x":3,"y":60}]}` each tick. North is towards `y` = 0; the grid ends
//! at its walls. Where a player appears follows from the tick's seed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Event, Logic, Replies, RestoreError, Tick};

/// Both sides of the grid.
const SIZE: u8 = 64;

/// The world: where each player is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arena {
    players: BTreeMap<u64, Place>,
}

/// A field of the grid; (0, 0) is the north-west corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    x: u8,
    y: u8,
}

#[derive(Debug, Serialize, Deserialize)]
struct Player {
    id: u64,
    #[serde(flatten)]
    place: Place,
}

/// What is sent to everyone.
#[derive(Debug, Serialize)]
struct View {
    tick: u64,
    players: Vec<Player>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    #[serde(rename = "move")]
    direction: Direction,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    North,
    South,
    East,
    West,
}

impl Logic for Arena {
    const NAME: &'static str = "arena";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        for event in tick.events() {
            match event {
                Event::Open { session, .. } => {
                    self.players.insert(session, Place::random(tick.seed(), session));
                }
                Event::Close { session, .. } => {
                    self.players.remove(&session);
                }
                Event::Packet { session, payload } => {
                    if let Err(error) = self.obey(session, payload) {
                        replies.to(session, json!({ "error": error }).to_string());
                    }
                }
                _ => {}
            }
        }
        if !self.players.is_empty() {
            replies.all(to_json(&View { tick: tick.number(), players: self.list() }));
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        Some(to_json(&self.list()))
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let players: Vec<Player> = serde_json::from_slice(state)?;
        self.players = players.into_iter().map(|player| (player.id, player.place)).collect();
        Ok(())
    }

    fn state_hash(&self) -> Option<u64> {
        let digest = Sha256::digest(to_json(&self.list()));
        digest.first_chunk().copied().map(u64::from_le_bytes)
    }
}

impl Arena {
    fn obey(&mut self, session: u64, command: &[u8]) -> Result<(), String> {
        let Command { direction } = serde_json::from_slice(command)
            .map_err(|error| format!(r#"expected a command like {{"move":"north"}}: {error}"#))?;
        let place = self.players.get_mut(&session).ok_or("you are not in the arena")?;
        place.step(direction);
        Ok(())
    }

    /// The players in the order of their ids, so that equal worlds are equal bytes.
    fn list(&self) -> Vec<Player> {
        self.players.iter().map(|(&id, &place)| Player { id, place }).collect()
    }
}

impl Place {
    fn random(seed: u64, session: u64) -> Self {
        // Spreads neighbouring sessions of one tick over the grid.
        let mixed = (seed ^ session.wrapping_mul(0x9E37_79B9_7F4A_7C15)).to_be_bytes();
        Self { x: mixed[0] % SIZE, y: mixed[1] % SIZE }
    }

    fn step(&mut self, direction: Direction) {
        match direction {
            Direction::North => self.y = self.y.saturating_sub(1),
            Direction::South => self.y = (self.y + 1).min(SIZE - 1),
            Direction::East => self.x = (self.x + 1).min(SIZE - 1),
            Direction::West => self.x = self.x.saturating_sub(1),
        }
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and lists are JSON, and a Vec grows")
}
