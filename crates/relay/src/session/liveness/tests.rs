//! The rules as tables of times, and what holds for any times whatever.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn timeout() -> Rules {
    Rules::default()
}

fn score() -> Rules {
    let policy = Policy::Score {
        interval: secs(10),
        threshold: 5,
        strikes: 3,
        recover: 3,
        leave_hold: secs(1800),
    };
    Rules { policy, ..Rules::default() }
}

fn idle(policy: Policy) -> Rules {
    Rules { policy, idle_after: Some(secs(60)), ..Rules::default() }
}

const LEAVES: fn(Cause) -> Option<Change> = |cause| Some(Change::State(State::Leave, cause));
const RETURNS: fn(Cause) -> Option<Change> = |cause| Some(Change::State(State::Alive, cause));
const CLOSES: fn(Reason) -> Option<Change> = |reason| Some(Change::Close(reason));

/// A session with its rules, opened at 0, and what arrived.
struct Session {
    liveness: Liveness,
    seen: Seen,
    rules: Rules,
}

impl Session {
    fn new(rules: Rules) -> Self {
        let seen = Seen { frame: secs(0), packet: secs(0) };
        Self { liveness: Liveness::new(secs(0)), seen, rules }
    }

    fn heartbeat(&mut self, at: u64) -> Option<Change> {
        self.seen.frame = secs(at);
        self.check(at)
    }

    fn packet(&mut self, at: u64) -> Option<Change> {
        self.seen.packet = secs(at);
        self.heartbeat(at)
    }

    fn says(&mut self, at: u64, status: Status) -> Option<Change> {
        self.seen.frame = secs(at);
        self.liveness.claim(secs(at), status)
    }

    fn check(&mut self, at: u64) -> Option<Change> {
        self.liveness.check(secs(at), self.seen, &self.rules)
    }

    /// Every change until `at` if nothing arrives, with its second; looks only when due.
    fn silence_until(&mut self, at: u64) -> Vec<(u64, Change)> {
        let mut changes = Vec::new();
        while let Some(due) = self.liveness.deadline(self.seen, &self.rules) {
            if due > secs(at) {
                break;
            }
            let change = self.liveness.check(due, self.seen, &self.rules);
            changes.extend(change.map(|change| (due.as_secs(), change)));
        }
        changes
    }
}

#[test]
fn under_timeout_a_silent_session_leaves_at_15_s_and_closes_at_30() {
    let expected =
        [(15, Change::State(State::Leave, Cause::Silence)), (30, Change::Close(Reason::Silent))];
    assert_eq!(Session::new(timeout()).silence_until(10_000), expected);
}

#[test]
fn a_frame_in_leave_brings_a_session_back() {
    let mut session = Session::new(timeout());
    assert_eq!(session.check(15), LEAVES(Cause::Silence));
    assert_eq!(session.heartbeat(29), RETURNS(Cause::Frame));
    assert_eq!(session.liveness.deadline(session.seen, &session.rules), Some(secs(44)));
    assert_eq!(session.liveness.since(), secs(29));
}

#[test]
fn a_heartbeat_at_the_very_deadline_is_in_time() {
    let mut session = Session::new(timeout());
    for at in 1..100 {
        assert_eq!(session.heartbeat(at * 15), None);
    }
}

#[test]
fn a_session_that_missed_both_deadlines_leaves_before_it_closes() {
    let mut session = Session::new(timeout());
    assert_eq!(session.check(500), LEAVES(Cause::Silence));
    assert_eq!(session.check(500), CLOSES(Reason::Silent));
    assert_eq!(session.check(500), None);
}

#[test]
fn under_score_a_silent_session_collects_strikes_then_leaves_then_closes() {
    let mut session = Session::new(score());
    for (at, score, strikes) in [(10, 1, 0), (40, 4, 0), (50, 0, 1), (90, 4, 1), (100, 0, 2)] {
        assert_eq!(session.silence_until(at), []);
        assert_eq!((session.liveness.score(), session.liveness.strikes()), (score, strikes));
        assert_eq!(session.liveness.state(), State::Alive);
    }
    let expected = [
        (150, Change::State(State::Leave, Cause::Strikes)),
        (150 + 1800, Change::Close(Reason::LeftTooLong)),
    ];
    assert_eq!(session.silence_until(10_000), expected);
}

#[test]
fn a_steady_interval_lowers_the_score_and_never_under_0() {
    let mut session = Session::new(score());
    session.silence_until(40);
    session.heartbeat(45);
    for (at, score) in [(50, 3), (60, 4)] {
        assert_eq!(session.check(at), None);
        assert_eq!(session.liveness.score(), score);
    }
    for at in 61..200 {
        assert_eq!(session.heartbeat(at), None);
    }
    assert_eq!(session.liveness.score(), 0);
}

