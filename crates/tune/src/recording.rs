//! What a journal tells of its ticks: when each was, how long its work took, and what was slept.

use std::path::Path;
use std::time::Duration;

use pulsegate_cadence::InForce;
use pulsegate_journal::{Error, Reader, Record, Timing};
use pulsegate_protocol::tick::Head;
use pulsegate_replay::Range;

use crate::simulate::Beat;

/// A tick as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Its number.
    pub number: u64,
    /// When it was sealed, in nanoseconds since 1970-01-01 UTC.
    pub wall_ns: u64,
    epoch: u32,
    /// When its beat was, and the next one, since the relay started.
    at: Duration,
    next: Option<Duration>,
    timed: Option<Timed>,
    is_answered: bool,
}

/// How a tick went. Work is counted from the moment at which the beat was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timed {
    lateness: Duration,
    work: Duration,
    sleep: Duration,
    in_force: InForce,
}

/// The ticks of a range whose work is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Ticks that followed one another. None is empty.
    pub runs: Vec<Vec<Tick>>,
    /// How many ticks are left out, since logic had not answered them when the beat went on.
    pub unanswered: usize,
}

impl Recording {
    /// Reads a range, or what there is of it now.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(dir: &Path, range: &Range) -> Result<Self, Error> {
        let mut ticks = ticks(dir, range)?;
        // The last one goes on while this is read.
        ticks.retain(|tick| tick.timed.is_some());
        let all = ticks.len();
        ticks.retain(|tick| tick.is_answered);
        let runs = ticks.chunk_by(Tick::is_before).map(<[_]>::to_vec).collect();
        Ok(Self { runs, unanswered: all - ticks.len() })
    }

    /// The first tick and the last one; nothing if there is none.
    pub fn ends(&self) -> Option<(&Tick, &Tick)> {
        self.runs.first()?.first().zip(self.runs.last()?.last())
    }

    /// The beats of a run as they were: one for each tick that another one followed.
    pub fn beats(&self, run: usize) -> impl Iterator<Item = Beat> {
        self.runs[run].iter().filter_map(Tick::beat)
    }

    /// Those of all runs.
    pub fn all_beats(&self) -> impl Iterator<Item = impl Iterator<Item = Beat>> {
        (0..self.runs.len()).map(|run| self.beats(run))
    }

    /// The rules that placed beats, by name.
    pub fn rules(&self) -> Vec<&'static str> {
        let all = [InForce::Adaptive, InForce::Fixed, InForce::Deadline].into_iter();
        let timed = || self.runs.iter().flatten().filter_map(|tick| tick.timed);
        let is_met = |rule: &InForce| timed().any(|it| it.in_force == *rule);
        all.filter(is_met).map(InForce::name).collect()
    }

    /// From beat to beat as the strategy wanted it, if that can be seen: only ticks after which
    /// there was sleep tell, for with the others it was the work that placed the beat. A period
    /// that is kept is the commonest by far; if there is none, the middle one is taken.
    pub fn period(&self) -> Option<Duration> {
        let timed = self.runs.iter().flatten().filter_map(|tick| tick.timed);
        let slept = timed.filter(|it| !it.sleep.is_zero());
        // Both are cut off to whole microseconds, so a period may seem a little shorter than it is.
        let mut steps: Vec<_> =
            slept.map(|it| (it.work + it.sleep).as_micros().div_ceil(10) as u64).collect();
        steps.sort_unstable();
        let commonest = steps.chunk_by(u64::eq).max_by_key(|same| same.len())?;
        let kept = commonest.len() * 4 >= steps.len();
        let step = if kept { commonest[0] } else { steps[steps.len() / 2] };
        Some(Duration::from_micros(step * 10))
    }
}

impl Tick {
    fn new(head: &Head) -> Self {
        Self {
            number: head.number,
            wall_ns: head.wall_ns,
            epoch: head.epoch,
            at: Duration::from_nanos(head.monotonic_ns),
            next: None,
            timed: None,
            is_answered: false,
        }
    }

    /// How long its work took. How late the beat itself was is no part of it, for that is the doing
    /// of the strategy in force.
    pub fn work(&self) -> Duration {
        self.timed.map_or(Duration::ZERO, |it| it.work.saturating_sub(it.lateness))
    }

    fn is_before(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.number + 1 == other.number
    }

