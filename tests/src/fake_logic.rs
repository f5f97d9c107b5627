//! A logic server played by the test, message by message.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use prost::Message;
use pulsegate_protocol::link;
use pulsegate_protocol::proto::{
    Done, FromLogic, Hello, Pong, Push, Reply, Tick, ToLogic, Welcome, from_logic, item, reply,
    to_logic, welcome,
};

use crate::wait::PATIENCE;

/// Where a relay finds the test.
#[derive(Debug)]
pub struct FakeLogic(TcpListener);

impl From<TcpListener> for FakeLogic {
    /// Where somebody else listens already.
    fn from(listener: TcpListener) -> Self {
        Self(listener)
    }
}

/// A connection from a relay.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    /// What the relay said first.
    pub hello: Hello,
}

impl FakeLogic {
    /// Listens. Connections are taken by [`FakeLogic::accept`].
    pub fn listen(address: SocketAddr) -> Self {
        Self(TcpListener::bind(address).unwrap())
    }

    /// The next connection, with the relay's `Hello` read and not answered yet.
    pub fn accept(&self) -> Link {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut link = Link { stream, hello: Hello::default() };
        match link.receive() {
            Some(to_logic::Message::Hello(hello)) => link.hello = hello,
            other => panic!("no hello, but {other:?}"),
        }
        link
    }

    /// The next connection, welcomed as by a logic server that keeps no state.
    pub fn accept_stateless(&self) -> Link {
        let mut link = self.accept();
        link.welcome(welcome::Resume::Stateless(Default::default()));
        link
    }

    /// Answers every tick of the next connection as `answer` says, in a thread, until the relay
    /// closes the link. `None`: this tick is never answered.
    pub fn serve(
        self,
        mut answer: impl FnMut(&Tick) -> Option<Done> + Send + 'static,
    ) -> JoinHandle<()> {
        thread::spawn(move || {
            let mut link = self.accept_stateless();
            while let Some(tick) = link.next_tick() {
                if let Some(done) = answer(&tick) {
                    link.send(from_logic::Message::Done(done));
                }
            }
        })
    }
}

impl Link {
    /// Answers the hello.
    pub fn welcome(&mut self, resume: welcome::Resume) {
        let welcome = Welcome {
            protocol: link::VERSION,
            name: "fake".into(),
            resume: Some(resume),
            proof: Default::default(),
        };
        self.send(from_logic::Message::Welcome(welcome));
    }

    /// The next tick; pings are answered meanwhile. `None` once the relay has closed the link.
    #[track_caller]
    pub fn next_tick(&mut self) -> Option<Tick> {
        loop {
            match self.receive()? {
                to_logic::Message::Tick(tick) => return Some(tick),
                to_logic::Message::Ping(ping) => {
                    self.send(from_logic::Message::Pong(Pong { id: ping.id }));
                }
                to_logic::Message::Goodbye(_) | to_logic::Message::Pong(_) => {}
                other => panic!("no tick, but {other:?}"),
            }
        }
    }

    /// The next tick, if the relay sends one within this time; pings are answered meanwhile.
    pub fn next_tick_within(&mut self, patience: Duration) -> Option<Tick> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.has_more_within(left.max(Duration::from_millis(1))) {
                return None;
            }
            match self.receive()? {
                to_logic::Message::Tick(tick) => return Some(tick),
                to_logic::Message::Ping(ping) => {
                    self.send(from_logic::Message::Pong(Pong { id: ping.id }));
                }
                _ => {}
            }
        }
    }

    fn has_more_within(&self, patience: Duration) -> bool {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        peeked.is_ok()
    }

    /// The next message as it comes; `None` once the relay has closed the link.
    #[track_caller]
    pub fn receive(&mut self) -> Option<to_logic::Message> {
        let mut length = [0; 4];
        self.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        self.read_exact(&mut body)?;
        Some(ToLogic::decode(body.as_slice()).unwrap().message.unwrap())
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("nothing came over the link for {PATIENCE:?}")
            }
            Err(_) => None,
        }
    }

    /// Sends a message. A link that the relay has closed is not an error: reading shows it.
    pub fn send(&mut self, message: from_logic::Message) {
        let body = FromLogic { message: Some(message) }.encode_to_vec();
        let _ = self.stream.write_all(&(body.len() as u32).to_be_bytes());
        let _ = self.stream.write_all(&body);
    }

    /// Sends bytes that are perhaps no message.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Answers a tick with nothing in it.
    pub fn done(&mut self, tick: u64) {
        self.send(from_logic::Message::Done(Done { tick, ..Done::default() }));
    }

    /// Sends replies between two answers.
    pub fn push(&mut self, applied: u64, replies: Vec<Reply>) {
        self.send(from_logic::Message::Push(Push { applied, replies, close: Vec::new() }));
    }

    /// Answers ticks with nothing until one fulfils a condition; that one is not answered.
    #[track_caller]
    pub fn skip_until(&mut self, what: &str, wanted: impl Fn(&Tick) -> bool) -> Tick {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let tick = self.next_tick().expect("the relay closed the link");
            if wanted(&tick) {
                return tick;
            }
            self.done(tick.number);
        }
        panic!("no tick within {PATIENCE:?}: {what}")
    }
}

/// An answer that sends each packet back to its sender.
pub fn echo(tick: &Tick) -> Option<Done> {
    let replies = tick.items.iter().filter_map(|item| match &item.item {
        Some(item::Item::Packet(packet)) => Some(reply_to(packet.session, &packet.payload)),
        _ => None,
    });
    Some(Done { tick: tick.number, replies: replies.collect(), ..Done::default() })
}

/// A reply to one session.
pub fn reply_to(session: u64, payload: &[u8]) -> Reply {
    Reply { to: Some(reply::To::Session(session)), payload: payload.to_vec().into() }
}
