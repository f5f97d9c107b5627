//! The beat thread: seals a batch when it is due, waits for the answer, places the next beat.
//!
//! It does nothing that can block: it takes the intake's lock for moments, and hands batches to a
//! bounded queue. When that queue is full, since the journal is slow, beats are late; they are
//! never skipped, and the batch goes on growing until clients have to wait.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pulsegate_cadence::{Pacer, Patience, Strategy};
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::tick::Head;
use pulsegate_protocol::{Reason, link, pace, proto};
use serde_json::Value;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};
use tracing::{debug, info, warn};

use super::beat::{Beat, Inbox, Signal};
use super::clock::{Clock, nanos, wall_ns};
use super::figures::{TickFigures, Timing};
use super::intake::Intake;
use super::watchdog;
use crate::admin::metrics::Metrics;
use crate::config::Config;
use crate::recorder::{Batch, Batches, DiskWait, NoPlace, Place};
use crate::session::roster::Roster;
use crate::session::table::{Judgement, Table};

/// The longest wait without a look at the clock, so that a stall of the process is noticed.
const LOOK_UP: Duration = Duration::from_millis(250);

/// Waking so much too late is a stall: nobody was heard meanwhile.
const STALL: Duration = Duration::from_millis(200);

/// The last part of a wait, as seen from a beat: slept for itself. A processor that has slept for
/// long wakes late; after a nap it is on time.
const NAP: Duration = Duration::from_micros(300);

/// How long to wait for room in the journal's queue before the next try.
const QUEUE_FULL: Duration = Duration::from_millis(1);

/// All that the beat thread works with.
#[derive(Debug)]
pub struct Driver {
    /// Its own face.
    pub beat: Arc<Beat>,
    /// Where it hears from others.
    pub inbox: Inbox,
    /// The relay's time.
    pub clock: Arc<Clock>,
    /// What arrived.
    pub intake: Arc<Intake>,
    /// Who is here.
    pub roster: Arc<Roster>,
    /// The sessions' states.
    pub table: Table,
    /// The way to the journal.
    pub recorder: Batches,
    /// Whether the journal waits for the disk.
    pub disk: Arc<DiskWait>,
    /// The configuration in force.
    pub config: Arc<ArcSwap<Config>>,
    /// Where timings are summed up.
    pub figures: Arc<TickFigures>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The journal's random id.
    pub lineage: String,
    /// Which life of a relay this is.
    pub epoch: u32,
}

/// What the beat thread heard while it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nothing,
    /// The pace may be another one now.
    Pace,
    Stop,
}

/// What became of waiting for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// It came so long after the beat was due.
    Answered(Duration),
    /// There is no logic server any longer, or it took `stall_after`.
    GaveUp,
    Stop,
}

/// Asks for what a thread that must be on time can get; without it, beats are later on a busy
/// machine, and nothing else. A beat is over in microseconds, so nobody is kept waiting by it.
fn be_punctual() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    match set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy) {
        Ok(()) => info!("the beat has real-time priority"),
        Err(error) => debug!(%error, "the beat may not have real-time priority"),
    }
}

/// A sealed batch, and when its beat was due and happened.
struct Sealed {
    number: u64,
    due: Duration,
    at: Duration,
    items: u32,
    bytes: usize,
}

impl Driver {
    /// Beats until told to stop, or until the journal is gone.
    pub fn run(mut self) {
        be_punctual();
        let beat = Arc::clone(&self.beat);
        let _watch = watchdog::watch(move || beat.turns());
        let mut pacer = Pacer::new(self.beat.pace());
        let mut patience = Patience::new(self.beat.last_answer().0);
        let mut due = self.clock.now();
        let mut last_beat = None;
        let mut timing = None;
        while let Some(due_now) = self.wait_until(due, &mut pacer) {
            let Some(sealed) = self.beat_once(due_now, last_beat, timing.take()) else { return };
            last_beat = Some(sealed.at);
            let Some(work) = self.work_on(&sealed, &mut pacer, &mut patience) else { break };
            let next = pacer.next(sealed.due, work);
            timing = Some(Timing {
                tick: sealed.number,
                lateness: sealed.at.saturating_sub(sealed.due),
                work,
                sleep: next.sleep,
                strategy: next.in_force,
                items: sealed.items,
                bytes: sealed.bytes,
            });
            self.record(timing.as_ref());
            due = next.due;
        }
        self.last_beats(last_beat, timing);
    }

