//! One relay under load, whose disk loses its power again and again; and what is left each time.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_tests::witness::Listening;
use pulsegate_tests::{Crowd, Program, Recorded, Site, Witness};
use rustix::process::Signal;

use super::disk::Disk;
use crate::ending::{ends_in_order, starts};

/// The interval of `sync = "interval"`, and what a busy machine may add to it.
const INTERVAL: Duration = Duration::from_millis(50);
const SLACK: Duration = Duration::from_millis(500);

/// After how long the kernel writes what nobody has synced: it looks every five seconds for what
/// is older than thirty.
const SYSTEM: Duration = Duration::from_secs(40);

/// The kind of the record that says that a segment has ended.
const DATA_END: u8 = 0x0F;

/// What differs from round to round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    sync: &'static str,
    options: &'static str,
    sleep_ms: u64,
    clients: usize,
    packet: usize,
}

/// What a cut cost.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cuts: u32,
    pub(crate) in_recovery: u32,
    pub(crate) after_a_kill: u32,
    pub(crate) torn: u32,
    pub(crate) seen: u64,
    pub(crate) lossy: u32,
    pub(crate) lost: u64,
}

/// What a cut left, and what logic had seen before it.
struct Cut {
    picture: Vec<u8>,
    seen: Witness,
    at: Instant,
    /// The newest segment with all that was written, synced or not.
    newest: Option<(PathBuf, Vec<u8>)>,
}

impl Round {
    pub(crate) fn by(dice: &mut fastrand::Rng) -> Self {
        Self {
            sync: ["tick", "tick", "interval", "os"][dice.usize(..4)],
            options: ["loop", "loop,nodelalloc,commit=1", "loop,data=journal"][dice.usize(..3)],
            sleep_ms: dice.u64(2..=10),
            clients: dice.usize(1..=8),
            packet: dice.usize(1..=1500),
        }
    }

    fn settings(&self, disk: &Disk) -> String {
        format!(
            "journal.dir = \"{}\"\njournal.sync = \"{}\"\njournal.sync_every = \"{}ms\"\n\
             journal.segment_size = \"128KiB\"\ntick.sleep = \"{}ms\"",
            disk.journal().display(),
            self.sync,
            INTERVAL.as_millis(),
            self.sleep_ms
        )
    }

    /// Cuts so often.
    pub(crate) fn fight(&self, cuts: u32, home: &Path, dice: &mut fastrand::Rng) -> Tally {
        let disk = Disk::new(home, "disk", self.options);
        let site = Site::new(&self.settings(&disk));
        let witness = Witness::with_state();
        let _listening = witness.listen(site.host().logic());
        let crowd = Crowd::sending(self.clients, self.packet, site.host().clients());
        let mut relay = starts(&site, &witness);
        let mut tally = Tally::default();
        for _ in 0..cuts {
            sleep(Duration::from_micros(dice.u64(..100_000)));
            if dice.u8(..3) == 0 {
                relay.kill();
                relay = starts(&site, &witness);
                tally.after_a_kill += 1;
            }
            let cut = Cut::now(&relay, &disk, &witness);
            tally.cuts += 1;
            tally.seen = tally.seen.max(witness.newest());
            self.power_returns(cut, home, dice, &mut tally);
        }
        relay.kill();
        crowd.go_home();
        tally
    }

    fn power_returns(&self, cut: Cut, home: &Path, dice: &mut fastrand::Rng, tally: &mut Tally) {
        let mut copy = Disk::of(&cut.picture, home, "copy");
        if dice.bool() && cut.tear(self.sync, &copy, dice) {
            tally.torn += 1;
        }
        if dice.u8(..3) == 0 {
            tally.in_recovery += 1;
            let picture = self.cut_again(&copy, dice);
            drop(copy);
            copy = Disk::of(&picture, home, "copy");
        }
        let left = Recorded::as_far_as_it_reads(&copy.journal()).last();
        let lost = cut.seen.newest().saturating_sub(left);
        if lost > 0 {
            tally.lossy += 1;
            tally.lost += lost;
            self.loss_is_bounded(&cut, left);
            self.loss_is_found_out(&copy, &cut.seen);
        } else {
            let (site, _listening) = self.site(&copy, &cut.seen);
            ends_in_order(starts(&site, &cut.seen));
            Recorded::of(&copy.journal()).keeps_all_promises(&cut.seen);
        }
    }

