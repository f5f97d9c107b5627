//! Work times out of a journal.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use pulsegate_journal::{Error, Reader, Record, Timing};

/// What a journal holds of its ticks' timing, in its order.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    timings: Vec<(u64, Timing)>,
    answered_in_time: HashSet<u64>,
}

/// Reads all that there is now.
pub(super) fn read(dir: &Path) -> Result<Recorded, Error> {
    let mut reader = Reader::open(dir)?;
    let mut recorded = Recorded::default();
    let (mut epoch, mut newest) = (0, 0);
    while let Some(record) = reader.read()? {
        match record {
            Record::Head(head) => epoch = head.epoch,
            Record::Tick { peek, .. } => newest = peek.head.number,
            Record::Timing(timing) => recorded.timings.push((epoch, timing)),
            // A beat that was only waiting for this answer may have overtaken it on the way here.
            Record::Answer { tick, .. } if newest <= tick + 1 => {
                recorded.answered_in_time.insert(tick);
            }
            Record::Answer { .. } | Record::Push { .. } => {}
        }
    }
    Ok(recorded)
}

impl Recorded {
    /// Runs, how many ticks are in none since their work is not known, and the period.
    pub(super) fn into_parts(self) -> (Vec<Vec<Duration>>, usize, Option<Duration>) {
        let Self { timings, answered_in_time } = self;
        let all = timings.len();
        let known: Vec<_> =
            timings.into_iter().filter(|(_, it)| answered_in_time.contains(&it.tick)).collect();
        let follows = |(life, before): &(u64, Timing), (same, after): &(u64, Timing)| {
            life == same && before.tick + 1 == after.tick
        };
        let own = |(_, it): &(u64, Timing)| it.work_us.saturating_sub(it.lateness_us);
        let runs = known
            .chunk_by(follows)
            .map(|run| run.iter().map(own).map(Duration::from_micros).collect())
            .collect();
        (runs, all - known.len(), period(&known))
    }
}

/// From beat to beat as the strategy wanted it: only ticks after which there was sleep tell, for
/// with the others it was the work that placed the beat. A period that is kept is the commonest by
/// far; if there is none, the middle one is taken.
fn period(timings: &[(u64, Timing)]) -> Option<Duration> {
    let slept = timings.iter().filter(|(_, it)| it.sleep_us > 0);
    // Both are cut off to whole microseconds, so a period may seem a little shorter than it is.
    let mut steps: Vec<_> = slept.map(|(_, it)| (it.work_us + it.sleep_us).div_ceil(10)).collect();
    steps.sort_unstable();
    let commonest = steps.chunk_by(u64::eq).max_by_key(|same| same.len())?;
    let kept = commonest.len() * 4 >= steps.len();
    let step = if kept { commonest[0] } else { steps[steps.len() / 2] };
    Some(Duration::from_micros(step * 10))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use pulsegate_journal::{Now, Options, Writer};
    use pulsegate_protocol::proto::Done;
    use pulsegate_protocol::tick::{Gathering, Head};

    use super::*;

    fn timing(tick: u64, work_us: u64, sleep_us: u64) -> (u64, Timing) {
        (1, Timing { tick, work_us, sleep_us, ..Timing::default() })
    }

    /// Writes ticks as a relay does: a tick's answer and timing come before the tick after it.
    struct Life(Writer);

    impl Life {
        fn begin(dir: &Path) -> Self {
            Self(Writer::open(Options::new(dir), Now::default()).unwrap().0)
        }

        fn tick(&mut self, number: u64) {
            let head = Head { number, ..Head::default() };
            self.0.append(Gathering::with_capacity(0).seal(&head), Now::default()).unwrap();
        }

        fn answer(&mut self, tick: u64) {
            let done = Done { tick, ..Done::default() }.encode_to_vec();
            self.0.answer(&done, tick, false, Now::default()).unwrap();
        }

        fn timing(&mut self, tick: u64, work_us: u64, lateness_us: u64) {
            let timing = Timing { tick, work_us, lateness_us, ..Timing::default() };
            self.0.timing(&timing, Now::default()).unwrap();
        }
    }

    fn runs_of(dir: &Path) -> (Vec<Vec<u128>>, usize) {
        let (runs, unanswered, _) = read(dir).unwrap().into_parts();
        let micros = |run: Vec<Duration>| run.iter().map(Duration::as_micros).collect();
        (runs.into_iter().map(micros).collect(), unanswered)
    }

    #[test]
    fn work_is_what_came_after_the_beat_and_two_lives_are_two_runs() {
        let dir = tempfile::tempdir().unwrap();
        for first in [1, 4] {
            let mut life = Life::begin(dir.path());
            for tick in first..first + 3 {
                life.tick(tick);
                life.answer(tick);
                life.timing(tick, 1000 * tick + 50, 50);
            }
            life.0.finish().unwrap();
        }
        let runs = vec![vec![1000, 2000, 3000], vec![4000, 5000, 6000]];
        assert_eq!(runs_of(dir.path()), (runs, 0));
    }

    #[test]
    fn ticks_that_logic_answered_too_late_are_left_out_and_end_a_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut life = Life::begin(dir.path());
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
            life.timing(tick, 100 * tick, 0);
        }
        life.0.finish().unwrap();
        assert_eq!(runs_of(dir.path()), (vec![vec![100, 200], vec![500, 600]], 2));
    }

    #[test]
    fn the_period_is_the_one_that_was_kept_while_there_was_time() {
        let kept = [timing(1, 3_999, 46_000), timing(2, 20_000, 29_999), timing(3, 70_000, 0)];
        assert_eq!(period(&kept), Some(Duration::from_millis(50)));
        let sixty_hertz = [timing(1, 1_000, 15_666), timing(2, 2_000, 14_666)];
        assert_eq!(period(&sixty_hertz), Some(Duration::from_micros(16_670)));
        let fixed: Vec<_> = (1..=9).map(|tick| timing(tick, tick * 1000, 20_000)).collect();
        assert_eq!(period(&fixed), Some(Duration::from_millis(25)));
        assert_eq!(period(&[timing(1, 70_000, 0)]), None);
    }
}
