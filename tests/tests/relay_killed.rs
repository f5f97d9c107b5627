//! The relay dies without a warning, or is stopped, while clients play.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use prost::Message;
use pulsegate_journal::{Reader, Record};
use pulsegate_protocol::proto::{Cause, Tick, ToLogic, from_logic, to_logic, welcome::Resume};
use pulsegate_protocol::proto::{Reason, item::Item};
use pulsegate_protocol::{link, proto};
use pulsegate_tests::{Bots, PATIENCE, TestRelay, eventually, fake_logic};

/// A logic server that keeps each tick as it came, by nothing but the link's framing.
#[derive(Debug, Clone, Default)]
struct Witness {
    seen: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
}

impl Witness {
    fn listen(&self, address: SocketAddr) {
        let listener = TcpListener::bind(address).unwrap();
        let witness = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let witness = witness.clone();
                // A relay that was killed breaks off anywhere.
                thread::spawn(move || witness.converse(stream.unwrap()));
            }
        });
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut body = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut body)?;
            let answer = match ToLogic::decode(&body[..]).unwrap().message.unwrap() {
                to_logic::Message::Hello(_) => welcome(),
                to_logic::Message::Tick(tick) => {
                    self.note(&tick, inside(&body));
                    from_logic::Message::Done(fake_logic::echo(&tick).unwrap())
                }
                to_logic::Message::Ping(ping) => {
                    from_logic::Message::Pong(proto::Pong { id: ping.id })
                }
                _ => continue,
            };
            let answer = link::from_logic(answer);
            stream.write_all(&(answer.len() as u32).to_be_bytes())?;
            stream.write_all(&answer)?;
        }
    }

    fn note(&self, tick: &Tick, bytes: &[u8]) {
        let mut seen = self.seen.lock().unwrap();
        let before = seen.insert(tick.number, bytes.to_vec());
        assert!(before.is_none_or(|before| before == bytes), "tick {} changed", tick.number);
    }

    fn newest(&self) -> u64 {
        self.seen.lock().unwrap().keys().next_back().copied().unwrap_or(0)
    }
}

fn welcome() -> from_logic::Message {
    from_logic::Message::Welcome(proto::Welcome {
        protocol: link::VERSION,
        name: "witness".into(),
        resume: Some(Resume::Stateless(proto::Stateless {})),
        proof: Default::default(),
    })
}

