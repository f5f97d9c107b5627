//! What clients and logic said, as a person reads it.

use std::fmt;

use bytes::Bytes;
use pulsegate_protocol::proto::{Reply, item::Item, reply::To};
use serde::{Serialize, Serializer};

/// So much of a body is shown, in characters, if nobody says how much.
pub(crate) const SHOWN: usize = 300;

/// A packet or an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Whose it is, if it is somebody's.
    pub session: Option<u64>,
    /// `packet`, `open`, `close`, …
    pub kind: &'static str,
    /// A packet's payload, or what else there is to say.
    pub body: Body,
}

/// Whom a reply is for. As JSON: an id, a list of ids, `"all"` or null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressee {
    /// One session.
    Session(u64),
    /// Several, in the order of their ids.
    Several(Vec<u64>),
    /// Every session that is open.
    All,
    /// The reply does not say.
    Nobody,
}

/// Bytes of a client or of logic. Shown as text if they are text that can be seen, else as hexadecimal
/// digits; cut, by the precision if there is one (`{:.100}`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(pub Bytes);

impl Input {
    /// What is to be said of an item of a tick.
    pub(crate) fn of(item: Item) -> Self {
        let say = |session, kind, text: String| Self { session, kind, body: Body(text.into()) };
        let word = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase();
        match item {
            Item::Packet(packet) => {
                Self { session: Some(packet.session), kind: "packet", body: Body(packet.payload) }
            }
            Item::Open(open) => say(Some(open.session), "open", open.peer),
            Item::State(change) => {
                let state = word(change.state().as_str_name(), "STATE_");
                let cause = word(change.cause().as_str_name(), "CAUSE_");
                say(Some(change.session), "state", format!("{state}, {cause}"))
            }
            Item::Close(close) => {
                say(Some(close.session), "close", close.reason().name().to_owned())
            }
            Item::Heartbeat(heartbeat) => {
                say(Some(heartbeat.session), "heartbeat", heartbeat.claim)
            }
            Item::Pace(change) => say(None, "pace", format!("by {}", change.by)),
            Item::Gap(gap) => {
                say(None, "gap", format!("ticks {} to {}: {}", gap.first, gap.last, gap.why))
            }
            Item::Restored(restored) => say(None, "restored", format!("tick {}", restored.tick)),
            Item::Skipped(skipped) => say(None, "skipped", format!("tick {}", skipped.tick)),
        }
    }
}

/// Ids in a row, or that there are none.
pub(crate) fn ids(ids: &[u64]) -> String {
    let ids: Vec<_> = ids.iter().map(u64::to_string).collect();
    if ids.is_empty() { "none".into() } else { ids.join(", ") }
}

/// The text on one line, and of so many characters at most.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    let mut shown: String =
        text.chars().take(longest).map(|char| if char.is_control() { ' ' } else { char }).collect();
    if text.chars().nth(longest).is_some() {
        shown.push('…');
    }
    shown
}

fn can_be_seen(char: char) -> bool {
    !char.is_control() || char.is_whitespace()
}

impl Addressee {
    pub(crate) fn of(reply: &Reply) -> Self {
        match &reply.to {
            Some(To::Session(id)) => Self::Session(*id),
            Some(To::Several(several)) => {
                let mut ids = several.ids.clone();
                ids.sort_unstable();
                Self::Several(ids)
            }
            Some(To::All(_)) => Self::All,
            None => Self::Nobody,
        }
    }

    pub(crate) fn session(&self) -> Option<u64> {
        match self {
            Self::Session(id) => Some(*id),
            _ => None,
        }
    }
}

impl fmt::Display for Addressee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session {id}"),
            Self::Several(several) => write!(f, "sessions {}", cut(&ids(several), SHOWN)),
            Self::All => f.write_str("all"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

impl Serialize for Addressee {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Session(id) => serializer.serialize_u64(*id),
            Self::Several(ids) => ids.serialize(serializer),
            Self::All => serializer.serialize_str("all"),
            Self::Nobody => serializer.serialize_none(),
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = f.precision().unwrap_or(SHOWN);
        match std::str::from_utf8(&self.0) {
            Ok("") => f.write_str("(empty)"),
            Ok(text) if text.chars().all(can_be_seen) => f.write_str(&cut(text, longest)),
            _ => {
                let bytes = &self.0[..self.0.len().min(longest / 3)];
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                let rest = if bytes.len() < self.0.len() { "…" } else { "" };
                write!(f, "0x{digits}{rest}")
            }
        }
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::proto::{Close, Packet, Reason};

    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_in_hex() {
        for (bytes, shown) in [("a\tb\n", "a b "), ("\0\0", "0x0000"), ("", "(empty)")] {
            assert_eq!(Body(bytes.into()).to_string(), shown);
        }
    }

    #[test]
    fn inputs_are_told_by_session_and_kind() {
        let payload = Bytes::from_static(b"\xFF\x00");
        for (item, expected) in [
            (Item::Packet(Packet { session: 7, payload }), (Some(7), "packet", "0xff00")),
            (
                Item::Close(Close { session: 8, reason: Reason::SlowReader.into() }),
                (Some(8), "close", "slow_reader"),
            ),
        ] {
            let Input { session, kind, body } = Input::of(item);
            assert_eq!((session, kind, &*body.to_string()), expected);
        }
    }
}
