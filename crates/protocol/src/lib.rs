//! What goes over Pulsegate's two links, and nothing of how it is moved.
//!
//! In the order in which data flows:
//!
//! - [`framing`]: bytes of a client → frames, and back
//! - [`heartbeat`]: is this frame a heartbeat, and what does it claim
//! - [`reason`]: why a session ended, and the notice that tells the client
//! - [`tick`]: a batch in its wire form, written as it grows
//! - [`link`]: the generated messages of `proto/pulsegate.proto`, their framing and their proofs
//! - [`pace`]: a strategy of the beat, in such a message
//!
//! No sockets, no clocks, no tasks.

pub mod framing;
pub mod heartbeat;
pub mod link;
pub mod pace;
pub mod reason;
pub mod tick;

pub use framing::{FrameCodec, FrameFault, Framing};
pub use link::proto;
pub use reason::Reason;
