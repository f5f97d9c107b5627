//! A flood of lines: of each message only so many a minute are written, and the others counted.
//!
//! What is limited is the message in the code, whatever its fields say: a peer that can choose a
//! field cannot make its lines different ones. So there are as many counts as such messages.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// How long lines are counted together.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The target of the lines that tell of others. They are few: one a minute for each message.
pub(super) const TARGET: &str = "left_out";

/// The lines of this minute, by message.
#[derive(Debug)]
pub(super) struct Flood {
    /// 0: no limit.
    per_minute: AtomicU32,
    left_out: AtomicUsize,
    messages: Mutex<HashMap<Identifier, Lines>>,
}

#[derive(Debug)]
struct Lines {
    since: Instant,
    written: u32,
    left_out: u64,
    message: String,
}

impl Flood {
    pub(super) fn new(per_minute: Option<u32>) -> Self {
        let per_minute = per_minute.unwrap_or(0).into();
        Self { per_minute, left_out: AtomicUsize::new(0), messages: Mutex::default() }
    }

    pub(super) fn set(&self, per_minute: Option<u32>) {
        self.per_minute.store(per_minute.unwrap_or(0), Relaxed);
    }

    /// How many lines were left out since the start.
    pub(super) fn left_out(&self) -> usize {
        self.left_out.load(Relaxed)
    }

    /// The messages of which lines were left out since the last call, and how many.
    pub(super) fn take_left_out(&self) -> Vec<(u64, String)> {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let flooded = messages.values_mut().filter(|lines| lines.left_out > 0);
        flooded.map(|lines| (std::mem::take(&mut lines.left_out), lines.message.clone())).collect()
    }

    fn may_write(&self, message: Identifier, now: Instant, text: impl FnOnce() -> String) -> bool {
        let limit = self.per_minute.load(Relaxed);
        if limit == 0 {
            return true;
        }
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = messages.entry(message).or_insert_with(|| Lines {
            since: now,
            written: 0,
            left_out: 0,
            message: text(),
        });
        if now.saturating_duration_since(lines.since) >= MINUTE {
            (lines.since, lines.written) = (now, 0);
        }
        let room = lines.written < limit;
        if room {
            lines.written += 1;
        } else {
            lines.left_out += 1;
            self.left_out.fetch_add(1, Relaxed);
        }
        room
    }
}

/// Stands before the layer that writes.
#[derive(Debug)]
pub(super) struct Dam(pub(super) &'static Flood);

impl<S: Subscriber> Layer<S> for Dam {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let meta = event.metadata();
        // Whoever asks for details wants all of them.
        let is_limited = *meta.level() <= Level::INFO && meta.target() != TARGET;
        !is_limited || self.0.may_write(meta.callsite(), Instant::now(), || message(event))
    }
}

fn message(event: &Event<'_>) -> String {
    struct Message(String);

    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                let _ = write!(self.0, "{value:?}");
            }
        }
    }

    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

#[cfg(test)]
mod tests {
    use tracing::metadata::Kind;
    use tracing::subscriber::with_default;
    use tracing::{callsite, debug, info, warn};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    /// Counts the lines that get through.
    #[derive(Debug, Clone, Copy)]
    struct Through(&'static AtomicUsize);

    impl<S: Subscriber> Layer<S> for Through {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn through(flood: &'static Flood, log: impl FnOnce()) -> usize {
        let through = Through(Box::leak(Box::default()));
        with_default(registry().with(Dam(flood)).with(through), log);
        through.0.load(Relaxed)
    }

    fn flood(per_minute: Option<u32>) -> &'static Flood {
        Box::leak(Box::new(Flood::new(per_minute)))
    }

    #[test]
    fn of_each_message_so_many_lines_get_through_and_the_others_are_told_of() {
        let flood = flood(Some(3));
        let lines = through(flood, || {
            for number in 0..10 {
                info!(number, "one message");
                warn!(number, "another");
            }
        });
        assert_eq!(lines, 6);
        let mut told = flood.take_left_out();
        told.sort();
        assert_eq!(told, [(7, "another".into()), (7, "one message".into())]);
        assert_eq!((flood.left_out(), flood.take_left_out()), (14, vec![]));
    }

    #[test]
    fn details_are_never_left_out_and_nothing_is_without_a_limit() {
        let details = || (0..10).for_each(|number| debug!(number, "a detail"));
        assert_eq!(through(flood(Some(3)), details), 10);
        let lines = || (0..10).for_each(|number| info!(number, "a line"));
        assert_eq!(through(flood(None), lines), 10);
    }

    #[test]
    fn the_next_minute_has_room_again() {
        let flood = flood(Some(1));
        let callsite = callsite!(name: "line", kind: Kind::EVENT, fields: message);
        let id = Identifier(callsite);
        let start = Instant::now();
        let write = |after| flood.may_write(id.clone(), start + after, || "a line".into());
        assert!(write(Duration::ZERO) && !write(MINUTE / 2));
        assert!(write(MINUTE) && !write(MINUTE));
    }
}
