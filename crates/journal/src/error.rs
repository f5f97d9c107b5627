//! What can go wrong with a journal, by who can do something about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why something could not be done with a journal.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "write", "create", …
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another relay writes this journal.
    #[error(
        "the journal {} is in use by {holder}; stop that one, or give this one another directory",
        dir.display()
    )]
    Locked {
        /// The journal.
        dir: PathBuf,
        /// "process 123", as the lock file says.
        holder: String,
    },
    /// There is no segment to read.
    #[error(
        "there is no journal in {}: it has no segment such as 00000001.mcap",
        .0.display()
    )]
    NoJournal(PathBuf),
    /// The bytes are not those that were written.
    #[error(transparent)]
    Damaged(#[from] Box<Damage>),
    /// Retention has deleted what was asked for.
    #[error("tick {tick} is no longer in the journal {}, which begins at tick {first}", dir.display())]
    Gone {
        /// The journal.
        dir: PathBuf,
        /// The tick asked for.
        tick: u64,
        /// The first that there is.
        first: u64,
    },
    /// A new journal needs a place of its own.
    #[error("{} is not empty; name a directory that is empty, or not there yet", .0.display())]
    Occupied(PathBuf),
    /// The records of another journal do not go together.
    #[error("cannot write the journal {}: {what}", dir.display())]
    Transcript {
        /// The new journal.
        dir: PathBuf,
        /// What is wrong with the record that was given.
        what: String,
    },
    /// Ticks must be appended in order.
    #[error("tick {number} was given to the journal after tick {last}")]
    Order {
        /// The tick given.
        number: u64,
        /// The last one written.
        last: u64,
    },
    /// The writer failed before, and stays failed: nothing after a failed write can be trusted.
    #[error("the journal has failed and is not written any more; the first failure: {first}")]
    Failed {
        /// The text of that failure.
        first: String,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Bytes of a journal that are not as they were written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{}: damaged at byte {offset}: {what}; {missing}. Nothing was changed. \
     Restore the file from a copy, or move the journal away and start a new one; \
     `pulsegate journal verify {}` checks it again",
    file.display(),
    file.parent().unwrap_or(file).display()
)]
pub struct Damage {
    /// The segment's file.
    pub file: PathBuf,
    /// Where in it the first unreadable record begins.
    pub offset: u64,
    /// Which ticks cannot be read.
    pub missing: Missing,
    /// What is wrong.
    pub what: String,
}

/// Ticks that cannot be read: those between two that can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// The last good tick before the damage.
    pub after: u64,
    /// The first good tick after it, if one was found.
    pub before: Option<u64>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.after.saturating_add(1);
        match self.before {
            Some(before) if before <= first => write!(f, "no tick is lost, but replies may be"),
            Some(before) if before - 1 == first => write!(f, "tick {first} is unreadable"),
            Some(before) => write!(f, "ticks {first} to {} are unreadable", before - 1),
            None => write!(f, "everything after tick {} is unreadable", self.after),
        }
    }
}
