//! The service manager: readiness, and a watchdog that hangs on the beat.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use crate::admin::View;

/// Says that clients may come. Does nothing where there is no service manager.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// Says that the relay is about to end.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Feeds the watchdog, if there is one, as long as the beat thread turns. A relay whose beat is
/// stuck is killed by the service manager, and started again.
pub async fn feed_watchdog(view: Arc<View>, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut turns = view.front.beat.turns();
    let pause = (limit / 3).max(Duration::from_millis(10));
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        let now = view.front.beat.turns();
        if now == turns {
            error!("the beat thread does not turn; the watchdog is not fed");
        } else {
            notify(&[NotifyState::Watchdog]);
        }
        turns = now;
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!(%error, "the service manager was not reached");
    }
}
