//! ③ When a batch is sealed, and what is in it.
//!
//! - [`clock`]: this process's time, and the time in which it listened
//! - [`intake`]: where clients' tasks put what arrived
//! - [`driver`]: the beat thread
//! - [`beat`]: the beat thread as others see it
//! - `watchdog`: ends the process when the beat thread is stuck
//! - [`figures`]: lateness, work and sleep of the ticks

pub mod beat;
pub mod clock;
pub mod driver;
pub mod figures;
pub mod intake;
mod watchdog;
