//! A writer's first moments: the lock, the recovery, a new life.

use crate::directory::{Directory, new_lineage};
use crate::error::Error;
use crate::options::{Now, Options, Watermark};
use crate::recovery::{Found, Recovered, lost_from, recover};
use crate::sealer::Sealer;
use crate::standing::Standing;

use super::Writer;
use super::keep::Kept;

impl Writer {
    /// Opens a journal, or begins one, and begins a new life in it.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process writes it, [`Error::Damaged`] if it is damaged
    /// anywhere but at its torn end (which is repaired), and what the file system refuses.
    pub fn open(options: Options, now: Now) -> Result<(Self, Recovered), Error> {
        let dir = Directory::create(&options.dir)?;
        let lock = dir.lock()?;
        dir.remove_unfinished()?;
        let found = match recover(&dir, lock.newest())? {
            Some(found) => found,
            None => Found {
                known: Vec::new(),
                standing: Standing::new(new_lineage(&dir)?),
                repaired: None,
            },
        };
        let Found { known, mut standing, repaired } = found;
        let lost_from = lost_from(&dir, &known, standing.last_tick)?;
        let sealer = Sealer::start(&dir)?;
        let kept = Kept::new(known);
        kept.compress_finished(&dir, &sealer);

        standing.epoch += 1;
        let recovered = Recovered {
            lineage: standing.lineage.clone(),
            epoch: standing.epoch,
            last_tick: standing.last_tick,
            answered: standing.answered,
            open_sessions: standing.present.values().cloned().collect(),
            newest_snapshot: standing.snapshot.map(|snapshot| snapshot.tick),
            skipped: standing.skipped.clone(),
            timeline: standing.timeline.clone(),
            lost_from,
            repaired,
        };
        let watermark = Watermark::default();
        watermark.raise(standing.last_tick);
        let mut writer = Self {
            dir,
            options,
            live: None,
            standing,
            kept,
            watermark,
            failed: None,
            waiting_since: None,
            unsynced_since: None,
            sealer,
            lock,
        };
        writer.begin_segment(now)?;
        Ok((writer, recovered))
    }
}
