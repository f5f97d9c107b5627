//! ③ When a batch is sealed, and what is in it.
//!
//! - [`clock`]: this process's time, and the time in which it listened
//! - [`intake`]: where clients' tasks put what arrived
//! - [`driver`]: the beat thread
//! - [`figures`]: lateness, work and sleep of the ticks

pub mod clock;
pub mod driver;
pub mod figures;
pub mod intake;
