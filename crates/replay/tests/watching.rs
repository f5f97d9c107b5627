//! Replays that stop, show what they do, compare, and begin with a made-up tick.
#![allow(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod recordings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prost::Message as _;
use pulsegate_logic::samples::{Arena, Echo};
use pulsegate_logic::{Logic, Replies, RestoreError, Tick};
use pulsegate_protocol::proto::{
    Applied, Item, Rebuild, Stateless, item, to_logic::Message, welcome::Resume,
};
use pulsegate_replay::verify::args::Format;
use pulsegate_replay::verify::run as verify;
use pulsegate_replay::{
    Audience, Error, Key, Opened, Point, ReplayArgs, Speed, VerifyArgs, run, watched,
};

use recordings::*;

/// Presses these keys, and notes what it saw and how far logic was meanwhile.
#[derive(Default)]
struct Script {
    keys: Vec<Key>,
    patience: Duration,
    person: bool,
    applied: Arc<AtomicU64>,
    seen: Vec<Seen>,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Shown(String),
    /// A key was asked for, and logic had applied this tick.
    Asked(u64),
}

impl Script {
    fn of(keys: &[Key]) -> Self {
        Self { keys: keys.iter().copied().rev().collect(), ..Self::default() }
    }

    fn text(&self) -> String {
        let shown = self.seen.iter().filter_map(|seen| match seen {
            Seen::Shown(text) => Some(text.as_str()),
            Seen::Asked(_) => None,
        });
        shown.collect()
    }

    fn asked(&self) -> Vec<u64> {
        let asked = self.seen.iter().filter_map(|seen| match seen {
            Seen::Asked(applied) => Some(*applied),
            Seen::Shown(_) => None,
        });
        asked.collect()
    }
}

impl Audience for Script {
    fn show(&mut self, text: &str) {
        self.seen.push(Seen::Shown(text.to_owned()));
    }

    async fn key(&mut self, _: &str) -> Key {
        // Time for a tick that should not be sent.
        tokio::time::sleep(self.patience.max(Duration::from_millis(5))).await;
        self.seen.push(Seen::Asked(self.applied.load(Ordering::Relaxed)));
        self.keys.pop().unwrap_or(Key::GoOn)
    }

    fn is_a_person(&self) -> bool {
        self.person
    }
}

/// An arena that tells which tick it has applied, and forgets its rules at some tick.
struct Watched {
    arena: Arena,
    lies_from: u64,
    applied: Arc<AtomicU64>,
}

impl Logic for Watched {
    const NAME: &'static str = "watched";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        if tick.number() < self.lies_from {
            self.arena.tick(tick, replies);
        }
        self.applied.store(tick.number(), Ordering::Relaxed);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        self.arena.restore(state)
    }

    fn state_hash(&self) -> Option<u64> {
        self.arena.state_hash()
    }
}

async fn watched_arena(script: &Script, lies_from: u64) -> String {
    let applied = Arc::clone(&script.applied);
    let game = move |_| {
        let (arena, applied) = (Arena::default(), Arc::clone(&applied));
        Watched { arena, lies_from, applied }
    };
    sample("", game).await
}

fn tick(number: u64) -> Option<Point> {
    Some(Point::Tick(number))
}

