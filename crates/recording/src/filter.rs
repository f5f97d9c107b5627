//! Which entries are wanted.

use serde_json::Value;

use crate::condition::Condition;
use crate::entry::{Entry, Kind, Who};

/// Which entries are wanted. By default, all that clients and logic sent and that happened to
/// sessions and pace; what is bookkeeping must be asked for by its kind.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only what concerns these sessions; replies to all do.
    pub sessions: Vec<u64>,
    /// Only these kinds.
    pub kinds: Vec<Kind>,
    /// Only packets and replies whose JSON body fulfils all of these.
    pub conditions: Vec<Condition>,
    not_json: u64,
}

impl Filter {
    /// A filter by these.
    pub fn new(sessions: Vec<u64>, kinds: Vec<Kind>, conditions: Vec<Condition>) -> Self {
        Self { sessions, kinds, conditions, not_json: 0 }
    }

    /// Whether an entry is wanted.
    pub fn admits(&mut self, entry: &Entry) -> bool {
        self.admits_kind(entry.kind) && self.admits_session(&entry.who) && self.admits_body(entry)
    }

    /// How many bodies were left out because they are no JSON, and so cannot be compared.
    pub fn not_json(&self) -> u64 {
        self.not_json
    }

    fn admits_kind(&self, kind: Kind) -> bool {
        if self.kinds.is_empty() { !kind.is_bookkeeping() } else { self.kinds.contains(&kind) }
    }

    fn admits_session(&self, who: &Who) -> bool {
        self.sessions.is_empty()
            || match who {
                Who::Nobody => false,
                Who::One(id) => self.sessions.contains(id),
                Who::Several(ids) => ids.iter().any(|id| self.sessions.contains(id)),
                Who::All => true,
            }
    }

    fn admits_body(&mut self, entry: &Entry) -> bool {
        if self.conditions.is_empty() {
            return true;
        }
        let Some(body) = &entry.body else { return false };
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            self.not_json += 1;
            return false;
        };
        self.conditions.iter().all(|condition| condition.holds(&body))
    }
}
