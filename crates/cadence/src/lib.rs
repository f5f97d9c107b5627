//! Where the next beat goes, as arithmetic.
