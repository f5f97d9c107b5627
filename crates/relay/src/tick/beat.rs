//! The beat thread as others see it.
//!
//! What logic answered stands in [`Beat`] itself. The word that there is something new goes through
//! the queue only when the beat thread waits for it, and once: it does not wake for an answer that
//! comes before the next beat could. So the queue has room for what an operator asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwap;
use pulsegate_cadence::Strategy;
use tracing::warn;

use super::clock::nanos;

/// How many signals may wait. Whoever asks for more has to wait too.
const SIGNALS: usize = 256;

/// What others tell the beat thread.
#[derive(Debug)]
pub(super) enum Signal {
    /// Logic answered, or the link's state changed.
    Nudge,
    /// Another pace from the next beat on; who asked for it.
    Pace(Strategy, &'static str),
    /// The configuration changed.
    Reload,
    /// Seal what there is, end every session, seal that, and return.
    Stop,
}

/// The beat thread as others see it.
#[derive(Debug)]
pub struct Beat {
    signals: SyncSender<Signal>,
    gathering: AtomicU64,
    answered: AtomicU64,
    answered_at_ns: AtomicU64,
    linked: AtomicBool,
    pace: ArcSwap<Strategy>,
    turns: AtomicU64,
    answer_expected: Arc<AtomicBool>,
}

impl Beat {
    /// A beat whose next tick has this number; the second part is for the thread.
    pub fn new(next: u64, answered: u64, strategy: Strategy) -> (Arc<Self>, Inbox) {
        let (signals, inbox) = sync_channel(SIGNALS);
        let answer_expected = Arc::new(AtomicBool::new(false));
        let beat = Self {
            signals,
            gathering: AtomicU64::new(next),
            answered: AtomicU64::new(answered),
            answered_at_ns: AtomicU64::new(0),
            linked: AtomicBool::new(false),
            pace: ArcSwap::from_pointee(strategy),
            turns: AtomicU64::new(0),
            answer_expected: Arc::clone(&answer_expected),
        };
        (Arc::new(beat), Inbox { signals: inbox, answer_expected })
    }

    /// The number of the tick that is being gathered, or of one soon after.
    pub fn gathering(&self) -> u64 {
        self.gathering.load(Ordering::Acquire)
    }

    /// Logic's answer for a tick is in, at `now`.
    pub fn answered(&self, tick: u64, now: Duration) {
        self.answered_at_ns.store(nanos(now), Ordering::Release);
        self.answered.store(tick, Ordering::SeqCst);
        if self.answer_expected.swap(false, Ordering::SeqCst) {
            self.nudge();
        }
    }

    /// Says whether there is a logic server that answers.
    pub fn set_linked(&self, linked: bool) {
        self.linked.store(linked, Ordering::Release);
        self.nudge();
    }

    /// Asks for another pace from the next beat on.
    pub fn set_pace(&self, strategy: Strategy, by: &'static str) {
        self.send(Signal::Pace(strategy, by));
    }

    /// Says that the configuration changed.
    pub fn reload(&self) {
        self.send(Signal::Reload);
    }

    /// Asks for the last beat.
    pub fn stop(&self) {
        self.send(Signal::Stop);
    }

    /// A number that grows as long as the beat thread is not stuck.
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// The beat thread is not stuck.
    pub(super) fn turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the next tick; the one after it is being gathered from now on.
    pub(super) fn next_number(&self) -> u64 {
        self.gathering.fetch_add(1, Ordering::AcqRel)
    }

    /// The last tick that logic answered, and when.
    pub(super) fn last_answer(&self) -> (u64, Duration) {
        // Read before the time: a later time belongs to a later answer, never an earlier one.
        let tick = self.answered.load(Ordering::SeqCst);
        (tick, Duration::from_nanos(self.answered_at_ns.load(Ordering::Acquire)))
    }

    /// Whether there is a logic server that answers.
    pub(super) fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Acquire)
    }

    /// The pace is this one from now on.
    pub(super) fn keep_pace(&self, strategy: Strategy) {
        self.pace.store(Arc::new(strategy));
    }

    /// The strategy that is set.
    pub fn pace(&self) -> Strategy {
        **self.pace.load()
    }

    fn nudge(&self) {
        // A full queue wakes the thread as well.
        let _ = self.signals.try_send(Signal::Nudge);
    }

    fn send(&self, signal: Signal) {
        if self.signals.send(signal).is_err() {
            warn!("the beat has ended already");
        }
    }
}

/// Where the beat thread hears from others.
#[derive(Debug)]
pub struct Inbox {
    signals: Receiver<Signal>,
    answer_expected: Arc<AtomicBool>,
}

impl Inbox {
    /// Has the next answer told. Look again after it: what came before is not.
    pub(super) fn expect_answer(&self) {
        self.answer_expected.swap(true, Ordering::SeqCst);
    }

    /// Waits for a signal; one that comes when everybody is gone says stop.
    pub(super) fn wait(&self, patience: Duration) -> Option<Signal> {
        match self.signals.recv_timeout(patience) {
            Ok(signal) => Some(signal),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Signal::Stop),
        }
    }
}
