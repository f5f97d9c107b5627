//! The newest ticks in memory, for the logic link.
//!
//! What is older is read from the journal, so an outage of the logic server costs disk and no
//! memory.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use pulsegate_protocol::tick::Chained;
use tokio::sync::watch;

/// The newest ticks that are durable, up to a limit of bytes.
#[derive(Debug)]
pub struct Backlog {
    ticks: Mutex<Ticks>,
    newest: watch::Sender<u64>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Ticks {
    newest_last: VecDeque<Chained>,
    bytes: usize,
}

/// What a tick takes beside its bytes, as far as can be said from here.
const BESIDE: usize = 256;

fn room_of(tick: &Chained) -> usize {
    tick.bytes.len() + BESIDE
}

/// Where a tick is.
#[derive(Debug)]
pub enum Place {
    /// Here.
    Memory(Chained),
    /// Only in the journal: it is older than what is kept here.
    Journal,
    /// Nowhere yet.
    Future,
}

impl Backlog {
    /// Begins after the tick `last`, and keeps about `limit` bytes, but one tick at least.
    pub fn new(last: u64, limit: usize) -> Self {
        let newest = watch::Sender::new(last);
        Self { ticks: Mutex::default(), newest, limit }
    }

    /// Adds a tick that is durable. From here on logic may see it.
    pub fn push(&self, tick: Chained) {
        let number = tick.number;
        let mut ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        ticks.bytes += room_of(&tick);
        ticks.newest_last.push_back(tick);
        while ticks.bytes > self.limit && ticks.newest_last.len() > 1 {
            let dropped = ticks.newest_last.pop_front().map_or(0, |tick| room_of(&tick));
            ticks.bytes -= dropped;
        }
        drop(ticks);
        self.newest.send_replace(number);
    }

    /// Where a tick is.
    pub fn find(&self, number: u64) -> Place {
        let ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        if number > *self.newest.borrow() {
            return Place::Future;
        }
        let found = ticks.newest_last.binary_search_by_key(&number, |tick| tick.number);
        found.map_or(Place::Journal, |index| Place::Memory(ticks.newest_last[index].clone()))
    }

    /// How much is kept here, in bytes.
    pub fn bytes(&self) -> usize {
        self.ticks.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// The number of the newest durable tick.
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// The oldest tick that is kept here, or the next one.
    pub fn oldest(&self) -> u64 {
        let ticks = self.ticks.lock().unwrap_or_else(PoisonError::into_inner);
        ticks.newest_last.front().map_or(*self.newest.borrow() + 1, |tick| tick.number)
    }

    /// Returns once a tick is durable.
    pub async fn durable(&self, number: u64) {
        // The sender is ours: it cannot be gone.
        let _ = self.newest.subscribe().wait_for(|newest| *newest >= number).await;
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    fn tick(number: u64) -> Chained {
        let mut gathering = Gathering::with_capacity(0);
        gathering.packet(1, &[0; 1000]);
        gathering.seal(&Head { number, ..Head::default() }).chain(0)
    }

    #[test]
    fn what_does_not_fit_is_in_the_journal() {
        let backlog = Backlog::new(10, 3 * (BESIDE + 1100));
        assert!(matches!(backlog.find(11), Place::Future));
        (11..20).for_each(|number| backlog.push(tick(number)));
        assert_eq!(backlog.newest(), 19);
        assert!(matches!(backlog.find(5), Place::Journal));
        assert!(matches!(backlog.find(16), Place::Journal));
        assert!(matches!(backlog.find(17), Place::Memory(tick) if tick.number == 17));
        assert!(matches!(backlog.find(20), Place::Future));
    }

    #[test]
    fn the_newest_tick_is_kept_however_large() {
        let backlog = Backlog::new(0, 10);
        backlog.push(tick(1));
        assert!(matches!(backlog.find(1), Place::Memory(_)));
    }
}
