//! How long to sleep after some work.

use std::time::Duration;

/// Always the same.
pub(crate) fn fixed(sleep: Duration) -> Duration {
    sleep
}

/// What the work beyond the budget left of it.
pub(crate) fn adaptive(work: Duration, sleep: Duration, budget: Duration) -> Duration {
    sleep.saturating_sub(work.saturating_sub(budget))
}
