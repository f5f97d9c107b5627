//! Recordings held against logic servers over the real link.
#![allow(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod recordings;

use std::path::Path;

use bytes::Bytes;
use prost::Message as _;
use pulsegate_journal::{Options, Writer};
use pulsegate_logic::{Event, Logic, Memory, Replies, RestoreError, Tick};
use pulsegate_protocol::proto::{self, Done, Push, item::Item};
use pulsegate_protocol::tick::{Gathering, Head};
use pulsegate_replay::verify::args::Format;
use pulsegate_replay::verify::difference::Difference;
use pulsegate_replay::verify::run;
use pulsegate_replay::verify::verdict::Verdict;
use pulsegate_replay::{Error, Point, VerifyArgs};
use recordings::{answer, head, now, sample};

const LAST: u64 = 200;

/// Counts packets, by a rule that changes at some tick.
#[derive(Debug, Clone, Default)]
struct Counter {
    count: u64,
    /// From this tick on a packet counts as two.
    double_from: Option<u64>,
    hashes: bool,
}

impl Logic for Counter {
    const NAME: &'static str = "counter";
    const MEMORY: Memory = Memory::State;

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        let double = self.double_from.is_some_and(|from| tick.number() >= from);
        for event in tick.events() {
            if let Event::Packet { session, .. } = event {
                self.count += if double { 2 } else { 1 };
                let players = [session, self.count];
                replies
                    .to(session, format!(r#"{{"tick":{},"players":{players:?}}}"#, tick.number()));
            }
        }
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        Some(self.count.to_be_bytes().to_vec())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let count = state.try_into().map_err(|_| RestoreError::new("not 8 bytes"))?;
        self.count = u64::from_be_bytes(count);
        Ok(())
    }

    fn state_hash(&self) -> Option<u64> {
        self.hashes.then_some(self.count)
    }
}

fn plain() -> Counter {
    Counter { hashes: true, ..Counter::default() }
}

fn doubling(from: u64) -> Counter {
    Counter { double_from: Some(from), ..plain() }
}

/// One packet in every third tick.
fn batch(number: u64) -> Gathering {
    let mut batch = Gathering::with_capacity(0);
    if number.is_multiple_of(3) {
        batch.packet(1, format!("packet {number}").as_bytes());
    }
    batch
}

/// Goes on with a journal until tick `last`: ticks, pushes, and what `change` leaves of the
/// answers of `logic`, some of them a few ticks late. A snapshot is taken every 20 ticks.
fn go_on(dir: &Path, logic: &mut Counter, last: u64, change: impl Fn(Done) -> Option<Done>) {
    let options = Options { sync: pulsegate_journal::Sync::Os, ..Options::new(dir) };
    let (mut writer, recovered) = Writer::open(options, now(0)).unwrap();
    let mut late = Vec::new();
    for number in recovered.last_tick + 1..=last {
        let tick =
            writer.append(batch(number).seal(&head(number, &recovered)), now(number)).unwrap();
        let done = answer(logic, tick.bytes);
        let snapshot = number.is_multiple_of(20).then(|| logic.snapshot().unwrap().into());
        late.push(Done { snapshot, ..done });
        if number.is_multiple_of(7) || number == last {
            writer
                .push(&Push { applied: number, ..Push::default() }.encode_to_vec(), now(number))
                .unwrap();
            for done in late.drain(..).filter_map(&change) {
                let (bytes, snapshot) = (done.encode_to_vec(), done.snapshot.is_some());
                writer.answer(&bytes, done.tick, snapshot, now(number)).unwrap();
            }
        }
    }
    writer.finish().unwrap();
}

fn record(logic: &mut Counter, change: impl Fn(Done) -> Option<Done>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    go_on(dir.path(), logic, LAST, change);
    dir
}

fn recorded() -> tempfile::TempDir {
    record(&mut plain(), Some)
}

async fn serving(counter: Counter) -> String {
    sample("", move |_| counter.clone()).await
}

fn args(dir: &Path, logic: String) -> VerifyArgs {
    VerifyArgs {
        journal: dir.to_owned(),
        logic,
        from: None,
        until: None,
        ignore: Vec::new(),
        bisect: false,
        format: Format::Text,
        html: None,
        secret: String::new(),
    }
}

async fn verify(dir: &Path, counter: Counter) -> Verdict {
    run(&args(dir, serving(counter).await), |_| {}).await.unwrap()
}

#[tokio::test]
async fn the_same_rules_give_no_difference() {
    let dir = recorded();
    let verdict = verify(dir.path(), plain()).await;
    assert!(verdict.found.is_none(), "{verdict}");
    let tally = verdict.tally;
    assert_eq!((tally.compared, tally.hashes, tally.unanswered), (LAST, LAST, 0));
    assert_eq!((tally.first_tick, tally.last_tick, tally.replies), (1, LAST, 66));
    assert!(tally.pushes > 20, "{tally:?}");
}

#[tokio::test]
async fn the_first_difference_is_the_first_that_there_is() {
    let dir = recorded();
    // A packet comes in every third tick.
    for (from, first) in [(1, 3), (3, 3), (4, 6), (100, 102), (199, 0)] {
        let verdict = verify(dir.path(), doubling(from)).await;
        let found = verdict.found.as_ref().map_or(0, |found| found.tick);
        assert_eq!(found, first, "{from}: {verdict}");
    }
    let verdict = verify(dir.path(), doubling(100)).await;
    let found = verdict.found.as_ref().unwrap();
    let Difference::Value { index: 0, path, recorded, now, .. } = &found.difference else {
        panic!("{found:?}");
    };
    assert_eq!((path.as_str(), recorded, now), ("players[1]", &Some(34.into()), &Some(35.into())));
    assert_eq!(found.session, Some(1));
    assert_eq!(found.inputs[0].body.to_string(), "packet 102");
    let around: Vec<_> = found.around.iter().map(|near| (near.tick, near.inputs)).collect();
    assert_eq!(around, [(99, 1), (100, 0), (101, 0), (102, 1), (103, 0), (104, 0), (105, 1)]);
    let text = verdict.to_string();
    assert!(text.contains("players[1]: 34 recorded, 35 now"), "{text}");
}

#[tokio::test]
async fn what_may_differ_is_passed_over() {
    let dir = recorded();
    let logic = serving(doubling(100)).await;
    let ignore = |paths: &[&str]| paths.iter().map(|path| path.parse().unwrap()).collect();
    let verify = |paths: &[&str]| {
        let args = VerifyArgs { ignore: ignore(paths), ..args(dir.path(), logic.clone()) };
        async move { run(&args, |_| {}).await.unwrap().found }
    };
    assert!(verify(&["players[*]", "state_hash"]).await.is_none());
    let found = verify(&["players[1]"]).await.unwrap();
    assert!(matches!(found.difference, Difference::StateHash { .. }), "{found:?}");
    assert_eq!(found.tick, 102);
}

#[tokio::test]
async fn ticks_whose_answers_were_not_recorded_are_counted_and_not_compared() {
    let unanswered = |done: &Done| (50..60).contains(&done.tick) || done.tick > 190;
    let dir = record(&mut plain(), |done| Some(done).filter(|done| !unanswered(done)));
    let verdict = verify(dir.path(), plain()).await;
    assert!(verdict.found.is_none(), "{verdict}");
    assert_eq!((verdict.tally.compared, verdict.tally.unanswered), (180, 20));
    assert_eq!(verdict.tally.last_tick, 190);

    let dir = record(&mut plain(), |_| None);
    let error = run(&args(dir.path(), serving(plain()).await), |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::NothingCompared { unanswered: LAST }), "{error}");
}

