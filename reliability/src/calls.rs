//! `calls`: something goes wrong at the N-th system call, for every call that the journal or the
//! link makes in a life of the relay.
//!
//! `strace` injects it into the unmodified program; short writes come from a library that is
//! preloaded, since `strace` cannot shorten a write without lying about it.
//!
//! - [`fault`]: what goes wrong, and where
//! - [`scenario`]: the life in which it does, and what must hold afterwards
//! - [`trace`]: what calls there are, and that no failed sync is tried again
//!
//! First the relay is killed at each call of a life from start to end, then, twice in a row, at
//! each call of a start on a torn journal. Then each call fails, once or for ever. After all of
//! them a relay comes up without help, and its journal is held against the witness: the fault
//! was survived, or the relay stopped (or, with `on_error = "gap"`, named what it lost).

mod fault;
mod scenario;
mod trace;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use clap::{Args, ValueEnum};

use self::fault::{Call, ERRNOS, Fault, What, trace_of};
use self::scenario::{End, Stage, in_play, in_recovery, torn};
use crate::attack::{Attack, Figures};

/// As many as there are processors on the smallest machine that this is meant for.
const AT_ONCE: usize = 2;

/// What `calls` understands.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Arguments {
    /// Only this part [default: all of them]
    part: Option<Part>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// The relay is killed at a call
    Kills,
    /// A call fails, or a write is short
    Once,
    /// The same, and all later ones of its kind as well
    ForEver,
}

/// Attacks so many calls of each kind as was asked for; 0: all of them.
pub(crate) fn attack(arguments: Arguments, attack: &Attack) -> Figures {
    let home = tempfile::tempdir().unwrap();
    let mut campaign = Campaign {
        count: attack.count(40) as usize,
        dice: attack.dice(),
        shim: build_shim(home.path()),
        figures: Figures::default(),
    };
    let calls = calls_of_a_life();
    let parts = arguments.part.map(|part| vec![part]);
    for part in parts.unwrap_or_else(|| Part::value_variants().to_vec()) {
        campaign.run(part, &calls);
    }
    let mut figures = campaign.figures;
    figures.add("ticks that logic saw and the journal lacks", 0);
    figures.add("holes without a name", 0);
    figures.add("syncs tried again after a failure", 0);
    figures
}

/// Calls, by how often the thread that does them most does them.
type Calls = BTreeMap<Call, u32>;

struct Campaign {
    count: usize,
    dice: fastrand::Rng,
    shim: PathBuf,
    figures: Figures,
}

impl Campaign {
    fn run(&mut self, part: Part, calls: &Calls) {
        let always = match part {
            Part::Kills => {
                self.kill_in_play(calls);
                return self.kill_in_recovery();
            }
            Part::Once => false,
            Part::ForEver => true,
        };
        self.fail(calls, always);
        self.shorten(calls, always);
    }

    fn kill_in_play(&mut self, calls: &Calls) {
        let kills = self.chosen(points(calls), self.count, |_| (What::Kill, "stop"));
        let ends = all("kills in play", &kills, |fault| in_play(fault, &self.shim).0);
        self.figures.add("calls of a life", points(calls).len());
        self.figures.add("kills at a call of a life", ends_of(&ends));
    }

    fn kill_in_recovery(&mut self) {
        let torn = torn();
        let calls = points(&calls_of_a_start(&torn));
        self.figures.add("calls of a start on a torn journal", calls.len());
        let kills = self.chosen(calls, self.count, |_| (What::Kill, "stop"));
        let run = |fault: &Fault| in_recovery(&torn, fault, &self.shim);
        let ends = all("kills in recovery", &kills, run);
        self.figures.add("kills at a call of a start, twice each", ends_of(&ends));
    }

    fn fail(&mut self, calls: &Calls, always: bool) {
        let failures = self.chosen(points(calls), self.count, |dice| {
            let errno = ERRNOS[dice.usize(..ERRNOS.len())];
            (What::Fails { errno, always }, ["stop", "gap"][dice.usize(..2)])
        });
        let title = format!("calls that failed {}", often(always));
        let ends = all(&title, &failures, |fault| in_play(fault, &self.shim));
        let gaps = ends.iter().filter(|(_, lost)| *lost > 0).count();
        self.figures.add(&title, ends_of(&first(&ends)));
        self.figures.add("of these, with a gap, named", gaps);
    }

