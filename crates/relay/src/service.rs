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
    let turns = || view.front.beat.turns();
    tokio::select! {
        () = feed_while_it_grows(turns, limit, || notify(&[NotifyState::Watchdog])) => {}
        () = stop.cancelled() => {}
    }
}

/// Looks three times in each `limit`, so that a look may be late.
async fn feed_while_it_grows(turns: impl Fn() -> u64, limit: Duration, feed: impl Fn()) {
    let pause = (limit / 3).max(Duration::from_millis(10));
    let mut before = turns();
    loop {
        sleep(pause).await;
        let now = turns();
        if now == before {
            error!("the beat thread does not turn; the watchdog is not fed");
        } else {
            feed();
        }
        before = now;
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        debug!(%error, "the service manager was not reached");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::{Instant, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_beat_that_is_stuck_is_not_vouched_for() {
        let (start, fed) = (Instant::now(), RefCell::new(Vec::new()));
        let turns = RefCell::new([7, 8, 8, 8, 9].into_iter());
        let feeding = feed_while_it_grows(
            || turns.borrow_mut().next().unwrap_or(9),
            Duration::from_secs(3),
            || fed.borrow_mut().push(start.elapsed().as_secs()),
        );
        timeout(Duration::from_secs(60), feeding).await.unwrap_err();
        assert_eq!(*fed.borrow(), [1, 4]);
    }
}