    /// Waits until a beat is due, and says when that was; `None` if it is time to stop instead.
    fn wait_until(&mut self, mut due: Duration, pacer: &mut Pacer) -> Option<Duration> {
        loop {
            let now = self.clock.now();
            let spin = self.config.load().tick.spin;
            let near = NAP.max(spin);
            if due <= now + near {
                self.clock.sleep_until(due.saturating_sub(spin));
                self.clock.spin_until(due);
                self.notice_stall(due.max(now));
                return Some(due);
            }
            match self.hear(due - near, pacer) {
                Heard::Nothing => {}
                // Nobody who asked for a beat a second wants to wait out an hour first.
                Heard::Pace => due = due.min(now + pacer.strategy().shortest_beat()),
                Heard::Stop => return None,
            }
        }
    }

    /// How long work on a tick took, as far as the next beat waits for it; without logic as long
    /// as it took to hand the batch over. `None` if it is time to stop.
    fn work_on(
        &mut self,
        sealed: &Sealed,
        pacer: &mut Pacer,
        patience: &mut Patience,
    ) -> Option<Duration> {
        let (answered, _) = self.beat.last_answer();
        let awaited = patience.awaited(sealed.number, answered);
        if awaited <= answered && answered < sealed.number {
            return Some(self.clock.now().saturating_sub(sealed.due));
        }
        let next_beat = sealed.due + pacer.strategy().shortest_beat();
        let needed_at = next_beat.saturating_sub(NAP).min(sealed.at + LOOK_UP);
        match self.wait_for_answer(awaited, sealed.due, needed_at, pacer) {
            Waited::Answered(work) => Some(work),
            Waited::GaveUp => {
                patience.gave_up(self.beat.last_answer().0);
                Some(self.clock.now().saturating_sub(sealed.due))
            }
            Waited::Stop => None,
        }
    }

    /// Waits for the answer to a tick, and to all before it. One that comes before it is needed is
    /// noticed then.
    fn wait_for_answer(
        &mut self,
        tick: u64,
        due: Duration,
        needed_at: Duration,
        pacer: &mut Pacer,
    ) -> Waited {
        let give_up = due + self.config.load().tick.stall_after;
        while self.beat.is_linked() {
            let now = self.clock.now();
            let needed = now >= needed_at;
            if needed && !self.is_answered(tick) {
                self.inbox.expect_answer();
            }
            if self.is_answered(tick) {
                return Waited::Answered(self.beat.last_answer().1.saturating_sub(due));
            }
            if now >= give_up {
                warn!(tick, "logic is slow; beats go on without it");
                self.metrics.logic_stalls.inc();
                break;
            }
            let until = if needed { give_up } else { needed_at.min(give_up) };
            if self.hear(until, pacer) == Heard::Stop {
                return Waited::Stop;
            }
        }
        Waited::GaveUp
    }

    fn is_answered(&self, tick: u64) -> bool {
        self.beat.last_answer().0 >= tick
    }

    /// Waits for a signal, at most until `until`, and does what it says.
    fn hear(&mut self, until: Duration, pacer: &mut Pacer) -> Heard {
        self.beat.turn();
        let now = self.clock.now();
        let wake = until.min(now + LOOK_UP);
        let signal = self.inbox.wait(wake.saturating_sub(now));
        // Also when something was heard: that may have come behind a stall.
        self.notice_stall(wake);
        match signal {
            Some(Signal::Stop) => return Heard::Stop,
            Some(Signal::Pace(strategy, by)) => self.change_pace(strategy, by, pacer),
            Some(Signal::Reload) => self.reload(pacer),
            Some(Signal::Nudge) | None => return Heard::Nothing,
        }
        Heard::Pace
    }

