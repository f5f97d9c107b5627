//! What a relay does when the machine gives it less than it asked for.

#![allow(clippy::unwrap_used)]

use std::io::{self, ErrorKind, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_tests::programs::unshared;
use pulsegate_tests::{TestClient, TestRelay, alone, eventually};
use rustix::io::ioctl_fionbio;
use rustix::process::Resource;

#[test]
fn a_limit_of_files_under_the_configured_sessions_is_refused_with_both_numbers() {
    let (status, said) = TestRelay::refuses("limits.sessions = 1000", |command| {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 300; exec \"$0\" \"$@\""]);
        limited.arg(command.get_program()).args(command.get_args());
        limited.current_dir(command.get_current_dir().unwrap());
        *command = limited;
    });
    assert_eq!(status.code(), Some(1), "{said}");
    for part in ["1416 files", "only 300", "limits.sessions", "LimitNOFILE=1416"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

#[test]
fn a_control_group_with_less_memory_than_may_be_needed_is_named_at_the_start() {
    let mut is_allowed = false;
    let relay = TestRelay::launch("", |command| {
        let group = "mount -t tmpfs none /sys/fs/cgroup; echo 67108864 > /sys/fs/cgroup/memory.max";
        if let Some(unshared) = unshared(command, &["--mount"], group) {
            *command = unshared;
            is_allowed = true;
        }
    });
    let log = relay.log();
    let line = log.lines().find(|line| line.contains("too little memory"));
    let parts =
        ["64.0 MiB (/sys/fs/cgroup/memory.max)", "memory_at_most=4.1 GiB", "limits.sessions"];
    assert!(!is_allowed || parts.iter().all(|part| line.unwrap().contains(part)), "{log}");
}

#[test]
fn a_journal_that_cannot_be_written_is_refused_before_anybody_can_connect() {
    // Whoever tried to listen would complain of the address, which is not on this machine.
    let settings = "client.listen = '192.0.2.1:14000'\njournal.dir = '/dev/null/journal'";
    let (status, said) = TestRelay::refuses(settings, |_| {});
    assert_eq!(status.code(), Some(1), "{said}");
    for part in ["cannot write a journal in /dev/null/journal", "Not a directory", "--journal"] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

#[test]
fn a_journal_is_judged_by_the_rights_with_which_it_will_be_written() {
    if !rustix::process::geteuid().is_root() {
        // Past the test runner, which hides what a test that passes says.
        let _ = writeln!(io::stderr(), "\nNOT TESTED: only root can lend its rights\n");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = format!("journal.dir = '{}'", dir.path().display());
    let relay = TestRelay::launch(&settings, |command| {
        let mut lent = Command::new("setpriv");
        lent.args(["--ruid", "65534", "--"]).arg(command.get_program()).args(command.get_args());
        lent.current_dir(command.get_current_dir().unwrap());
        *command = lent;
    });
    relay.wait_ready();
}

#[test]
fn a_journal_in_memory_is_warned_of_at_the_start() {
    let dir = tempfile::tempdir_in("/dev/shm").unwrap();
    let settings = format!("journal.dir = '{}'", dir.path().join("journal").display());
    let relay = TestRelay::start(&settings);
    assert!(relay.log().contains("will not survive a reboot"), "{}", relay.log());
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(relay.log().contains("this process is root"), is_root, "{}", relay.log());
}

/// Long enough for what is there already.
const NOW: Duration = Duration::from_millis(1);

#[test]
fn out_of_files_the_listener_rests_says_so_and_goes_on_when_there_are_some() {
    let _alone = alone();
    let mut relay = TestRelay::start("client.first_frame_within = 'off'");
    let files = relay.open_files() as u64;
    relay.program().limit(Resource::Nofile, files + 4);
    let mut clients: Vec<_> = (0..40).map(|_| TestClient::connect(relay.clients())).collect();
    relay.program().says("out of files");
    clients[0].echo("those inside do not notice");

    // It must neither spin nor flood the log; one after another is told to come back later.
    let (began, cpu) = (Instant::now(), relay.program().cpu_time());
    thread::sleep(Duration::from_secs(2));
    let used = relay.program().cpu_time() - cpu;
    assert!(used < began.elapsed() / 5, "{used:?} of {:?}", began.elapsed());
    let lines = relay.log().matches("out of files").count();
    assert!(lines <= 6, "{lines} lines");
    let mut told: Vec<_> =
        clients.iter_mut().filter_map(|client| client.read_within(NOW)).collect();
    assert!((1..=15).contains(&told.len()), "{} are told", told.len());
    let notice: serde_json::Value = serde_json::from_slice(&told.remove(0)).unwrap();
    assert_eq!(notice["reason"], "server_full");
    assert!(notice["retry_after_ms"].is_u64(), "{notice}");

    relay.program().limit(Resource::Nofile, 1000);
    let last = clients.last_mut().unwrap();
    last.send("at last");
    let answer = last.read_within(Duration::from_secs(3));
    assert_eq!(answer.as_deref(), Some(&b"at last"[..]));
    assert!(relay.metric("pulsegate_accept_pauses_total") > 0.0);
}

/// A pipe that nobody reads and that takes nothing any more.
fn full_pipe() -> (io::PipeReader, io::PipeWriter) {
    let (reader, mut writer) = io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    while !matches!(writer.write(&[b'.'; 512]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    {
    }
    ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_beat_nor_the_end() {
    let _alone = alone();
    let (_reader, stderr) = full_pipe();
    let mut relay = TestRelay::launch_unheard("log.level = 'debug'\ntick.sleep = '10ms'", stderr);
    let mut client = TestClient::connect(relay.clients());
    client.echo("hello");
    eventually("lines are dropped and counted", || {
        // Some lines each.
        (0..100).for_each(|_| TestClient::connect(relay.clients()).reset());
        relay.metric("pulsegate_log_lines_dropped") > 0.0
    });
    let beats = || relay.metric("pulsegate_ticks_total");
    let begin = beats();
    eventually("20 beats more", || beats() > begin + 20.0);
    client.echo("hello");
    assert!(relay.terminate().success());
}