#[tokio::test]
async fn a_recording_of_several_lives_is_compared_as_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut logic = plain();
    for last in [40, 41, 90, LAST] {
        go_on(dir.path(), &mut logic, last, Some);
    }
    let verdict = verify(dir.path(), plain()).await;
    assert!(verdict.found.is_none(), "{verdict}");
    assert_eq!(verdict.tally.compared, LAST);
}

#[tokio::test]
async fn a_range_begins_with_the_recorded_state() {
    let dir = recorded();
    let logic = serving(doubling(1)).await;
    let (from, until) = (Some(Point::Tick(85)), Some(Point::Tick(95)));
    let all = args(dir.path(), logic);
    let verdict = run(&VerifyArgs { from, until, ..all }, |_| {}).await.unwrap();
    // Ticks 81 to 84 come behind the snapshot; what they do is not compared, but its result is.
    let found = verdict.found.unwrap();
    assert_eq!((found.tick, verdict.tally.first_tick), (85, 85));
    let logic = serving(plain()).await;
    let all = args(dir.path(), logic);
    let verdict = run(&VerifyArgs { from, until, ..all }, |_| {}).await.unwrap();
    assert!(verdict.found.is_none(), "{verdict}");
    assert_eq!((verdict.tally.compared, verdict.tally.last_tick), (11, 95));
}

