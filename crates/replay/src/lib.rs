//! Recorded ticks into a logic server, over the same link that a relay speaks.
//!
//! In the order in which data flows:
//!
//! - [`args`]: the command line
//! - `point`, `range`: the ticks between two places in a recording
//! - `place`: places in JSON bodies
//! - `recording`: what a journal says of itself
//! - `plan`: where to begin, by what the logic server holds
//! - `feed`: ticks from the journal, read ahead on a thread of their own
//! - `only`: a tick with the packets and events of some sessions alone
//! - `pacing`: when each tick goes out
//! - `link`: the connection, its handshake
//! - `exchange`: ticks out and answers in
//! - [`run`](fn@run): all of it together
//! - [`terminal`]: progress bar, summary, exit code
//! - [`as_clients`]: the recorded clients against a relay
//! - [`verify`]: the answers held against the recorded ones

pub mod args;
pub mod as_clients;
pub mod error;
pub mod run;
pub mod terminal;
pub mod verify;

mod exchange;
mod feed;
mod link;
mod only;
mod pacing;
mod place;
mod plan;
mod point;
mod range;
mod recording;

pub use args::{ReplayArgs, Speed};
pub use error::Error;
pub use place::{Place, Step};
pub use point::Point;
pub use range::Range;
pub use run::{Progress, Summary, run};
pub use verify::VerifyArgs;
