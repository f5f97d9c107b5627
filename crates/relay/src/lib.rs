//! A heartbeat relay between game clients and a game's logic server.
//!
//! In the order in which data flows:
//!
//! - [`client`] ①: connections: bytes → frames, and the way back
//! - [`session`] ②: who is there, and how they are
//! - [`tick`] ③: the batch, and the beat that seals it
//! - [`recorder`] ④: sealed batch → journal; [`backlog`]: the newest ticks in memory
//! - [`logic_link`] ⑤: journal → logic server, and its answers
//!
//! and around them:
//!
//! - [`front`]: what all clients' tasks share
//! - [`relay`]: how the parts are joined, begin and end
//! - [`config`], [`reload`]: the settings, and their change while running
//! - [`admin`]: what an operator asks
//! - [`log`], [`service`]: the log, and the service manager
//! - [`machine`], [`disk`]: what the machine gives, and where the journal is to be
//! - [`commands`]: the command line

pub mod admin;
pub mod backlog;
pub mod client;
pub mod commands;
pub mod config;
pub mod disk;
pub mod front;
pub mod log;
pub mod logic_link;
pub mod machine;
pub mod recorder;
pub mod relay;
pub mod reload;
pub mod service;
pub mod session;
pub mod tick;

pub use relay::{Listeners, Relay};
