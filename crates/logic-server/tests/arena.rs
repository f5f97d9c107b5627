//! The arena is a function of its ticks.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod fake_relay;

use fake_relay::{close, open, packet, tick_bytes};
use proptest::prelude::*;
use prost::Message as _;
use pulsegate_logic::samples::Arena;
use pulsegate_logic::{Logic, Replies, Tick};
use pulsegate_protocol::proto::{self, item::Item};

const COMMANDS: [&str; 6] = [
    r#"{"move":"north"}"#,
    r#"{"move":"south"}"#,
    r#"{"move":"east"}"#,
    r#"{"move":"west"}"#,
    r#"{"move":"up"}"#,
    "nonsense",
];

fn happening() -> impl Strategy<Value = Item> {
    let session = 1u64..6;
    prop_oneof![
        session.clone().prop_map(open),
        session.clone().prop_map(close),
        (session, 0..COMMANDS.len()).prop_map(|(session, it)| packet(session, COMMANDS[it])),
    ]
}

fn some_ticks() -> impl Strategy<Value = Vec<Tick>> {
    let batches = prop::collection::vec(prop::collection::vec(happening(), 0..12), 1..20);
    batches.prop_map(|batches| {
        let numbered = (1..).zip(batches);
        numbered.map(|(number, items)| tick(number, items)).collect()
    })
}

fn tick(number: u64, items: impl IntoIterator<Item = Item>) -> Tick {
    proto::Tick::decode(tick_bytes(number, items)).unwrap().into()
}

/// The state after each tick, and all that was said.
fn play(arena: &mut Arena, ticks: &[Tick]) -> Vec<(Option<u64>, proto::Done)> {
    let step = |tick| {
        let mut replies = Replies::default();
        arena.tick(tick, &mut replies);
        (arena.state_hash(), replies.into_done())
    };
    ticks.iter().map(step).collect()
}

proptest! {
    #[test]
    fn two_runs_are_the_same_run(ticks in some_ticks()) {
        let (mut first, mut second) = (Arena::default(), Arena::default());
        prop_assert_eq!(play(&mut first, &ticks), play(&mut second, &ticks));
        prop_assert_eq!(first, second);
    }

    #[test]
    fn a_snapshot_and_the_rest_is_the_whole(ticks in some_ticks(), cut in 0usize..20) {
        let (before, after) = ticks.split_at(cut.min(ticks.len()));
        let mut whole = Arena::default();
        play(&mut whole, before);
        let mut restored = Arena::default();
        restored.restore(&whole.snapshot().unwrap()).unwrap();
        prop_assert_eq!(play(&mut whole, after), play(&mut restored, after));
        prop_assert_eq!(whole, restored);
    }
}

fn answer(arena: &mut Arena, tick: &Tick) -> Vec<serde_json::Value> {
    let mut replies = Replies::default();
    arena.tick(tick, &mut replies);
    let replies = replies.into_done().replies;
    replies.iter().map(|reply| serde_json::from_slice(&reply.payload).unwrap()).collect()
}

#[test]
fn everyone_sees_a_move_and_nobody_walks_through_a_wall() {
    let mut arena = Arena::default();
    let spawned = answer(&mut arena, &tick(1, [open(1)]));
    let (x, y) = (spawned[0]["players"][0]["x"].clone(), spawned[0]["players"][0]["y"].clone());
    let x = x.as_u64().unwrap();
    let moved = answer(&mut arena, &tick(2, [packet(1, r#"{"move":"east"}"#)]));
    let expected =
        serde_json::json!({"tick": 2, "players": [{"id": 1, "x": (x + 1).min(63), "y": y}]});
    assert_eq!(moved, [expected]);

    let far = vec![packet(1, r#"{"move":"north"}"#); 70];
    let north = answer(&mut arena, &tick(3, far));
    assert_eq!(north[0]["players"][0]["y"], 0);
}

#[test]
fn an_empty_arena_says_nothing_and_a_bad_command_is_answered_readably() {
    let mut arena = Arena::default();
    assert_eq!(answer(&mut arena, &tick(1, [open(1), close(1)])), [] as [serde_json::Value; 0]);
    for bad in [r#"{"move":"up"}"#, "", "[1]", r#"{"fly":"north"}"#] {
        let answers = answer(&mut arena, &tick(2, [packet(9, bad)]));
        let error = answers[0]["error"].as_str().unwrap();
        assert!(error.starts_with(r#"expected a command like {"move":"north"}"#), "{error}");
    }
    let answers = answer(&mut arena, &tick(3, [packet(9, r#"{"move":"west"}"#)]));
    assert_eq!(answers[0]["error"], "you are not in the arena");
}
