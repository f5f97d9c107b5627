//! kill -9 of logic under load, at seeded moments.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use pulsegate_journal::{Reader, Record};
use pulsegate_tests::TestRelay;

use super::Scale;
use super::checked::{AppliedTick, CheckedLogic};
use crate::attack::Figures;
use crate::clients::honest::Players;

/// From when logic listens until it answers live ticks again, in 99 of 100 cases: this machine's
/// scheduler is in it too.
const LIVE_WITHIN: Duration = Duration::from_millis(250);

/// One kill: how long it lives before, and how long it stays dead.
struct Kill {
    lives: Duration,
    dead: Duration,
}

pub(super) fn kills(scale: &Scale<'_>, figures: &mut Figures) {
    let clients = scale.of(500, 2000);
    let mut dice = scale.attack.dice();
    let plan: Vec<_> = (0..scale.attack.count(scale.of(10, 1000)))
        .map(|_| Kill {
            lives: Duration::from_millis(dice.u64(50..900)),
            // Mostly at once, as a service manager does it; sometimes long enough to be retried.
            dead: Duration::from_millis(if dice.u8(..4) == 0 { dice.u64(..1500) } else { 0 }),
        })
        .collect();

    let dir = tempfile::tempdir().unwrap();
    let mut relay = TestRelay::before_logic("");
    let mut logic = CheckedLogic::start(relay.logic(), dir.path());
    relay.wait_ready();
    let players = Players::start(&relay, clients, "--rate 1");
    let mut live_after: Vec<_> = plan.iter().map(|kill| kill_once(&mut logic, kill)).collect();
    players.finish().must_be_flawless("logic was killed");
    assert!(relay.terminate().success());
    live_after.sort_unstable();

    let faults = Faults::find(&logic.applied(), &journaled(&relay));
    let (usual, longest) = (live_after[live_after.len() * 99 / 100], live_after.last().unwrap());
    figures.add("kills of logic", plan.len());
    figures.add("kills: clients, none of them dropped", clients);
    figures.add("kills: ticks lost", faults.lost);
    figures.add("kills: ticks applied twice", faults.twice);
    figures.add("kills: ticks applied that the journal lacks", faults.foreign);
    figures.add(
        "kills: live after logic listens, median ms",
        live_after[live_after.len() / 2].as_millis(),
    );
    figures.add("kills: live after logic listens, p99 ms", usual.as_millis());
    figures.add("kills: live after logic listens, longest ms", longest.as_millis());
    assert_eq!(faults, Faults::default());
    assert!(usual <= LIVE_WITHIN, "live after {usual:?}");
}

fn kill_once(logic: &mut CheckedLogic, kill: &Kill) -> Duration {
    sleep(kill.lives);
    logic.kill();
    sleep(kill.dead);
    logic.restart();
    logic.live_after()
}

/// Every tick in the journal, by number and checksum.
fn journaled(relay: &TestRelay) -> BTreeMap<u64, u32> {
    let mut reader = Reader::open(relay.journal()).unwrap();
    let mut ticks = BTreeMap::new();
    while let Some(record) = reader.read().unwrap() {
        if let Record::Tick { peek, .. } = record {
            ticks.insert(peek.head.number, peek.checksum);
        }
    }
    ticks
}

/// Where what was applied differs from what was journaled.
#[derive(Debug, Default, PartialEq)]
struct Faults {
    lost: usize,
    twice: usize,
    foreign: usize,
}

impl Faults {
    fn find(applied: &[AppliedTick], journaled: &BTreeMap<u64, u32>) -> Self {
        let mut times = BTreeMap::<u64, usize>::new();
        let mut foreign = 0;
        for tick in applied {
            *times.entry(tick.number).or_default() += 1;
            foreign += usize::from(journaled.get(&tick.number) != Some(&tick.checksum));
        }
        assert!(applied.is_sorted_by(|a, b| a.number <= b.number), "out of order");
        Self {
            lost: journaled.keys().filter(|number| !times.contains_key(number)).count(),
            twice: times.values().filter(|times| **times > 1).count(),
            foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(applied: &[(u64, u32)]) -> Faults {
        let ticks = applied
            .iter()
            .map(|(number, checksum)| AppliedTick { number: *number, checksum: *checksum });
        Faults::find(&ticks.collect::<Vec<_>>(), &(1..=4).zip([11, 12, 13, 14]).collect())
    }

    #[test]
    fn what_is_lost_doubled_or_foreign_is_found() {
        let all = [(1, 11), (2, 12), (3, 13), (4, 14)];
        assert_eq!(faults(&all), Faults::default());
        assert_eq!(faults(&all[1..]), Faults { lost: 1, ..Faults::default() });
        assert_eq!(
            faults(&[&all[..], &all[3..]].concat()),
            Faults { twice: 1, ..Faults::default() }
        );
        assert_eq!(
            faults(&[&all[..3], &[(4, 15)]].concat()),
            Faults { foreign: 1, ..Faults::default() }
        );
        assert_eq!(
            faults(&[&all[..], &[(5, 15)]].concat()),
            Faults { foreign: 1, ..Faults::default() }
        );
    }
}
