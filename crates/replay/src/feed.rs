//! Ticks from the journal, read ahead on a thread of their own.

use bytes::Bytes;
use pulsegate_journal::Reader;
use pulsegate_protocol::tick::{Damage, Head, without_packets};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::only::Only;
use crate::recording::next_tick;

/// How many ticks are read ahead.
const AHEAD: usize = 16;

/// A tick to send.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) head: Head,
    pub(crate) bytes: Bytes,
}

/// Reads on a thread of its own, until the tick `last`, the journal's end, its first damage, or until
/// nobody takes the ticks any more. The journal's end is the one at the moment it is reached.
pub(crate) fn start(
    reader: Reader,
    last: Option<u64>,
    only: Option<Only>,
    skipped: Vec<u64>,
) -> mpsc::Receiver<Result<Recorded, Error>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut feed = Feed { reader, last, only, skipped };
        while let Some(recorded) = feed.next().transpose() {
            let failed = recorded.is_err();
            if sender.blocking_send(recorded).is_err() || failed {
                break;
            }
        }
    });
    receiver
}

struct Feed {
    reader: Reader,
    last: Option<u64>,
    only: Option<Only>,
    /// Those that are sent without their packets.
    skipped: Vec<u64>,
}

impl Feed {
    fn next(&mut self) -> Result<Option<Recorded>, Error> {
        let Some((peek, bytes)) = next_tick(&mut self.reader)? else { return Ok(None) };
        if self.last.is_some_and(|last| last < peek.head.number) {
            return Ok(None);
        }
        let number = peek.head.number;
        let unreadable =
            |damage: Damage| Error::Protocol(format!("tick {number} of the journal: {damage}"));
        let bytes = if self.skipped.contains(&number) {
            without_packets(&bytes).map_err(unreadable)?.bytes
        } else {
            bytes
        };
        let bytes = match &mut self.only {
            Some(only) => only.tick(&peek, bytes).map_err(unreadable)?,
            None => bytes,
        };
        Ok(Some(Recorded { head: peek.head, bytes }))
    }
}
