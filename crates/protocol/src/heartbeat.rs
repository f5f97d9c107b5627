//! Is this frame a heartbeat, and what does it claim?
//!
//! A body is a heartbeat when it is empty, or a JSON object with the keys `ip` and `status`, or a
//! JSON *string* that holds such an object: clients in the field encode twice.
//!
//! ```
//! use pulsegate_protocol::heartbeat::{Kinds, Recognition};
//!
//! let kinds = Kinds { empty: true, json: true };
//! let body = br#"{"ip": "192.0.2.1", "status": "alive", "pid": 26464}"#;
//! assert!(matches!(kinds.recognise(body), Recognition::Heartbeat(Some(_))));
//! assert!(matches!(kinds.recognise(br#"{"move": "north"}"#), Recognition::Packet));
//! ```

use std::fmt;

use memchr::memmem;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A body longer than this is never taken for a heartbeat, so deciding has a bound.
pub const MAX_BODY: usize = 1024;

/// In a shorter body the quick search is the slow one: its preparation takes longer.
const SHORT: usize = 64;

/// Which bodies count as heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// A body of no bytes.
    pub empty: bool,
    /// A JSON object with `ip` and `status`, or a JSON string that holds one.
    pub json: bool,
}

/// What a body is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recognition {
    /// Something for the logic server.
    Packet,
    /// A heartbeat, and what it says of itself.
    Heartbeat(Option<Claims>),
    /// It has a heartbeat's keys, and is not well formed: the sentence says how.
    Malformed(String),
}

/// What a heartbeat says of its client. Shown beside what the relay knows, never instead of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims {
    /// The address that the client believes it has.
    pub ip: String,
    /// What it says it is doing.
    pub status: Status,
    /// Its process id, if it says one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u64>,
}

/// A client's own word on its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// I am here.
    Alive,
    /// I am in the background, or away from the keyboard.
    Leave,
    /// Goodbye.
    Close,
}

impl Status {
    const ALL: [Self; 3] = [Self::Alive, Self::Leave, Self::Close];

    /// The word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leave => "leave",
            Self::Close => "close",
        }
    }
}

impl Kinds {
    /// What `body` is. Looks at one byte of a body that cannot be a heartbeat.
    pub fn recognise(self, body: &[u8]) -> Recognition {
        if body.is_empty() {
            return if self.empty { Recognition::Heartbeat(None) } else { Recognition::Packet };
        }
        if !self.json || body.len() > MAX_BODY {
            return Recognition::Packet;
        }
        match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => recognise_object(body),
            Some(b'"') => recognise_string(body),
            _ => Recognition::Packet,
        }
    }
}

