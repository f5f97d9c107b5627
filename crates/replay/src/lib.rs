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
//! - `prelude`: a tick that is made up, for lack of others
//! - `prepared`: all of that, ready to be sent
//! - `pacing`: when each tick goes out
//! - `link`: the connection, its handshake
//! - `exchange`: ticks out and answers in
//! - `watch`: what is done around each tick that somebody wants to see
//! - [`audience`]: who that is
//! - [`run`](fn@run): all of it together
//! - `shown`: what clients and logic said, for people
//! - [`terminal`]: keys, progress bar, summary, exit code
//! - [`as_clients`]: the recorded clients against a relay
//! - [`verify`]: the answers held against the recorded ones

pub mod args;
pub mod as_clients;
pub mod audience;
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
mod prelude;
mod prepared;
mod range;
mod recording;
mod shown;
mod watch;

pub use args::{ReplayArgs, Speed};
pub use audience::{Audience, Key};
pub use error::Error;
pub use place::{Place, Step};
pub use point::Point;
pub use prelude::Opened;
pub use range::Range;
pub use run::{Progress, Summary, run, watched};
pub use shown::{Addressee, Body, Input};
pub use verify::VerifyArgs;
