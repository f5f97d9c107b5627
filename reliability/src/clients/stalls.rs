//! The relay itself is stopped, or its disk hangs: nobody is taken for silent.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_tests::{Program, TestRelay, eventually};
use rustix::process::Signal;

use super::honest::{Players, nobody_was_misjudged};
use crate::attack::Figures;
use crate::logic::Scale;

/// Scaled down for CI, but longer than silence may last.
const SHORT: &str = "liveness.leave_after = \"3s\"\nliveness.close_after = \"5s\"\n\
    client.first_frame_within = \"5s\"\nclient.frame_within = \"5s\"\n";

/// SIGSTOP: what clients sent meanwhile waits in their sockets, and is read first.
pub(super) fn stop(scale: &Scale<'_>, figures: &mut Figures) {
    let (settings, stopped) = scale.of((SHORT, 7), ("", 40));
    let clients = scale.of(500, 2000);
    let relay = TestRelay::start(settings);
    let players = Players::start(&relay, clients, "--rate 1 --heartbeat 1s");
    sleep(Duration::from_secs(1));
    relay.stop_signal();
    sleep(Duration::from_secs(stopped));
    relay.cont();
    went_on(&relay, players, &format!("the relay was stopped for {stopped} s"));
    let deaf = relay.metric("pulsegate_deaf_seconds_total");
    figures.add("stop: the relay was stopped for s", stopped);
    figures.add("stop: it knows of s", format!("{deaf:.1}"));
    figures.add("stop: clients, none of them in leave or closed", clients);
}

/// A sync that hangs: the beat goes on until the queue is full, then clients have to wait, and
/// waiting is not silence.
pub(super) fn sync(scale: &Scale<'_>, figures: &mut Figures) {
    let (settings, hangs, pace) = scale.of((SHORT, 8, "10ms"), ("", 20, "50ms"));
    let clients = scale.of(300, 2000);
    let mut relay = TestRelay::start(&format!("{settings}tick.sleep = \"{pace}\""));
    let pid = relay.program().pid();
    let players = Players::start(&relay, clients, "--rate 1 --heartbeat 1s");
    let writes = || relay.metric("pulsegate_journal_write_seconds_count");
    let tid = thread_named(pid, "journal thread");
    let mut strace = Command::new("strace");
    let delay = format!("fdatasync:delay_enter={}:when=1", hangs * 1_000_000);
    strace.args(["-q", "-o", "/dev/null", "-p", &tid.to_string(), "-e", "trace=fdatasync"]);
    let strace = Program::start({
        strace.args(["-e", &format!("inject={delay}")]);
        strace
    });
    let began = Instant::now();
    let mut before = writes();
    eventually("the journal hangs", || {
        sleep(Duration::from_millis(300));
        before == std::mem::replace(&mut before, writes())
    });
    eventually("it goes on", || writes() > before);
    let hung = began.elapsed();
    strace.signal(Signal::INT);
    went_on(&relay, players, &format!("a sync hung for {hangs} s"));
    figures.add("sync: it hung for s", hangs);
    figures.add("sync: the journal stood still for s", format!("{:.1}", hung.as_secs_f64()));
    figures.add("sync: waits of a beat for it", relay.metric("pulsegate_journal_waits_total"));
    figures.add("sync: clients, none of them in leave or closed", clients);
    assert!(relay.terminate().success());
}

fn went_on(relay: &TestRelay, players: Players, while_: &str) {
    let out = || relay.metric("pulsegate_frames_out_total");
    let begin = out();
    eventually("answers come", || out() > begin + 500.0);
    // Whoever was taken for silent would be in leave by the next beats.
    sleep(Duration::from_secs(1));
    nobody_was_misjudged(relay);
    players.finish().must_be_flawless(while_);
}

fn thread_named(pid: u32, name: &str) -> u32 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let found = threads
        .map(|thread| thread.unwrap().path())
        .find(|path| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name));
    let path = found.unwrap_or_else(|| panic!("no thread {name} in {pid}"));
    path.file_name().unwrap().to_str().unwrap().parse().unwrap()
}
