//! Waiting: for a condition, and for a turn.

use std::fs::File;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// How long anything may take that should take a moment, on a machine that does much else.
pub const PATIENCE: Duration = Duration::from_secs(20);

const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until a condition holds; panics with `what` after [`PATIENCE`].
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()))
}

/// Waits until there is something, and returns it; panics with `what` after [`PATIENCE`].
#[track_caller]
pub fn eventually_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    match soon(PATIENCE, look) {
        Some(found) => found,
        None => panic!("in vain for {PATIENCE:?}: {what}"),
    }
}

/// Waits until there is something, for so long at the most.
pub fn soon<T>(patience: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        sleep(LOOK_EVERY);
    }
}

/// A turn among the tests that load the machine or measure time, in this process and in others.
/// It ends when it is dropped.
#[must_use]
pub fn alone() -> Turn {
    let path = std::env::temp_dir().join("pulsegate-tests.turn");
    let file = File::create(&path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    Turn { _file: file }
}

/// See [`alone`].
#[derive(Debug)]
pub struct Turn {
    _file: File,
}
