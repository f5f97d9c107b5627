//! The configuration's change while running: on SIGHUP, and when its file changes.
//!
//! A wrong file changes nothing. A right one takes effect as far as it can; what needs a restart
//! is named.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::admin::View;
use crate::config::{Config, Faults, Override};

/// Editors write a file in several steps; it is read when it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(200);

/// Where the configuration came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// What the command line says.
    pub overrides: Vec<Override>,
}

impl Origin {
    /// Reads the configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self) -> Result<Config, Faults> {
        Config::load(self.file.as_deref(), Config::environment(), &self.overrides)
    }
}

/// Reloads whenever it is asked for. Runs until it is dropped.
///
/// # Errors
/// A process that cannot get SIGHUP.
pub async fn watch(origin: Origin, view: Arc<View>) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let changed = Arc::new(Notify::new());
    let _watcher = origin.file.as_deref().and_then(|file| watch_file(file, &changed));
    loop {
        tokio::select! {
            _ = hangup.recv() => {}
            () = changed.notified() => settle(&changed).await,
        }
        match origin.load() {
            Ok(new) => apply(&view, &new),
            Err(faults) => error!(
                faults = faults.in_one_line(),
                "configuration is wrong; the old one stays in force"
            ),
        }
    }
}

/// Returns once nothing has changed for a moment, so that one save is one reload.
async fn settle(changed: &Notify) {
    while timeout(QUIET, changed.notified()).await.is_ok() {}
}

/// Watches the directory: what replaces a file by another leaves a watch on the file behind.
fn watch_file(file: &Path, changed: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let (name, changed) = (file.file_name()?.to_owned(), Arc::clone(changed));
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let on_event = move |event: notify::Result<notify::Event>| {
        let touches = |event: notify::Event| {
            // Reading the file is an event as well; and a mounted directory of links is swapped as
            // a whole, under names of its own.
            !event.kind.is_access()
                && event.paths.iter().any(|path| {
                    path.file_name().is_some_and(|changed| changed == name || changed == "..data")
                })
        };
        if event.is_ok_and(touches) {
            changed.notify_one();
        }
    };
    let watching = notify::recommended_watcher(on_event)
        .and_then(|mut watcher| watcher.watch(dir, RecursiveMode::NonRecursive).map(|()| watcher));
    watching
        .inspect_err(|error| warn!(%error, "the file cannot be watched; send SIGHUP to reload it"))
        .ok()
}

fn apply(view: &View, new: &Config) {
    let front = &view.front;
    let old = front.config.load_full();
    let changes = old.changes(new);
    if changes.is_empty() {
        info!("configuration read again: nothing changed");
        return;
    }
    let merged = match old.with_live_from(new) {
        Ok(merged) => merged,
        Err(faults) => {
            error!(
                faults = faults.in_one_line(),
                "configuration needs a restart as a whole; the old one stays in force"
            );
            return;
        }
    };
    crate::log::set_level(merged.log.level);
    crate::log::set_lines_per_minute(merged.log.lines_per_minute);
    front.config.store(Arc::new(merged));
    front.beat.reload();
    if !changes.live.is_empty() {
        info!(settings = changes.live.join(", "), "configuration reloaded");
    }
    if !changes.restart.is_empty() {
        warn!(
            settings = changes.restart.join(", "),
            "these settings need a restart; the old ones stay in force"
        );
    }
}
