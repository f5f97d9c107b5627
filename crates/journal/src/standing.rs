//! Where a journal stands: the chain from tick to tick, and who is present.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use pulsegate_protocol::proto::item::Item as Event;
use pulsegate_protocol::proto::{Done, Open, Rollback, SegmentHead, State};
use pulsegate_protocol::tick::{self, Chained, Head, Peek};

use crate::chunk::{Bad, Message};
use crate::format::{FORMAT, Topic};
use crate::options::Sync;
use crate::timeline::Timeline;

/// The newest snapshot: logic's state after `tick`, in an answer within `segment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) tick: u64,
    pub(crate) segment: u64,
}

/// Who is there behind some tick.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attendance {
    /// The sessions that are open, by their ids.
    pub present: BTreeMap<u64, Open>,
    /// Those of them that are in `leave`.
    pub leaving: BTreeSet<u64>,
}

/// All that is known behind some record of a journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Standing {
    pub(crate) lineage: String,
    /// The lineage that this one was cut out of; else empty.
    pub(crate) cut_of: String,
    pub(crate) epoch: u64,
    pub(crate) segment: u64,
    pub(crate) last_tick: u64,
    /// The checksum of the last tick.
    pub(crate) checksum: u32,
    /// The last tick's wall time; 0 if none was read.
    pub(crate) wall_ns: u64,
    pub(crate) answered: u64,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) present: BTreeMap<u64, Open>,
    /// Those of them who are in `leave`.
    pub(crate) leaving: BTreeSet<u64>,
    pub(crate) timeline: Timeline,
    /// The ticks that an operator had skipped, in the order of his words.
    pub(crate) skipped: Vec<u64>,
}

impl Standing {
    /// Before the first record of a new journal.
    pub(crate) fn new(lineage: String) -> Self {
        Self { lineage, ..Self::default() }
    }

    /// Behind a segment's head, of which nothing is known but itself.
    pub(crate) fn at(head: &SegmentHead) -> Self {
        Self {
            lineage: head.lineage.clone(),
            cut_of: head.cut_of.clone(),
            epoch: head.epoch,
            segment: head.segment,
            last_tick: head.next_tick.saturating_sub(1),
            checksum: head.previous,
            wall_ns: 0,
            answered: head.answered,
            snapshot: (head.snapshot_tick > 0)
                .then_some(Snapshot { tick: head.snapshot_tick, segment: head.snapshot_segment }),
            present: head.present.iter().map(|open| (open.session, open.clone())).collect(),
            leaving: head.leaving.iter().copied().collect(),
            timeline: Timeline::new(head.rollbacks.iter().copied()),
            skipped: head.skipped.clone(),
        }
    }

    /// The head of a segment that begins here, and is synced like this.
    pub(crate) fn head(&self, sync: Sync, created_ns: u64) -> SegmentHead {
        SegmentHead {
            format: FORMAT,
            lineage: self.lineage.clone(),
            segment: self.segment,
            epoch: self.epoch,
            next_tick: self.last_tick + 1,
            previous: self.checksum,
            answered: self.answered,
            snapshot_tick: self.snapshot.map_or(0, |snapshot| snapshot.tick),
            snapshot_segment: self.snapshot.map_or(0, |snapshot| snapshot.segment),
            present: self.present.values().cloned().collect(),
            created_ns,
            skipped: self.skipped.clone(),
            unordered: sync != Sync::Tick,
            cut_of: self.cut_of.clone(),
            rollbacks: self.timeline.rollbacks().to_vec(),
            leaving: self.leaving.iter().copied().collect(),
        }
    }

    /// Enters the next segment, whose head must say what is known here.
    ///
    /// Only where the writer went on `after_failure` may ticks and answers be missing: the head
    /// says so by the number that it goes on with.
    pub(crate) fn enter(&mut self, head: &SegmentHead, after_failure: bool) -> Result<(), Bad> {
        let mut next = Self::at(head);
        next.wall_ns = self.wall_ns;
        let differs = |what, here: &dyn std::fmt::Display, there: &dyn std::fmt::Display| {
            Err(Bad(format!("a segment whose {what} is {there} follows one with {here}").into()))
        };
        if next.lineage != self.lineage {
            let (this, other) = (&self.lineage, &next.lineage);
            return Err(format!("a segment of another journal: {other}, and this is {this}").into());
        }
        if next.cut_of != self.cut_of {
            return differs("origin", &self.cut_of, &next.cut_of);
        }
        if next.segment != self.segment + 1 {
            return differs("number", &self.segment, &next.segment);
        }
        if next.epoch < self.epoch {
            return differs("epoch", &self.epoch, &next.epoch);
        }
        let gap = next.last_tick.checked_sub(self.last_tick);
        if next.checksum != self.checksum || gap.is_none_or(|ticks| ticks > 0 && !after_failure) {
            return Err(format!(
                "a segment that goes on after tick {} (checksum {:08x}) follows tick {} ({:08x})",
                next.last_tick, next.checksum, self.last_tick, self.checksum
            )
            .into());
        }
        let answers = (next.answered, next.snapshot) == (self.answered, self.snapshot);
        if !answers && !after_failure {
            return differs("last answer", &self.answered, &next.answered);
        }
        if next.present != self.present {
            return differs("count of sessions", &self.present.len(), &next.present.len());
        }
        if next.timeline != self.timeline {
            let (here, there) = (self.timeline.rollbacks(), next.timeline.rollbacks());
            return differs("count of rollbacks", &here.len(), &there.len());
        }
        if next.skipped != self.skipped {
            return differs("count of skipped ticks", &self.skipped.len(), &next.skipped.len());
        }
        *self = next;
        Ok(())
    }

