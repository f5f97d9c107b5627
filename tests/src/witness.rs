//! A logic server that keeps what it saw, to be held against the journal.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use prost::Message;
use pulsegate_protocol::link;
use pulsegate_protocol::proto::{
    self, Hello, Tick, ToLogic, from_logic, item::Item, to_logic, welcome::Resume,
};

use crate::fake_logic::echo;

/// Keeps each tick as it came, by nothing but the link's framing, and sends each packet back. One
/// witness may listen to several relays, one after another.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    holds_state: bool,
    testimony: Arc<Mutex<Testimony>>,
}

/// What a witness can tell.
#[derive(Debug, Default)]
pub struct Testimony {
    /// Each tick that it saw, by its number.
    pub ticks: BTreeMap<u64, Sight>,
    /// What no relay may do: ticks that changed, that were left out, of another journal.
    pub complaints: Vec<String>,
    lineage: Option<String>,
}

/// One tick that was seen.
#[derive(Debug, Clone)]
pub struct Sight {
    /// The encoded `Tick`.
    pub bytes: Vec<u8>,
    /// When it came first.
    pub at: Instant,
}

impl Witness {
    /// One that asks for what was never answered, whatever it saw.
    pub fn stateless() -> Self {
        Self::default()
    }

    /// One that goes on after the last tick that it saw: a relay whose journal lacks that one
    /// must refuse it.
    pub fn with_state() -> Self {
        Self { holds_state: true, ..Self::default() }
    }

    /// Another one, who tells what this one saw: what follows is not told to this one.
    pub fn double(&self) -> Self {
        let testimony = self.testimony.lock().unwrap();
        let copy = Testimony {
            ticks: testimony.ticks.clone(),
            complaints: Vec::new(),
            lineage: testimony.lineage.clone(),
        };
        Self { holds_state: self.holds_state, testimony: Arc::new(Mutex::new(copy)) }
    }

    /// Listens for relays, until what is returned is dropped.
    pub fn listen(&self, address: SocketAddr) -> Listening {
        let listener = TcpListener::bind(address).unwrap();
        let (witness, stop) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Relaxed) {
                    return;
                }
                let witness = witness.clone();
                // A relay that was killed breaks off anywhere.
                thread::spawn(move || witness.converse(stream.unwrap()));
            }
        });
        Listening { address, stop, thread: Some(thread) }
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        loop {
            let mut length = [0; 4];
            stream.read_exact(&mut length)?;
            let mut body = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut body)?;
            let answer = match ToLogic::decode(&body[..]).unwrap().message.unwrap() {
                to_logic::Message::Hello(hello) => self.welcome(hello),
                to_logic::Message::Tick(tick) => {
                    self.testimony.lock().unwrap().note(&tick, inside(&body));
                    from_logic::Message::Done(echo(&tick).unwrap())
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

    fn welcome(&self, hello: Hello) -> from_logic::Message {
        let mut testimony = self.testimony.lock().unwrap();
        testimony.meet(&hello.lineage);
        let resume = if self.holds_state {
            Resume::Applied(proto::Applied { lineage: hello.lineage, tick: testimony.newest() })
        } else {
            Resume::Stateless(proto::Stateless {})
        };
        from_logic::Message::Welcome(proto::Welcome {
            protocol: link::VERSION,
            name: "witness".into(),
            resume: Some(resume),
            proof: Default::default(),
        })
    }

    /// The number of the newest tick that it saw; 0: none.
    pub fn newest(&self) -> u64 {
        self.testimony.lock().unwrap().newest()
    }

    /// Hears what it saw.
    pub fn tell<T>(&self, hear: impl FnOnce(&Testimony) -> T) -> T {
        hear(&self.testimony.lock().unwrap())
    }
}

impl Testimony {
    fn newest(&self) -> u64 {
        self.ticks.keys().next_back().copied().unwrap_or(0)
    }

    fn meet(&mut self, lineage: &str) {
        let known = self.lineage.get_or_insert_with(|| lineage.to_owned());
        if known != lineage {
            self.complaints.push(format!("the journal {known} became {lineage}"));
        }
    }

    fn note(&mut self, tick: &Tick, bytes: &[u8]) {
        let (number, due) = (tick.number, self.newest() + 1);
        if number > due && !names_gap(tick, due) {
            self.complaints.push(format!("tick {number} came where {due} was due"));
        }
        let sight = Sight { bytes: bytes.to_vec(), at: Instant::now() };
        let first = self.ticks.entry(number).or_insert(sight);
        if first.bytes != bytes {
            self.complaints.push(format!("tick {number} came again, and it was another"));
        }
    }
}

/// Whether a tick says that all from `due` up to itself were lost.
pub(crate) fn names_gap(tick: &Tick, due: u64) -> bool {
    tick.items.iter().any(|item| {
        matches!(&item.item, Some(Item::Gap(gap)) if gap.first <= due && gap.last + 1 == tick.number)
    })
}

/// The bytes of the tick in an envelope: behind the field's tag and its length.
fn inside(envelope: &[u8]) -> &[u8] {
    let length = envelope[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    &envelope[1 + length..]
}

/// A witness that listens.
#[derive(Debug)]
#[must_use]
pub struct Listening {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}
