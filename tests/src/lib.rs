//! Pulsegate end to end: what the tests in `tests/` are made of.
//!
//! - [`programs`]: the real binaries, built once, as children that die with their test
//! - [`host`]: a loopback address of its own for each test, so that ports are never fought for
//! - [`relay`]: a `pulsegate` that runs, and what can be seen of it; [`history`]: its journal's words
//! - [`logic`]: a `logic-server` that runs; [`game`]: a game of the test, served by the SDK;
//!   [`fake_logic`]: a logic server played by the test, message by message
//! - [`client`]: one client, byte by byte; [`bots`]: many
//! - [`tools`]: programs that are not ours
//! - [`witness`]: a logic server that keeps what it saw; [`recorded`]: the journal held against it;
//!   [`crowd`]: clients that play on; [`site`]: a place for relays that come and go
//! - [`wait`]: waiting for conditions, and for other heavy tests
//!
//! Nothing in here sleeps for luck. Everything that waits has a deadline and says what it missed.

// A panic is a test's report.
#![allow(clippy::unwrap_used)]

pub mod bots;
pub mod client;
pub mod crowd;
pub mod fake_logic;
pub mod game;
pub mod history;
pub mod host;
pub mod logic;
pub mod programs;
pub mod recorded;
pub mod relay;
pub mod site;
pub mod tools;
pub mod wait;
pub mod witness;

pub use bots::Bots;
pub use client::{Close, TestClient};
pub use crowd::Crowd;
pub use fake_logic::{FakeLogic, Link};
pub use game::Served;
pub use logic::TestLogic;
pub use programs::{Program, logic_server, pulsegate};
pub use recorded::Recorded;
pub use relay::TestRelay;
pub use site::Site;
pub use wait::{PATIENCE, alone, eventually, eventually_some, soon};
pub use witness::Witness;
