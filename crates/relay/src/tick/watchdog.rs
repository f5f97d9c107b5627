//! Ends a process whose beat is stuck: clients who wait for a relay that hangs are worse off than
//! those who connect to one that was started again.

use std::process::abort;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing::error;

/// How often the beat's thread is looked at. It turns four times as often, whatever the pace.
const LOOK: Duration = Duration::from_secs(1);

/// So many looks in a row at a thread that did not turn are a stuck one. Looks are counted, not
/// time: while the whole process does not run, nobody looks either.
const STUCK: u32 = 10;

/// A watch over a thread, until it is dropped.
#[must_use]
#[derive(Debug)]
pub(super) struct Watch(#[expect(dead_code, reason = "its end is the word")] SyncSender<()>);

/// Watches a number that grows as long as a thread turns. When it does not, the process is
/// aborted, so that there is a core to look into where the system keeps one.
pub(super) fn watch(turns: impl Fn() -> u64 + Send + 'static) -> Watch {
    let (watch, watched) = sync_channel(0);
    let look_on = move || {
        let mut looks = Looks::default();
        while watched.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            if looks.at(turns()) >= STUCK {
                error!("the beat thread is stuck; the relay aborts");
                // The log is written by another thread.
                thread::sleep(LOOK);
                abort();
            }
        }
    };
    if let Err(error) = thread::Builder::new().name("watchdog".into()).spawn(look_on) {
        error!(%error, "nobody watches over the beat");
    }
    Watch(watch)
}

/// How many looks in a row saw the same.
#[derive(Debug, Default)]
struct Looks {
    before: u64,
    same: u32,
}

impl Looks {
    fn at(&mut self, turns: u64) -> u32 {
        self.same = if turns == self.before { self.same + 1 } else { 0 };
        self.before = turns;
        self.same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_looks_in_a_row_at_a_thread_that_stands_still_add_up() {
        let mut looks = Looks::default();
        let seen = [1, 1, 1, 2, 2, 3].map(|turns| looks.at(turns));
        assert_eq!(seen, [0, 1, 2, 0, 1, 0]);
    }
}
