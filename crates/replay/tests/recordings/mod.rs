//! Recordings of the arena, and logic servers to play them to.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use pulsegate_journal::{Now, Options, Recovered, Writer};
use pulsegate_logic::samples::Arena;
use pulsegate_logic::{Logic, Pusher, Replies, Tick, serve};
use pulsegate_protocol::link;
use pulsegate_protocol::proto::{
    self, Done, ToLogic, Welcome, from_logic, item::Item, to_logic, welcome::Resume,
};
use pulsegate_protocol::tick::{Gathering, Head};
use pulsegate_replay::{ReplayArgs, Speed};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

pub(crate) const EVERY: Duration = Duration::from_millis(50);
pub(crate) const BEGAN_NS: u64 = 1_700_000_000_000_000_000;

/// What was recorded: each tick's bytes, and the arena's hash after it. Both from tick 1.
pub(crate) struct Recorded {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ticks: Vec<Bytes>,
    pub(crate) hashes: Vec<u64>,
}

impl Recorded {
    pub(crate) fn hash(&self, tick: usize) -> Option<String> {
        Some(format!("{:016x}", self.hashes[tick - 1]))
    }
}

/// Records `count` ticks of an arena in which sessions 1 to 3 walk about, 50 ms apart.
pub(crate) fn record(count: u64, snapshot_every: u64) -> Recorded {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { sync: pulsegate_journal::Sync::Os, ..Options::new(dir.path()) };
    let (mut writer, recovered) = Writer::open(options, now(0)).unwrap();
    let mut arena = Arena::default();
    let (mut ticks, mut hashes) = (Vec::new(), Vec::new());
    for number in 1..=count {
        let tick =
            writer.append(batch(number).seal(&head(number, &recovered)), now(number)).unwrap();
        ticks.push(tick.bytes.clone());
        let mut done = answer(&mut arena, tick.bytes);
        hashes.push(done.state_hash.unwrap());
        done.snapshot =
            number.is_multiple_of(snapshot_every).then(|| arena.snapshot().unwrap().into());
        let with_snapshot = done.snapshot.is_some();
        writer.answer(&done.encode_to_vec(), number, with_snapshot, now(number)).unwrap();
    }
    writer.finish().unwrap();
    Recorded { dir, ticks, hashes }
}

pub(crate) fn head(number: u64, recovered: &Recovered) -> Head {
    Head {
        number,
        epoch: recovered.epoch as u32,
        monotonic_ns: now(number).monotonic.as_nanos() as u64,
        wall_ns: now(number).wall_ns,
        since_last_ns: EVERY.as_nanos() as u64,
        seed: link::seed(&recovered.lineage, number),
    }
}

/// What a game says to a tick.
pub(crate) fn answer(game: &mut impl Logic, tick: Bytes) -> Done {
    let tick = Tick::from(proto::Tick::decode(tick).unwrap());
    let mut replies = Replies::default();
    game.tick(&tick, &mut replies);
    Done { tick: tick.number(), state_hash: game.state_hash(), ..replies.into_done() }
}

pub(crate) fn now(tick: u64) -> Now {
    let monotonic = EVERY * tick as u32;
    Now { monotonic, wall_ns: BEGAN_NS + monotonic.as_nanos() as u64 }
}

pub(crate) fn batch(number: u64) -> Gathering {
    let mut batch = Gathering::with_capacity(0);
    if number == 2 {
        for session in 1..=3 {
            let peer = "192.0.2.1:5".to_owned();
            batch.event(Item::Open(proto::Open { session, peer }));
        }
    }
    if number > 2 {
        let steps = ["north", "south", "east", "west", "east"];
        for session in 1..=3 {
            let step = steps[((number * 7 + session) % 5) as usize];
            batch.packet(session, format!(r#"{{"move":"{step}"}}"#).as_bytes());
        }
    }
    batch
}

pub(crate) fn args(dir: &Path, logic: &str) -> ReplayArgs {
    ReplayArgs { speed: Speed::Max, ..ReplayArgs::of(dir, logic) }
}

pub(crate) async fn arena() -> String {
    sample("", |_| Arena::default()).await
}

/// A sample server on a free port; replays may link as often as they like.
pub(crate) async fn sample<L: Logic>(
    secret: &str,
    game: impl Fn(Pusher) -> L + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = pulsegate_logic::Options { secret: secret.into() };
    tokio::spawn(serve(listener, options, game, CancellationToken::new()));
    address
}

/// A logic server that resumes as told, notes all that it is sent, answers each tick, and a ping
/// with one of its own.
pub(crate) async fn noting(
    resume: Resume,
) -> (String, tokio::task::JoinHandle<Vec<to_logic::Message>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let noted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut link = Framed::new(stream, link::codec());
        let mut noted = Vec::new();
        while let Some(Ok(frame)) = link.next().await {
            let message = ToLogic::decode(frame.freeze()).unwrap().message.unwrap();
            match &message {
                to_logic::Message::Hello(_) => say(&mut link, welcome(resume.clone())).await,
                to_logic::Message::Tick(tick) => {
                    let done = Done { tick: tick.number, ..Done::default() };
                    say(&mut link, from_logic::Message::Done(done)).await;
                }
                to_logic::Message::Ping(proto::Ping { id }) => {
                    say(&mut link, from_logic::Message::Ping(proto::Ping { id: id + 1 })).await;
                }
                _ => {}
            }
            noted.push(message);
        }
        noted
    });
    (address, noted)
}

pub(crate) fn welcome(resume: Resume) -> from_logic::Message {
    let name = "noting".into();
    from_logic::Message::Welcome(Welcome {
        protocol: link::VERSION,
        name,
        resume: Some(resume),
        proof: Bytes::new(),
    })
}

pub(crate) async fn say(
    logic: &mut Framed<TcpStream, tokio_util::codec::LengthDelimitedCodec>,
    message: from_logic::Message,
) {
    logic.send(link::from_logic(message)).await.unwrap();
}

pub(crate) fn ticks_of(noted: &[to_logic::Message]) -> Vec<proto::Tick> {
    let ticks = noted.iter().filter_map(|message| match message {
        to_logic::Message::Tick(tick) => Some(tick.clone()),
        _ => None,
    });
    ticks.collect()
}

/// Goes on with a journal in which a session closes.
pub(crate) fn leave(dir: &Path, session: u64, number: u64) {
    let (mut writer, recovered) = Writer::open(Options::new(dir), now(number)).unwrap();
    let mut batch = Gathering::with_capacity(0);
    batch.event(Item::Close(proto::Close { session, reason: 1 }));
    let (epoch, wall_ns) = (recovered.epoch as u32, now(number).wall_ns);
    let head = Head { number, epoch, wall_ns, ..Head::default() };
    writer.append(batch.seal(&head), now(number)).unwrap();
    writer.finish().unwrap();
}
