//! What is a heartbeat, and what is not.
//!
//! The first byte says which kinds count. The rest is the body.

use std::fmt;

use pulsegate_protocol::heartbeat::{Claims, Kinds, MAX_BODY, Recognition, Status};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// A quick look and a slow one agree.
pub fn hold(bytes: &[u8]) {
    let Some((kinds, body)) = bytes.split_first() else { return };
    let kinds = Kinds { empty: kinds & 1 == 0, json: kinds & 2 == 0 };
    match (kinds.recognise(body), slow(kinds, body)) {
        (Recognition::Malformed(why), Recognition::Malformed(_)) => assert!(!why.is_empty()),
        (found, expected) => assert_eq!(found, expected),
    }
}

fn slow(kinds: Kinds, body: &[u8]) -> Recognition {
    if body.is_empty() && kinds.empty {
        return Recognition::Heartbeat(None);
    }
    if !kinds.json || body.len() > MAX_BODY {
        return Recognition::Packet;
    }
    match body.trim_ascii_start().first() {
        Some(b'{') => object(body),
        Some(b'"') => string(body),
        _ => Recognition::Packet,
    }
}

/// A body that does not spell out both keys is nobody's heartbeat, whatever else is wrong with it.
fn object(body: &[u8]) -> Recognition {
    let text = String::from_utf8_lossy(body);
    if !(text.contains("\"ip\"") && text.contains("\"status\"")) {
        return Recognition::Packet;
    }
    serde_json::from_slice::<Pairs>(body).map_or_else(
        |error| Recognition::Malformed(error.to_string()),
        |pairs| claims(&pairs).unwrap_or_else(|why| Recognition::Malformed(why.into())),
    )
}

fn string(body: &[u8]) -> Recognition {
    match serde_json::from_slice::<String>(body) {
        Ok(inner) if inner.trim_start().starts_with('{') => object(inner.as_bytes()),
        Ok(_) => Recognition::Packet,
        // It does not even end as a string does: a heartbeat only if it has the keys of one.
        Err(error) => {
            let text = String::from_utf8_lossy(body).replace("\\u0022", "\\\"");
            if text.contains("ip\\\"") && text.contains("status\\\"") {
                Recognition::Malformed(error.to_string())
            } else {
                Recognition::Packet
            }
        }
    }
}

fn claims(Pairs(pairs): &Pairs) -> Result<Recognition, &'static str> {
    let find = |name: &str| -> Result<Option<&Value>, &'static str> {
        let mut found = pairs.iter().filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err("a key stands twice"),
            (first, None) => Ok(first.map(|(_, value)| value)),
        }
    };
    let (ip, status, pid) = (find("ip")?, find("status")?, find("pid")?);
    let (Some(ip), Some(status)) = (ip, status) else { return Ok(Recognition::Packet) };
    Ok(Recognition::Heartbeat(Some(Claims {
        ip: ip.as_str().ok_or("no text")?.to_owned(),
        status: match status.as_str() {
            Some("alive") => Status::Alive,
            Some("leave") => Status::Leave,
            Some("close") => Status::Close,
            _ => return Err("no status"),
        },
        pid: match pid {
            None | Some(Value::Null) => None,
            Some(pid) => Some(pid.as_u64().ok_or("no number")?),
        },
    })))
}

/// The keys that matter, all of them, with their values.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if matches!(key.as_str(), "ip" | "status" | "pid") {
                pairs.push((key, map.next_value()?));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Pairs(pairs))
    }
}
