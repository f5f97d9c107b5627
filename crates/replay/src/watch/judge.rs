//! Answers held against the recorded ones, while logic waits for the verdict on each.

use std::path::PathBuf;

use pulsegate_protocol::proto::Done;
use tokio::time::Instant;

use crate::args::ReplayArgs;
use crate::error::Error;
use crate::recording::Recording;
use crate::run::blocking;
use crate::verify::comparison::{Compared, Comparison, Found};
use crate::verify::run::conclude;
use crate::verify::verdict::Verdict;

pub(crate) struct Judge {
    journal: PathBuf,
    logic: String,
    ignored: Vec<String>,
    began: Instant,
    /// None while it is at work elsewhere.
    comparison: Option<Comparison>,
    found: Option<Found>,
}

impl Judge {
    /// Judges answers from a tick on.
    pub(crate) fn new(recording: &Recording, from: u64, args: &ReplayArgs) -> Result<Self, Error> {
        let comparison = Comparison::new(recording.reader(from)?, from, args.ignore.clone());
        Ok(Self {
            journal: args.journal.clone(),
            logic: args.logic().to_owned(),
            ignored: args.ignore.iter().map(ToString::to_string).collect(),
            began: Instant::now(),
            comparison: Some(comparison),
            found: None,
        })
    }

    /// Whether an answer is another one than the recorded. The first that is, is the last to ask
    /// about.
    pub(crate) async fn differs(&mut self, done: Done) -> Result<bool, Error> {
        let Some(mut comparison) = self.comparison.take() else { return Ok(false) };
        let (comparison, found) = blocking(move || {
            let found = comparison.compare(&done)?;
            Ok((comparison, found))
        })
        .await?;
        (self.comparison, self.found) = (Some(comparison), found);
        Ok(self.found.is_some())
    }

    /// What came of it all.
    pub(crate) async fn verdict(self) -> Result<Verdict, Error> {
        let tally = self.comparison.map(Comparison::tally).unwrap_or_default();
        let compared = Compared { tally, found: self.found };
        let seconds = self.began.elapsed().as_secs_f64();
        let (journal, logic, ignored) = (self.journal, self.logic, self.ignored);
        conclude(Verdict { journal, logic, ignored, seconds, ..Verdict::default() }, compared).await
    }
}
