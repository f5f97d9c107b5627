//! Where the next beat goes, as arithmetic.
//!
//! Work (A) runs from the moment at which a beat was due until logic's answer to it is in. A
//! [`Strategy`] says how long to sleep (B) then, and so where the next beat is:
//!
//! | strategy | next beat |
//! |---|---|
//! | [`Fixed`](Strategy::Fixed) | A + B after this one |
//! | [`Adaptive`](Strategy::Adaptive) | A ≤ L: sleep B. A > L: sleep B − (A − L), never under 0 |
//! | [`Combined`](Strategy::Combined) | adaptive; fixed while the machine is overloaded |
//! | [`Deadline`](Strategy::Deadline) | on a grid; [`Overrun`] says what becomes of a missed point |
//!
//! Nothing here depends on when a thread woke up, so nothing drifts. There is no clock: times are
//! offsets from a start that the caller chose, and the same code paces a relay and simulates one.
//!
//! ```
//! use std::time::Duration;
//! use pulsegate_cadence::{Pacer, Strategy};
//!
//! let ms = Duration::from_millis;
//! let mut pacer = Pacer::new(Strategy::Adaptive { sleep: ms(1000), budget: ms(2000) });
//! let next = pacer.next(ms(0), ms(2600));
//! assert_eq!(next.sleep, ms(400));
//! assert_eq!(next.due, ms(3000));
//! ```
//!
//! - [`strategy`]: the closed set of them
//! - [`pacer`]: the one that is in force, and what it must remember
//! - [`patience`]: for which of logic's answers a beat waits
//! - `rest`: how long to sleep after some work
//! - `switch`: when `combined` is fixed, and when adaptive
//! - `grid`: what `deadline` does about missed points

pub mod pacer;
pub mod patience;
pub mod strategy;

mod grid;
mod rest;
mod switch;

pub use pacer::{Pacer, Placement};
pub use patience::Patience;
pub use strategy::{InForce, Overrun, Strategy};
