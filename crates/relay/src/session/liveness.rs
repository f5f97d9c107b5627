//! One session's state: `now` and what was seen come in, changes and deadlines go out.
//!
//! No clock, no socket, no task. Times are offsets of *listened* time, which stands still while the
//! relay itself did: silence counts only while somebody listened.
//!
//! A session is in `leave` for as long as there is a reason to: silence (policy `timeout`), strikes
//! (policy `score`), the client's own word, or heartbeats without a packet. A deadline is reached
//! when `now` is equal to it; something that arrived in that very moment is in time.
//!
//! ```
//! use std::time::Duration;
//! use pulsegate::session::liveness::{Change, Liveness, Rules, Seen};
//! use pulsegate_protocol::proto::{Cause, State};
//!
//! let secs = Duration::from_secs;
//! let rules = Rules::default();
//! let mut session = Liveness::new(secs(0));
//! let seen = Seen { frame: secs(0), packet: secs(0) };
//! assert_eq!(session.deadline(seen, &rules), Some(secs(15)));
//! assert_eq!(session.check(secs(14), seen, &rules), None);
//! let change = session.check(secs(15), seen, &rules);
//! assert_eq!(change, Some(Change::State(State::Leave, Cause::Silence)));
//! ```

mod score;
#[cfg(test)]
mod tests;

use std::time::Duration;

use pulsegate_protocol::Reason;
use pulsegate_protocol::heartbeat::Status;
use pulsegate_protocol::proto::{Cause, State};

use self::score::{Marking, Score};

/// How sessions are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What silence means.
    pub policy: Policy,
    /// How often a session in `leave` is handed what was held back for it. Of no concern here.
    pub leave_sync: Duration,
    /// After so long with heartbeats but no packet: `leave`. `None`: never.
    pub idle_after: Option<Duration>,
}

/// What silence means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Policy {
    /// Nothing: TCP finds the dead. Claims and `idle_after` still count.
    Off,
    /// Two deadlines after the last frame.
    Timeout {
        /// `leave` after so long without a frame.
        leave_after: Duration,
        /// `close` after so long without a frame.
        close_after: Duration,
    },
    /// Quiet intervals add up, steady ones forgive.
    Score {
        /// How long an interval is. They are counted from the session's opening.
        interval: Duration,
        /// A score of so much is one strike.
        threshold: u32,
        /// So many strikes are `leave`.
        strikes: u32,
        /// So many steady intervals in a row take all strikes away, and end a `leave` for them.
        recover: u32,
        /// After so long in `leave`, whatever the cause: `close`.
        leave_hold: Duration,
    },
}

/// What arrived last. The session's opening counts as both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When the last frame of any kind arrived.
    pub frame: Duration,
    /// When the last packet arrived: a frame that was no heartbeat.
    pub packet: Duration,
}

/// What a look at a session changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is in another state, `alive` or `leave`, and why.
    State(State, Cause),
    /// It is over, and why.
    Close(Reason),
}

/// What is known of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liveness {
    state: State,
    since: Duration,
    /// Why it is in `leave`; of no meaning in another state.
    cause: Cause,
    /// When the client said that it leaves, until something takes that back.
    claimed: Option<Duration>,
    score: Score,
}

impl Default for Policy {
    fn default() -> Self {
        Self::Timeout { leave_after: Duration::from_secs(15), close_after: Duration::from_secs(30) }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { policy: Policy::default(), leave_sync: Duration::from_secs(5), idle_after: None }
    }
}

impl Liveness {
    /// A session that opened now, and is `alive`.
    pub const fn new(now: Duration) -> Self {
        Self {
            state: State::Alive,
            since: now,
            cause: Cause::Unspecified,
            claimed: None,
            score: Score::new(now),
        }
    }

    /// Judges the session; at most one step from state to state. Look again after a change.
    ///
    /// Due at each [`deadline`](Self::deadline), and in `leave` whenever something arrived.
    pub fn check(&mut self, now: Duration, seen: Seen, rules: &Rules) -> Option<Change> {
        if self.state == State::Close {
            return None;
        }
        if let Some(marking) = Marking::of(&rules.policy) {
            self.score.judge(now, seen.frame, self.state == State::Alive, marking);
        }
        self.claimed = self.claimed.filter(|claimed| seen.packet <= *claimed);
        match (self.state, self.reason_to_leave(now, seen, rules)) {
            (State::Alive, None) => None,
            (State::Alive, Some(cause)) => Some(self.leave(now, cause)),
            (_, None) => Some(self.come_back(now, self.what_ended_it())),
            (_, Some(_)) => {
                let (at, reason) = self.close_at(seen, rules)?;
                (at <= now).then(|| self.close(now, reason))
            }
        }
    }

