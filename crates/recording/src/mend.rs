//! What is whole in a damaged recording.

use std::path::{Path, PathBuf};

use pulsegate_journal::{
    Damage, Error as JournalError, Lineage, Reader, Record, Transcript, verify,
};

use crate::error::Error;

/// What was saved of a damaged recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The new journal.
    pub out: PathBuf,
    /// The last tick in it; 0: none.
    pub last: u64,
    /// What is wrong with the old one.
    pub damage: Damage,
}

/// Writes all that is whole before the first damage into a new journal, in an empty directory. The
/// damaged one is not changed.
///
/// # Errors
/// [`Error::NotDamaged`]; [`Error::Journal`] if not even its first head is whole, and those of
/// reading and writing. Then there is nothing in the directory.
pub fn before_damage(dir: &Path, out: &Path) -> Result<Mended, Error> {
    let damage = match verify(dir) {
        Ok(_) => return Err(Error::NotDamaged(dir.to_owned())),
        Err(JournalError::Damaged(damage)) => *damage,
        Err(error) => return Err(error.into()),
    };
    let mut reader = Reader::open(dir)?;
    let mut transcript = Transcript::begin(out, Lineage::Cut)?;
    let mut last = 0;
    loop {
        match reader.read() {
            Ok(Some(record)) => {
                if let Record::Tick { peek, .. } = &record {
                    last = peek.head.number;
                }
                transcript.put(&record)?;
            }
            Ok(None) | Err(JournalError::Damaged(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    transcript.finish()?;
    Ok(Mended { out: out.to_owned(), last, damage })
}
