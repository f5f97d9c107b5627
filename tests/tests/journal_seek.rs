//! The last minute of a large journal comes at once, by the real `pulsegate`.
//!
//! What is held against the mark is how much is read: that does not depend on what else the machine
//! does. How long it took is printed:
//!
//! `SEEK_MIB=1000 cargo test --release -p pulsegate-tests --test journal_seek -- --nocapture`

#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use pulsegate_journal::{Now, Options, Sync, Writer};
use pulsegate_protocol::tick::{Gathering, Head};
use pulsegate_tests::host::Host;
use pulsegate_tests::{FakeLogic, pulsegate};
use serde_json::Value;
use tempfile::TempDir;

const MIB: u64 = 1024 * 1024;

/// What a search may read, in bytes, whatever the journal's size.
const ENOUGH: u64 = 8 * MIB;

const BEAT: Duration = Duration::from_nanos(16_666_667);

/// How large the journals are, in bytes.
fn size() -> u64 {
    std::env::var("SEEK_MIB").map_or(250, |mebibytes| mebibytes.parse().unwrap()) * MIB
}

struct Journal {
    dir: TempDir,
    writer: Writer,
    ticks: u64,
}

impl Journal {
    /// As if 50 clients had played at 60 Hz; a segment has so many bytes.
    fn write(segment_size: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sync = Sync::Os;
        let segment_age = Duration::MAX;
        let options = Options { sync, segment_size, segment_age, ..Options::new(dir.path()) };
        let (mut writer, _) = Writer::open(options, now(0)).unwrap();
        let (mut ticks, mut written) = (0, 0);
        while written < size() {
            ticks += 1;
            let mut batch = Gathering::with_capacity(6000);
            (1..=50).for_each(|session| batch.packet(session, &payload(ticks, session)));
            let now = now(ticks);
            let head = Head { number: ticks, epoch: 1, wall_ns: now.wall_ns, ..Head::default() };
            written += writer.append(batch.seal(&head), now).unwrap().bytes.len() as u64;
        }
        Self { dir, writer, ticks }
    }

    fn begin_of_last_minute(&self) -> u64 {
        let begin = now(self.ticks).wall_ns - 60_000_000_000;
        (1..=self.ticks).find(|tick| now(*tick).wall_ns >= begin).unwrap()
    }
}

fn now(tick: u64) -> Now {
    let monotonic = BEAT * u32::try_from(tick).unwrap();
    Now { monotonic, wall_ns: 1_795_000_000_000_000_000 + monotonic.as_nanos() as u64 }
}

/// No compressor makes much less of it.
fn payload(tick: u64, session: u64) -> [u8; 100] {
    let mut noise = (tick << 8 | session).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::array::from_fn(|_| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise as u8
    })
}

/// What a process has read so far, in bytes.
fn read_by(child: &Child) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
    let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.and_then(|bytes| bytes.parse().ok()).unwrap()
}

/// `replay` and `cat` show the first tick of the last minute, and have read little by then.
#[track_caller]
fn last_minute_comes_at_once(dir: &Path, what: &str, begin: u64) {
    let host = Host::take();
    let logic = FakeLogic::listen(host.logic());
    let address = host.logic().to_string();
    let mut replay = pulsegate();
    replay.arg("replay").arg(dir).args(["--from", "-1m", "--logic", &address, "--json"]);
    let began = Instant::now();
    let mut child = replay.stdout(Stdio::null()).spawn().unwrap();
    let mut link = logic.accept_stateless();
    let first = link.next_tick().unwrap();
    judge(&mut child, &format!("replay of {what}"), first.number, began, begin);

    let mut cat = pulsegate();
    cat.args(["journal", "cat"]).arg(dir).args(["--from", "-1m"]);
    let began = Instant::now();
    let mut child = cat.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let first: Value = serde_json::from_str(&line).unwrap();
    judge(&mut child, &format!("cat of {what}"), first["tick"].as_u64().unwrap(), began, begin);
}

#[track_caller]
fn judge(child: &mut Child, what: &str, first: u64, began: Instant, begin: u64) {
    let (took, read) = (began.elapsed(), read_by(child));
    child.kill().unwrap();
    child.wait().unwrap();
    println!("{what}: {:.1} ms, {} KiB read", took.as_secs_f64() * 1e3, read / 1024);
    assert_eq!(first, begin, "{what}");
    assert!(read < ENOUGH, "{what}: {read} bytes read");
}

#[test]
fn the_last_minute_of_an_unfinished_segment_comes_at_once() {
    let journal = Journal::write(u64::MAX);
    let (dir, begin) = (journal.dir.path(), journal.begin_of_last_minute());
    last_minute_comes_at_once(dir, "a segment that is being written", begin);

    drop(journal.writer);
    let file = File::options().write(true).open(dir.join("00000001.mcap")).unwrap();
    let begin = begin - 1;
    file.set_len(file.metadata().unwrap().len() - 20).unwrap();
    last_minute_comes_at_once(dir, "a segment that a killed relay left torn", begin);
}

#[test]
fn the_last_minute_of_several_segments_comes_at_once() {
    let journal = Journal::write(size() / 4);
    let begin = journal.begin_of_last_minute();
    journal.writer.finish().unwrap();
    last_minute_comes_at_once(journal.dir.path(), "several segments", begin);
}
