//! The log, on standard error.
//!
//! Whoever logs never waits: lines go through a bounded queue to a thread of their own, and when
//! nobody reads standard error they are dropped and counted. Of one message only so many lines a
//! minute are written, so that nobody can fill the disk by making the relay complain.

mod flood;

use std::io;
use std::sync::OnceLock;

use tokio::time::sleep;
use tracing::level_filters::LevelFilter;
use tracing::{Level, error, warn};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use self::flood::{Dam, Flood};
use crate::config::{Log, LogFormat};

/// How many lines may wait to be written.
const LINES: usize = 4096;

/// So many characters are shown of what another program says.
const WORDS: usize = 200;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();
static FLOOD: OnceLock<Flood> = OnceLock::new();
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Begins to log. Lines that wait are written when the guard is dropped.
pub fn start(log: &Log) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(io::stderr());
    let (filter, handle) = reload::Layer::new(LevelFilter::from_level(log.level));
    let flood = FLOOD.get_or_init(|| Flood::new(log.lines_per_minute));
    // A second start, in tests, keeps the first one's handles.
    let _ = DROPPED.set(writer.error_counter());
    let _ = LEVEL.set(handle);

    let lines = fmt::layer().with_writer(writer).with_target(false);
    let lines = match log.format {
        LogFormat::Text => lines.with_ansi(is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let _ = tracing_subscriber::registry().with(filter).with(Dam(flood)).with(lines).try_init();
    // A panic is told like everything else: whoever writes to standard error itself may wait.
    std::panic::set_hook(Box::new(|panic| error!(%panic, "panicked")));
    guard
}

/// Changes how important a line must be.
pub fn set_level(level: Level) {
    if let Some(handle) = LEVEL.get() {
        // It fails only if the log has ended.
        let _ = handle.modify(|filter| *filter = LevelFilter::from_level(level));
    }
}

/// Changes how many lines a minute one message may have.
pub fn set_lines_per_minute(lines: Option<u32>) {
    if let Some(flood) = FLOOD.get() {
        flood.set(lines);
    }
}

/// Tells each minute of which messages lines were left out; never returns.
pub async fn tell_what_was_left_out() {
    let Some(flood) = FLOOD.get() else { return };
    loop {
        sleep(flood::MINUTE).await;
        for (lines, message) in flood.take_left_out() {
            warn!(target: flood::TARGET, left_out = lines, line = message, "a line came too often");
        }
    }
}

/// How many lines were left out, since their message came too often.
pub fn lines_left_out() -> usize {
    FLOOD.get().map_or(0, Flood::left_out)
}

/// How many lines nobody read in time.
pub fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}

/// What another program says, as a log can show it: in one line, without a terminal's commands, and
/// not for ever.
pub fn in_one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, char) in text.chars().enumerate() {
        if count == WORDS {
            line.push('…');
            break;
        }
        if char.is_control() {
            line.extend(char.escape_debug());
        } else {
            line.push(char);
        }
    }
    line
}

fn is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stderr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_shown_in_one_short_line() {
        assert_eq!(in_one_line("it's \"over\", señor"), "it's \"over\", señor");
        assert_eq!(in_one_line("a\r\nb\0\u{1b}[31m\u{9b}"), r"a\r\nb\0\u{1b}[31m\u{9b}");
        let long = in_one_line(&"é".repeat(1000));
        assert_eq!(long, format!("{}…", "é".repeat(WORDS)));
        assert_eq!(in_one_line(&long[..2 * WORDS]), long[..2 * WORDS]);
    }
}
