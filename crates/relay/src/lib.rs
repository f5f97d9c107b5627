//! A heartbeat relay between game clients and a game's logic server.

pub mod config;
pub mod session;
