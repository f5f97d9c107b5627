//! All sessions' rules and timers. The beat thread owns it; nobody else sees it.
//!
//! A frame only leaves a stamp. A timer that comes due looks at the stamp and, if something
//! arrived meanwhile, is set anew: a session costs a look per deadline, not per frame.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use pulsegate_protocol::proto::{State, StateChange};
use serde_json::json;
use tracing::debug;

use super::liveness::{Change, Liveness, Rules};
use super::roster::Roster;
use crate::client::Client;
use crate::tick::clock::Clock;
use crate::tick::intake::{Intake, News};

/// How long the judgement of a session waits whose socket holds bytes that nobody read yet.
const UNREAD: Duration = Duration::from_millis(100);

/// How many timers there may be for each session, and how many beside that: one of a session is
/// set, others are leftovers.
const LEFTOVERS: usize = 4;
const FEW: usize = 1024;

/// The sessions as the beat thread knows them.
#[derive(Debug)]
pub struct Table {
    sessions: HashMap<u64, Session>,
    timers: BinaryHeap<Reverse<(Duration, u64)>>,
    intake: Arc<Intake>,
    roster: Arc<Roster>,
    clock: Arc<Clock>,
}

#[derive(Debug)]
struct Session {
    client: Arc<Client>,
    liveness: Liveness,
    /// When its timer in the heap comes due; any other timer of it there is a leftover.
    timer: Option<Duration>,
    /// When what is held back for it is handed over; only in `leave`.
    sync: Option<Duration>,
}

/// What a judgement needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// The rules of liveness.
    pub rules: Rules,
    /// How many departed are kept.
    pub keep_departed: usize,
}

impl Table {
    /// An empty table.
    pub fn new(intake: Arc<Intake>, roster: Arc<Roster>, clock: Arc<Clock>) -> Self {
        Self { sessions: HashMap::new(), timers: BinaryHeap::new(), intake, roster, clock }
    }

    /// Takes in what was told, then judges whoever is due, at `now` of the listened time.
    pub fn judge(&mut self, now: Duration, judgement: &Judgement) {
        for news in self.intake.news() {
            self.take_in(news, now, judgement);
        }
        self.forget_leftovers();
        while let Some(&Reverse((due, id))) = self.timers.peek() {
            if due > now {
                break;
            }
            self.timers.pop();
            if self.sessions.get(&id).is_some_and(|session| session.timer == Some(due)) {
                self.timer_is_due(id, now, judgement);
            }
        }
    }