    fn shorten(&mut self, calls: &Calls, always: bool) {
        let writes = points(calls).into_iter().filter(|(call, _)| is_write(call)).collect();
        let what = |_: &mut _| (What::IsShort { always }, "stop");
        let short = self.chosen(writes, self.count.div_ceil(4), what);
        let title = format!("writes that were short {}", often(always));
        let ends = all(&title, &short, |fault| in_play(fault, &self.shim));
        self.figures.add(&title, ends_of(&first(&ends)));
    }

    /// So many of the points, 0 for all, each with what goes wrong there.
    fn chosen(
        &mut self,
        mut points: Vec<(Call, u32)>,
        count: usize,
        mut what: impl FnMut(&mut fastrand::Rng) -> (What, &'static str),
    ) -> Vec<Fault> {
        self.dice.shuffle(&mut points);
        let count = if count == 0 { points.len() } else { count };
        let faults = points.into_iter().take(count).map(|(call, nth)| {
            let (what, on_error) = what(&mut self.dice);
            Fault { call, nth, what, on_error }
        });
        faults.collect()
    }
}

fn often(always: bool) -> &'static str {
    if always { "for ever" } else { "once" }
}

fn first(ends: &[(End, u64)]) -> Vec<End> {
    ends.iter().map(|(end, _)| *end).collect()
}

fn is_write(call: &Call) -> bool {
    call.on_journal && call.name == "write"
}

fn calls_of_a_life() -> Calls {
    let stage = Stage::new("stop");
    stage.survey(|relay| assert_eq!(stage.play(relay), End::AsEver));
    trace::counts(&trace_of(&stage.site), &stage.site.journal())
}

fn calls_of_a_start(torn: &Stage) -> Calls {
    let stage = torn.copy();
    stage.survey(|mut relay| {
        relay.says("relay runs");
        relay.signal(rustix::process::Signal::KILL);
        relay.wait_exit();
    });
    let mut calls = trace::counts(&trace_of(&stage.site), &stage.site.journal());
    calls.retain(|call, _| call.on_journal);
    trace::forget(&trace_of(&stage.site));
    calls
}

fn points(calls: &Calls) -> Vec<(Call, u32)> {
    let each = |(call, most): (&Call, &u32)| {
        let call = call.clone();
        (1..=*most).map(move |nth| (call.clone(), nth))
    };
    calls.iter().flat_map(each).collect()
}

/// How often each end was.
fn ends_of(ends: &[End]) -> String {
    let mut counts = BTreeMap::new();
    ends.iter().for_each(|end| *counts.entry(end).or_insert(0) += 1);
    let each: Vec<_> = counts.iter().map(|(end, count)| format!("{count} {end}")).collect();
    format!("{}: {}", ends.len(), each.join(", "))
}

/// Attacks each, some at once. The first panic ends all of it.
fn all<T: Send>(title: &str, faults: &[Fault], run: impl Fn(&Fault) -> T + Sync) -> Vec<T> {
    println!("{title}: {}", faults.len());
    let (left, results) = (Mutex::new(faults.iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some(fault) = left.lock().unwrap().next() else { return };
            match catch_unwind(AssertUnwindSafe(|| run(fault))) {
                Ok(result) => results.lock().unwrap().push(result),
                Err(panic) => {
                    eprintln!("at {fault}");
                    *left.lock().unwrap() = [].iter();
                    resume_unwind(panic);
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    results.into_inner().unwrap()
}

fn build_shim(home: &Path) -> PathBuf {
    let (source, library) = (home.join("short_writes.c"), home.join("short_writes.so"));
    std::fs::write(&source, include_str!("calls/short_writes.c")).unwrap();
    let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let built =
        Command::new(cc).args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
    assert!(built.is_ok_and(|status| status.success()), "a C compiler is needed");
    library
}
