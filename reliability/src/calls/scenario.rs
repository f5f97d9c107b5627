//! A relay's life, from its start over some rotations to its end in order; with a fault in it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use pulsegate_tests::witness::Listening;
use pulsegate_tests::{Crowd, Program, Recorded, Site, Witness, soon};
use rustix::process::Signal;

use super::fault::{Fault, What, trace_of, traced_by};
use super::trace::{self, FILE_CALLS, SOCKET_CALLS};
use crate::ending::{ends_in_order, starts};

/// How many ticks logic sees before the relay is told to stop.
const TICKS: u64 = 100;

/// Longer than a life without a fault; who takes longer stands still.
const LIMIT: Duration = Duration::from_secs(4);

/// How a life with a fault in it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// As if nothing had been.
    AsEver,
    /// It stopped by itself, and said so.
    Stopped,
    /// It forwarded nothing more, and was killed by us.
    StoodStill,
    /// It was killed at the call.
    Killed,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AsEver => "survived",
            Self::Stopped => "stopped by itself",
            Self::StoodStill => "forwarded nothing more",
            Self::Killed => "killed",
        })
    }
}

/// Where a scenario is played.
pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) witness: Witness,
    _listening: Listening,
}

impl Stage {
    pub(crate) fn new(on_error: &str) -> Self {
        Self::with(Witness::with_state(), on_error)
    }

    fn with(witness: Witness, on_error: &str) -> Self {
        let site = Site::new(&format!(
            "tick.sleep = \"2ms\"\njournal.segment_size = \"64KiB\"\nlogic.timeout = \"1s\"\n\
             journal.on_error = \"{on_error}\"\nlimits.sessions = 100"
        ));
        let listening = witness.listen(site.host().logic());
        Self { site, witness, _listening: listening }
    }

    /// Another stage, on which all is as it is here.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::with(self.witness.double(), "stop");
        fs::create_dir(copy.site.journal()).unwrap();
        for file in fs::read_dir(self.site.journal()).unwrap().map(|file| file.unwrap()) {
            fs::copy(file.path(), copy.site.journal().join(file.file_name())).unwrap();
        }
        copy
    }

    /// Plays a life. `relay` has just been started.
    pub(crate) fn play(&self, mut relay: Program) -> End {
        let crowd = Crowd::sending(4, 400, self.site.host().clients());
        let done = soon(LIMIT, || (!relay.runs() || self.witness.newest() >= TICKS).then_some(()));
        let stands = done.is_none();
        if relay.runs() {
            relay.signal(if stands { Signal::KILL } else { Signal::TERM });
        }
        let ended = soon(LIMIT, || (!relay.runs()).then_some(()));
        if ended.is_none() {
            relay.signal(Signal::KILL);
        }
        let status = relay.wait_exit();
        crowd.go_home();
        let said = relay.said();
        // Tokio panics if the pipe of its own signals fails.
        assert!(!said.contains("panicked at crates/"), "{said}");
        if stands || ended.is_none() {
            End::StoodStill
        } else if status.success() {
            End::AsEver
        } else if status.code().is_some() {
            assert!(!said.is_empty(), "it stopped without a word");
            End::Stopped
        } else {
            End::Killed
        }
    }

    /// Starts a relay without a fault, ends it in order, and holds the journal against the
    /// witness. Returns how many ticks are missing, each of them named.
    #[track_caller]
    pub(crate) fn comes_up_again(&self) -> u64 {
        ends_in_order(starts(&self.site, &self.witness));
        let recorded = Recorded::of(&self.site.journal());
        recorded.keeps_all_promises(&self.witness);
        recorded.missing()
    }

    /// A life without a fault, in which all calls are noted.
    pub(crate) fn survey(&self, relay: impl FnOnce(Program)) {
        let names = [&FILE_CALLS[..], &SOCKET_CALLS[..]].concat().join(",");
        let trace = trace_of(&self.site);
        let options = ["-e".into(), format!("trace={names}").into(), "-ff".into(), "-o".into()];
        let options = [&options[..], &[trace.into()]].concat();
        relay(Program::start(traced_by(&options, &self.site.command())));
    }
}

/// What a fault in the midst of play led to: how the life ended, and how many ticks it cost.
pub(crate) fn in_play(fault: &Fault, shim: &Path) -> (End, u64) {
    let stage = Stage::new(fault.on_error);
    let end = stage.play(Program::start(fault.command(&stage.site, shim)));
    if fault.call.on_journal && matches!(fault.what, What::Fails { .. }) {
        trace::no_failed_sync_was_tried_again(&trace_of(&stage.site));
    }
    let lost = stage.comes_up_again();
    assert!(lost == 0 || fault.on_error == "gap", "{lost} ticks were lost");
    assert!(end != End::Killed || matches!(fault.what, What::Kill));
    if matches!(fault.what, What::IsShort { .. }) {
        assert_eq!((end, lost), (End::AsEver, 0), "a short write is no failure");
    }
    (end, lost)
}

/// A life that was killed in the midst of a write: its journal has a torn end.
pub(crate) fn torn() -> Stage {
    let stage = Stage::new("stop");
    let crowd = Crowd::sending(4, 400, stage.site.host().clients());
    let mut relay = Program::start(stage.site.command());
    relay.says("relay runs");
    pulsegate_tests::eventually("some play", || stage.witness.newest() >= TICKS / 4);
    relay.kill();
    crowd.go_home();
    let segments = fs::read_dir(stage.site.journal()).unwrap().map(|file| file.unwrap().path());
    let last = segments.filter(|file| file.extension().is_some_and(|end| end == "mcap")).max();
    let torn = fs::OpenOptions::new().append(true).open(last.unwrap()).unwrap();
    std::io::Write::write_all(&mut &torn, &[6; 700]).unwrap();
    stage
}

/// Kills the start of a relay on a torn journal, twice at the same call, then lets one come up.
pub(crate) fn in_recovery(torn: &Stage, fault: &Fault, shim: &Path) -> End {
    let stage = torn.copy();
    let mut end = End::AsEver;
    for _ in 0..2 {
        let mut relay = Program::start(fault.command(&stage.site, shim));
        soon(LIMIT, || (!relay.runs() || relay.said().contains("relay runs")).then_some(()));
        if relay.runs() {
            relay.signal(Signal::KILL);
        } else {
            end = End::Killed;
        }
        relay.wait_exit();
    }
    assert_eq!(stage.comes_up_again(), 0, "ticks were lost");
    end
}
