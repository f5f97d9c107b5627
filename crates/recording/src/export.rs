//! A recording in the formats of other programs.

mod pcapng;
mod segment;
mod table;

pub use pcapng::{Capture, Captured, RelayAddress};
pub use table::Table;
