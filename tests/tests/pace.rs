//! The pace changes while the relay runs: by an operator, by a reload, by logic's wish.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use pulsegate_protocol::proto::from_logic::Message;
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::proto::pace::Strategy;
use pulsegate_protocol::proto::{Adaptive, Deadline, Done, Fixed, Pace, PaceChange, Tick};
use pulsegate_tests::{FakeLogic, TestRelay, eventually, eventually_some};
use serde_json::json;

fn change_in(tick: &Tick) -> Option<PaceChange> {
    tick.items.iter().find_map(|item| match &item.item {
        Some(Item::Pace(change)) => Some(change.clone()),
        _ => None,
    })
}

/// The first change of pace in the journal.
fn change(relay: &TestRelay) -> PaceChange {
    eventually_some("a change of pace in the journal", || {
        relay.journal_ticks().iter().find_map(change_in)
    })
}

fn pace(strategy: Strategy) -> Option<Pace> {
    Some(Pace { strategy: Some(strategy) })
}

#[test]
fn an_operator_sets_another_pace_and_the_batch_says_so() {
    let relay = TestRelay::start("tick.sleep = '20ms'");
    assert_eq!(relay.admin_json("/api/pace")["sleep"], "20ms");
    let wish = json!({"strategy": "deadline", "period": "10ms", "overrun": "stretch"});
    let (status, text) = relay.post("/api/pace", &wish, &[]);
    assert_eq!(status, 200, "{text}");
    let by_operator = change(&relay);
    let deadline = Deadline { period_ns: 10_000_000, overrun: 2, catch_up: 0 };
    assert_eq!(by_operator.by, "admin");
    let Some(Strategy::Deadline(given)) = by_operator.pace.unwrap().strategy else {
        panic!("another strategy")
    };
    assert_eq!((given.period_ns, given.overrun), (deadline.period_ns, deadline.overrun));
    eventually("the pace is shown", || relay.admin_json("/api/pace")["strategy"] == "deadline");
}

#[test]
fn a_pace_that_cannot_be_is_refused_and_changes_nothing() {
    let relay = TestRelay::start("");
    for wish in [
        json!({"sleep": "50"}),
        json!({"slep": "50ms"}),
        json!({"strategy": "hurry"}),
        json!({"sleep": "0ms"}),
        json!([1]),
    ] {
        let (status, text) = relay.post("/api/pace", &wish, &[]);
        assert_eq!(status, 400, "{wish}: {text}");
        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["error"].is_string());
    }
    assert_eq!(relay.admin_json("/api/pace")["sleep"], "50ms");
}

#[test]
fn an_hours_sleep_does_not_keep_a_new_pace_waiting() {
    let relay = TestRelay::start("tick.sleep = '1h'\nliveness.policy = 'off'");
    let began = Instant::now();
    assert_eq!(relay.post("/api/pace", &json!({"sleep": "10ms"}), &[]).0, 200);
    assert_eq!(change(&relay).by, "admin");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_reload_changes_the_pace() {
    let relay = TestRelay::start("tick.sleep = '20ms'");
    relay.reconfigure("tick.strategy = 'fixed'\ntick.sleep = '15ms'");
    let expected = pace(Strategy::Fixed(Fixed { sleep_ns: 15_000_000 }));
    assert_eq!(change(&relay), PaceChange { pace: expected, by: "reload".into() });
}

#[test]
fn logic_asks_for_another_pace_and_hears_that_it_has_it() {
    let relay = TestRelay::before_logic("tick.sleep = '20ms'");
    let mut link = FakeLogic::listen(relay.logic()).accept_stateless();
    let adaptive = Strategy::Adaptive(Adaptive { sleep_ns: 20_000_000, budget_ns: 0 });
    assert_eq!(link.hello.pace, pace(adaptive), "the hello says the pace in force");
    let wish = pace(Strategy::Fixed(Fixed { sleep_ns: 5_000_000 }));
    let tick = link.next_tick().unwrap();
    link.send(Message::Done(Done { tick: tick.number, pace: wish, ..Done::default() }));
    let tick = link.skip_until("the new pace", |tick| change_in(tick).is_some());
    let by_logic = PaceChange { pace: wish, by: "logic".into() };
    assert_eq!(change_in(&tick), Some(by_logic));
    link.done(tick.number);

    // From there on, beats follow it.
    let tick = link.next_tick().unwrap();
    assert!(tick.since_last_ns >= 5_000_000, "{}", tick.since_last_ns);
    eventually("the pace is shown", || relay.admin_json("/api/pace")["sleep"] == "5ms");
}
