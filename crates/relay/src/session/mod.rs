//! ② Who is there, and how they are.

pub mod liveness;