    /// All that was not slept counts as work: a beat that comes late after work without sleep does
    /// not end the time without sleep.
    fn beat(&self) -> Option<Beat> {
        let (next, Timed { lateness, sleep, in_force, .. }) = self.next.zip(self.timed)?;
        let due = self.at.saturating_sub(lateness);
        let done = next.saturating_sub(sleep).max(self.at);
        Some(Beat { due, at: self.at, done, answered: true, next, in_force })
    }
}

impl From<&Timing> for Timed {
    fn from(timing: &Timing) -> Self {
        let in_force = match timing.strategy.as_str() {
            "fixed" => InForce::Fixed,
            "deadline" => InForce::Deadline,
            _ => InForce::Adaptive,
        };
        let [lateness, work, sleep] =
            [timing.lateness_us, timing.work_us, timing.sleep_us].map(Duration::from_micros);
        Self { lateness, work, sleep, in_force }
    }
}

fn ticks(dir: &Path, range: &Range) -> Result<Vec<Tick>, Error> {
    let mut reader = Reader::open(dir)?;
    reader.seek(range.first)?;
    let last = range.last.unwrap_or(u64::MAX);
    let mut ticks: Vec<Tick> = Vec::new();
    while let Some(record) = reader.read()? {
        match record {
            // All that concerns the last tick comes before the second one after it.
            Record::Tick { peek, .. } if peek.head.number > last.saturating_add(1) => break,
            Record::Tick { peek, .. } => push(&mut ticks, Tick::new(&peek.head)),
            Record::Timing(timing) => {
                if let Some(tick) = ticks.last_mut().filter(|tick| tick.number == timing.tick) {
                    tick.timed = Some(Timed::from(&timing));
                }
            }
            // A beat that was only waiting for this answer may have overtaken it on the way here.
            Record::Answer { tick: number, .. } => {
                let mut newest = ticks.iter_mut().rev().take(2);
                if let Some(tick) = newest.find(|tick| tick.number == number) {
                    tick.is_answered = true;
                }
            }
            Record::Head(_) | Record::Push { .. } => {}
        }
    }
    ticks.retain(|tick| tick.number <= last);
    Ok(ticks)
}

