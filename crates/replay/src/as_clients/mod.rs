//! The recorded clients come back: as TCP clients of a relay, in the recorded order and rhythm.
//!
//! All that clients did is played, also what logic never saw or what was left behind when it was
//! brought back: they did send it. Who was there before the range joins at its start.
//!
//! - `script`: what clients did, read from a journal
//! - `terminal`: progress bar, summary, exit code

mod script;
pub(crate) mod terminal;

use pulsegate_bots::recorded::{self, Options, Progress, Summary};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::args::ReplayArgs;
use crate::error::Error;
use crate::run::blocking;
use script::Script;

/// How many cues are read ahead.
const AHEAD: usize = 256;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Played {
    /// How the range was understood, where that may be asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the clients sent and received.
    #[serde(flatten)]
    pub summary: Summary,
}

/// Plays the recorded clients, and tells of its progress a few times a second.
///
/// # Errors
/// See [`Error`]. If the journal is damaged, all before the damage is played first.
pub async fn as_clients(
    args: ReplayArgs,
    options: Options,
    progress: impl FnMut(Progress),
) -> Result<Played, Error> {
    let (sender, cues) = mpsc::channel(AHEAD);
    let mut script = blocking(move || Script::find(args, sender)).await?;
    let notes = std::mem::take(&mut script.notes);
    let reading = tokio::spawn(blocking(move || script.read()));
    let played = recorded::play(options, cues, progress).await;
    match reading.await {
        Ok(read) => read?,
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
    Ok(Played { notes, summary: played? })
}
