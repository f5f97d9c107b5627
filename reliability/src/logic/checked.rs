//! A logic server that keeps what it applied in files, so that somebody else can check.
//!
//! It speaks the link by itself, not by the SDK. Before it answers a tick it writes the answer into
//! one of 64 files, and then one record of 16 bytes into `applied`: from there on the tick is
//! applied. Records are aligned, so none of them is ever half written. It applies whatever it is
//! sent: a tick that comes twice is there twice.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use prost::Message as _;
use pulsegate_protocol::proto::{Applied, Done, Tick, from_logic, welcome::Resume};
use pulsegate_tests::{FakeLogic, Link, Program, fake_logic};

/// Ticks that may be unanswered at a time: so many answers may be asked for again.
const KEPT: u64 = 64;
const RECORD: usize = 16;

/// A tick that is younger than this when it is answered is answered live.
const LIVE: Duration = Duration::from_millis(60);

/// What the hidden command `checked-logic` understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    dir: PathBuf,
}

/// Serves relays until it is killed.
pub(crate) fn serve(arguments: &Arguments) -> ! {
    let mut kept = Kept::open(&arguments.dir);
    let door = FakeLogic::listen(arguments.listen);
    println!("listens, after tick {}", kept.last);
    let mut listens_since = Some(Instant::now());
    loop {
        let mut link = door.accept();
        kept.meet(&mut link);
        while let Some(tick) = link.next_tick() {
            let done = kept.apply(&tick);
            link.send(from_logic::Message::Done(done));
            if is_live(&tick)
                && let Some(since) = listens_since.take()
            {
                println!("live after {} us", since.elapsed().as_micros());
            }
        }
    }
}

fn is_live(tick: &Tick) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.saturating_sub(Duration::from_nanos(tick.wall_ns)) < LIVE
}

/// What outlives a kill.
struct Kept {
    dir: PathBuf,
    applied: File,
    last: u64,
}

impl Kept {
    fn open(dir: &Path) -> Self {
        let applied =
            OpenOptions::new().append(true).create(true).read(true).open(dir.join("applied"));
        let applied = applied.unwrap();
        let length = applied.metadata().unwrap().len();
        let mut record = [0; RECORD];
        if length > 0 {
            applied.read_exact_at(&mut record, length - RECORD as u64).unwrap();
        }
        Self { dir: dir.to_owned(), applied, last: AppliedTick::from(&record).number }
    }

    /// Says what it holds, and once more what the relay may have missed.
    fn meet(&self, link: &mut Link) {
        let lineage = self.dir.join("lineage");
        match fs::read_to_string(&lineage) {
            Ok(lineage) if self.last > 0 => {
                link.welcome(Resume::Applied(Applied { lineage, tick: self.last }));
                for tick in link.hello.answered + 1..=self.last {
                    link.send(from_logic::Message::Done(self.answer(tick)));
                }
            }
            _ => {
                fs::write(&lineage, &link.hello.lineage).unwrap();
                link.welcome(Resume::Rebuild(Default::default()));
            }
        }
    }

    fn apply(&mut self, tick: &Tick) -> Done {
        let done = fake_logic::echo(tick).unwrap();
        fs::write(self.answer_file(tick.number), done.encode_to_vec()).unwrap();
        let mut record = [0; RECORD];
        record[..8].copy_from_slice(&tick.number.to_le_bytes());
        record[8..12].copy_from_slice(&tick.checksum.to_le_bytes());
        self.applied.write_all(&record).unwrap();
        self.last = tick.number;
        done
    }

    fn answer(&self, tick: u64) -> Done {
        let done = Done::decode(fs::read(self.answer_file(tick)).unwrap().as_slice()).unwrap();
        assert_eq!(done.tick, tick, "the relay asks for an answer that it had");
        done
    }

    fn answer_file(&self, tick: u64) -> PathBuf {
        self.dir.join(format!("answer-{}", tick % KEPT))
    }
}

/// A tick that was applied, by its number and its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AppliedTick {
    pub(crate) number: u64,
    pub(crate) checksum: u32,
}

impl From<&[u8; RECORD]> for AppliedTick {
    fn from(record: &[u8; RECORD]) -> Self {
        let number = u64::from_le_bytes(record[..8].try_into().unwrap());
        Self { number, checksum: u32::from_le_bytes(record[8..12].try_into().unwrap()) }
    }
}

/// One that runs, in a process of its own that can be killed.
#[derive(Debug)]
pub(crate) struct CheckedLogic {
    arguments: Arguments,
    program: Program,
}

impl CheckedLogic {
    pub(crate) fn start(listen: SocketAddr, dir: &Path) -> Self {
        let arguments = Arguments { listen, dir: dir.to_owned() };
        Self { program: launch(&arguments), arguments }
    }

    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    pub(crate) fn restart(&mut self) {
        self.program = launch(&self.arguments);
    }

    /// Waits until it answers live ticks: how long that took from when it listened.
    pub(crate) fn live_after(&mut self) -> Duration {
        self.program.says("live after ");
        let said = self.program.said();
        let (_, rest) = said.split_once("live after ").unwrap();
        Duration::from_micros(rest.split(' ').next().unwrap().parse().unwrap())
    }

    /// All that was applied, by any of its lives, in order.
    pub(crate) fn applied(&self) -> Vec<AppliedTick> {
        let records = match fs::read(self.arguments.dir.join("applied")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            records => records.unwrap(),
        };
        let (records, torn) = records.as_chunks::<RECORD>();
        assert!(torn.is_empty(), "half a record");
        records.iter().map(AppliedTick::from).collect()
    }
}

fn launch(Arguments { listen, dir }: &Arguments) -> Program {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["checked-logic", "--listen", &listen.to_string(), "--dir"]).arg(dir);
    let mut program = Program::start(command);
    program.says("listens");
    program
}
