//! Recordings of the arena, played to logic servers over the real link.
#![allow(clippy::unwrap_used, reason = "in a test the panic is the report")]

mod recordings;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::iter::StepBy;
use std::ops;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use pulsegate_journal::{Options, Writer};
use pulsegate_logic::samples::{Arena, Echo};
use pulsegate_protocol::link;
use pulsegate_protocol::proto::{
    self, Applied, Done, Goodbye, Hello, Mode, Rebuild, Stateless, ToLogic, from_logic,
    goodbye::Code, item::Item, to_logic, welcome::Resume,
};
use pulsegate_protocol::tick::{Gathering, Head, peek};
use pulsegate_replay::{
    Audience, Error, Key, Point, Range, ReplayArgs, Speed, Summary, run, watched,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;

use recordings::*;

async fn play(args: ReplayArgs) -> Result<Summary, Error> {
    run(args, |_| {}).await
}

#[tokio::test]
async fn a_replayed_world_comes_to_the_recorded_state() {
    let recorded = record(300, 1000);
    let logic = arena().await;
    for until in [1, 2, 3, 100, 299, 300] {
        let until_tick = Some(Point::Tick(until as u64));
        let summary =
            play(ReplayArgs { until: until_tick, ..args(recorded.dir.path(), &logic) }).await;
        let summary = summary.unwrap();
        assert_eq!(summary.state_hash, recorded.hash(until), "{summary:?}");
        assert_eq!((summary.played, summary.last_tick), (until as u64, until as u64));
    }
}

#[tokio::test]
async fn a_range_begins_with_the_newest_snapshot_before_it() {
    let recorded = record(120, 25);
    let logic = arena().await;
    let from = Some(Point::Tick(110));
    let summary = play(ReplayArgs { from, ..args(recorded.dir.path(), &logic) }).await.unwrap();
    assert_eq!(summary.state_hash, recorded.hash(120), "{summary:?}");
    // The snapshot is the one after tick 100.
    assert_eq!((summary.ticks, summary.played), (20, 11));
}

#[tokio::test]
async fn a_range_without_a_snapshot_begins_with_all_ticks_before_it() {
    let recorded = record(60, 1000);
    let (logic, noted) = noting(Resume::Rebuild(Rebuild {})).await;
    let (from, until) = (Some(Point::Tick(50)), Some(Point::Tick(55)));
    let summary = play(ReplayArgs { from, until, ..args(recorded.dir.path(), &logic) }).await;
    assert_eq!(summary.unwrap().played, 6);
    let sent = ticks_of(&noted.await.unwrap());
    assert_eq!(
        sent.iter().map(|tick| tick.number).collect::<Vec<_>>(),
        (1..=55).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn what_is_sent_is_what_was_recorded() {
    let recorded = record(30, 1000);
    let (logic, noted) = noting(Resume::Stateless(Stateless {})).await;
    let from = Some(Point::Tick(10));
    play(ReplayArgs { from, ..args(recorded.dir.path(), &logic) }).await.unwrap();

    let noted = noted.await.unwrap();
    let to_logic::Message::Hello(Hello { mode, lineage, epoch, .. }) = &noted[0] else {
        panic!("{:?}", noted[0]);
    };
    assert_eq!((*mode, *epoch), (i32::from(Mode::Replay), 1));
    assert_eq!(*lineage, pulsegate_journal::info(recorded.dir.path()).unwrap().lineage);
    let sent: Vec<_> = ticks_of(&noted).iter().map(prost::Message::encode_to_vec).collect();
    assert_eq!(sent, recorded.ticks[9..]);
    assert!(matches!(noted.last(), Some(to_logic::Message::Goodbye(_))), "{:?}", noted.last());
}

#[tokio::test]
async fn a_server_that_holds_the_state_goes_on_after_it() {
    let recorded = record(30, 10);
    let lineage = pulsegate_journal::info(recorded.dir.path()).unwrap().lineage;
    let (logic, noted) = noting(Resume::Applied(Applied { lineage, tick: 21 })).await;
    play(args(recorded.dir.path(), &logic)).await.unwrap();
    assert_eq!(ticks_of(&noted.await.unwrap())[0].number, 22);

    let lineage = "0123".to_owned();
    let (logic, _noted) = noting(Resume::Applied(Applied { lineage, tick: 21 })).await;
    let error = play(args(recorded.dir.path(), &logic)).await.unwrap_err();
    assert!(matches!(error, Error::Lineage { .. }), "{error}");
}

/// Goes on with a journal in which an operator has a tick skipped.
fn skip(dir: &Path, tick: u64, number: u64) {
    let (mut writer, recovered) = Writer::open(Options::new(dir), now(number)).unwrap();
    let mut batch = Gathering::with_capacity(0);
    batch.event(Item::Skipped(proto::Skipped { tick }));
    let head = Head { number, epoch: recovered.epoch as u32, ..Head::default() };
    writer.append(batch.seal(&head), now(number)).unwrap();
    writer.finish().unwrap();
    // The next life knows it from a segment's head.
    let (next, _) = Writer::open(Options::new(dir), now(number)).unwrap();
    next.finish().unwrap();
    let (_, recovered) = Writer::open(Options::new(dir), now(number)).unwrap();
    assert_eq!(recovered.skipped, [tick]);
}

#[tokio::test]
async fn a_skipped_tick_is_sent_without_its_packets_unless_all_of_it_is_asked_for() {
    let recorded = record(30, 10);
    skip(recorded.dir.path(), 25, 31);
    for (whole, packets) in [(false, 0), (true, 3)] {
        let (logic, noted) = noting(Resume::Stateless(Stateless {})).await;
        play(ReplayArgs { whole, ..args(recorded.dir.path(), &logic) }).await.unwrap();
        let noted = noted.await.unwrap();
        let sent = ticks_of(&noted);
        assert_eq!((sent.len(), sent[24].items.len()), (31, packets));
        assert_eq!(sent[23].items.len(), 3);
    }
}

#[tokio::test]
async fn with_sessions_only_theirs_is_sent_in_all_ticks_and_the_chain_holds() {
    let recorded = record(40, 10);
    let (logic, noted) = noting(Resume::Rebuild(Rebuild {})).await;
    let sessions = vec![2];
    play(ReplayArgs { sessions, ..args(recorded.dir.path(), &logic) }).await.unwrap();

    let noted = noted.await.unwrap();
    let sent = ticks_of(&noted);
    assert!(!noted.iter().any(|message| matches!(message, to_logic::Message::Restore(_))));
    assert_eq!(sent.len(), 40);
    let mut previous = 0;
    for tick in sent {
        assert_eq!(tick.previous, previous);
        previous = tick.checksum;
        // The generated code leaves out the first tick's `previous`, which is 0.
        assert!(tick.number == 1 || peek(&tick.encode_to_vec()).is_ok());
        let items = usize::from(tick.number > 1);
        assert_eq!(tick.items.len(), items, "tick {}", tick.number);
        for item in tick.items {
            match item.item.unwrap() {
                Item::Open(open) => assert_eq!(open.session, 2),
                Item::Packet(packet) => assert_eq!(packet.session, 2),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_range_can_be_given_in_time() {
    let recorded = record(100, 1000);
    let logic = sample("", |_| Echo).await;
    let (from, until) =
        (Some(Point::Time(now(40).wall_ns - 1)), Some(Point::Time(now(60).wall_ns)));
    let summary =
        play(ReplayArgs { from, until, ..args(recorded.dir.path(), &logic) }).await.unwrap();
    assert_eq!((summary.played, summary.last_tick), (21, 60), "{summary:?}");
    assert_eq!(summary.replies, 21 * 3);
}

#[test]
fn a_range_can_be_given_by_the_clock_the_end_and_what_a_session_did() {
    let recorded = record(100, 1000);
    let dir = recorded.dir.path();
    leave(dir, 2, 101);
    let find = |from: Point, until: Point| Range::find(dir, Some(from), Some(until));
    let ends = |range: Range| (range.first, range.last);

    let found = find(Point::Opening(1), Point::Closing(2)).unwrap();
    assert_eq!(ends(found), (2, Some(101)));
    let error = find(Point::Closing(1), Point::Tick(100)).unwrap_err().to_string();
    assert_eq!(error, "the journal does not hold the closing of session 1");

    let before_end = |ms| Point::BeforeEnd(Duration::from_millis(ms));
    assert_eq!(ends(find(before_end(1000), before_end(500)).unwrap()), (81, Some(91)));

    let moment = jiff::Timestamp::from_nanosecond(i128::from(now(40).wall_ns)).unwrap();
    let moment = moment.to_zoned(jiff::tz::TimeZone::system());
    let found = find(Point::Clock(moment.time()), Point::Tick(50)).unwrap();
    assert_eq!(found.notes.len(), 1);
    assert!(found.notes[0].contains(&moment.date().to_string()), "{found:?}");
    assert_eq!(ends(found), (40, Some(50)));
    let elsewhere = moment.time() + Duration::from_secs(3600);
    let error = find(Point::Clock(elsewhere), Point::Tick(100)).unwrap_err();
    assert!(matches!(error, Error::NoSuchTime { .. }), "{error}");
    for (from, until) in [(50, 40), (102, 103)] {
        let error = find(Point::Tick(from), Point::Tick(until)).unwrap_err();
        assert!(matches!(error, Error::Range { first: 1, last: 101 }), "{error}");
    }
}

#[tokio::test]
async fn the_speed_is_a_multiple_of_the_recorded_one() {
    let recorded = record(41, 1000);
    let logic = sample("", |_| Echo).await;
    let began = Instant::now();
    let speed = Speed::Times(8.0);
    let summary = play(ReplayArgs { speed, ..args(recorded.dir.path(), &logic) }).await.unwrap();
    // 40 periods of 50 ms are 2 s.
    assert!(began.elapsed() >= Duration::from_millis(250), "{summary:?}");
    assert!(summary.real_time_factor <= 8.0, "{summary:?}");
}

#[tokio::test]
async fn a_live_logic_server_refuses_and_the_error_says_what_to_do() {
    let recorded = record(5, 1000);
    let logic = arena().await;
    let mut live = Framed::new(TcpStream::connect(&logic).await.unwrap(), link::codec());
    let hello = Hello {
        protocol: link::VERSION,
        lineage: "l".into(),
        mode: Mode::Live.into(),
        ..Hello::default()
    };
    live.send(link::to_logic(to_logic::Message::Hello(hello))).await.unwrap();
    live.next().await.unwrap().unwrap();

    let error = play(args(recorded.dir.path(), &logic)).await.unwrap_err();
    assert!(matches!(error, Error::Refused { code: Code::Live, .. }), "{error}");
    assert!(error.to_string().contains("start another one"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn a_secret_is_proven_both_ways() {
    let recorded = record(5, 1000);
    let logic = sample("secret", |_| Arena::default()).await;
    let args = args(recorded.dir.path(), &logic);
    let error = play(args.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { code: Code::Secret, .. }), "{error}");
    play(ReplayArgs { secret: "secret".into(), ..args }).await.unwrap();

    let (impostor, _noted) = noting(Resume::Rebuild(Rebuild {})).await;
    let args = ReplayArgs { logic: Some(impostor), ..self::args(recorded.dir.path(), "") };
    let error = play(ReplayArgs { secret: "secret".into(), ..args }).await.unwrap_err();
    assert!(matches!(error, Error::Secret), "{error}");
}

#[tokio::test]
async fn a_logic_server_that_ends_the_link_is_quoted() {
    let recorded = record(200, 1000);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let logic = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut link = Framed::new(stream, link::codec());
        link.next().await;
        say(&mut link, welcome(Resume::Stateless(Stateless {}))).await;
        link.next().await;
        say(&mut link, from_logic::Message::Done(Done { tick: 1, ..Done::default() })).await;
        let text = "enough".to_owned();
        let code = Code::Shutdown.into();
        say(&mut link, from_logic::Message::Goodbye(Goodbye { code, text })).await;
        // Until the other side has gone: what it sent must not reset what was said.
        while let Some(Ok(_)) = link.next().await {}
    });
    let error = play(args(recorded.dir.path(), &logic)).await.unwrap_err();
    assert!(matches!(error, Error::Ended { applied: 1, .. }), "{error}");
    assert!(error.to_string().contains("enough"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error() {
    let recorded = record(200, 1000);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let logic = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut link = Framed::new(stream, link::codec());
        link.next().await;
        say(&mut link, welcome(Resume::Stateless(Stateless {}))).await;
        link.next().await;
        link.get_ref().set_zero_linger().unwrap();
    });
    let error = play(args(recorded.dir.path(), &logic)).await.unwrap_err();
    assert!(matches!(error, Error::Broken(_)), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[tokio::test]
async fn what_cannot_be_played_is_said_before_a_tick_is_sent() {
    let recorded = record(5, 1000);
    let logic = arena().await;
    for (from, until) in [
        (Some(Point::Tick(6)), None),
        (Some(Point::Tick(4)), Some(Point::Tick(3))),
        (Some(Point::Time(u64::MAX)), None),
        (Some(Point::Tick(3)), Some(Point::Time(BEGAN_NS))),
    ] {
        let error = play(ReplayArgs { from, until, ..args(recorded.dir.path(), &logic) }).await;
        let text = error.unwrap_err().to_string();
        assert!(text.contains("ticks 1 to 5"), "{text}");
    }

    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(play(args(empty.path(), &logic)).await, Err(Error::Journal(_))));

    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let error = play(args(recorded.dir.path(), &gone)).await.unwrap_err();
    assert!(error.to_string().contains(&gone), "{error}");
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn all_before_a_damage_is_played_and_the_damage_is_named() {
    let recorded = record(2000, 1000);
    let segment = recorded.dir.path().join("00000001.mcap");
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();

    let logic = arena().await;
    let mut answered = 0;
    let played = run(args(recorded.dir.path(), &logic), |progress| answered = progress.answered);
    let error = played.await.unwrap_err();
    assert!(error.to_string().contains("00000001.mcap"), "{error}");
    assert!((500..1500).contains(&answered), "answered up to tick {answered}: {error}");
    assert_eq!(error.exit_code(), 1);
}

/// Writes a journal of a few ticks in one or two lives, with whatever may happen in a tick.
fn random_journal(dir: &Path, random: &mut fastrand::Rng) -> Vec<Bytes> {
    let mut ticks = Vec::new();
    for _life in 0..random.u8(1..=2) {
        let options = Options { sync: pulsegate_journal::Sync::Os, ..Options::new(dir) };
        let (mut writer, recovered) = Writer::open(options, now(0)).unwrap();
        let mut monotonic_ns = 0;
        let first = recovered.last_tick + 1;
        for number in first..=first + random.u64(0..8) {
            monotonic_ns += random.u64(0..3_000_000);
            let (epoch, seed) = (recovered.epoch as u32, random.u64(..));
            let head = Head { number, epoch, monotonic_ns, seed, ..Head::default() };
            let batch = random_batch(number, random);
            ticks.push(writer.append(batch.seal(&head), now(number)).unwrap().bytes);
        }
        writer.finish().unwrap();
    }
    ticks
}

fn random_batch(number: u64, random: &mut fastrand::Rng) -> Gathering {
    let mut batch = Gathering::with_capacity(0);
    for _ in 0..random.u8(0..6) {
        let session = random.u64(1..4);
        match random.u8(0..6) {
            0 => batch.event(Item::Open(proto::Open { session, peer: "192.0.2.1:5".into() })),
            1 => batch.event(Item::Close(proto::Close { session, reason: 1 })),
            2 => {
                batch.event(Item::Gap(proto::Gap { first: number, last: number, why: "x".into() }))
            }
            _ => {
                let payload: Vec<u8> = (0..random.usize(0..200)).map(|_| random.u8(..)).collect();
                batch.packet(session, &payload);
            }
        }
    }
    batch
}

/// All that a logic server is sent, as it comes, but for the hello, which holds a nonce, and pings,
/// which tell how long nothing came.
async fn stream(mut args: ReplayArgs) -> Vec<Bytes> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    args.logic = Some(listener.local_addr().unwrap().to_string());
    let sent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut link = Framed::new(stream, link::codec());
        let mut sent = Vec::new();
        while let Some(Ok(frame)) = link.next().await {
            let frame = frame.freeze();
            match ToLogic::decode(frame.clone()).unwrap().message.unwrap() {
                to_logic::Message::Hello(_) => {
                    say(&mut link, welcome(Resume::Stateless(Stateless {}))).await;
                    continue;
                }
                to_logic::Message::Ping(_) => continue,
                to_logic::Message::Tick(tick) => {
                    let done = Done { tick: tick.number, ..Done::default() };
                    say(&mut link, from_logic::Message::Done(done)).await;
                }
                _ => {}
            }
            sent.push(frame);
        }
        sent
    });
    watched(args, &mut AnyKeys(fastrand::Rng::with_seed(7)), |_| {}).await.unwrap();
    sent.await.unwrap()
}

/// Somebody who presses any keys that do not end it.
struct AnyKeys(fastrand::Rng);

impl Audience for AnyKeys {
    fn show(&mut self, _: &str) {}

    async fn key(&mut self, _: &str) -> Key {
        let keys = [Key::Enter, Key::Next, Key::Next, Key::GoOn];
        self.0.choice(keys).unwrap_or(Key::Next)
    }

    fn is_a_person(&self) -> bool {
        false
    }
}

fn hash(stream: &[Bytes]) -> u64 {
    let mut hasher = DefaultHasher::new();
    stream.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn the_same_journal_is_the_same_bytes_at_every_speed_and_step_by_step() {
    let share = |seeds: StepBy<ops::Range<u64>>| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        seeds.for_each(|seed| runtime.block_on(is_always_the_same(seed)));
    };
    thread::scope(|threads| {
        for first in 0..8 {
            threads.spawn(move || share((first..1000).step_by(8)));
        }
    });
}

async fn is_always_the_same(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    let ticks = random_journal(dir.path(), &mut random);
    let from = random.bool().then(|| Point::Tick(random.u64(1..=ticks.len() as u64)));
    let sessions = if random.bool() { vec![2] } else { Vec::new() };
    let whole = from.is_none() && sessions.is_empty();
    let pause_at = Some(Point::Tick(ticks.len() as u64));
    let args = ReplayArgs { from, sessions, prelude: random.bool(), ..args(dir.path(), "") };
    let mut hashes = Vec::new();
    for args in [
        args.clone(),
        ReplayArgs { speed: Speed::Times(100.0), ..args.clone() },
        ReplayArgs { speed: Speed::Times(5.0), ..args.clone() },
        ReplayArgs { step: true, ..args.clone() },
        ReplayArgs { pause_at, ..args.clone() },
    ] {
        let sent = stream(args).await;
        if whole {
            // Behind the ticks comes a goodbye.
            let sent: Vec<_> = sent[..ticks.len()].iter().map(link::inner).collect();
            assert!(sent.iter().flatten().eq(&ticks), "seed {seed}");
        }
        hashes.push(hash(&sent));
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "seed {seed}: {hashes:x?}");
}

#[tokio::test]
async fn a_logic_server_that_is_being_started_is_waited_for() {
    let recorded = record(20, 1000);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut replaying =
        std::pin::pin!(run(args(recorded.dir.path(), &address.to_string()), |_| {}));
    let ended_early = tokio::time::timeout(Duration::from_millis(200), &mut replaying).await;
    assert!(ended_early.is_err(), "nobody listens yet, and it ended: {ended_early:?}");
    let listener = TcpListener::bind(address).await.unwrap();
    let (options, stop) = (pulsegate_logic::Options::default(), CancellationToken::new());
    tokio::spawn(pulsegate_logic::serve(listener, options, |_| Arena::default(), stop));
    assert_eq!(replaying.await.unwrap().played, 20);
}
