//! The ticks around a difference, and what went into the one that differs.

use std::ops::Range;
use std::path::Path;

use jiff::Timestamp;
use prost::Message as _;
use pulsegate_journal::{Error as JournalError, Reader, Record};
use pulsegate_protocol::proto::{Done, Tick, item::Item};

use super::verdict::Around;
use crate::error::Error;
use crate::recording::Recording;
use crate::shown::Input;

/// How many ticks are shown on either side.
const SIDE: u64 = 3;

/// How many inputs of the tick are shown.
const INPUTS: usize = 40;

/// So many records behind the last tick an answer is looked for.
const PATIENCE: usize = 1000;

/// The ticks around the one behind those that are the `same`, its inputs, and how many of those were
/// left out. `replies` is how many there are now. If not all inputs can be shown, the session's own are.
pub(crate) fn of(
    dir: &Path,
    same: Range<u64>,
    replies: usize,
    session: Option<u64>,
) -> Result<(Vec<Around>, Vec<Input>, usize), Error> {
    let recording = Recording::open(dir)?;
    let tick = same.end;
    let reader = recording.reader(tick.saturating_sub(SIDE).max(recording.first_tick()))?;
    let (mut around, items) = ticks(reader, tick)?;
    for near in &mut around {
        if same.contains(&near.tick) {
            near.now = near.recorded;
        } else if near.tick == tick {
            near.now = Some(replies);
        }
    }
    let mut inputs: Vec<_> = items.into_iter().map(Input::of).collect();
    let all = inputs.len();
    let mut others = INPUTS.saturating_sub(count(&inputs, session));
    inputs.retain(|input| {
        let own = session.is_some() && input.session == session;
        let shown = own || others > 0;
        others -= usize::from(!own && shown);
        shown
    });
    inputs.truncate(INPUTS);
    let left_out = all - inputs.len();
    Ok((around, inputs, left_out))
}

fn count(inputs: &[Input], session: Option<u64>) -> usize {
    inputs.iter().filter(|input| session.is_some() && input.session == session).count()
}

fn ticks(mut reader: Reader, tick: u64) -> Result<(Vec<Around>, Vec<Item>), Error> {
    let (mut around, mut items, mut patience) = (Vec::<Around>::new(), Vec::new(), PATIENCE);
    while patience > 0 {
        match reader.read() {
            Ok(Some(Record::Tick { peek, bytes })) if peek.head.number <= tick + SIDE => {
                let number = peek.head.number;
                let decoded = Tick::decode(bytes)
                    .map_err(|error| Error::Protocol(format!("tick {number}: {error}")))?;
                around.push(Around {
                    tick: number,
                    time: Timestamp::from_nanosecond(peek.head.wall_ns.into()).unwrap_or_default(),
                    inputs: decoded.items.len(),
                    recorded: None,
                    now: None,
                });
                if number == tick {
                    items = decoded.items.into_iter().filter_map(|item| item.item).collect();
                }
            }
            Ok(Some(Record::Answer { tick: answered, bytes, .. })) => {
                let near = around.iter_mut().find(|near| near.tick == answered);
                if let (Some(near), Ok(done)) = (near, Done::decode(bytes)) {
                    near.recorded = Some(done.replies.len());
                }
                if answered >= tick + SIDE {
                    break;
                }
            }
            Ok(Some(_)) => patience -= 1,
            // What is near the difference is shown as far as it can be read.
            Ok(None) | Err(JournalError::Damaged(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok((around, items))
}