    /// A logic server that saw what is lost is refused; one that knows of nothing is not.
    fn loss_is_found_out(&self, copy: &Disk, seen: &Witness) {
        let (site, listening) = self.site(copy, seen);
        let mut relay = Program::start(site.command());
        relay.says("are missing; restore the journal");
        relay.kill();
        drop((site, listening));

        let anew = Witness::stateless();
        let (site, _listening) = self.site(copy, &anew);
        ends_in_order(starts(&site, &anew));
        let recorded = Recorded::of(&copy.journal());
        recorded.has_no_silent_holes();
        recorded.has_no_ghosts();
    }

    fn site(&self, disk: &Disk, witness: &Witness) -> (Site, Listening) {
        let site = Site::new(&self.settings(disk));
        let listening = witness.listen(site.host().logic());
        (site, listening)
    }

    /// Cuts the power once more, in the midst of a start.
    fn cut_again(&self, disk: &Disk, dice: &mut fastrand::Rng) -> Vec<u8> {
        let site = Site::new(&self.settings(disk));
        let mut relay = Program::start(site.command());
        sleep(Duration::from_micros(dice.u64(..50_000)));
        relay.signal(Signal::STOP);
        let picture = disk.picture();
        relay.kill();
        picture
    }

    fn loss_is_bounded(&self, cut: &Cut, left: u64) {
        let bound = match self.sync {
            "interval" => INTERVAL + SLACK,
            "os" => SYSTEM,
            _ => panic!("{} ticks were lost after {left}", cut.seen.newest() - left),
        };
        let first = cut.seen.tell(|testimony| testimony.ticks[&(left + 1)].at);
        let age = cut.at.duration_since(first);
        assert!(age <= bound, "a tick of {age:?} before the cut was lost");
    }
}

impl Cut {
    fn now(relay: &Program, disk: &Disk, witness: &Witness) -> Self {
        relay.signal(Signal::STOP);
        let (seen, at) = (witness.double(), Instant::now());
        let cut = Self { picture: disk.picture(), seen, at, newest: newest(&disk.journal()) };
        relay.signal(Signal::CONT);
        cut
    }

    /// Lets the copy have some of the sectors that nobody had synced, and zeros for others, as a
    /// disk may that writes in any order. False if there are none.
    fn tear(&self, sync: &str, copy: &Disk, dice: &mut fastrand::Rng) -> bool {
        let Some((name, mut bytes)) = self.newest.clone() else { return false };
        let path = copy.journal().join(name);
        // Before a segment is ended, all that it holds is synced.
        let ended = writes(&bytes).last().filter(|(_, kind)| *kind == DATA_END);
        let unsynced = match sync {
            _ if ended.is_some() => ended.map(|(from, _)| from),
            "tick" => self.unsynced_write(&bytes),
            "os" => writes(&bytes).nth(1).map(|(from, _)| from),
            _ => None,
        };
        let Some(from) = unsynced.filter(|from| *from < bytes.len() && path.exists()) else {
            return false;
        };
        for sector in from / 512..bytes.len().div_ceil(512) {
            let (from, to) = ((sector * 512).max(from), (sector * 512 + 512).min(bytes.len()));
            if dice.bool() {
                bytes[from..to].fill(0);
            }
        }
        fs::write(path, bytes).unwrap();
        true
    }

    /// Where each write is synced before the next one: what lies behind the newest tick that logic
    /// saw, if it is part of the last write.
    fn unsynced_write(&self, segment: &[u8]) -> Option<usize> {
        let newest = self.seen.tell(|seen| seen.ticks.values().next_back().cloned())?;
        let at = segment.windows(newest.bytes.len()).rposition(|part| *part == newest.bytes)?;
        let (last, _) = writes(segment).last()?;
        Some(last.max(at + newest.bytes.len()))
    }
}

/// Where the writes of a segment begin: a record of MCAP is a kind, a length of 8 bytes, and its
/// content. Each chunk is one write, the first is the head, and the end of a finished segment is
/// one, which begins with the record of kind [`DATA_END`].
fn writes(segment: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    const MAGIC: usize = 8;
    const CHUNK: u8 = 0x06;
    let record = |at: usize| {
        let (&kind, length) = segment.get(at..at + 9)?.split_first()?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        Some((at, kind, at + 9 + usize::try_from(length).ok()?))
    };
    std::iter::successors(record(MAGIC), move |(_, _, end)| record(*end))
        .filter(|(_, kind, _)| [CHUNK, DATA_END].contains(kind))
        .map(|(at, kind, _)| (at, kind))
}

/// The journal's newest segment: its name, and what is in it.
fn newest(journal: &Path) -> Option<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(journal).unwrap().map(|file| file.unwrap().path());
    let newest = files.filter(|file| file.extension().is_some_and(|end| end == "mcap")).max()?;
    Some((newest.file_name()?.into(), fs::read(&newest).unwrap()))
}