#[test]
fn one_interval_in_two_keeps_a_session_alive_for_ever() {
    let mut session = Session::new(score());
    for round in 0..500 {
        assert_eq!(session.heartbeat(round * 20 + 5), None);
        assert_eq!(session.silence_until(round * 20 + 20), []);
    }
}

#[test]
fn steady_intervals_in_a_row_take_strikes_away() {
    let mut session = Session::new(score());
    session.silence_until(100);
    assert_eq!(session.liveness.strikes(), 2);
    for (at, strikes) in [(110, 2), (120, 2), (130, 0)] {
        assert_eq!(session.heartbeat(at), None);
        assert_eq!(session.liveness.strikes(), strikes, "at {at} s");
    }
}

#[test]
fn in_leave_for_strikes_steady_intervals_in_a_row_bring_a_session_back() {
    let mut session = Session::new(score());
    session.silence_until(150);
    assert_eq!(session.heartbeat(160), None);
    assert_eq!(session.heartbeat(170), None);
    assert_eq!(session.silence_until(180), []); // Not in a row: the count begins again.
    assert_eq!(session.heartbeat(190), None);
    assert_eq!(session.heartbeat(200), None);
    assert_eq!(session.heartbeat(210), RETURNS(Cause::Steady));
    assert_eq!((session.liveness.score(), session.liveness.strikes()), (0, 0));
}

#[test]
fn intervals_that_nobody_looked_at_are_steady_up_to_the_last_frame() {
    let mut session = Session::new(score());
    session.seen.frame = secs(995);
    assert_eq!(session.check(1020), None);
    assert_eq!(session.liveness.score(), 2);
}

#[test]
fn a_client_may_leave_by_its_own_word_and_a_packet_ends_it() {
    for rules in [timeout(), score(), Rules { policy: Policy::Off, ..timeout() }] {
        let mut session = Session::new(rules);
        assert_eq!(session.says(5, Status::Leave), LEAVES(Cause::Claim));
        assert_eq!(session.says(6, Status::Leave), None);
        assert_eq!(session.heartbeat(7), None);
        assert_eq!(session.packet(8), RETURNS(Cause::Frame));
        assert_eq!(session.packet(9), None);
    }
}

#[test]
fn a_client_may_take_its_word_back() {
    let mut session = Session::new(timeout());
    assert_eq!(session.says(4, Status::Alive), None);
    assert_eq!(session.says(5, Status::Leave), LEAVES(Cause::Claim));
    assert_eq!(session.says(9, Status::Alive), RETURNS(Cause::Claim));
    assert_eq!(session.check(9), None);
}

#[test]
fn a_word_does_not_undo_what_the_relay_saw() {
    let mut struck = Session::new(score());
    struck.silence_until(150);
    assert_eq!(struck.says(151, Status::Alive), None);
    assert_eq!(struck.check(151), None);

    let mut idler = Session::new(idle(Policy::Off));
    assert_eq!(idler.check(60), LEAVES(Cause::Idle));
    assert_eq!(idler.says(61, Status::Alive), None);
    assert_eq!(idler.check(61), None);
}

#[test]
fn a_goodbye_closes_at_once_and_nothing_comes_after_it() {
    let mut session = Session::new(timeout());
    assert_eq!(session.says(5, Status::Close), CLOSES(Reason::Goodbye));
    assert_eq!(session.says(6, Status::Leave), None);
    assert_eq!(session.packet(7), None);
    assert_eq!(session.liveness.deadline(session.seen, &session.rules), None);
}

#[test]
fn silence_still_closes_who_left_by_its_own_word() {
    let mut session = Session::new(timeout());
    session.says(5, Status::Leave);
    session.heartbeat(14);
    assert_eq!(session.silence_until(1000), [(44, Change::Close(Reason::Silent))]);

    let mut session = Session::new(score());
    session.says(5, Status::Leave);
    assert_eq!(session.silence_until(1804), []);
    assert_eq!((session.liveness.score(), session.liveness.strikes()), (0, 0));
    assert_eq!(session.silence_until(9999), [(1805, Change::Close(Reason::LeftTooLong))]);
}

#[test]
fn heartbeats_without_a_packet_are_idle_and_the_next_packet_ends_it() {
    let mut session = Session::new(idle(Policy::default()));
    for at in (10..60).step_by(10) {
        assert_eq!(session.heartbeat(at), None);
    }
    assert_eq!(session.heartbeat(60), LEAVES(Cause::Idle));
    assert_eq!(session.heartbeat(70), None);
    assert_eq!(session.packet(80), RETURNS(Cause::Frame));
    assert_eq!(session.liveness.deadline(session.seen, &session.rules), Some(secs(95)));
}

