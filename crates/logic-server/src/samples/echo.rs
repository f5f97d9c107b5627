//! The smallest logic server.

use crate::{Event, Logic, Memory, Replies, Tick};

/// Sends each packet back to its sender, byte for byte.
#[derive(Debug)]
pub struct Echo;

impl Logic for Echo {
    const NAME: &'static str = "echo";
    const MEMORY: Memory = Memory::Nothing;

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        for event in tick.events() {
            if let Event::Packet { session, payload } = event {
                replies.to(session, payload.clone());
            }
        }
    }
}
