//! A row for each session.

use std::collections::BTreeMap;

use pulsegate_protocol::proto::Open;
use serde::Serialize;

use super::Traffic;
use crate::entry::{Entry, Kind, Who};

/// So many sessions that are open at once are told apart. More are only counted.
pub const TOLD_APART: usize = 100_000;

/// What a session did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Its id.
    pub session: u64,
    /// The client's address; unknown if it opened before a recording that does not say.
    pub peer: Option<String>,
    /// The tick in which it opened; nothing if that was before the range.
    pub opened: Option<u64>,
    /// The tick in which it closed; nothing if it is still open.
    pub closed: Option<u64>,
    /// Why it closed.
    pub reason: Option<String>,
    /// The last tick that concerned it.
    pub last_tick: u64,
    /// What it sent, and was sent while it was open.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// What an entry means for the sessions.
#[derive(Debug, Default)]
pub(super) struct Effect {
    /// How many a reply reaches.
    pub(super) reached: u64,
    /// Whether one opened that was not open. After a rollback those who are there are opened to
    /// logic once more, and those who went are closed once more.
    pub(super) opened: bool,
    /// Whether one closed.
    pub(super) closed: bool,
    /// The one that closed, if it has a row.
    pub(super) row: Option<Session>,
}

impl Effect {
    fn reply(reached: u64) -> Self {
        Self { reached, ..Self::default() }
    }
}

/// The sessions that are open.
pub(super) struct Sessions {
    open: BTreeMap<u64, Session>,
    /// What all that are open were sent so far. Each row holds what of it was before its time.
    to_all: Traffic,
    before: BTreeMap<u64, Traffic>,
    untold: u64,
}

impl Sessions {
    pub(super) fn new(present: BTreeMap<u64, Open>) -> Self {
        let mut sessions = Self {
            open: BTreeMap::new(),
            to_all: Traffic::default(),
            before: BTreeMap::new(),
            untold: 0,
        };
        for (id, open) in present {
            sessions.insert(Session::new(id, Some(open.peer), None));
        }
        sessions
    }

    /// Takes an entry.
    pub(super) fn take(&mut self, entry: &Entry) -> Effect {
        match (&entry.who, entry.kind) {
            (Who::Nobody, _) => Effect::default(),
            (Who::All, _) => {
                self.to_all.add(entry, 1);
                Effect::reply(self.open.len() as u64)
            }
            (Who::Several(ids), _) => {
                Effect::reply(ids.iter().map(|id| self.concern(*id, entry)).sum())
            }
            (Who::One(id), Kind::Open) if self.open.contains_key(id) => Effect::default(),
            (Who::One(id), Kind::Open) => {
                let peer = entry.text("peer").map(str::to_owned);
                self.insert(Session::new(*id, peer, Some(entry.tick)));
                Effect { opened: true, ..Effect::default() }
            }
            (Who::One(id), Kind::Close) => {
                let row = self.close(*id, entry);
                Effect { closed: row.is_some() || self.untold > 0, row, ..Effect::default() }
            }
            (Who::One(id), _) => Effect::reply(self.concern(*id, entry)),
        }
    }

    /// The sessions without a row.
    pub(super) fn untold(&self) -> u64 {
        self.untold
    }

    /// Those that are open still.
    pub(super) fn rest(mut self) -> impl Iterator<Item = Session> {
        let ids: Vec<u64> = self.open.keys().copied().collect();
        ids.into_iter().filter_map(move |id| self.remove(id))
    }

    fn insert(&mut self, session: Session) {
        if self.open.len() >= TOLD_APART {
            self.untold += 1;
            return;
        }
        self.before.insert(session.session, self.to_all);
        self.open.insert(session.session, session);
    }

    fn concern(&mut self, id: u64, entry: &Entry) -> u64 {
        let Some(session) = self.open.get_mut(&id) else { return 0 };
        session.last_tick = session.last_tick.max(entry.tick);
        session.traffic.add(entry, 1);
        1
    }

    fn close(&mut self, id: u64, entry: &Entry) -> Option<Session> {
        let mut session = self.remove(id)?;
        session.closed = Some(entry.tick);
        session.reason = entry.text("reason").map(str::to_owned);
        session.last_tick = entry.tick;
        Some(session)
    }

    fn remove(&mut self, id: u64) -> Option<Session> {
        let mut session = self.open.remove(&id)?;
        let before = self.before.remove(&id).unwrap_or_default();
        session.traffic.replies += self.to_all.replies - before.replies;
        session.traffic.bytes_out += self.to_all.bytes_out - before.bytes_out;
        Some(session)
    }
}

impl Session {
    fn new(session: u64, peer: Option<String>, opened: Option<u64>) -> Self {
        let (closed, reason, traffic) = (None, None, Traffic::default());
        Self { session, peer, opened, closed, reason, last_tick: opened.unwrap_or(0), traffic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, who: Who, body: &'static [u8]) -> Entry {
        Entry { tick: 7, wall_ns: 0, kind, who, said: vec![], body: Some(body.into()) }
    }

    #[test]
    fn a_reply_to_all_counts_for_those_who_are_open() {
        let mut sessions = Sessions::new(BTreeMap::new());
        sessions.take(&entry(Kind::Open, Who::One(1), b""));
        assert_eq!(sessions.take(&entry(Kind::Reply, Who::All, b"abc")).reached, 1);
        sessions.take(&entry(Kind::Open, Who::One(2), b""));
        assert_eq!(sessions.take(&entry(Kind::Reply, Who::All, b"ab")).reached, 2);
        let first = sessions.take(&entry(Kind::Close, Who::One(1), b"")).row;
        assert_eq!(sessions.take(&entry(Kind::Reply, Who::All, b"a")).reached, 1);
        assert_eq!(sessions.take(&entry(Kind::Reply, Who::One(1), b"late")).reached, 0);
        let traffic = |session: Session| (session.traffic.replies, session.traffic.bytes_out);
        assert_eq!(traffic(first.unwrap()), (2, 5));
        assert_eq!(sessions.rest().map(traffic).collect::<Vec<_>>(), [(2, 3)]);
    }

    #[test]
    fn a_session_that_a_rollback_opens_once_more_is_one_session() {
        let mut sessions = Sessions::new(BTreeMap::new());
        assert!(sessions.take(&entry(Kind::Open, Who::One(1), b"")).opened);
        sessions.take(&entry(Kind::Packet, Who::One(1), b"abc"));
        assert!(!sessions.take(&entry(Kind::Open, Who::One(1), b"")).opened);
        let closed = sessions.take(&entry(Kind::Close, Who::One(1), b""));
        assert_eq!((closed.closed, closed.row.unwrap().traffic.packets), (true, 1));
        assert!(!sessions.take(&entry(Kind::Close, Who::One(1), b"")).closed);
    }

    #[test]
    fn more_sessions_than_are_told_apart_are_counted() {
        let mut sessions = Sessions::new(BTreeMap::new());
        for id in 0..TOLD_APART as u64 + 3 {
            sessions.take(&entry(Kind::Open, Who::One(id), b""));
        }
        assert_eq!(sessions.untold(), 3);
        assert_eq!(sessions.rest().count(), TOLD_APART);
    }
}
