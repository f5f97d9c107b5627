//! Which strategy suits which work: all of them, with ranges of their settings, over work times
//! that were recorded or made up.
//!
//! In the order in which data flows:
//!
//! - [`args`]: the command line
//! - [`work`]: how long each tick's work took, from a journal, a CSV file or a distribution
//! - [`recording`]: what a journal tells besides: the beats as they were
//! - [`candidates`]: the strategies and settings that are worth a try for this work
//! - [`simulate`]: the beats that a relay would have made, by the relay's own arithmetic
//! - [`figures`]: what these beats come to
//! - [`goal`]: which of the candidates is the best, and for what
//! - [`tuning`]: all of it together
//! - [`settings`]: a strategy as lines of `relay.toml`
//! - `rows`: what is shown side by side
//! - `table`, `page`: the outcome for a terminal, and as an HTML page
//! - [`terminal`]: what `pulsegate tune` does

pub mod args;
pub mod candidates;
pub mod error;
pub mod figures;
pub mod goal;
pub mod recording;
pub mod settings;
pub mod simulate;
pub mod terminal;
pub mod tuning;
pub mod work;

mod page;
mod rows;
mod show;
mod table;

pub use args::TuneArgs;
pub use candidates::Candidate;
pub use error::Error;
pub use goal::Goal;
pub use recording::Recording;
pub use tuning::Tuning;
pub use work::Work;
