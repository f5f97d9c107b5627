//! What clients did, read from a journal.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use pulsegate_bots::recorded::{Act, Cue};
use pulsegate_journal::{Attendance, Reader};
use pulsegate_protocol::heartbeat::Status;
use pulsegate_protocol::proto::{Cause, Reason, State, StateChange, Tick, item::Item};
use pulsegate_protocol::tick::Head;
use tokio::sync::mpsc;

use crate::args::ReplayArgs;
use crate::error::Error;
use crate::pacing::Pacing;
use crate::range::Range;
use crate::recording::{Recording, next_tick};

/// A recording, and who takes what is read from it.
pub(super) struct Script {
    reader: Reader,
    /// Who was there before the range.
    before: Attendance,
    last: u64,
    /// Only these; empty: all.
    sessions: BTreeSet<u64>,
    pacing: Pacing,
    cues: mpsc::Sender<Cue>,
    /// What a person should know of how the range was understood.
    pub(super) notes: Vec<String>,
}

/// Nobody takes cues any more.
struct Over;

impl Script {
    /// Finds what the command line asks for.
    pub(super) fn find(args: ReplayArgs, cues: mpsc::Sender<Cue>) -> Result<Self, Error> {
        let recording = Recording::open(&args.journal)?;
        let range = Range::of(&recording, args.from, args.until)?;
        Ok(Self {
            reader: recording.reader(range.first)?,
            before: recording.attendance(range.first - 1)?,
            last: range.last.unwrap_or(u64::MAX),
            sessions: args.sessions.into_iter().collect(),
            pacing: Pacing::new(args.speed),
            cues,
            notes: range.notes,
        })
    }

    /// Reads to the end, or until nobody takes cues any more.
    pub(super) fn read(mut self) -> Result<(), Error> {
        if self.join_those_of_before().is_err() {
            return Ok(());
        }
        while let Some((peek, bytes)) = next_tick(&mut self.reader)? {
            if peek.head.number > self.last || self.tick(&peek.head, bytes)?.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn join_those_of_before(&self) -> Result<(), Over> {
        let start = Duration::ZERO;
        for &session in self.before.present.keys() {
            self.cue(start, session, Act::Join)?;
            if self.before.leaving.contains(&session) {
                self.cue(start, session, Act::FallSilent)?;
            }
        }
        Ok(())
    }

    fn tick(&mut self, head: &Head, bytes: Bytes) -> Result<Result<(), Over>, Error> {
        let number = head.number;
        let tick = Tick::decode(bytes).map_err(|error| {
            Error::Protocol(format!("tick {number} of the journal cannot be read: {error}"))
        })?;
        let at = self.pacing.due(head);
        let mut items = tick.items.into_iter().filter_map(|item| item.item);
        Ok(items.try_for_each(|item| self.item(at, item)))
    }

    fn item(&self, at: Duration, item: Item) -> Result<(), Over> {
        match item {
            Item::Open(open) => self.cue(at, open.session, Act::Join),
            Item::Packet(packet) => self.cue(at, packet.session, Act::Send(packet.payload)),
            Item::Heartbeat(heartbeat) => {
                self.cue(at, heartbeat.session, Act::Claim(claimed(&heartbeat.claim)))
            }
            Item::State(change) => self.change(at, &change),
            Item::Close(close) => self.cue(at, close.session, parting(close.reason())),
            Item::Pace(_) | Item::Gap(_) | Item::Restored(_) | Item::Skipped(_) => Ok(()),
        }
    }

    fn change(&self, at: Duration, change: &StateChange) -> Result<(), Over> {
        match (change.state(), change.cause()) {
            // The client did nothing.
            (_, Cause::Rollback) => Ok(()),
            (State::Leave, cause) => {
                if cause == Cause::Claim {
                    self.cue(at, change.session, Act::Claim(Status::Leave))?;
                }
                self.cue(at, change.session, Act::FallSilent)
            }
            _ => self.cue(at, change.session, Act::Wake),
        }
    }

    fn cue(&self, at: Duration, session: u64, act: Act) -> Result<(), Over> {
        if !self.sessions.is_empty() && !self.sessions.contains(&session) {
            return Ok(());
        }
        self.cues.blocking_send(Cue { at, session, act }).map_err(|_| Over)
    }
}

fn claimed(claim: &str) -> Status {
    [Status::Leave, Status::Close]
        .into_iter()
        .find(|status| status.name() == claim)
        .unwrap_or(Status::Alive)
}

fn parting(reason: Reason) -> Act {
    match reason {
        Reason::Goodbye => Act::Goodbye,
        Reason::Disconnected | Reason::FrameCut | Reason::RelayCrashed | Reason::Shutdown => {
            Act::Disconnect
        }
        _ => Act::Closed,
    }
}