#[tokio::test]
async fn halving_finds_the_tick_at_which_the_rules_changed() {
    // The recorded server doubled up to a tick at which it was mended: both hold.
    for change in [1, 2, 61, 119, 120, 121, 190, 196] {
        let dir = record(&mut doubling(change), Some);
        let logic = serving(plain()).await;
        let whole = run(&args(dir.path(), logic.clone()), |_| {}).await.unwrap();
        let bisect = VerifyArgs { bisect: true, ..args(dir.path(), logic) };
        let halved = run(&bisect, |_| {}).await.unwrap();
        let tick = |verdict: &Verdict| verdict.found.as_ref().map(|found| found.tick);
        assert!(tick(&whole).is_some(), "{change}: {whole}");
        assert_eq!(tick(&halved), tick(&whole), "{change}: {halved}");
        assert!(halved.tally.compared <= 20, "{change}: {halved}");
    }
}

#[tokio::test]
async fn where_halving_cannot_find_it_all_is_compared() {
    let wrong = |done: Done| {
        let replies = if done.tick == 63 { Vec::new() } else { done.replies };
        Some(Done { replies, ..done })
    };
    let dir = record(&mut plain(), wrong);
    let logic = serving(plain()).await;
    let bisect = VerifyArgs { bisect: true, ..args(dir.path(), logic) };
    let verdict = run(&bisect, |_| {}).await.unwrap();
    assert_eq!(verdict.found.as_ref().unwrap().tick, 63, "{verdict}");
    assert!(verdict.notes[0].contains("all of it was compared"), "{verdict}");

    let dir = record(&mut Counter::default(), Some);
    let logic = serving(Counter::default()).await;
    let bisect = VerifyArgs { bisect: true, ..args(dir.path(), logic) };
    let error = run(&bisect, |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::NoHashes), "{error}");
}

#[tokio::test]
async fn an_answer_that_was_recorded_twice_is_compared_once() {
    let dir = recorded();
    let options = Options::new(dir.path());
    let (mut writer, _) = Writer::open(options, now(LAST)).unwrap();
    let again = Done { tick: 30, close: vec![1], ..Done::default() };
    writer.answer(&again.encode_to_vec(), 30, false, now(LAST)).unwrap();
    writer.finish().unwrap();
    let verdict = verify(dir.path(), plain()).await;
    assert!(verdict.found.is_none(), "{verdict}");
    assert_eq!(verdict.tally.compared, LAST);
}

#[tokio::test]
async fn a_server_without_state_is_compared_from_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut logic = Counter { hashes: false, ..Counter::default() };
    go_on(dir.path(), &mut logic, 50, |done| {
        let replies = done.replies.into_iter().map(|reply| proto::Reply {
            payload: Bytes::from(format!("packet {}", done.tick)),
            ..reply
        });
        Some(Done { tick: done.tick, replies: replies.collect(), ..Done::default() })
    });
    let address = sample("", |_| pulsegate_logic::samples::Echo).await;
    let from = Some(Point::Tick(17));
    let verdict = run(&VerifyArgs { from, ..args(dir.path(), address) }, |_| {}).await.unwrap();
    assert!(verdict.found.is_none(), "{verdict}");
    assert_eq!((verdict.tally.compared, verdict.tally.replies), (34, 11));
}

#[tokio::test]
async fn a_state_that_logic_was_brought_back_to_is_not_taken_for_another_one() {
    let dir = recorded();
    let (mut writer, recovered) = Writer::open(Options::new(dir.path()), now(LAST)).unwrap();
    let mut batch = Gathering::with_capacity(0);
    batch.event(Item::Restored(proto::Restored { tick: 100 }));
    let number = LAST + 1;
    let head = Head { number, epoch: recovered.epoch as u32, ..Head::default() };
    writer.append(batch.seal(&head), now(number)).unwrap();
    let done = Done { tick: number, state_hash: Some(33), ..Done::default() };
    writer.answer(&done.encode_to_vec(), number, false, now(number)).unwrap();
    writer.finish().unwrap();

    let logic = serving(plain()).await;
    let verdict = run(&args(dir.path(), logic.clone()), |_| {}).await.unwrap();
    assert!(verdict.found.is_none(), "{verdict}");
    assert_eq!((verdict.tally.first_tick, verdict.tally.last_tick), (1, LAST + 1));
    assert!(verdict.notes[0].starts_with("ticks 101 to 200 were left behind"), "{verdict}");
    let until = Some(Point::Tick(LAST));
    let verdict = run(&VerifyArgs { until, ..args(dir.path(), logic) }, |_| {}).await.unwrap();
    assert!(verdict.found.is_none(), "{verdict}");
}