    /// Time that passed while this thread should have run does not count as anyone's silence.
    fn notice_stall(&self, expected: Duration) {
        let stall = self.clock.now().saturating_sub(expected);
        if stall < STALL {
            return;
        }
        self.clock.was_deaf_for(stall);
        self.table.clamp_stamps(self.clock.listened());
        self.metrics.stalled(stall);
        warn!(?stall, "this process did not run; nobody is judged for that time");
    }

    fn change_pace(&self, strategy: Strategy, by: &'static str, pacer: &mut Pacer) {
        if strategy == pacer.strategy() {
            return;
        }
        pacer.set(strategy);
        self.beat.keep_pace(strategy);
        let pace = Some(pace::to_wire(strategy));
        self.intake.event(Item::Pace(proto::PaceChange { pace, by: by.into() }));
        info!(strategy = strategy.name(), beat = ?strategy.shortest_beat(), by, "pace changed");
    }

    fn reload(&mut self, pacer: &mut Pacer) {
        let strategy = self.config.load().tick.strategy();
        self.change_pace(strategy, "reload", pacer);
        let judgement = self.judgement();
        self.table.rules_changed(self.clock.listened(), &judgement);
    }

    fn judgement(&self) -> Judgement {
        let config = self.config.load();
        Judgement { rules: config.liveness.rules(), keep_departed: config.liveness.departed }
    }

    /// Judges, seals and hands over; `None` if there is nobody to hand it to.
    fn beat_once(
        &mut self,
        due: Duration,
        last_beat: Option<Duration>,
        timing: Option<Timing>,
    ) -> Option<Sealed> {
        self.beat.turn();
        let recorder = self.recorder.clone();
        let place = self.place(&recorder)?;
        let at = self.clock.now();
        self.disk.complain(at);
        let judgement = self.judgement();
        self.table.judge(self.clock.listened(), &judgement);

        // Said before the batch is taken: whoever asks meanwhile waits for one tick too many.
        let number = self.beat.next_number();
        let sealed = self.intake.take().seal(&Head {
            number,
            epoch: self.epoch,
            monotonic_ns: nanos(at),
            wall_ns: wall_ns(),
            since_last_ns: last_beat.map_or(0, |last| nanos(at.saturating_sub(last))),
            seed: link::seed(&self.lineage, number),
        });
        let (items, bytes) = (sealed.items, sealed.size());
        place.put(Batch { sealed, timing });
        self.metrics.ticks.inc();
        self.notice_stall(at);
        Some(Sealed { number, due, at, items, bytes })
    }

    /// Room in the journal's queue.
    fn place<'a>(&self, recorder: &'a Batches) -> Option<Place<'a>> {
        loop {
            match recorder.place() {
                Ok(place) => return Some(place),
                Err(NoPlace::Closed) => return None,
                Err(NoPlace::Full) => {
                    self.beat.turn();
                    self.metrics.journal_waits.inc();
                    let now = self.clock.now();
                    self.disk.complain(now);
                    let wake = now + QUEUE_FULL;
                    self.clock.sleep_until(wake);
                    self.notice_stall(wake);
                }
            }
        }
    }

    fn record(&self, timing: Option<&Timing>) {
        if let Some(timing) = timing {
            self.figures.record(*timing);
            self.metrics.tick(timing);
        }
    }

    /// The last tick with packets, and after its answer one in which everybody is closed.
    fn last_beats(&mut self, last_beat: Option<Duration>, timing: Option<Timing>) {
        let mut pacer = Pacer::new(self.beat.pace());
        let now = self.clock.now();
        let Some(sealed) = self.beat_once(now, last_beat, timing) else { return };
        let _ = self.wait_for_answer(sealed.number, now, now, &mut pacer);
        let keep = self.judgement().keep_departed;
        for client in self.roster.all() {
            self.roster.end(&client, Reason::Shutdown, Value::Null, keep);
        }
        let now = self.clock.now();
        let _ = self.beat_once(now, Some(sealed.at), None);
    }
}
