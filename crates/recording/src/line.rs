//! An entry as a line of JSON.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::entry::{Entry, Kind, Who};

/// Writes an entry as one line. Bodies that are JSON are taken over as they are, digit for digit
/// and key for key; only white space between their parts goes. Others are text if they are text,
/// and else base64.
///
/// # Errors
/// What `out` refuses.
pub fn write(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let mut line = Line(String::from("{"));
    line.field("tick", entry.tick);
    if entry.wall_ns > 0 {
        line.field("time", time(entry.wall_ns));
    }
    line.field("kind", entry.kind.name());
    if let Who::One(id) = entry.who {
        line.field("session", id);
    }
    for (name, value) in &entry.said {
        line.raw(name, &value.to_string());
    }
    if entry.kind == Kind::Reply {
        line.field("to", to(&entry.who));
    }
    if let Some(body) = &entry.body {
        line.payload(body);
    }
    line.0.push_str("}\n");
    out.write_all(line.0.as_bytes())
}

pub(crate) fn to(who: &Who) -> Value {
    match who {
        Who::Nobody => Value::Null,
        Who::One(id) => (*id).into(),
        Who::Several(ids) => ids.clone().into(),
        Who::All => "all".into(),
    }
}

/// A wall time for people and for JSON: `2026-11-22T06:28:56.123Z`.
pub fn time(wall_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(wall_ns.into())
        .map_or_else(|_| wall_ns.to_string(), |time| format!("{time:.3}"))
}

struct Line(String);

impl Line {
    fn field(&mut self, name: &str, value: impl Into<Value>) {
        self.raw(name, &value.into().to_string());
    }

    fn payload(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                self.raw("payload", &on_one_line(text));
            }
            Ok(text) => self.field("payload", text),
            Err(_) => self.field("payload_base64", STANDARD.encode(bytes)),
        }
    }

    fn raw(&mut self, name: &str, json: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }
}

/// Drops the white space between the parts of a valid JSON text.
fn on_one_line(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|char| {
            let quote = *char == '"' && !escaped;
            escaped = in_string && *char == '\\' && !escaped;
            in_string ^= quote;
            in_string || !char.is_ascii_whitespace()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(bytes: &[u8]) -> String {
        let mut line = Line(String::from("{"));
        line.payload(bytes);
        line.0 + "}"
    }

    #[test]
    fn json_stays_as_it_is_but_for_its_white_space() {
        let text = "{ \"a b\\\" \" :\t[1.0, 12345678901234567890123, -0]\r\n}";
        let line = r#"{"payload":{"a b\" ":[1.0,12345678901234567890123,-0]}}"#;
        assert_eq!(payload(text.as_bytes()), line);
    }

    #[test]
    fn what_is_not_json_is_text_or_base64() {
        assert_eq!(payload(b"a\nb"), "{\"payload\":\"a\\nb\"}");
        assert_eq!(payload(b"{"), "{\"payload\":\"{\"}");
        assert_eq!(payload(b"\"\xff\""), "{\"payload_base64\":\"Iv8i\"}");
        assert_eq!(payload("[".repeat(100_000).as_bytes()).len(), 100_000 + 14);
    }
}
