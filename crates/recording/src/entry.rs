//! What a record says, piece by piece: each event, packet and reply is an entry of its own.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use prost::Message as _;
use pulsegate_journal::Record;
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::pace::Strategy;
use pulsegate_protocol::proto::reply::To;
use pulsegate_protocol::proto::{Done, Pace, Push, Reply, SegmentHead, Tick};
use serde_json::{Value, json};

use crate::error::Error;

/// One piece of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The tick that it is in, or that it answers.
    pub tick: u64,
    /// When that was: nanoseconds since 1970-01-01 UTC; 0 where the journal does not say.
    pub wall_ns: u64,
    /// What it is.
    pub kind: Kind,
    /// Whom it concerns.
    pub who: Who,
    /// What it says besides, by the names of `pulsegate.proto`.
    pub said: Vec<(&'static str, Value)>,
    /// The bytes of a packet or a reply.
    pub body: Option<Bytes>,
}

/// Whom an entry concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// No session.
    Nobody,
    /// One session.
    One(u64),
    /// Several: a reply to each of them.
    Several(Vec<u64>),
    /// All that are open: a reply to each of them.
    All,
}

/// Words for the kinds of entries, most of them those of `pulsegate.proto`.
macro_rules! kinds {
    ($( #[doc = $about:literal] $Kind:ident $word:literal, )+) => {
        /// What an entry is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind {$(
            #[doc = $about]
            $Kind,
        )+}

        impl Kind {
            /// All of them, in the order of `pulsegate.proto`.
            pub const ALL: &[Self] = &[$(Self::$Kind,)+];

            /// Its word, as it is printed and asked for.
            pub const fn name(self) -> &'static str {
                match self {$( Self::$Kind => $word, )+}
            }
        }
    };
}

kinds! {
    /// A client sent something.
    Packet "packet",
    /// A client connected.
    Open "open",
    /// A session became quiet, or came back.
    State "state",
    /// A session is over.
    Close "close",
    /// The beat follows another pace.
    Pace "pace",
    /// Ticks that the journal could not keep.
    Gap "gap",
    /// Logic was brought back to an earlier tick.
    Restored "restored",
    /// A heartbeat.
    Heartbeat "heartbeat",
    /// A tick that logic was not shown.
    Skipped "skipped",
    /// Logic sent something, in an answer or a push.
    Reply "reply",
    /// Logic's answer to a tick, without its replies.
    Answer "answer",
    /// What logic sent between two answers, without its replies.
    Push "push",
    /// How a tick went.
    Timing "timing",
    /// A segment begins.
    Head "head",
}

impl Kind {
    /// Whether it is about the recording and its pace, and not what anybody sent or did.
    pub const fn is_bookkeeping(self) -> bool {
        matches!(self, Self::Answer | Self::Push | Self::Timing | Self::Head)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|kind| kind.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Entry {
    /// What a record says.
    ///
    /// # Errors
    /// [`Error::Nonsense`] if it cannot be decoded.
    pub fn all_of(record: &Record) -> Result<Vec<Self>, Error> {
        match record {
            Record::Head(head) => Ok(vec![Self::of_head(head)]),
            Record::Tick { peek, bytes } => {
                let tick = Tick::decode(bytes.clone()).map_err(|error| {
                    Error::nonsense(format!("tick {}", peek.head.number), error)
                })?;
                Ok(of_tick(tick))
            }
            Record::Answer { tick, wall_ns, bytes } => {
                let done = Done::decode(bytes.clone()).map_err(|error| {
                    Error::nonsense(format!("the answer to tick {tick}"), error)
                })?;
                Ok(of_answer(done, *wall_ns))
            }
            Record::Push { wall_ns, bytes } => {
                let push = Push::decode(bytes.clone())
                    .map_err(|error| Error::nonsense("a push", error))?;
                Ok(of_push(push, *wall_ns))
            }
            Record::Timing(timing) => {
                let said = vec![
                    ("lateness_us", timing.lateness_us.into()),
                    ("work_us", timing.work_us.into()),
                    ("sleep_us", timing.sleep_us.into()),
                    ("strategy", timing.strategy.clone().into()),
                    ("items", timing.items.into()),
                    ("bytes", timing.bytes.into()),
                ];
                Ok(vec![Self::new(timing.tick, 0, Kind::Timing, Who::Nobody, said)])
            }
        }
    }

    /// What it says under a name, if that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.said.iter().find(|(said, _)| *said == name)?.1.as_str()
    }

    /// What it says under a name, if that is a number; else 0.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let said = self.said.iter().find(|(said, _)| *said == name);
        said.and_then(|(_, value)| value.as_u64()).unwrap_or(0)
    }

