//! The SDK for logic servers behind Pulsegate, and sample servers.
//!
//! A game is a type with one method a tick. [`serve()`] does the rest: it meets the relay, keeps the
//! number of the last tick applied together with the game, answers pings while the game is busy,
//! and hands answers back in order.
//!
//! ```
//! use pulsegate_logic::{Event, Logic, Replies, Tick};
//!
//! /// Answers each packet with the number of packets so far.
//! #[derive(Default)]
//! struct Counter(u64);
//!
//! impl Logic for Counter {
//!     const NAME: &'static str = "counter";
//!
//!     fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
//!         for event in tick.events() {
//!             if let Event::Packet { session, .. } = event {
//!                 self.0 += 1;
//!                 replies.to(session, self.0.to_string());
//!             }
//!         }
//!     }
//! }
//! ```
//!
//! In the order in which data flows:
//!
//! - [`address`]: where to listen: TCP or a Unix socket
//! - [`mod@serve`]: accepts relays until it is told to stop
//! - `handshake`: who may link, and where it resumes
//! - `seat`: the one game of the server, and which link plays it
//! - `link`: one relay's connection: reading, writing, pings
//! - `game`: the thread on which the game runs
//! - [`tick`], [`logic`], [`replies`], [`pusher`]: what a game sees
//! - [`samples`]: `echo`, `arena` and `bridge`
//!
//! Nothing but `game` calls the game, and nothing but `seat` outlives a link.

pub mod address;
pub mod logic;
pub mod pusher;
pub mod replies;
pub mod samples;
pub mod serve;
pub mod tick;

mod game;
mod handshake;
mod link;
mod seat;

pub use address::{Address, Listener};
pub use logic::{Logic, Memory, RestoreError};
pub use pulsegate_cadence::{Overrun, Strategy};
pub use pulsegate_protocol::Reason;
pub use pulsegate_protocol::proto::{Cause, State};
pub use pusher::Pusher;
pub use replies::Replies;
pub use serve::{Options, serve};
pub use tick::{Event, Tick};