fn recognise_object(body: &[u8]) -> Recognition {
    if !(contains(body, br#""ip""#) && contains(body, br#""status""#)) {
        return Recognition::Packet;
    }
    match serde_json::from_slice(body) {
        Ok(Shape::Heartbeat(claims)) => Recognition::Heartbeat(Some(claims)),
        Ok(Shape::OtherObject) => Recognition::Packet,
        Err(error) => Recognition::Malformed(error.to_string()),
    }
}

fn recognise_string(body: &[u8]) -> Recognition {
    // An object within a string has quotes, and they are escaped; its letters may be, by number.
    let may_have_status = || contains(body, b"status") || contains(body, br"\u00");
    if !(body.contains(&b'\\') && may_have_status()) {
        return Recognition::Packet;
    }
    match serde_json::from_slice::<String>(body) {
        Ok(inner) if inner.trim_start().starts_with('{') => recognise_object(inner.as_bytes()),
        Ok(_) => Recognition::Packet,
        Err(error) if has_both_keys(body) => Recognition::Malformed(error.to_string()),
        Err(_) => Recognition::Packet,
    }
}

/// Whether the keys stand before quotes, in either way in which JSON escapes one.
fn has_both_keys(body: &[u8]) -> bool {
    (contains(body, br#"ip\""#) || contains(body, br"ip\u0022"))
        && (contains(body, br#"status\""#) || contains(body, br"status\u0022"))
}

fn contains<const N: usize>(body: &[u8], needle: &[u8; N]) -> bool {
    if body.len() < SHORT {
        return body.windows(N).any(|window| window == needle);
    }
    memmem::find(body, needle).is_some()
}

/// A JSON object, as far as it concerns us.
enum Shape {
    Heartbeat(Claims),
    OtherObject,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heartbeat object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let (mut ip, mut status, mut pid) = (None, None, None);
        // Values are judged only once both keys are known to be here: `{"ip": 5}` is a packet.
        while let Some(key) = map.next_key::<String>()? {
            let slot = match key.as_str() {
                "ip" => &mut ip,
                "status" => &mut status,
                "pid" => &mut pid,
                _ => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                    continue;
                }
            };
            if slot.replace(map.next_value::<serde_json::Value>()?).is_some() {
                return Err(A::Error::custom(format_args!("key `{key}` stands twice")));
            }
        }
        let (Some(ip), Some(status)) = (ip, status) else { return Ok(Shape::OtherObject) };
        Ok(Shape::Heartbeat(Claims {
            ip: match ip {
                serde_json::Value::String(ip) => ip,
                other => {
                    return Err(A::Error::custom(format_args!("`ip` is {other}, not a string")));
                }
            },
            status: Status::ALL.into_iter().find(|word| status == word.name()).ok_or_else(
                || {
                    A::Error::custom(format_args!(
                        "`status` is {status}, not \"alive\", \"leave\" or \"close\""
                    ))
                },
            )?,
            pid: match pid {
                None | Some(serde_json::Value::Null) => None,
                Some(pid) => Some(pid.as_u64().ok_or_else(|| {
                    A::Error::custom(format_args!("`pid` is {pid}, not a whole number"))
                })?),
            },
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Kinds = Kinds { empty: true, json: true };

    fn claims(status: Status, pid: Option<u64>) -> Recognition {
        Recognition::Heartbeat(Some(Claims { ip: "192.0.2.1".into(), status, pid }))
    }

    #[test]
    fn heartbeats_are_recognised_in_all_their_spellings() {
        for (body, expected) in [
            ("", Recognition::Heartbeat(None)),
            (
                r#"{"ip": "192.0.2.1", "status": "alive", "pid": 26464}"#,
                claims(Status::Alive, Some(26464)),
            ),
            (r#" {"status":"leave","ip":"192.0.2.1"}"#, claims(Status::Leave, None)),
            (r#"{"ip":"192.0.2.1","status":"close","extra":[1]}"#, claims(Status::Close, None)),
            (
                r#""{\"ip\": \"192.0.2.1\", \"status\": \"alive\", \"pid\": 26464}""#,
                claims(Status::Alive, Some(26464)),
            ),
            // As .NET escapes a quote.
            (
                r#""{\u0022ip\u0022:\u0022192.0.2.1\u0022,\u0022status\u0022:\u0022alive\u0022}""#,
                claims(Status::Alive, None),
            ),
            (
                r#""{\"\u0069p\":\"192.0.2.1\",\"st\u0061tus\":\"alive\"}""#,
                claims(Status::Alive, None),
            ),
        ] {
            assert_eq!(BOTH.recognise(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_heartbeat_is_left_alone() {
        for body in [
            "hello",
            r#"{"move":"north"}"#,
            r#"{"ip":5}"#,
            r#"{"player":{"ip":"192.0.2.1","status":"alive"}}"#,
            r#"["ip","status"]"#,
            r#""a string with \"ip\" and \"status\"""#,
            r#""C:\logs, a string that is cut"#,
            r#"{"ip":"192.0.2.1", cut"#,
            r#"{"status":"alive", cut"#,
            r#""{\"status\":1, cut"#,
            r#""{\u0022ip\u0022:1, cut"#,
            "{",
            "1e999",
            "\u{feff}{}",
            "{}{}",
        ] {
            assert_eq!(BOTH.recognise(body.as_bytes()), Recognition::Packet, "{body}");
        }
        assert_eq!(BOTH.recognise(b"{\"\xff\":\"\xed\xa0\x80\"}"), Recognition::Packet);
        assert_eq!(BOTH.recognise(&[b'['; 2 * 1024 * 1024]), Recognition::Packet);
        let long =
            format!(r#"{{"ip":"192.0.2.1","status":"alive","x":"{}"}}"#, "x".repeat(MAX_BODY));
        assert_eq!(BOTH.recognise(long.as_bytes()), Recognition::Packet);
    }

    #[test]
    fn the_longest_heartbeat_is_one_and_a_byte_more_is_not() {
        let mut body = br#"{"ip":"192.0.2.1","status":"alive"}"#.to_vec();
        body.resize(MAX_BODY, b' ');
        assert_eq!(BOTH.recognise(&body), claims(Status::Alive, None));
        body.push(b' ');
        assert_eq!(BOTH.recognise(&body), Recognition::Packet);
    }

    #[test]
    fn a_claim_that_is_not_well_formed_says_what_is_wrong() {
        for (body, says) in [
            (r#"{"ip":"192.0.2.1","status":"asleep"}"#, "asleep"),
            (r#"{"ip":"192.0.2.1","status":{"alive":null}}"#, "`status` is {"),
            (r#"{"ip":7,"status":"alive"}"#, "`ip` is 7"),
            (r#""{\"ip\":\"192.0.2.1\",\"status\":\"alive"#, "EOF"),
            (r#""{\u0022ip\u0022:1,\u0022status\u0022:1"#, "EOF"),
            (r#"{"ip":"192.0.2.1","status":"alive","pid":-1}"#, "`pid` is -1"),
            (r#"{"ip":"192.0.2.1","status":"alive""#, "EOF"),
            (r#"{"ip":"192.0.2.1","status":"alive"} x"#, "trailing"),
            (r#"{"ip":"a","ip":"b","status":"alive"}"#, "`ip` stands twice"),
            (r#""{\"ip\":\"192.0.2.1\",\"status\":\"no\"}""#, "no"),
        ] {
            match BOTH.recognise(body.as_bytes()) {
                Recognition::Malformed(why) => assert!(why.contains(says), "{body}: {why}"),
                other => panic!("{body}: {other:?}"),
            }
        }
        let deep = "[".repeat(400);
        let body = format!(r#"{{"ip":{deep},"status":"alive"}}"#);
        assert!(matches!(BOTH.recognise(body.as_bytes()), Recognition::Malformed(_)));
    }

    #[test]
    fn what_counts_as_a_heartbeat_is_configuration() {
        let none = Kinds { empty: false, json: false };
        assert_eq!(none.recognise(b""), Recognition::Packet);
        assert_eq!(none.recognise(br#"{"ip":"a","status":"alive"}"#), Recognition::Packet);
    }
}
