//! Recorded ticks into a logic server.
