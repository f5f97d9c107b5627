//! Simulated clients: they join one after another, send stamped packets and heartbeats, and count
//! what comes back.
//!
//! - [`args`]: the command line
//! - [`run`](fn@run): all bots, from the first join to the last goodbye
//! - `bot`: one of them, from its connect to its parting
//! - `connection`: frames out, frames in
//! - `schedule`: when a bot sends what
//! - `stamp`: what a packet says, so that its echo can be judged
//! - `echoes`: which packets came back: once, twice, late or never
//! - [`recorded`]: clients that do again what was recorded of others
//! - [`summary`]: what it all came to, as a table or as JSON
//! - [`traffic`]: what clients of any kind sent and received
//! - [`terminal`]: progress bar, table and exit code
//!
//! The peer is expected to send each packet back to its sender, as `logic-server echo` does.

pub mod args;
pub mod recorded;
pub mod run;
pub mod summary;
pub mod terminal;
pub mod traffic;

mod bot;
mod connection;
mod echoes;
mod schedule;
mod stamp;

pub use args::{BotsArgs, Options};
pub use run::{Error, Progress, run};
pub use summary::Summary;
pub use traffic::{RoundTrip, Traffic};
