//! ② Who is there, and how they are.
//!
//! - [`liveness`]: one session's state, as pure rules
//! - [`table`]: all sessions' rules and timers; owned by the beat thread
//! - [`roster`]: the way to each client, and who departed; shared
//! - [`sources`]: how many come from where
//! - `newcomers`: clients of whom no whole frame has come yet

pub mod liveness;
pub mod roster;
pub mod sources;
pub mod table;

mod newcomers;
