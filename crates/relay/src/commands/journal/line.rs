//! One line of JSON.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pulsegate_protocol::proto::Pace;
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::pace::Strategy;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::time;

/// A line that is being put together. Payloads that are JSON are taken over as they are, digit
/// for digit and key for key; only white space between their parts goes.
#[derive(Debug)]
pub(super) struct Line(String);

impl Line {
    pub(super) fn new(tick: u64, wall_ns: u64, kind: &str) -> Self {
        Self(String::from("{")).field("tick", tick).field("time", time(wall_ns)).field("kind", kind)
    }

    /// The line of an event or a packet.
    pub(super) fn of_event(tick: u64, wall_ns: u64, event: Event) -> Self {
        let line = |kind| Self::new(tick, wall_ns, kind);
        match event {
            Event::Packet(packet) => {
                line("packet").field("session", packet.session).payload(&packet.payload)
            }
            Event::Open(open) => {
                line("open").field("session", open.session).field("peer", open.peer)
            }
            Event::State(change) => line("state")
                .field("session", change.session)
                .field("state", word(change.state().as_str_name(), "STATE_"))
                .field("cause", word(change.cause().as_str_name(), "CAUSE_")),
            Event::Close(close) => {
                line("close").field("session", close.session).field("reason", close.reason().name())
            }
            Event::Heartbeat(heartbeat) => line("heartbeat")
                .field("session", heartbeat.session)
                .field("claim", heartbeat.claim),
            Event::Pace(change) => {
                let pace = change.pace.as_ref().map_or(Value::Null, pace);
                line("pace").field("pace", pace).field("by", change.by)
            }
            Event::Gap(gap) => {
                line("gap").field("first", gap.first).field("last", gap.last).field("why", gap.why)
            }
            Event::Restored(restored) => line("restored").field("after", restored.tick),
            Event::Skipped(skipped) => line("skipped").field("skipped", skipped.tick),
        }
    }

    pub(super) fn field(self, name: &str, value: impl Into<Value>) -> Self {
        self.raw(name, &value.into().to_string())
    }

    /// A payload: as JSON if it is JSON, as text if it is text, and else as base64.
    pub(super) fn payload(self, bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if serde_json::from_str::<IgnoredAny>(text).is_ok() => {
                self.raw("payload", &on_one_line(text))
            }
            Ok(text) => self.field("payload", text),
            Err(_) => self.field("payload_base64", STANDARD.encode(bytes)),
        }
    }

    pub(super) fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        self.0.push_str("}\n");
        out.write_all(self.0.as_bytes())
    }

    fn raw(mut self, name: &str, json: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
        self
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

/// `STATE_LEAVE` → `leave`.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

fn pace(pace: &Pace) -> Value {
    match &pace.strategy {
        Some(Strategy::Fixed(fixed)) => json!({"strategy": "fixed", "sleep_ns": fixed.sleep_ns}),
        Some(Strategy::Adaptive(adaptive)) => json!({
            "strategy": "adaptive",
            "sleep_ns": adaptive.sleep_ns,
            "budget_ns": adaptive.budget_ns,
        }),
        Some(Strategy::Combined(combined)) => json!({
            "strategy": "combined",
            "sleep_ns": combined.sleep_ns,
            "budget_ns": combined.budget_ns,
            "overruns": combined.overruns,
            "calm": combined.calm,
        }),
        Some(Strategy::Deadline(deadline)) => json!({
            "strategy": "deadline",
            "period_ns": deadline.period_ns,
            "overrun": deadline.overrun().as_str_name().to_lowercase(),
            "catch_up": deadline.catch_up,
        }),
        None => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::Reason;
    use pulsegate_protocol::proto::{Cause, State};

    use super::*;

    fn payload(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        Line(String::from("{")).payload(bytes).write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_stays_as_it_is_but_for_its_white_space() {
        let text = "{ \"a b\\\" \" :\t[1.0, 12345678901234567890123, -0]\r\n}";
        let line = r#"{"payload":{"a b\" ":[1.0,12345678901234567890123,-0]}}"#;
        assert_eq!(payload(text.as_bytes()), format!("{line}\n"));
    }

    #[test]
    fn what_is_not_json_is_text_or_base64() {
        assert_eq!(payload(b"a\nb"), "{\"payload\":\"a\\nb\"}\n");
        assert_eq!(payload(b"{"), "{\"payload\":\"{\"}\n");
        assert_eq!(payload(b"\"\xff\""), "{\"payload_base64\":\"Iv8i\"}\n");
        assert_eq!(payload("[".repeat(100_000).as_bytes()).len(), 100_000 + 15);
    }

    #[test]
    fn every_state_cause_and_reason_is_a_word() {
        assert_eq!(word(State::Alive.as_str_name(), "STATE_"), "alive");
        assert_eq!(word(Cause::Silence.as_str_name(), "CAUSE_"), "silence");
        assert_eq!(Reason::FrameTooLarge.name(), "frame_too_large");
    }
}
