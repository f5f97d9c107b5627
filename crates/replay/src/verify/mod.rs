//! Does a logic server still answer as the recorded one did?
//!
//! In the order in which data flows:
//!
//! - [`args`]: the command line
//! - [`ignore`]: what may differ
//! - `comparison`: the answers as they come, beside the recorded ones
//! - `answer`, `value`: the first thing in which two answers, or two JSON bodies, differ
//! - [`difference`]: what that is, in words
//! - `surroundings`: the ticks around it, and what went in
//! - [`run`](fn@run): all of it together; `bisect`: over few stretches of the recording
//! - [`verdict`]: what came of it; `formats`, `page`: the same for programs, and for a browser
//! - [`terminal`]: progress bar, verdict, exit code

pub mod args;
pub mod difference;
pub mod ignore;
pub mod run;
pub mod terminal;
pub mod verdict;

mod answer;
mod bisect;
pub(crate) mod comparison;
mod formats;
mod page;
mod surroundings;
mod value;

pub use args::VerifyArgs;
pub use run::run;