#[test]
fn with_the_policy_off_silence_is_nothing() {
    let mut session = Session::new(Rules { policy: Policy::Off, ..timeout() });
    assert_eq!(session.liveness.deadline(session.seen, &session.rules), None);
    assert_eq!(session.check(1_000_000), None);
}

#[test]
fn gentler_rules_take_effect_on_who_left_already() {
    let mut session = Session::new(timeout());
    session.check(20);
    session.rules.policy = Policy::Timeout { leave_after: secs(60), close_after: secs(90) };
    assert_eq!(session.check(21), RETURNS(Cause::Frame));
}

#[derive(Debug, Clone)]
enum Event {
    Heartbeat,
    Packet,
    Says(Status),
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Heartbeat),
        Just(Event::Packet),
        Just(Event::Says(Status::Alive)),
        Just(Event::Says(Status::Leave)),
        Just(Event::Nothing),
        Just(Event::Nothing),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let policy = prop_oneof![Just(Policy::Off), Just(timeout().policy), Just(score().policy)];
    (policy, any::<bool>()).prop_map(|(policy, idles)| Rules {
        policy,
        idle_after: idles.then_some(secs(60)),
        ..Rules::default()
    })
}

/// A change is one step from the state before; only a claim may close what is alive.
fn is_one_step(before: State, change: Change) -> bool {
    matches!(
        (before, change),
        (State::Alive, Change::State(State::Leave, _))
            | (State::Leave, Change::State(State::Alive, _) | Change::Close(_))
    )
}

proptest! {
    #[test]
    fn states_move_one_step_at_a_time_and_never_out_of_close(
        rules in rules(),
        schedule in vec((0u64..40, event()), 1..200),
    ) {
        let mut session = Session::new(rules);
        let mut at = 0;
        for (pause, event) in schedule {
            at += pause;
            let before = session.liveness.state();
            let change = match event {
                Event::Heartbeat => session.heartbeat(at),
                Event::Packet => session.packet(at),
                Event::Says(status) => session.says(at, status),
                Event::Nothing => session.check(at),
            };
            let after = session.liveness.state();
            match change {
                Some(change) => prop_assert!(is_one_step(before, change), "{before:?}: {change:?}"),
                None => prop_assert_eq!(before, after),
            }
            if let Some(Change::State(state, _)) = change {
                prop_assert_eq!(state, after);
            }
        }
    }

    #[test]
    fn looking_only_when_due_finds_the_same_as_looking_all_the_time(
        rules in rules(),
        schedule in vec((1u64..40, event()), 1..60),
    ) {
        let mut lazy = Session::new(rules.clone());
        let mut eager = Session::new(rules);
        let (mut lazily, mut eagerly) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (pause, event) in schedule {
            lazily.extend(lazy.silence_until(at + pause));
            for second in at + 1..=at + pause {
                eagerly.extend(eager.check(second).map(|change| (second, change)));
            }
            at += pause;
            for (session, changes) in [(&mut lazy, &mut lazily), (&mut eager, &mut eagerly)] {
                let change = match event {
                    Event::Heartbeat => session.heartbeat(at),
                    Event::Packet => session.packet(at),
                    Event::Says(status) => session.says(at, status),
                    Event::Nothing => None,
                };
                changes.extend(change.map(|change| (at, change)));
                changes.extend(session.check(at).map(|change| (at, change)));
            }
        }
        prop_assert_eq!(lazily, eagerly);
    }

    #[test]
    fn a_look_that_changes_nothing_names_a_later_deadline(
        rules in rules(),
        looks in vec((0u64..40, any::<bool>()), 1..100),
    ) {
        let mut session = Session::new(rules);
        let mut at = 0;
        for (pause, heard) in looks {
            at += pause;
            let change = if heard { session.packet(at) } else { session.check(at) };
            let deadline = session.liveness.deadline(session.seen, &session.rules);
            if change.is_none() {
                prop_assert!(deadline.is_none_or(|due| due > secs(at)), "{at}: {deadline:?}");
            }
        }
    }

    #[test]
    fn heartbeats_in_time_never_leave(
        rules in prop_oneof![Just(timeout()), Just(score())],
        pauses in vec(0u64..=10, 1..300),
        late_looks in vec(0u64..3, 300),
    ) {
        let mut session = Session::new(rules);
        let mut at = 0;
        for (pause, late) in pauses.into_iter().zip(late_looks) {
            prop_assert_eq!(session.silence_until(at + pause), []);
            at += pause;
            session.seen.frame = secs(at);
            prop_assert_eq!(session.check(at + late), None);
        }
    }
}