    /// Sets every timer anew, since the rules changed.
    pub fn rules_changed(&mut self, now: Duration, judgement: &Judgement) {
        self.timers.clear();
        let ids: Vec<u64> = self.sessions.keys().copied().collect();
        for id in ids {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.timer = None;
            }
            self.set_timer(id, now, judgement);
        }
    }

    /// Nobody can have been heard later than `now`: said after time was found not to have been
    /// listened to.
    pub fn clamp_stamps(&self, now: Duration) {
        self.sessions.values().for_each(|session| session.client.figures.clamp(now));
    }

    fn take_in(&mut self, news: News, now: Duration, judgement: &Judgement) {
        match news {
            News::Opened(client) => {
                let id = client.id;
                // What it said since then, before this beat, counts.
                let opened = client.figures.began().min(now);
                let liveness = Liveness::new(opened);
                let session = Session { client, liveness, timer: None, sync: None };
                self.sessions.insert(id, session);
                self.set_timer(id, now, judgement);
            }
            News::Ended(id) => {
                self.sessions.remove(&id);
            }
            News::Heard(id) => self.look(id, now, judgement),
            News::Claimed(id, status, at) => {
                let Some(session) = self.sessions.get_mut(&id) else { return };
                let change = session.liveness.claim(at.min(now), status);
                self.apply(id, change, now, judgement);
                // A packet may have come after its word, and within the same tick.
                self.look(id, now, judgement);
            }
        }
    }

    /// A timer that was replaced, or whose session has ended, would stay until it came due: for
    /// days, if silence is allowed for days.
    fn forget_leftovers(&mut self) {
        if self.timers.len() > FEW + LEFTOVERS * self.sessions.len() {
            let sessions = &self.sessions;
            let is_set = |(due, id): (Duration, u64)| {
                sessions.get(&id).is_some_and(|session| session.timer == Some(due))
            };
            self.timers.retain(|Reverse(timer)| is_set(*timer));
            self.timers.shrink_to(FEW + LEFTOVERS * self.sessions.len());
        }
    }

    fn timer_is_due(&mut self, id: u64, now: Duration, judgement: &Judgement) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.timer = None;
        if session.client.has_unread_bytes() {
            session.timer = Some(now + UNREAD);
            self.timers.push(Reverse((now + UNREAD, id)));
            return;
        }
        if session.sync.is_some_and(|sync| sync <= now) {
            session.sync = Some(now + judgement.rules.leave_sync);
            session.client.hand_over(self.clock.now());
        }
        self.look(id, now, judgement);
    }

    fn look(&mut self, id: u64, now: Duration, judgement: &Judgement) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.client.figures.look_taken();
        let seen = session.client.figures.seen();
        let change = session.liveness.check(now, seen, &judgement.rules);
        self.apply(id, change, now, judgement);
    }

    fn apply(&mut self, id: u64, change: Option<Change>, now: Duration, judgement: &Judgement) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match change {
            Some(Change::State(state, cause)) => {
                debug!(session = id, state = state.as_str_name(), cause = cause.as_str_name());
                let change = StateChange { session: id, state: state.into(), cause: cause.into() };
                self.intake.state(&session.client, change);
                let leaves = state == State::Leave;
                session.sync = leaves.then(|| now + judgement.rules.leave_sync);
                session.client.hold_back(leaves, self.clock.now());
            }
            Some(Change::Close(reason)) => {
                let session = self.sessions.remove(&id).expect("it was found above");
                let silent_for = now.saturating_sub(session.client.figures.seen().frame);
                let details = json!({ "silent_for_ms": silent_for.as_millis() as u64 });
                self.roster.end(&session.client, reason, details, judgement.keep_departed);
                return;
            }
            None => {}
        }
        session.client.figures.show(&session.liveness);
        self.set_timer(id, now, judgement);
    }

    /// Sets a session's timer, unless it has one that comes due no later.
    fn set_timer(&mut self, id: u64, now: Duration, judgement: &Judgement) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let deadline = session.liveness.deadline(session.client.figures.seen(), &judgement.rules);
        let Some(due) = deadline.into_iter().chain(session.sync).min() else { return };
        // A deadline in the past would be looked at again within the same judgement, for ever.
        let due = due.max(now + Duration::from_nanos(1));
        if session.timer.is_none_or(|timer| due < timer) {
            session.timer = Some(due);
            self.timers.push(Reverse((due, id)));
        }
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::Reason;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::admin::metrics::Metrics;
    use crate::client::figures::Figures;
    use crate::client::outbox::Outbox;
    use crate::session::liveness::Policy;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// A client, and the other side of its connection.
    async fn client(id: u64) -> (Arc<Client>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (connected, accepted) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (socket, peer) = accepted.unwrap();
        let (figures, outbox) = (Figures::new(Duration::ZERO), Outbox::new(socket.into_split().1));
        let client = Client::new(id, peer, Duration::ZERO, figures, outbox);
        (Arc::new(client), connected.unwrap())
    }

    fn table() -> Table {
        let (intake, clock) = (Arc::new(Intake::new(1024)), Arc::new(Clock::start()));
        let metrics = Arc::new(Metrics::default());
        let roster = Arc::new(Roster::new(Arc::clone(&intake), Arc::clone(&clock), metrics));
        Table::new(intake, roster, clock)
    }

    fn judgement(leave_after: Duration) -> Judgement {
        let policy = Policy::Timeout { leave_after, close_after: 2 * leave_after };
        Judgement { rules: Rules { policy, ..Rules::default() }, keep_departed: 2 }
    }

    #[tokio::test]
    async fn those_who_came_and_went_leave_no_timers() {
        let (mut table, judgement) = (table(), judgement(DAY));
        let (client, _peer) = client(1).await;
        client.mark_ended(Reason::Goodbye);
        for _ in 0..4 * FEW {
            table.intake.tell(News::Opened(Arc::clone(&client)));
            table.intake.tell(News::Ended(client.id));
            table.judge(Duration::from_secs(1), &judgement);
        }
        assert!(table.timers.len() <= FEW, "{}", table.timers.len());
        assert!(table.sessions.is_empty());
    }

    #[tokio::test]
    async fn nobody_is_judged_over_bytes_that_nobody_read() {
        let (mut table, judgement) = (table(), judgement(DAY));
        let ((silent, _quiet), (heard, mut peer)) = (client(1).await, client(2).await);
        peer.write_all(b"I am here").await.unwrap();
        for client in [&silent, &heard] {
            table.roster.begin(client).unwrap();
        }
        table.judge(Duration::ZERO, &judgement);
        while !heard.has_unread_bytes() {
            tokio::task::yield_now().await;
        }
        table.judge(DAY, &judgement);
        assert!(!silent.figures.is_alive());
        assert!(heard.figures.is_alive());
    }

    #[tokio::test]
    async fn of_those_who_departed_the_newest_are_remembered() {
        let (mut table, judgement) = (table(), judgement(DAY));
        for id in 1..=5 {
            table.roster.begin(&client(id).await.0).unwrap();
        }
        for now in [Duration::ZERO, DAY, 2 * DAY] {
            table.judge(now, &judgement);
        }
        assert!(table.roster.is_empty());
        assert_eq!(table.roster.departed().len(), judgement.keep_departed);
    }
}
