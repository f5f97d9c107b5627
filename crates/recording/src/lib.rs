//! What can be done with a recording besides playing it.
//!
//! In the order in which data flows:
//!
//! - `stretch`: the records of a range of ticks, and the answers that belong to them
//! - `present`: who is present where it begins
//! - [`entry`]: what a record says, piece by piece
//! - [`condition`], [`filter`]: which of it is wanted
//! - [`line`](mod@line): an entry as a line of JSON
//! - [`stats`]: what it all adds up to
//! - [`redact`]: values that must not leave the house
//! - [`export`]: the formats of other programs
//! - [`cut`](mod@cut), [`merge`](mod@merge), [`mend`]: journals made of others

pub mod condition;
pub mod cut;
pub mod entry;
pub mod error;
pub mod export;
pub mod filter;
pub mod line;
pub mod mend;
pub mod merge;
pub mod redact;
pub mod stats;

mod present;
mod stretch;

pub use condition::Condition;
pub use cut::{Cut, cut};
pub use entry::{Entry, Kind, Who};
pub use error::Error;
pub use filter::Filter;
pub use mend::{Mended, before_damage};
pub use merge::{Merged, merge};
pub use present::before as present_before;
pub use redact::{Redaction, Rules};
pub use stretch::Stretch;
