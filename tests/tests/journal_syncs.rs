//! When the journal's files are synced, and that a sync that failed is not tried again.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pulsegate_protocol::proto::item::Item;
use pulsegate_tests::tools::strace;
use pulsegate_tests::{TestClient, TestRelay, eventually};

/// Has a relay's syncs and writes noted at `trace`, a file for each thread.
fn traced(command: &mut Command, trace: &Path, more: &[&str]) {
    let mut traced = strace().unwrap();
    traced.args([
        "-D",
        "-ff",
        "-y",
        "-qq",
        "-s",
        "0",
        "-e",
        "trace=fdatasync,fsync,ftruncate,write",
        "-o",
    ]);
    traced.arg(trace).args(more).arg(command.get_program()).args(command.get_args());
    traced.current_dir(command.get_current_dir().unwrap());
    *command = traced;
}

/// What each thread did to a segment, in order.
fn noted(trace: &Path, segment: &str) -> Vec<Vec<String>> {
    let files = fs::read_dir(trace.parent().unwrap()).unwrap().map(|file| file.unwrap().path());
    let lines = |file| {
        let text = fs::read_to_string(file).unwrap();
        let ours = text.lines().filter(|line| line.contains(&format!("/{segment}>")));
        ours.map(str::to_owned).collect()
    };
    files.map(lines).collect()
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    (dir, trace)
}

#[test]
fn what_a_killed_life_left_in_memory_is_on_disk_before_it_is_built_upon() {
    if strace().is_none() {
        return;
    }
    let (_dir, trace) = place();
    let mut relay = TestRelay::start("");
    TestClient::connect(relay.clients()).echo("hello");
    relay.kill();
    relay.restart_by(|command| traced(command, &trace, &[]));
    eventually("it was synced", || {
        let noted = noted(&trace, "00000001.mcap").concat();
        noted.iter().any(|line| line.contains("sync(") && line.ends_with("= 0"))
    });
}

#[test]
fn a_sync_that_a_signal_broke_off_is_not_tried_again() {
    if strace().is_none() {
        return;
    }
    let (_dir, trace) = place();
    let inject = ["-e", "inject=fdatasync:error=EINTR:when=9"];
    let mut relay = TestRelay::launch("", |command| traced(command, &trace, &inject));
    let status = relay.wait_exit(pulsegate_tests::PATIENCE);
    assert!(!status.success(), "{status}");
    assert!(relay.log().contains("cannot sync"), "{}", relay.log());
    let noted = noted(&trace, "00000001.mcap");
    let broken_off = |line: &String| line.contains("= -1 EINTR");
    let thread = noted.iter().find(|thread| thread.iter().any(broken_off)).unwrap();
    let failed = thread.iter().position(broken_off).unwrap();
    assert_eq!(thread.len(), failed + 1, "{:?}", &thread[failed..]);
}

#[test]
fn ticks_that_were_lost_right_before_a_kill_are_named_by_the_next_life() {
    if strace().is_none() {
        return;
    }
    let (_dir, trace) = place();
    // Each sync fails, each tick is lost, and the second new segment is the last thing it writes.
    let inject = "inject=fdatasync:error=EIO:when=9+";
    let kill = "inject=ftruncate:signal=SIGKILL:when=2";
    let more = ["-e", inject, "-e", kill];
    let settings = "journal.on_error = \"gap\"";
    let mut relay = TestRelay::launch(settings, |command| traced(command, &trace, &more));
    relay.wait_exit(pulsegate_tests::PATIENCE);
    let kept = relay.journal_ticks().last().unwrap().number;
    relay.restart();
    relay.wait_ready();
    eventually("the next tick", || relay.journal_ticks().last().unwrap().number > kept);
    let ticks = relay.journal_ticks();
    let next = ticks.iter().find(|tick| tick.number > kept).unwrap();
    let Some(Item::Gap(gap)) = &next.items[0].item else { panic!("{next:?}") };
    assert_eq!((gap.first, gap.last), (kept + 1, next.number - 1));
}
