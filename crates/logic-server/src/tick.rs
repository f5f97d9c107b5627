//! A batch, as a game reads it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pulsegate_protocol::pace;
use pulsegate_protocol::proto::{self, Cause, Reason, State, item::Item};

use crate::Strategy;

/// All that clients sent, and all that happened to them, since the tick before.
#[derive(Debug, Clone)]
pub struct Tick {
    wire: proto::Tick,
}

/// One thing that happened, in the order in which it did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A client sent a frame.
    Packet {
        /// Who.
        session: u64,
        /// The frame's body, byte for byte. A clone shares the tick's memory: copy what is kept.
        payload: &'a Bytes,
    },
    /// A client connected. The id is never used twice.
    Open {
        /// The client's new id.
        session: u64,
        /// `203.0.113.7:51234`.
        peer: &'a str,
    },
    /// A session became quiet, or came back.
    State {
        /// Which.
        session: u64,
        /// What it is now.
        state: State,
        /// Why.
        cause: Cause,
    },
    /// A session is over. There is exactly one for each `Open`.
    Close {
        /// Which.
        session: u64,
        /// Why.
        reason: Reason,
    },
    /// Ticks were sealed that the journal could not keep.
    Gap {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// What had happened to the journal.
        why: &'a str,
    },
    /// An operator brought the game back to the state after `tick`. The events behind this one say
    /// who came and who left since.
    Restored {
        /// The tick that this one follows.
        tick: u64,
    },
    /// An operator had the packets of a tick left out, since logic died of them.
    Skipped {
        /// That tick.
        tick: u64,
    },
    /// The beat follows another strategy from here on.
    Pace {
        /// The new one; `None` if this version of the SDK does not know it.
        strategy: Option<Strategy>,
        /// `reload`, `admin` or `logic`.
        by: &'a str,
    },
    /// A heartbeat. Only if the relay is configured to record them.
    Heartbeat {
        /// Who.
        session: u64,
        /// The status that the client claims, or empty.
        claim: &'a str,
    },
}

impl Tick {
    /// From 1, without gaps but for those that an [`Event::Gap`] names.
    pub fn number(&self) -> u64 {
        self.wire.number
    }

    /// Which life of the relay sealed it, from 1.
    pub fn epoch(&self) -> u32 {
        self.wire.epoch
    }

    /// Time since this epoch began. Never goes back within an epoch.
    pub fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.wire.monotonic_ns)
    }

    /// The time of day. It may jump: for people, not for rules.
    pub fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.wire.wall_ns)
    }

    /// Real time since the beat before; 0 for the first of an epoch.
    pub fn since_last(&self) -> Duration {
        Duration::from_nanos(self.wire.since_last_ns)
    }

    /// A random number that is the same whenever this tick is played again.
    pub fn seed(&self) -> u64 {
        self.wire.seed
    }

    /// What happened, in order. Kinds that this version of the SDK does not know are left out.
    pub fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.wire.items.iter().filter_map(|item| item.item.as_ref()).map(Event::from)
    }
}

impl From<proto::Tick> for Tick {
    fn from(wire: proto::Tick) -> Self {
        Self { wire }
    }
}

impl<'a> From<&'a Item> for Event<'a> {
    fn from(item: &'a Item) -> Self {
        match item {
            Item::Packet(it) => Self::Packet { session: it.session, payload: &it.payload },
            Item::Open(it) => Self::Open { session: it.session, peer: &it.peer },
            Item::State(it) => {
                Self::State { session: it.session, state: it.state(), cause: it.cause() }
            }
            Item::Close(it) => Self::Close { session: it.session, reason: it.reason() },
            Item::Gap(it) => Self::Gap { first: it.first, last: it.last, why: &it.why },
            Item::Restored(it) => Self::Restored { tick: it.tick },
            Item::Skipped(it) => Self::Skipped { tick: it.tick },
            Item::Pace(it) => {
                Self::Pace { strategy: it.pace.as_ref().and_then(pace::from_wire), by: &it.by }
            }
            Item::Heartbeat(it) => Self::Heartbeat { session: it.session, claim: &it.claim },
        }
    }
}