#[tokio::test]
async fn step_by_step_a_tick_goes_out_when_the_answer_before_it_was_shown_and_a_key_was_pressed() {
    let recorded = record(60, 25);
    let mut script = Script::of(&[Key::Enter, Key::Next, Key::Enter, Key::End]);
    let logic = watched_arena(&script, u64::MAX).await;
    let args = ReplayArgs { step: true, from: tick(30), ..args(recorded.dir.path(), &logic) };
    let summary = watched(args, &mut script, |_| {}).await.unwrap();
    assert_eq!((summary.played, summary.last_tick, summary.ticks), (3, 32, 7), "{summary:?}");
    assert_eq!(script.asked(), [29, 30, 31, 32]);
    let Seen::Shown(opening) = &script.seen[0] else { panic!("{:?}", script.seen) };
    assert_eq!(
        opening,
        "logic begins with the snapshot after tick 25\n\
         ticks from 26 on, on the way to 30, were sent at full speed\n\
         Enter, space or n: next tick; c: go on without stopping; q: end\n"
    );
    // The opening; then for each tick what goes in, a key, and what came out.
    for (step, number) in (30..33).enumerate() {
        let [Seen::Shown(inputs), Seen::Asked(before), Seen::Shown(outputs)] =
            &script.seen[1 + 3 * step..][..3]
        else {
            panic!("{:?}", script.seen);
        };
        assert_eq!(*before, number - 1);
        assert!(inputs.contains(&format!("tick {number}, 2023-")), "{inputs}");
        assert!(inputs.contains("  in   session 3      packet "), "{inputs}");
        assert!(outputs.contains(&format!(r#"{{"tick":{number},"players":"#)), "{outputs}");
        let hash = recorded.hash(number as usize).unwrap();
        assert!(outputs.contains(&format!("  out  state hash {hash}\n")), "{outputs}");
    }
    assert_eq!(script.seen.len(), 1 + 3 * 3 + 2, "{:?}", script.seen);
}

#[tokio::test]
async fn from_a_pause_on_the_rest_keeps_its_pace() {
    let recorded = record(30, 1000);
    let mut script = Script { patience: Duration::from_millis(900), ..Script::of(&[Key::Enter]) };
    let logic = watched_arena(&script, u64::MAX).await;
    let (pause_at, speed) = (tick(15), Speed::Times(2.0));
    let args = ReplayArgs { pause_at, speed, ..args(recorded.dir.path(), &logic) };
    let summary = watched(args, &mut script, |_| {}).await.unwrap();
    assert_eq!(script.asked(), [14]);
    assert_eq!((summary.played, &summary.state_hash), (30, &recorded.hash(30)));
    // 29 periods of 50 ms at twice the speed; the pause is not made up for, and does not count.
    assert!((0.725..1.4).contains(&summary.seconds), "{summary:?}");
    assert!((1.0..=2.0).contains(&summary.real_time_factor), "{summary:?}");
}

#[tokio::test]
async fn a_pause_outside_of_what_is_played_is_refused() {
    let recorded = record(30, 1000);
    let logic = sample("", |_| Echo).await;
    for pause_at in [3, 11, 99] {
        let (from, until, pause_at) = (tick(5), tick(10), tick(pause_at));
        let args = ReplayArgs { from, until, pause_at, ..args(recorded.dir.path(), &logic) };
        let error = watched(args, &mut Script::default(), |_| {}).await.unwrap_err();
        assert!(matches!(error, Error::Pause { first: 5, last: 10, .. }), "{error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[tokio::test]
async fn the_link_is_kept_alive_while_a_key_is_waited_for() {
    let recorded = record(10, 1000);
    let (logic, noted) = noting(Resume::Stateless(Stateless {})).await;
    let mut script = Script { patience: Duration::from_millis(2500), ..Script::of(&[Key::Enter]) };
    let args = ReplayArgs { pause_at: tick(4), ..args(recorded.dir.path(), &logic) };
    watched(args, &mut script, |_| {}).await.unwrap();
    let noted = noted.await.unwrap();
    // It asks for a pong whenever it is pinged.
    let at = |number| {
        let is = |message: &Message| matches!(message, Message::Tick(t) if t.number == number);
        noted.iter().position(is).unwrap()
    };
    let meanwhile = &noted[at(3) + 1..at(4)];
    let pings = meanwhile.iter().filter(|message| matches!(message, Message::Ping(_))).count();
    let pongs = meanwhile.iter().filter(|message| matches!(message, Message::Pong(_))).count();
    assert!((2..=3).contains(&pings) && pongs == pings, "{meanwhile:?}");
}

#[tokio::test]
async fn a_link_that_breaks_while_a_key_is_waited_for_ends_the_wait() {
    let recorded = record(10, 1000);
    let (logic, noted) = noting(Resume::Stateless(Stateless {})).await;
    let mut script = Script { patience: Duration::from_secs(3600), ..Script::default() };
    let args = ReplayArgs { pause_at: tick(4), ..args(recorded.dir.path(), &logic) };
    let killed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        noted.abort();
    };
    let (played, ()) = tokio::join!(watched(args, &mut script, |_| {}), killed);
    assert!(
        matches!(played, Err(Error::Ended { applied: 3, .. } | Error::Broken(_))),
        "{played:?}"
    );
}

#[tokio::test]
async fn until_a_difference_it_goes_and_no_further() {
    let recorded = record(60, 1000);
    for lies_from in [2, 3, 40, 60] {
        let mut script = Script { person: true, ..Script::default() };
        let logic = watched_arena(&script, lies_from).await;
        let args = ReplayArgs { until_diff: true, ..args(recorded.dir.path(), &logic) };
        let summary = watched(args, &mut script, |_| {}).await.unwrap();
        let found = summary.verdict.unwrap().found.unwrap();
        assert_eq!((found.tick, summary.last_tick), (lies_from, lies_from));
        // Nothing more was sent while somebody looked at it.
        assert_eq!(script.asked(), [lies_from]);
        assert!(script.text().starts_with(&format!("different: tick {lies_from}: reply 0")));
    }
    let mut script = Script { person: true, ..Script::default() };
    let logic = watched_arena(&script, u64::MAX).await;
    let args = ReplayArgs { until_diff: true, ..args(recorded.dir.path(), &logic) };
    let verdict = watched(args, &mut script, |_| {}).await.unwrap().verdict.unwrap();
    assert_eq!((verdict.found, verdict.tally.compared), (None, 60));
    assert!(script.asked().is_empty());
    assert!(script.text().starts_with("same: ticks 1 to 60: no difference in 60 answers\n"));
}

#[tokio::test]
async fn a_difference_is_told_as_verify_tells_it() {
    let recorded = record(60, 20);
    let mut script = Script::default();
    let logic = watched_arena(&script, 50).await;
    let dir = recorded.dir.path();
    let from = tick(30);
    let args = ReplayArgs { until_diff: true, from, ..args(dir, &logic) };
    watched(args, &mut script, |_| {}).await.unwrap();
    let logic = watched_arena(&script, 50).await;
    let verify_args = VerifyArgs {
        journal: dir.to_owned(),
        logic,
        from,
        until: None,
        ignore: Vec::new(),
        bisect: false,
        format: Format::Text,
        html: None,
        secret: String::new(),
    };
    let verdict = verify(&verify_args, |_| {}).await.unwrap().to_string();
    let without_time = |text: &str| text.split("took").next().unwrap().to_owned();
    assert_eq!(without_time(&script.text()), without_time(&verdict));
}

#[tokio::test]
async fn what_may_differ_is_passed_over_and_steps_can_be_compared_too() {
    let recorded = record(20, 1000);
    let mut script = Script::of(&[Key::Next; 3]);
    let logic = watched_arena(&script, 15).await;
    let ignore = vec!["state_hash".parse().unwrap()];
    let args = ReplayArgs {
        until_diff: true,
        ignore,
        pause_at: tick(14),
        ..args(recorded.dir.path(), &logic)
    };
    let summary = watched(args, &mut script, |_| {}).await.unwrap();
    let found = summary.verdict.unwrap().found.unwrap();
    assert_eq!((found.tick, script.asked()), (15, vec![13, 14]));
    let text = script.text();
    let (shown, verdict) = (text.find("  out  nothing\n"), text.find("different: tick 15"));
    assert!(shown.is_some() && shown < verdict, "{text}");
}

#[tokio::test]
async fn a_logic_server_that_dies_at_a_difference_does_not_unsay_it() {
    let recorded = record(20, 1000);
    let (logic, noted) = noting(Resume::Stateless(Stateless {})).await;
    let patience = Duration::from_secs(3600);
    let mut script = Script { person: true, patience, ..Script::default() };
    let args = ReplayArgs { until_diff: true, ..args(recorded.dir.path(), &logic) };
    let killed = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        noted.abort();
    };
    let (played, ()) = tokio::join!(watched(args, &mut script, |_| {}), killed);
    assert_eq!(played.unwrap().verdict.unwrap().found.unwrap().tick, 2);
}

fn items(items: &[Item]) -> Vec<&item::Item> {
    items.iter().filter_map(|item| item.item.as_ref()).collect()
}

#[tokio::test]
async fn a_prelude_opens_who_was_there_in_place_of_all_that_came_before() {
    let recorded = record(60, 25);
    for resume in [Resume::Rebuild(Rebuild {}), Resume::Stateless(Stateless {})] {
        let (logic, noted) = noting(resume).await;
        let from = tick(50);
        let args = ReplayArgs { prelude: true, from, ..args(recorded.dir.path(), &logic) };
        let summary = run(args, |_| {}).await.unwrap();
        assert_eq!(summary.prelude, Some(Opened { tick: 49, sessions: 3, leaving: 0 }));
        assert_eq!((summary.ticks, summary.played), (12, 11));
        let text = summary.to_string();
        assert!(text.contains("all other state is missing") && !text.contains("to get"), "{text}");

        let noted = noted.await.unwrap();
        assert!(!noted.iter().any(|message| matches!(message, Message::Restore(_))));
        let sent = ticks_of(&noted);
        let (first, rest) = sent.split_first().unwrap();
        assert_eq!((first.number, first.epoch, first.monotonic_ns), (49, 1, 49 * 50_000_000));
        let opened = items(&first.items);
        let sessions = opened.iter().map(|item| match item {
            item::Item::Open(open) => open.session,
            other => panic!("{other:?}"),
        });
        assert_eq!(sessions.collect::<Vec<_>>(), [1, 2, 3]);
        let rest: Vec<_> = rest.iter().map(prost::Message::encode_to_vec).collect();
        assert_eq!(rest, recorded.ticks[49..]);
    }
}

#[tokio::test]
async fn a_prelude_is_no_tick_of_the_range() {
    let recorded = record(60, 1000);
    let mut script = Script::of(&[Key::End]);
    let logic = watched_arena(&script, u64::MAX).await;
    let (from, step) = (tick(50), true);
    let args = ReplayArgs { prelude: true, from, step, ..args(recorded.dir.path(), &logic) };
    let summary = watched(args, &mut script, |_| {}).await.unwrap();
    assert_eq!((summary.ticks, summary.played, script.asked()), (1, 0, vec![49]));
    let text = script.text();
    assert!(
        text.starts_with("logic begins with a made-up tick 49: 3 sessions open, 0 in leave;"),
        "{text}"
    );
}

#[tokio::test]
async fn a_prelude_serves_a_recording_whose_beginning_is_gone() {
    let recorded = record(60, 1000);
    let dir = recorded.dir.path();
    leave(dir, 2, 61);
    leave(dir, 3, 62);
    std::fs::remove_file(dir.join("00000001.mcap")).unwrap();
    let logic = arena().await;
    let error = run(args(dir, &logic), |_| {}).await.unwrap_err();
    assert!(matches!(error, Error::NoBeginning { first: 61 }), "{error}");
    assert!(error.to_string().contains("--prelude"), "{error}");
    for (from, sessions) in [(61, 3), (62, 2)] {
        let logic = arena().await;
        let args = ReplayArgs { prelude: true, from: tick(from), ..args(dir, &logic) };
        let summary = run(args, |_| {}).await.unwrap();
        assert_eq!(summary.prelude, Some(Opened { tick: from - 1, sessions, leaving: 0 }));
        assert_eq!(summary.last_tick, 62);
    }
}

#[tokio::test]
async fn where_nothing_is_missing_there_is_no_prelude() {
    let recorded = record(30, 1000);
    let lineage = pulsegate_journal::info(recorded.dir.path()).unwrap().lineage;
    for (resume, from) in
        [(Resume::Applied(Applied { lineage, tick: 20 }), 25), (Resume::Rebuild(Rebuild {}), 1)]
    {
        let (logic, noted) = noting(resume).await;
        let args =
            ReplayArgs { prelude: true, from: tick(from), ..args(recorded.dir.path(), &logic) };
        let summary = run(args, |_| {}).await.unwrap();
        assert_eq!((summary.prelude, summary.notes), (None, vec!["no prelude was needed".into()]));
        assert_ne!(ticks_of(&noted.await.unwrap())[0].number, 24);
    }
}

#[tokio::test]
async fn with_sessions_a_prelude_opens_only_these_and_the_chain_holds() {
    let recorded = record(60, 25);
    let (logic, noted) = noting(Resume::Rebuild(Rebuild {})).await;
    let (from, sessions) = (tick(50), vec![2]);
    let args = ReplayArgs { prelude: true, from, sessions, ..args(recorded.dir.path(), &logic) };
    run(args, |_| {}).await.unwrap();
    let sent = ticks_of(&noted.await.unwrap());
    assert_eq!((sent[0].number, sent[0].items.len(), sent.len()), (49, 1, 12));
    assert!(sent.is_sorted_by(|a, b| a.checksum == b.previous));
    assert!(sent.iter().all(|tick| !tick.encode_to_vec().is_empty()));
}