/// The bytes of the tick in an envelope: behind the field's tag and its length.
fn inside(envelope: &[u8]) -> &[u8] {
    let length = envelope[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    &envelope[1 + length..]
}

/// Clients that come again whenever they are cut off, and send as fast as they are answered.
struct Crowd {
    stop: Arc<AtomicBool>,
    echoes: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(count: usize, relay: SocketAddr) -> Self {
        let (stop, echoes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..count).map(|_| {
            let (stop, echoes) = (Arc::clone(&stop), Arc::clone(&echoes));
            thread::spawn(move || {
                while !stop.load(Relaxed) {
                    // Nobody listens between two lives, and a life may end within any call.
                    let _ = play(relay, &stop, &echoes);
                    sleep(Duration::from_millis(5));
                }
            })
        });
        Self { stop: Arc::clone(&stop), echoes: Arc::clone(&echoes), threads: threads.collect() }
    }

    fn echoes(&self) -> u64 {
        self.echoes.load(Relaxed)
    }

    fn go_home(self) {
        self.stop.store(true, Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn play(relay: SocketAddr, stop: &AtomicBool, echoes: &AtomicU64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(relay)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    while !stop.load(Relaxed) {
        stream.write_all(b"\0\0\0\x0da packet more")?;
        stream.read_exact(&mut [0; 17])?;
        echoes.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// The ticks of a journal as they were written.
fn journaled(relay: &TestRelay) -> BTreeMap<u64, Vec<u8>> {
    let mut reader = Reader::open(relay.journal()).unwrap();
    let mut ticks = BTreeMap::new();
    while let Some(record) = reader.read().unwrap() {
        if let Record::Tick { peek, bytes } = record {
            ticks.insert(peek.head.number, bytes.to_vec());
        }
    }
    ticks
}

/// One open and one close each; and each life begins by closing all whom the one before left.
fn nobody_is_a_ghost(ticks: &BTreeMap<u64, Vec<u8>>, lives: u32) {
    let (mut present, mut past, mut epoch) = (BTreeSet::new(), BTreeSet::new(), 0);
    for bytes in ticks.values() {
        let tick = Tick::decode(&bytes[..]).unwrap();
        let mut items = tick.items.into_iter().map(|item| item.item.unwrap());
        if tick.epoch > epoch {
            epoch = tick.epoch;
            for ghost in std::mem::take(&mut present) {
                let close = proto::Close { session: ghost, reason: Reason::RelayCrashed.into() };
                assert_eq!(items.next(), Some(Item::Close(close)), "first in life {epoch}");
                past.insert(ghost);
            }
        }
        for item in items {
            match item {
                Item::Open(open) => {
                    assert!(!past.contains(&open.session) && present.insert(open.session));
                }
                Item::Packet(packet) => assert!(present.contains(&packet.session)),
                Item::Close(close) => {
                    assert!(present.remove(&close.session) && past.insert(close.session));
                }
                // Those who go home say so first.
                other => assert!(matches!(other, Item::State(_)), "{other:?}"),
            }
        }
    }
    assert_eq!(epoch, lives);
    assert!(present.is_empty(), "the last life ended in order: {present:?}");
}

#[test]
fn fifty_kills_lose_nothing_that_logic_saw_and_leave_no_ghosts() {
    const KILLS: u32 = 50;
    let mut relay = TestRelay::before_logic("tick.sleep = \"5ms\"");
    let witness = Witness::default();
    witness.listen(relay.logic());
    let crowd = Crowd::of(10, relay.clients());
    for _ in 0..KILLS {
        let (echoes, tick) = (crowd.echoes(), witness.newest());
        eventually("all play", || crowd.echoes() >= echoes + 20 && witness.newest() > tick);
        let mut moment = [0; 1];
        getrandom::fill(&mut moment).unwrap();
        sleep(Duration::from_micros(300 * u64::from(moment[0])));
        relay.kill();
        relay.restart();
    }
    crowd.go_home();
    relay.wait_ready();
    assert!(relay.terminate().success());

    let ticks = journaled(&relay);
    let seen = witness.seen.lock().unwrap();
    for (number, bytes) in seen.iter() {
        assert_eq!(ticks.get(number), Some(bytes), "tick {number}, which logic saw");
    }
    let numbers: Vec<u64> = ticks.keys().copied().collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    nobody_is_a_ghost(&ticks, KILLS + 1);
    println!("{} ticks seen, {} in the journal, {KILLS} kills", seen.len(), ticks.len());
}

#[test]
fn a_relay_that_was_stopped_for_30_seconds_takes_nobody_for_gone() {
    let relay = TestRelay::start("");
    let bots = "--count 500 --rate 2 --join-every 2ms --duration 45s --heartbeat 5s";
    let bots = Bots::start(relay.clients(), bots);
    relay.wait_sessions(500);
    // All are known for longer than one round of heartbeats.
    sleep(Duration::from_secs(6));
    relay.stop_signal();
    sleep(Duration::from_secs(30));
    relay.cont();
    let (flawless, summary) = bots.finish();
    assert!(flawless, "{summary:#}\n{}", relay.log());
    for (tick, item) in relay.journal_items() {
        match item {
            Item::State(change) if change.cause() != Cause::Claim => panic!("{tick}: {change:?}"),
            Item::Close(close) => assert_eq!(close.reason(), Reason::Goodbye, "tick {tick}"),
            _ => {}
        }
    }
    let deaf = relay.metric("pulsegate_deaf_seconds_total");
    assert!((29.0..36.0).contains(&deaf), "{deaf} s");
}
