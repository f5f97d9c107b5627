//! Directories for one run each, in memory where the system has such a place.

use std::path::Path;

use tempfile::{Builder, TempDir};

/// A directory that vanishes with what is returned.
pub(crate) fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = Builder::new();
    let named = builder.prefix("pulsegate-fuzz-");
    let made = if memory.is_dir() { named.tempdir_in(memory) } else { named.tempdir() };
    made.unwrap()
}
