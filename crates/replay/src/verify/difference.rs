//! What differs, in words.

use serde::Serialize;
use serde_json::Value;

use crate::shown::{Addressee, Body, SHOWN, cut, ids};

/// How many bytes are shown in a line of hex, and in how many lines.
const ROW: usize = 16;
const ROWS: usize = 4;

/// The first thing in which two answers to a tick differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// A reply whose body is JSON on both sides.
    Value {
        /// Which reply of the answer, from 0.
        index: usize,
        /// Whom it is for.
        to: Addressee,
        /// Where in the body, such as `players[3].x`; empty: the whole body.
        path: String,
        /// What was there, if anything.
        recorded: Option<Value>,
        /// What is there now, if anything.
        now: Option<Value>,
    },
    /// A reply whose body is not JSON on both sides.
    Bytes {
        /// Which reply of the answer, from 0.
        index: usize,
        /// Whom it is for.
        to: Addressee,
        /// The first byte that differs.
        offset: usize,
        /// The body as it was recorded.
        recorded: Body,
        /// The body now.
        now: Body,
    },
    /// A reply that is for somebody else.
    Addressee {
        /// Which reply of the answer, from 0.
        index: usize,
        /// Whom it was for.
        recorded: Addressee,
        /// Whom it is for now.
        now: Addressee,
        /// What it said.
        recorded_body: Body,
        /// What it says now.
        now_body: Body,
    },
    /// A reply that was recorded, and is not there now.
    Missing {
        /// Which reply of the answer, from 0.
        index: usize,
        /// Whom it was for.
        to: Addressee,
        /// What it said.
        body: Body,
    },
    /// A reply that was not recorded.
    Additional {
        /// Which reply of the answer, from 0.
        index: usize,
        /// Whom it is for.
        to: Addressee,
        /// What it says.
        body: Body,
    },
    /// The sessions to close.
    Close {
        /// Those of the recording, in the order of their ids.
        recorded: Vec<u64>,
        /// Those of now.
        now: Vec<u64>,
    },
    /// The hash of the state after the tick: 16 hexadecimal digits.
    StateHash {
        /// As it was recorded.
        recorded: String,
        /// As it is now.
        now: String,
    },
}

impl Difference {
    /// The one session that it concerns, if there is one.
    pub fn session(&self) -> Option<u64> {
        match self {
            Self::Value { to, .. }
            | Self::Bytes { to, .. }
            | Self::Missing { to, .. }
            | Self::Additional { to, .. }
            | Self::Addressee { recorded: to, .. } => to.session(),
            Self::Close { recorded, now } => {
                let mut either = recorded.iter().chain(now);
                either.find(|id| recorded.contains(id) != now.contains(id)).copied()
            }
            Self::StateHash { .. } => None,
        }
    }

    /// Where it is: "reply 0 to session 7", "the sessions to close", "the state's hash".
    pub fn place(&self) -> String {
        match self {
            Self::Value { index, to, .. }
            | Self::Bytes { index, to, .. }
            | Self::Missing { index, to, .. }
            | Self::Additional { index, to, .. } => format!("reply {index} to {to}"),
            Self::Addressee { index, .. } => format!("reply {index}"),
            Self::Close { .. } => "the sessions to close".into(),
            Self::StateHash { .. } => "the state's hash".into(),
        }
    }

    /// What is the difference, in one line.
    pub fn headline(&self) -> String {
        match self {
            Self::Value { path, recorded, now, .. } => {
                let path = if path.is_empty() { "the body" } else { path };
                format!("{path}: {} recorded, {} now", shown(recorded), shown(now))
            }
            Self::Bytes { offset, recorded, now, .. } => {
                let (before, after) = (recorded.0.len(), now.0.len());
                format!("from byte {offset} on; {before} bytes recorded, {after} now")
            }
            Self::Addressee { recorded, now, recorded_body, now_body, .. } => {
                format!(
                    "to {recorded} as recorded: {recorded_body:.100}; to {now} now: {now_body:.100}"
                )
            }
            Self::Missing { body, .. } => format!("recorded, and not there now: {body}"),
            Self::Additional { body, .. } => format!("there now, and not recorded: {body}"),
            Self::Close { recorded, now } => {
                format!("{} recorded, {} now", ids(recorded), ids(now))
            }
            Self::StateHash { recorded, now } => format!("{recorded} recorded, {now} now"),
        }
    }

    /// Both bodies in hex, a pair of lines for each row, around the first byte that differs.
    pub fn rows(&self) -> Vec<Row> {
        let Self::Bytes { offset, recorded, now, .. } = self else { return Vec::new() };
        let first = (offset / ROW).saturating_sub(1) * ROW;
        let longest = recorded.0.len().max(now.0.len());
        let starts = (first..longest).step_by(ROW).take(ROWS);
        let row = |start| Row {
            offset: start,
            recorded: hex_row(&recorded.0, start),
            now: hex_row(&now.0, start),
        };
        starts.map(row).collect()
    }
}

/// The same 16 bytes of two bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where in the bodies the row begins.
    pub offset: usize,
    /// The recorded bytes in hex.
    pub recorded: String,
    /// Those of now.
    pub now: String,
}

fn hex_row(body: &[u8], start: usize) -> String {
    let bytes = &body[start.min(body.len())..(start + ROW).min(body.len())];
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

fn shown(value: &Option<Value>) -> String {
    value.as_ref().map_or_else(|| "nothing".into(), |value| cut(&value.to_string(), SHOWN))
}
