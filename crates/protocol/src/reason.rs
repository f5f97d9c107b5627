//! Why a session ended: one list for frames, logs, metrics and documents.

use serde_json::{Map, Value, json};

pub use crate::link::proto::Reason;

/// The sessions' ends that a client, an operator or a document can meet: name and explanation.
const TABLE: [(Reason, &str, &str); 24] = [
    (Reason::Goodbye, "goodbye", "the client said so, or closed its side between two frames"),
    (Reason::Disconnected, "disconnected", "the connection broke"),
    (Reason::Silent, "silent", "nothing arrived for `liveness.close_after`"),
    (Reason::LeftTooLong, "left_too_long", "it was in `leave` for `liveness.leave_hold`"),
    (Reason::NoFirstFrame, "no_first_frame", "it said nothing for `client.first_frame_within`"),
    (Reason::FrameTooLarge, "frame_too_large", "a frame was longer than `client.max_frame`"),
    (
        Reason::FrameLengthInvalid,
        "frame_length_invalid",
        "a frame's length was negative, or shorter than the header that it includes",
    ),
    (Reason::FrameCut, "frame_cut", "the client closed its side within a frame"),
    (Reason::FrameLate, "frame_late", "a frame did not finish within `client.frame_within`"),
    (
        Reason::HeartbeatMalformed,
        "heartbeat_malformed",
        "a body had a heartbeat's keys and was not well formed",
    ),
    (
        Reason::WrongProtocol,
        "wrong_protocol",
        "the first bytes were those of HTTP, TLS, SSH or a PROXY header",
    ),
    (
        Reason::SlowReader,
        "slow_reader",
        "it did not read what was sent to it: `limits.outbox` was full, or `client.write_within` over",
    ),
    (Reason::Logic, "logic", "the logic server closed it"),
    (Reason::LogicAway, "logic_away", "the logic server was away for `logic.max_outage`"),
    (Reason::Operator, "operator", "an operator closed it"),
    (Reason::Shutdown, "shutdown", "the relay stops"),
    (Reason::RelayCrashed, "relay_crashed", "the relay died; said by its next life"),
    (Reason::ServerFull, "server_full", "`limits.sessions` was reached, or files ran out"),
    (Reason::AddressFull, "address_full", "`limits.sessions_per_address` was reached"),
    (
        Reason::PrefixFull,
        "prefix_full",
        "`limits.sessions_per_prefix` was reached by its /24, or its /64",
    ),
    (
        Reason::CrowdedOut,
        "crowded_out",
        "it had sent no frame yet when `limits.newcomers` was reached, and of those it was the oldest",
    ),
    (
        Reason::ReplyTooLarge,
        "reply_too_large",
        "with `framing = \"raw\"`: a reply was longer than `limits.outbox`, and its socket did not take it at once",
    ),
    (
        Reason::RolledBack,
        "rolled_back",
        "said to logic alone: the session ended after the tick to which logic was brought back",
    ),
    (Reason::Internal, "internal", "a fault of the relay's own, in this session alone"),
];

impl Reason {
    /// Every reason that there is.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|(reason, ..)| *reason)
    }

    /// The word that clients, logs and metrics show.
    pub fn name(self) -> &'static str {
        self.row().map_or("unspecified", |(_, name, _)| name)
    }

    /// What it means, for a person.
    pub fn explanation(self) -> &'static str {
        self.row().map_or("no reason was given", |(.., explanation)| explanation)
    }

    fn row(self) -> Option<&'static (Self, &'static str, &'static str)> {
        TABLE.iter().find(|(reason, ..)| *reason == self)
    }
}

/// The body of the frame that tells a client why it is closed:
/// `{"pulsegate":"close","reason":"frame_too_large","limit":65536}`.
///
/// `details` adds what belongs to this reason; it must be an object or null.
pub fn close_notice(reason: Reason, details: Value) -> Vec<u8> {
    let mut notice = Map::new();
    notice.insert("pulsegate".into(), json!("close"));
    notice.insert("reason".into(), json!(reason.name()));
    if let Value::Object(details) = details {
        notice.extend(details);
    }
    Value::Object(notice).to_string().into_bytes()
}

/// The body of the frame that tells a client that nobody answers for a while, where it wants to be
/// told.
pub const LOGIC_AWAY: &[u8] = br#"{"pulsegate":"logic_away"}"#;

/// The body of the frame that tells a client that answers come again.
pub const LOGIC_BACK: &[u8] = br#"{"pulsegate":"logic_back"}"#;

/// The body of the frame that tells a client that play goes on from an earlier moment.
pub const ROLLED_BACK: &[u8] = br#"{"pulsegate":"rolled_back"}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_reason_of_the_contract_and_agrees_with_it() {
        for number in 1.. {
            let Ok(reason) = Reason::try_from(number) else {
                assert_eq!(Reason::all().count() as i32, number - 1);
                return;
            };
            assert_eq!(reason.as_str_name(), format!("REASON_{}", reason.name().to_uppercase()));
        }
    }

    #[test]
    fn a_notice_is_readable() {
        assert_eq!(
            close_notice(Reason::FrameTooLarge, json!({"limit": 65536})),
            br#"{"pulsegate":"close","reason":"frame_too_large","limit":65536}"#
        );
    }
}
