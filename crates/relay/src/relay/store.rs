//! What the last life left, and where this one writes.

use std::io;

use pulsegate_journal::{Now, Options, Recovered, Timeline, Writer};
use pulsegate_protocol::Reason;
use pulsegate_protocol::proto::{Close, item::Item};
use tracing::warn;

use super::Error;
use crate::config::Config;
use crate::recorder::Store;
use crate::tick::clock::{Clock, wall_ns};
use crate::tick::intake::Intake;

/// Opens the journal, if there is to be one.
pub(super) fn open_store(config: &Config, clock: &Clock) -> Result<(Store, Recovered), Error> {
    let journal = &config.journal;
    let Some(dir) = journal.dir.clone() else {
        warn!("journal is off: ticks are not kept, and logic cannot be rebuilt from them");
        return Ok((Store::Nowhere(0), nothing_recovered()?));
    };
    let options = Options {
        dir,
        sync: journal.sync(),
        segment_size: journal.segment_size as u64,
        segment_age: journal.segment_age,
        keep_size: journal.keep_size.map(|size| size as u64),
        keep_age: journal.keep_age,
    };
    let now = Now { monotonic: clock.now(), wall_ns: wall_ns() };
    let (writer, recovered) = Writer::open(options, now)?;
    Ok((Store::Journal(Box::new(writer)), recovered))
}

fn nothing_recovered() -> Result<Recovered, Error> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|error| Error::Start {
        what: "a random lineage",
        error: io::Error::other(error.to_string()),
    })?;
    Ok(Recovered {
        lineage: format!("{:032x}", u128::from_be_bytes(id)),
        epoch: 1,
        last_tick: 0,
        answered: 0,
        open_sessions: Vec::new(),
        newest_snapshot: None,
        skipped: Vec::new(),
        timeline: Timeline::default(),
        lost_from: None,
        repaired: None,
    })
}

/// Whoever was open when the last life ended is not open any more.
pub(super) fn close_ghosts(intake: &Intake, recovered: &Recovered) {
    for open in &recovered.open_sessions {
        let close = Close { session: open.session, reason: Reason::RelayCrashed.into() };
        intake.event(Item::Close(close));
    }
}
