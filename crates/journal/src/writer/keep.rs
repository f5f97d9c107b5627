//! Which finished segments are compressed, and which are no longer kept.

use std::collections::VecDeque;
use std::fs;

use pulsegate_protocol::proto::SegmentHead;

use crate::directory::{Directory, open_file};
use crate::options::{Now, Options};
use crate::scan::Known;
use crate::sealer::Sealer;
use crate::standing::Standing;
use crate::walk::is_sealed;

/// The segments of a journal, the last of which is being written.
#[derive(Debug)]
pub(super) struct Kept {
    segments: VecDeque<Segment>,
    /// The first tick that must be kept. 0 keeps all.
    pub(super) floor: u64,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    epoch: u64,
    next_tick: u64,
    created_ns: u64,
    compressed: bool,
}

impl Segment {
    fn new(head: &SegmentHead, compressed: bool) -> Self {
        Self {
            number: head.segment,
            epoch: head.epoch,
            next_tick: head.next_tick,
            created_ns: head.created_ns,
            compressed,
        }
    }
}

impl Kept {
    pub(super) fn new(known: Vec<Known>) -> Self {
        let segments =
            known.iter().map(|known| Segment::new(&known.head, known.compressed)).collect();
        Self { segments, floor: 0 }
    }

    pub(super) fn begin(&mut self, head: &SegmentHead) {
        self.segments.push_back(Segment::new(head, false));
    }

    /// Has the segments compressed that earlier lives left as they were. One in which the writer
    /// failed stays: what is in it behind the last good tick is not to be touched.
    pub(super) fn compress_finished(&self, dir: &Directory, sealer: &Sealer) {
        let next_epochs = self.segments.iter().skip(1).map(|next| Some(next.epoch)).chain([None]);
        for (segment, next_epoch) in self.segments.iter().zip(next_epochs) {
            let sealed = || {
                open_file(&dir.segment(segment.number))
                    .is_ok_and(|file| is_sealed(&file).unwrap_or(false))
            };
            let failed_in = || next_epoch == Some(segment.epoch) && !sealed();
            if !segment.compressed && !failed_in() {
                sealer.compress(segment.number);
            }
        }
    }

    /// Has the oldest segments deleted that are beyond size or age, up to the first that must
    /// be kept: one with a tick from the floor on, with the newest snapshot, or being written.
    pub(super) fn delete_old(
        &mut self,
        dir: &Directory,
        options: &Options,
        standing: &Standing,
        sealer: &Sealer,
        now: Now,
    ) {
        let mut total: u64 = self.segments.iter().map(|segment| size(dir, segment)).sum();
        while let [oldest, next, ..] = self.segments.make_contiguous() {
            let spare = next.next_tick <= self.floor
                && standing.snapshot.is_none_or(|snapshot| oldest.number < snapshot.segment);
            let age = now.wall_ns.saturating_sub(next.created_ns);
            let beyond = options.keep_size.is_some_and(|keep| total > keep)
                || options.keep_age.is_some_and(|keep| u128::from(age) > keep.as_nanos());
            if !spare || !beyond || !sealer.delete(oldest.number) {
                return;
            }
            total = total.saturating_sub(size(dir, oldest));
            self.segments.pop_front();
        }
    }
}

fn size(dir: &Directory, segment: &Segment) -> u64 {
    fs::metadata(dir.segment(segment.number)).map_or(0, |file| file.len())
}
