//! Frames on their way out, as they go over the wire.

use pulsegate_protocol::{FrameFault, Framing};

/// How much is gathered at the most before it is sent. One longer frame goes alone.
const ROOM: usize = 16 * 1024;

/// Frames that are sent with one call, to one client or to many.
#[derive(Debug)]
pub struct Frames {
    framing: Framing,
    room: usize,
    wire: Vec<u8>,
    count: u64,
    body_bytes: u64,
}

impl Frames {
    /// None yet; of more than one frame at most `room` bytes are sent with one call, or 16 KiB.
    pub fn new(framing: Framing, room: usize) -> Self {
        Self { framing, room: room.min(ROOM), wire: Vec::new(), count: 0, body_bytes: 0 }
    }

    /// The empty frame that answers a heartbeat.
    pub fn ack(framing: Framing) -> Self {
        let mut frames = Self::new(framing, 0);
        frames.add(b"").expect("an empty body is never too long");
        frames
    }

    /// Whether a frame with a body of so many bytes may still be added.
    pub fn have_room_for(&self, body: usize) -> bool {
        self.wire.is_empty() || self.wire.len() + body <= self.room
    }

    /// Adds a frame.
    ///
    /// # Errors
    /// If the body is longer than a frame may be; nothing is added then.
    pub fn add(&mut self, body: &[u8]) -> Result<(), FrameFault> {
        let header = self.framing.header(body.len())?;
        self.wire.extend_from_slice(&header);
        self.wire.extend_from_slice(body);
        self.wire.extend_from_slice(self.framing.trailer());
        self.count += 1;
        self.body_bytes += body.len() as u64;
        Ok(())
    }

    /// Forgets them; keeps the room that they took.
    pub fn clear(&mut self) {
        self.wire.clear();
        self.count = 0;
        self.body_bytes = 0;
    }

    /// The bytes to send.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes their bodies have.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_too_long_leaves_no_trace() {
        let mut frames = Frames::new(Framing::DEFAULT, ROOM);
        frames.add(b"hello").unwrap();
        assert!(frames.add(&[0; 64 * 1024 + 1]).is_err());
        assert_eq!(frames.wire(), b"\0\0\0\x05hello");
        assert_eq!((frames.count(), frames.body_bytes()), (1, 5));
    }

    #[test]
    fn a_long_frame_goes_alone() {
        let mut frames = Frames::new(Framing::DEFAULT, 1024);
        assert!(frames.have_room_for(64 * 1024));
        frames.add(b"short").unwrap();
        assert!(!frames.have_room_for(1020));
        assert!(frames.have_room_for(100));
        frames.clear();
        assert!(frames.have_room_for(64 * 1024));
    }
}
