//! The log, on standard error.
//!
//! Whoever logs never waits: lines go through a bounded queue to a thread of their own, and when
//! nobody reads standard error they are dropped and counted.

use std::io;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing::{Level, error};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use crate::config::LogFormat;

/// How many lines may wait to be written.
const LINES: usize = 4096;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Begins to log. Lines that wait are written when the guard is dropped.
pub fn start(level: Level, format: LogFormat) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES)
        .thread_name("log")
        .finish(io::stderr());
    let (filter, handle) = reload::Layer::new(LevelFilter::from_level(level));
    // A second start, in tests, keeps the first one's handles.
    let _ = DROPPED.set(writer.error_counter());
    let _ = LEVEL.set(handle);

    let lines = fmt::layer().with_writer(writer).with_target(false);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
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

/// How many lines nobody read in time.
pub fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines)
}

fn is_terminal() -> bool {
    io::IsTerminal::is_terminal(&io::stderr())
}