    /// Takes the client's word, which arrived at `now` in a heartbeat.
    ///
    /// `leave` holds until the next packet, or until the client says `alive`. `close` is a goodbye.
    pub fn claim(&mut self, now: Duration, status: Status) -> Option<Change> {
        match (status, self.state) {
            (_, State::Close) => None,
            (Status::Close, _) => Some(self.close(now, Reason::Goodbye)),
            (Status::Leave, state) => {
                self.claimed = Some(now);
                (state == State::Alive).then(|| self.leave(now, Cause::Claim))
            }
            (Status::Alive, state) => {
                self.claimed = None;
                let only_for_its_word = state == State::Leave && self.cause == Cause::Claim;
                only_for_its_word.then(|| self.come_back(now, Cause::Claim))
            }
        }
    }

    /// When [`check`](Self::check) can next change something, if nothing arrives until then.
    /// `None`: not before something does. Later than the last check, if that changed nothing.
    pub fn deadline(&self, seen: Seen, rules: &Rules) -> Option<Duration> {
        if self.state == State::Close {
            return None;
        }
        let marked = Marking::of(&rules.policy).map(|marking| self.score.interval_end(marking));
        let closes = self.close_at(seen, rules).map(|(at, _)| at);
        let (silent, idle) = match self.state {
            State::Alive => (silent_at(seen, rules), idle_at(seen, rules)),
            _ => (None, None),
        };
        [marked, closes, silent, idle].into_iter().flatten().min()
    }

    /// The state that it is in.
    pub const fn state(&self) -> State {
        self.state
    }

    /// Since when it is in that state.
    pub const fn since(&self) -> Duration {
        self.since
    }

    /// How much silence has added up, under the score policy.
    pub const fn score(&self) -> u32 {
        self.score.score()
    }

    /// How many strikes there are, under the score policy.
    pub const fn strikes(&self) -> u32 {
        self.score.strikes()
    }

    fn reason_to_leave(&self, now: Duration, seen: Seen, rules: &Rules) -> Option<Cause> {
        let reached = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        let struck = Marking::of(&rules.policy).is_some() && self.score.is_struck();
        [
            (reached(silent_at(seen, rules)), Cause::Silence),
            (struck, Cause::Strikes),
            (self.claimed.is_some(), Cause::Claim),
            (reached(idle_at(seen, rules)), Cause::Idle),
        ]
        .into_iter()
        .find_map(|(holds, cause)| holds.then_some(cause))
    }

    /// When a session in `leave` is closed, and why.
    fn close_at(&self, seen: Seen, rules: &Rules) -> Option<(Duration, Reason)> {
        if self.state != State::Leave {
            return None;
        }
        match rules.policy {
            Policy::Off => None,
            Policy::Timeout { close_after, .. } => {
                Some((seen.frame.saturating_add(close_after), Reason::Silent))
            }
            Policy::Score { leave_hold, .. } => {
                Some((self.since.saturating_add(leave_hold), Reason::LeftTooLong))
            }
        }
    }

    fn leave(&mut self, now: Duration, cause: Cause) -> Change {
        self.cause = cause;
        self.enter(State::Leave, now);
        Change::State(State::Leave, cause)
    }

    fn come_back(&mut self, now: Duration, cause: Cause) -> Change {
        self.enter(State::Alive, now);
        Change::State(State::Alive, cause)
    }

    const fn what_ended_it(&self) -> Cause {
        match self.cause {
            Cause::Strikes => Cause::Steady,
            _ => Cause::Frame,
        }
    }

    fn close(&mut self, now: Duration, reason: Reason) -> Change {
        self.enter(State::Close, now);
        Change::Close(reason)
    }

    fn enter(&mut self, state: State, now: Duration) {
        self.state = state;
        self.since = now;
    }
}

/// When silence becomes a reason to leave.
fn silent_at(seen: Seen, rules: &Rules) -> Option<Duration> {
    match rules.policy {
        Policy::Timeout { leave_after, .. } => Some(seen.frame.saturating_add(leave_after)),
        Policy::Off | Policy::Score { .. } => None,
    }
}

/// When heartbeats without a packet become one.
fn idle_at(seen: Seen, rules: &Rules) -> Option<Duration> {
    rules.idle_after.map(|idle_after| seen.packet.saturating_add(idle_after))
}
