//! Ticks from the journal, read ahead on a thread of their own.

use bytes::Bytes;
use pulsegate_journal::{Reader, Timeline};
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::tick::{Damage, Head, events, without_packets};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::only::Only;
use crate::recording::next_tick;

/// How many ticks are read ahead.
const AHEAD: usize = 16;

/// A tick to send.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    pub(crate) head: Head,
    pub(crate) bytes: Bytes,
}

/// What the logic server makes of ticks that do not follow one another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Follows {
    /// It keeps a state, which is the one after this tick.
    After(u64),
    /// It keeps none, and takes any.
    Anything,
}

/// Which ticks are sent.
#[derive(Debug)]
pub(crate) struct Course {
    /// The one that comes before all others.
    pub(crate) prelude: Option<Recorded>,
    pub(crate) timeline: Timeline,
    /// The last one; those that did not lead to it are left out. None: the journal's last.
    pub(crate) last: Option<u64>,
}

/// Reads on a thread of its own, until the course's end, the journal's end, its first damage, or until
/// nobody takes the ticks any more. The journal's end is the one at the moment it is reached.
pub(crate) fn start(
    reader: Reader,
    follows: Follows,
    course: Course,
    only: Option<Only>,
    skipped: Vec<u64>,
) -> mpsc::Receiver<Result<Recorded, Error>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut feed = Feed { reader, follows, course, only, skipped };
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
    follows: Follows,
    course: Course,
    only: Option<Only>,
    /// Those that are sent without their packets.
    skipped: Vec<u64>,
}

impl Feed {
    fn next(&mut self) -> Result<Option<Recorded>, Error> {
        if let Some(Recorded { head, bytes }) = self.course.prelude.take() {
            return self.filter(head, bytes).map(Some);
        }
        let (peek, bytes) = loop {
            let Some((peek, bytes)) = next_tick(&mut self.reader)? else { return Ok(None) };
            let number = peek.head.number;
            match self.course.timeline.next(number, self.course.last.unwrap_or(u64::MAX)) {
                None => return Ok(None),
                Some(next) if next == number => break (peek, bytes),
                Some(next) => self.reader.seek(next)?,
            }
        };
        let number = peek.head.number;
        let unreadable = unreadable(number);
        if let Follows::After(before) = &mut self.follows {
            if let Some(to) = restored(&bytes).map_err(unreadable)?.filter(|to| to != before) {
                return Err(Error::Restored { tick: number, to });
            }
            *before = number;
        }
        let bytes = if self.skipped.contains(&number) {
            without_packets(&bytes).map_err(unreadable)?.bytes
        } else {
            bytes
        };
        self.filter(peek.head, bytes).map(Some)
    }

    /// The tick without what is not wanted of it.
    fn filter(&mut self, head: Head, bytes: Bytes) -> Result<Recorded, Error> {
        let bytes = match &mut self.only {
            Some(only) => only.tick(bytes).map_err(unreadable(head.number))?,
            None => bytes,
        };
        Ok(Recorded { head, bytes })
    }
}

fn unreadable(number: u64) -> impl Fn(Damage) -> Error + Copy {
    move |damage| Error::Protocol(format!("tick {number} of the journal: {damage}"))
}

/// The tick that this one follows, if logic was brought back to it.
fn restored(bytes: &[u8]) -> Result<Option<u64>, Damage> {
    for event in events(bytes) {
        if let Item::Restored(restored) = event? {
            return Ok(Some(restored.tick));
        }
    }
    Ok(None)
}