    /// Follows any message but a head.
    pub(crate) fn follow(&mut self, message: &Message) -> Result<(), Bad> {
        match message.topic {
            Topic::Heads => return Err("a second head in one segment".into()),
            Topic::Ticks => {
                let Peek { head, checksum, .. } = link(self.last_tick, self.checksum, message)?;
                let bytes = message.data.clone();
                let Head { number, wall_ns, .. } = head;
                self.tick(&Chained { number, wall_ns, checksum, bytes })?;
            }
            Topic::Answers => {
                let done = decode_done(message)?;
                self.answer(done.tick, done.snapshot.is_some());
            }
            Topic::Pushes | Topic::Timing => {}
        }
        Ok(())
    }

    /// Takes note of a tick that is in its place.
    pub(crate) fn tick(&mut self, tick: &Chained) -> Result<(), Bad> {
        for event in tick::events(&tick.bytes) {
            match event.map_err(|damage| Bad(damage.to_string().into()))? {
                Event::Open(open) => {
                    self.present.insert(open.session, open);
                }
                Event::Close(close) => {
                    self.present.remove(&close.session);
                    self.leaving.remove(&close.session);
                }
                Event::State(change) if change.state() == State::Leave => {
                    self.leaving.insert(change.session);
                }
                Event::State(change) => {
                    self.leaving.remove(&change.session);
                }
                Event::Restored(restored) => self.go_back(tick.number, restored.tick)?,
                Event::Skipped(skipped) => self.skipped.push(skipped.tick),
                _ => {}
            }
        }
        self.last_tick = tick.number;
        self.wall_ns = tick.wall_ns;
        self.checksum = tick.checksum;
        Ok(())
    }

    fn go_back(&mut self, tick: u64, to: u64) -> Result<(), Bad> {
        if to >= tick {
            return Err(format!("tick {tick} goes back to tick {to}").into());
        }
        self.timeline.push(Rollback { tick, to });
        // An older one may be kept, and is found by whoever looks for it.
        self.snapshot = self.snapshot.filter(|snapshot| self.timeline.leads(snapshot.tick, tick));
        Ok(())
    }

    /// Who is there.
    pub(crate) fn attendance(&self) -> Attendance {
        Attendance { present: self.present.clone(), leaving: self.leaving.clone() }
    }

    /// How many rollbacks and skipped ticks are known.
    pub(crate) fn turns(&self) -> u32 {
        (self.timeline.rollbacks().len() + self.skipped.len()) as u32
    }

    /// Whether another life and another tick can be counted. No relay comes so far.
    pub(crate) const fn has_room(&self) -> bool {
        self.epoch < LAST_EPOCH && self.last_tick < LAST_TICK
    }

    /// Takes note of an answer.
    pub(crate) fn answer(&mut self, tick: u64, has_snapshot: bool) {
        self.answered = self.answered.max(tick);
        if has_snapshot && self.snapshot.is_none_or(|newest| newest.tick < tick) {
            self.snapshot = Some(Snapshot { tick, segment: self.segment });
        }
    }
}

/// At a thousand beats a second it is reached in 292 million years.
const LAST_TICK: u64 = u64::MAX / 2;

/// Each tick carries its epoch in four bytes.
const LAST_EPOCH: u64 = u32::MAX as u64;

/// Checks a tick against itself and against the one before it.
pub(crate) fn link(last: u64, checksum: u32, message: &Message) -> Result<Peek, Bad> {
    let peek = tick::peek(&message.data).map_err(|damage| Bad(damage.to_string().into()))?;
    if last.checked_add(1) != Some(peek.head.number) {
        return Err(format!("tick {} follows tick {last}", peek.head.number).into());
    }
    if peek.previous != checksum {
        return Err(format!(
            "tick {} names another tick {last} than the one before it",
            peek.head.number
        )
        .into());
    }
    if message.sequence != peek.head.number as u32 || message.log_time != peek.head.wall_ns {
        return Err(format!("tick {} is filed as another", peek.head.number).into());
    }
    Ok(peek)
}

pub(crate) fn decode_done(message: &Message) -> Result<Done, Bad> {
    Done::decode(message.data.clone()).map_err(|_| "an answer that is none".into())
}

/// Reads a segment's head and checks that it is that of segment `number`.
pub(crate) fn decode_head(message: Option<&Message>, number: u64) -> Result<SegmentHead, Bad> {
    let head = message
        .filter(|message| message.topic == Topic::Heads)
        .and_then(|message| SegmentHead::decode(message.data.clone()).ok())
        .ok_or("a segment that does not begin with its head")?;
    if head.format != FORMAT {
        return Err(format!(
            "a segment in format {}, and this version reads format {FORMAT}",
            head.format
        )
        .into());
    }
    if !(1..=LAST_TICK).contains(&head.next_tick) || head.epoch > LAST_EPOCH {
        return Err("a segment's head with numbers that no relay comes to".into());
    }
    if !Timeline::new(head.rollbacks.iter().copied()).is_possible(head.next_tick) {
        return Err("a segment's head with rollbacks that nobody can have made".into());
    }
    if head.segment != number {
        return Err(format!("the file of segment {} under another's name", head.segment).into());
    }
    Ok(head)
}
