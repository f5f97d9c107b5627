//! Why there is nothing to recommend.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why work times cannot be read, or the outcome cannot be written.
#[derive(Debug, Error)]
pub enum Error {
    /// The journal is not there, cannot be read, or is damaged.
    #[error(transparent)]
    Journal(#[from] pulsegate_journal::Error),
    /// What `--from` or `--until` means is not in the journal, or it holds no tick at all.
    #[error(transparent)]
    Range(#[from] pulsegate_replay::Error),
    /// The journal holds no tick in the range whose work is known.
    #[error(
        "the journal {} holds no tick there that logic answered in time; let a relay and its logic \
         server write it for a while, or take another range", .0.display()
    )]
    Unanswered(PathBuf),
    /// The CSV file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What the system or the reader of CSV says.
        source: csv::Error,
    },
    /// A line of the CSV file is not as it should be.
    #[error("{}, line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The CSV file holds no duration.
    #[error("{} holds no duration", .0.display())]
    Empty(PathBuf),
    /// It is not known which column of the CSV file to take.
    #[error("{} has the columns {}: {what}", path.display(), columns.join(", "))]
    Column {
        /// The file.
        path: PathBuf,
        /// Their names.
        columns: Vec<String>,
        /// What to do.
        what: String,
    },
    /// The page cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Page {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The standard output cannot be written.
    #[error("cannot write the outcome: {0}")]
    Output(io::Error),
}
