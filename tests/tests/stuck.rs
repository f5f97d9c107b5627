//! A thread of the relay gets nowhere: held in a system call by `strace`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use pulsegate_tests::tools::strace;
use pulsegate_tests::{Program, TestClient, TestRelay, eventually, eventually_some};
use rustix::process::Signal;

/// Holds each of these calls of a thread, or of all threads with `-f`, for so long.
fn hold(options: &[&str], thread: &str, calls: &str, length: Duration) -> Option<Program> {
    let mut strace = strace()?;
    let delay = format!("inject={calls}:delay_enter={}", length.as_micros());
    strace.args(options).args(["-p", thread, "-e", &format!("trace={calls}"), "-e", &delay]);
    let mut strace = Program::start(strace);
    strace.says("attached");
    Some(strace)
}

/// The thread of a relay with this name.
fn thread_of(relay: &mut TestRelay, name: &str) -> String {
    let tasks = format!("/proc/{}/task", relay.program().pid());
    let mut tasks = fs::read_dir(tasks).unwrap().map(|task| task.unwrap());
    let task =
        tasks.find(|task| fs::read_to_string(task.path().join("comm")).unwrap().trim() == name);
    task.unwrap().file_name().into_string().unwrap()
}

#[test]
fn a_relay_whose_beat_is_stuck_aborts_so_that_another_can_be_started() {
    let mut relay = TestRelay::start("");
    let beat = thread_of(&mut relay, "beat thread");
    let minute = Duration::from_secs(60);
    let Some(held) = hold(&[], &beat, "futex,clock_nanosleep", minute) else { return };
    relay.program().says("the beat thread is stuck");
    drop(held);
    let status = relay.wait_exit(Duration::from_secs(5));
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(Signal::ABORT.as_raw())
    );
    relay.restart();
    TestClient::connect(relay.clients()).echo("another");
}

#[test]
fn a_disk_that_does_not_answer_is_told_while_it_does_not_and_costs_nobody() {
    let mut relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.echo("before");
    let relay_id = relay.program().pid().to_string();
    let held = hold(&["-f"], &relay_id, "fdatasync", Duration::from_secs(3));
    let Some(held) = held else { return };
    client.send("into a batch that waits");
    let reason = eventually_some("readiness says why", || {
        let (_, text) = relay.get("/readyz");
        text.contains("for the disk").then_some(text)
    });
    assert!(reason.contains("the journal has waited"), "{reason}");
    relay.program().says("the journal waits for the disk");
    drop(held);
    relay.program().says("the disk answers again");
    assert_eq!(client.read(), b"into a batch that waits");
    eventually("all is well again", || relay.get("/readyz").0 == 200);
}