fn push(ticks: &mut Vec<Tick>, tick: Tick) {
    if let Some(before) = ticks.last_mut().filter(|before| before.is_before(&tick)) {
        before.next = Some(tick.at);
    }
    ticks.push(tick);
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use pulsegate_journal::{Now, Options, Writer};
    use pulsegate_protocol::proto::Done;
    use pulsegate_protocol::tick::Gathering;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// Writes ticks as a relay does: a tick's answer and timing come before the tick after it.
    struct Life {
        writer: Writer,
        epoch: u32,
    }

    impl Life {
        fn begin(dir: &Path, epoch: u32) -> Self {
            let (writer, _) = Writer::open(Options::new(dir), Now::default()).unwrap();
            Self { writer, epoch }
        }

        fn tick(&mut self, number: u64) {
            self.tick_at(number, Duration::ZERO);
        }

        fn tick_at(&mut self, number: u64, at: Duration) {
            let monotonic_ns = at.as_nanos() as u64;
            let head = Head { number, epoch: self.epoch, monotonic_ns, ..Head::default() };
            self.writer.append(Gathering::with_capacity(0).seal(&head), Now::default()).unwrap();
        }

        fn answer(&mut self, tick: u64) {
            let done = Done { tick, ..Done::default() }.encode_to_vec();
            self.writer.answer(&done, tick, false, Now::default()).unwrap();
        }

        fn timing(&mut self, timing: &Timing) {
            self.writer.timing(timing, Now::default()).unwrap();
        }

        fn end(self) {
            self.writer.finish().unwrap();
        }
    }

    fn timing(tick: u64, work_us: u64, lateness_us: u64) -> Timing {
        Timing { tick, work_us, lateness_us, ..Timing::default() }
    }

    fn all() -> Range {
        Range { first: 1, last: None, notes: Vec::new() }
    }

    fn runs_of(dir: &Path, range: &Range) -> (Vec<Vec<u128>>, usize) {
        let recording = Recording::read(dir, range).unwrap();
        let micros = |run: &Vec<Tick>| run.iter().map(|tick| tick.work().as_micros()).collect();
        (recording.runs.iter().map(micros).collect(), recording.unanswered)
    }

    #[test]
    fn work_is_what_came_after_the_beat_and_two_lives_are_two_runs() {
        let dir = tempfile::tempdir().unwrap();
        for (epoch, first) in [(1, 1), (2, 4)] {
            let mut life = Life::begin(dir.path(), epoch);
            for tick in first..first + 3 {
                life.tick(tick);
                life.answer(tick);
                life.timing(&timing(tick, 1000 * tick + 50, 50));
            }
            life.end();
        }
        let runs = vec![vec![1000, 2000, 3000], vec![4000, 5000, 6000]];
        assert_eq!(runs_of(dir.path(), &all()), (runs, 0));
        let range = Range { first: 2, last: Some(5), notes: Vec::new() };
        assert_eq!(runs_of(dir.path(), &range).0, [vec![2000, 3000], vec![4000, 5000]]);
    }

    #[test]
    fn ticks_that_logic_answered_too_late_are_left_out_and_end_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut life = Life::begin(dir.path(), 1);
        for tick in 1..=6 {
            life.tick(tick);
            match tick {
                // The beat was at once, and overtook the answer on its way into the journal.
                2 => {}
                3 => life.answer(2),
                // Logic was away.
                4 => {}
                6 => (3..=6).for_each(|tick| life.answer(tick)),
                tick => life.answer(tick),
            }
            life.timing(&timing(tick, 100 * tick, 0));
        }
        life.end();
        assert_eq!(runs_of(dir.path(), &all()), (vec![vec![100, 200], vec![500, 600]], 2));
        let up_to = |last| runs_of(dir.path(), &Range { last: Some(last), ..all() });
        assert_eq!(up_to(2), (vec![vec![100, 200]], 0), "answered behind its end, in time");
        assert_eq!(up_to(3), (vec![vec![100, 200]], 1), "answered behind its end, too late");
    }

    #[test]
    fn beats_are_where_they_were_and_only_sleep_is_sleep() {
        let dir = tempfile::tempdir().unwrap();
        let mut life = Life::begin(dir.path(), 1);
        let slept = |tick, work_us, sleep_us, strategy: &str| {
            let strategy = strategy.to_owned();
            Timing { tick, work_us, sleep_us, lateness_us: 1000, strategy, ..Timing::default() }
        };
        let timings = [
            slept(1, 21_000, 29_000, "adaptive"),
            slept(2, 70_000, 0, "adaptive"),
            slept(3, 61_000, 50_000, "fixed"),
            slept(4, 1_000, 0, "fixed"),
        ];
        for (timing, at) in timings.iter().zip([1, 51, 121, 232]) {
            life.tick_at(timing.tick, MS(at));
            life.answer(timing.tick);
            life.timing(timing);
        }
        life.end();
        let recording = Recording::read(dir.path(), &all()).unwrap();
        let beats: Vec<_> = recording.beats(0).collect();
        assert!(beats.iter().all(|beat| beat.due + MS(1) == beat.at));
        let intervals: Vec<_> = beats.iter().map(|it| (it.interval(), it.sleep())).collect();
        assert_eq!(
            intervals,
            [(MS(50), MS(29)), (MS(70), MS(0)), (MS(111), MS(50))],
            "the last one has none behind it"
        );
        assert_eq!(recording.rules(), ["adaptive", "fixed"]);
        let (first, last) = recording.ends().unwrap();
        assert_eq!((first.number, last.number), (1, 4));
    }

    /// From work and sleep, in microseconds.
    fn period(timings: &[(u64, u64)]) -> Option<Duration> {
        let tick = |(number, &(work_us, sleep_us)): (usize, &(u64, u64))| {
            let timing = Timing { work_us, sleep_us, ..Timing::default() };
            let head = Head { number: number as u64, ..Head::default() };
            Tick { timed: Some(Timed::from(&timing)), ..Tick::new(&head) }
        };
        let run = timings.iter().enumerate().map(tick).collect();
        Recording { runs: vec![run], unanswered: 0 }.period()
    }

    #[test]
    fn the_period_is_the_one_that_was_kept_while_there_was_time() {
        let kept = [(3_999, 46_000), (20_000, 29_999), (70_000, 0)];
        assert_eq!(period(&kept), Some(MS(50)));
        let sixty_hertz = [(1_000, 15_666), (2_000, 14_666)];
        assert_eq!(period(&sixty_hertz), Some(Duration::from_micros(16_670)));
        let fixed: Vec<_> = (1..=9).map(|tick| (tick * 1000, 20_000)).collect();
        assert_eq!(period(&fixed), Some(MS(25)));
        assert_eq!(period(&[(70_000, 0)]), None);
    }
}
