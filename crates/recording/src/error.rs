//! Why something could not be done with a recording.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why something could not be done with a recording.
#[derive(Debug, Error)]
pub enum Error {
    /// The journal cannot be read, or the new one cannot be written.
    #[error(transparent)]
    Journal(#[from] pulsegate_journal::Error),
    /// The range that was asked for is not there.
    #[error(transparent)]
    Range(#[from] pulsegate_replay::Error),
    /// A record whose checksum fits says something that nobody writes.
    #[error("{record} of the journal cannot be understood: {what}")]
    Nonsense {
        /// Which one: "tick 17".
        record: String,
        /// What is wrong with it.
        what: String,
    },
    /// There is nothing to join.
    #[error("there is nothing to join; name at least one journal")]
    NoParts,
    /// A part belongs to another recording.
    #[error(
        "{} is of lineage {lineage_a}, and {} of lineage {lineage_b}: they are parts of different \
         recordings", a.display(), b.display()
    )]
    OtherRecording {
        /// A part.
        a: PathBuf,
        /// The lineage that it is of, or was cut out of.
        lineage_a: String,
        /// The other part.
        b: PathBuf,
        /// Its lineage.
        lineage_b: String,
    },
    /// Two parts hold the same thing, and it is not the same.
    #[error(
        "{what} is one in {} and another in {}: one of them was changed, or the recording went \
         two ways", a.display(), b.display()
    )]
    Differs {
        /// What: "tick 17".
        what: String,
        /// A part.
        a: PathBuf,
        /// The other one.
        b: PathBuf,
    },
    /// Ticks are in none of the parts.
    #[error("ticks {first} to {last} are in none of the parts; name one that holds them")]
    Hole {
        /// The first that is missing.
        first: u64,
        /// The last that is missing.
        last: u64,
    },
    /// There is nothing to save.
    #[error("{} is not damaged: there is nothing that must be left behind", .0.display())]
    NotDamaged(PathBuf),
    /// The rules of a redaction are wrong, or cannot be read.
    #[error("the rules in {} cannot be used: {what}", file.display())]
    Rules {
        /// Their file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// There was no randomness for pseudonyms.
    #[error("the system gives no random bytes for pseudonyms: {0}")]
    Random(String),
    /// What was made of the recording could not be written.
    #[error("cannot write what was asked for: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    pub(crate) fn nonsense(record: impl Into<String>, what: impl ToString) -> Self {
        Self::Nonsense { record: record.into(), what: what.to_string() }
    }
}