    fn new(
        tick: u64,
        wall_ns: u64,
        kind: Kind,
        who: Who,
        said: Vec<(&'static str, Value)>,
    ) -> Self {
        Self { tick, wall_ns, kind, who, said, body: None }
    }

    fn of_head(head: &SegmentHead) -> Self {
        let said = vec![
            ("segment", head.segment.into()),
            ("lineage", head.lineage.clone().into()),
            ("epoch", head.epoch.into()),
            ("present", head.present.len().into()),
        ];
        Self::new(head.next_tick, head.created_ns, Kind::Head, Who::Nobody, said)
    }

    fn of_event(tick: u64, wall_ns: u64, event: Event) -> Self {
        let one = |kind, id, said| Self::new(tick, wall_ns, kind, Who::One(id), said);
        let own = |kind, said| Self::new(tick, wall_ns, kind, Who::Nobody, said);
        match event {
            Event::Packet(packet) => {
                Self { body: Some(packet.payload), ..one(Kind::Packet, packet.session, vec![]) }
            }
            Event::Open(open) => one(Kind::Open, open.session, vec![("peer", open.peer.into())]),
            Event::State(change) => {
                let state = word(change.state().as_str_name(), "STATE_");
                let cause = word(change.cause().as_str_name(), "CAUSE_");
                let said = vec![("state", state.into()), ("cause", cause.into())];
                one(Kind::State, change.session, said)
            }
            Event::Close(close) => {
                one(Kind::Close, close.session, vec![("reason", close.reason().name().into())])
            }
            Event::Heartbeat(heartbeat) => {
                one(Kind::Heartbeat, heartbeat.session, vec![("claim", heartbeat.claim.into())])
            }
            Event::Pace(change) => {
                let pace = change.pace.as_ref().map_or(Value::Null, pace);
                own(Kind::Pace, vec![("pace", pace), ("by", change.by.into())])
            }
            Event::Gap(gap) => {
                let (first, last) = (gap.first.into(), gap.last.into());
                own(Kind::Gap, vec![("first", first), ("last", last), ("why", gap.why.into())])
            }
            Event::Restored(restored) => own(Kind::Restored, vec![("after", restored.tick.into())]),
            Event::Skipped(skipped) => own(Kind::Skipped, vec![("skipped", skipped.tick.into())]),
        }
    }

    fn of_reply(tick: u64, wall_ns: u64, reply: Reply, pushed: bool) -> Self {
        let who = match reply.to {
            Some(To::Session(id)) => Who::One(id),
            Some(To::Several(several)) => Who::Several(several.ids),
            Some(To::All(_)) => Who::All,
            None => Who::Nobody,
        };
        let said = if pushed { vec![("push", true.into())] } else { vec![] };
        Self { body: Some(reply.payload), ..Self::new(tick, wall_ns, Kind::Reply, who, said) }
    }
}

fn of_tick(tick: Tick) -> Vec<Entry> {
    let (number, wall_ns) = (tick.number, tick.wall_ns);
    let events = tick.items.into_iter().filter_map(|item| item.item);
    events.map(|event| Entry::of_event(number, wall_ns, event)).collect()
}

fn of_answer(done: Done, wall_ns: u64) -> Vec<Entry> {
    let mut said = vec![
        ("busy_ns", done.busy_ns.into()),
        ("replies", done.replies.len().into()),
        ("close", done.close.clone().into()),
    ];
    said.extend(done.state_hash.map(|hash| ("state_hash", format!("{hash:016x}").into())));
    said.extend(done.snapshot.as_ref().map(|state| ("snapshot_bytes", state.len().into())));
    said.extend(done.pace.as_ref().map(|wish| ("pace", pace(wish))));
    let mut entries = vec![Entry::new(done.tick, wall_ns, Kind::Answer, Who::Nobody, said)];
    let replies = done.replies.into_iter();
    entries.extend(replies.map(|reply| Entry::of_reply(done.tick, wall_ns, reply, false)));
    entries
}

fn of_push(push: Push, wall_ns: u64) -> Vec<Entry> {
    let said = vec![("replies", push.replies.len().into()), ("close", push.close.clone().into())];
    let mut entries = vec![Entry::new(push.applied, wall_ns, Kind::Push, Who::Nobody, said)];
    let replies = push.replies.into_iter();
    entries.extend(replies.map(|reply| Entry::of_reply(push.applied, wall_ns, reply, true)));
    entries
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
    use pulsegate_protocol::proto::{Cause, State};

    use super::*;

    #[test]
    fn every_kind_is_found_by_its_word() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse(), Ok(*kind));
        }
        assert!("frame".parse::<Kind>().unwrap_err().contains("packet, open"));
    }

    #[test]
    fn every_state_and_cause_is_a_word() {
        assert_eq!(word(State::Alive.as_str_name(), "STATE_"), "alive");
        assert_eq!(word(Cause::Silence.as_str_name(), "CAUSE_"), "silence");
    }
}
