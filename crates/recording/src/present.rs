//! Who is present at a tick.

use std::collections::BTreeMap;
use std::path::Path;

use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::Open;
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::tick::events;

use crate::error::Error;

/// The sessions that are open before a tick, by the head of its segment and the events since; with
/// tick 0, before the first one.
///
/// # Errors
/// Those of reading.
pub fn before(dir: &Path, tick: u64) -> Result<BTreeMap<u64, Open>, Error> {
    let mut reader = Reader::open(dir)?;
    reader.seek_segment(tick)?;
    let mut present = BTreeMap::new();
    while let Some(record) = reader.read()? {
        match record {
            Record::Head(head) => {
                present = head.present.into_iter().map(|open| (open.session, open)).collect();
            }
            Record::Tick { peek, .. } if peek.head.number >= tick => break,
            Record::Tick { bytes, .. } => {
                for event in events(&bytes).flatten() {
                    follow(&mut present, event);
                }
            }
            _ => {}
        }
    }
    Ok(present)
}

fn follow(present: &mut BTreeMap<u64, Open>, event: Event) {
    match event {
        Event::Open(open) => {
            present.insert(open.session, open);
        }
        Event::Close(close) => {
            present.remove(&close.session);
        }
        _ => {}
    }
}
