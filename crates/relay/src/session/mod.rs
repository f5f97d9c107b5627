//! ② Who is there, and how they are.
//!
//! - [`liveness`]: one session's state, as pure rules
//! - [`table`]: all sessions' rules and timers; owned by the beat thread
//! - [`roster`]: the way to each client, and who departed; shared

pub mod liveness;
pub mod roster;
pub mod table;
