//! What must hold for any bytes whatever: the bodies of the fuzz targets.
//!
//! Each module has one function, `hold`, that takes bytes and panics when the claim does not hold
//! for them. A fuzzer looks for such bytes (`fuzz/run`); the test of this crate holds every claim
//! against those that a fuzzer found interesting, or guilty, before (`fuzz/corpus`).
//!
//! - [`frames`]: a stream of frames means the same however it is cut
//! - [`heartbeat`]: what is a heartbeat, and what is not
//! - [`to_logic`], [`from_logic`]: messages of the link
//! - [`link_state`]: a logic server that says anything at any time
//! - [`journal_read`]: files that claim to be a journal
//! - [`journal_damage`]: a journal that is no longer as it was written
//! - [`configuration`]: text that claims to be a configuration
//! - [`admin`]: requests to the operator's port

// A panic is the report.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

pub mod admin;
pub mod configuration;
pub mod frames;
pub mod from_logic;
pub mod heartbeat;
pub mod journal_damage;
pub mod journal_read;
pub mod link_state;
pub mod to_logic;

mod recipe;
mod scratch;

/// Panics if its claim does not hold for these bytes.
pub type Hold = fn(&[u8]);

/// Every claim, by the name of its fuzz target.
pub const CLAIMS: [(&str, Hold); 9] = [
    ("frames", frames::hold),
    ("heartbeat", heartbeat::hold),
    ("to_logic", to_logic::hold),
    ("from_logic", from_logic::hold),
    ("link_state", link_state::hold),
    ("journal_read", journal_read::hold),
    ("journal_damage", journal_damage::hold),
    ("configuration", configuration::hold),
    ("admin", admin::hold),
];
