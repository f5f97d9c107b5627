//! A relay as a logic server sees it, with the test in the driver's seat.

#![allow(dead_code, reason = "each test program uses its part of it")]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use pulsegate_logic::{Logic, Options, Pusher, serve};
use pulsegate_protocol::link::{self, VERSION};
use pulsegate_protocol::proto::{
    Close, Done, FromLogic, Goodbye, Hello, Mode, Open, Packet, Ping, Push, Reason, Restore,
    Welcome, from_logic::Message, item::Item, reply::To, to_logic,
};
use pulsegate_protocol::tick::{Gathering, Head};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes so long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A logic server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start<L: Logic>(
        factory: impl Fn(Pusher) -> L + Send + Sync + 'static,
    ) -> Self {
        Self::with_secret("", factory).await
    }

    pub(crate) async fn with_secret<L: Logic>(
        secret: &str,
        factory: impl Fn(Pusher) -> L + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let options = Options { secret: secret.into() };
        let task = tokio::spawn(serve(listener, options, factory, shutdown.clone()));
        Self { address, shutdown, task }
    }

    /// Links a live relay and reads its welcome.
    pub(crate) async fn link(&self, lineage: &str) -> (FakeRelay, Welcome) {
        let mut relay = FakeRelay::connect(self.address).await;
        let welcome = relay.welcomed(hello(lineage)).await;
        (relay, welcome)
    }
}

pub(crate) struct FakeRelay {
    wire: Framed<TcpStream, LengthDelimitedCodec>,
}

pub(crate) fn hello(lineage: &str) -> Hello {
    Hello {
        protocol: VERSION,
        relay: "fake relay".into(),
        lineage: lineage.into(),
        epoch: 1,
        mode: Mode::Live.into(),
        nonce: Bytes::from_static(b"0123456789abcdef"),
        ..Default::default()
    }
}

pub(crate) fn replay(lineage: &str) -> Hello {
    Hello { mode: Mode::Replay.into(), ..hello(lineage) }
}

pub(crate) fn open(session: u64) -> Item {
    Item::Open(Open { session, peer: format!("203.0.113.7:{session}") })
}

pub(crate) fn close(session: u64) -> Item {
    Item::Close(Close { session, reason: Reason::Goodbye.into() })
}

pub(crate) fn packet(session: u64, payload: impl Into<Bytes>) -> Item {
    Item::Packet(Packet { session, payload: payload.into() })
}

/// What a message says to one session.
pub(crate) fn said_to(session: u64, replies: &[pulsegate_protocol::proto::Reply]) -> Vec<Bytes> {
    let to_it = replies.iter().filter(|reply| reply.to == Some(To::Session(session)));
    to_it.map(|reply| reply.payload.clone()).collect()
}

/// The bytes of a tick, made as a relay makes them.
pub(crate) fn tick_bytes(number: u64, items: impl IntoIterator<Item = Item>) -> Bytes {
    let mut gathering = Gathering::with_capacity(0);
    for item in items {
        match item {
            Item::Packet(packet) => gathering.packet(packet.session, &packet.payload),
            event => gathering.event(event),
        }
    }
    let head = Head { number, epoch: 1, seed: link::seed("l", number), ..Default::default() };
    gathering.seal(&head).chain(0).bytes
}

impl FakeRelay {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { wire: Framed::new(stream, link::codec()) }
    }

    /// Says hello and returns the answer.
    pub(crate) async fn greet(&mut self, hello: Hello) -> Message {
        self.send(to_logic::Message::Hello(hello)).await;
        self.next().await.expect("an answer to Hello")
    }

    pub(crate) async fn welcomed(&mut self, hello: Hello) -> Welcome {
        match self.greet(hello).await {
            Message::Welcome(welcome) => welcome,
            other => panic!("no welcome: {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, message: to_logic::Message) {
        self.send_body(link::to_logic(message)).await;
    }

    pub(crate) async fn send_body(&mut self, body: Bytes) {
        self.wire.send(body).await.unwrap();
    }

    pub(crate) async fn ping(&mut self, id: u64) {
        self.send(to_logic::Message::Ping(Ping { id })).await;
    }

    pub(crate) async fn restore(&mut self, tick: u64, state: Bytes) {
        self.send(to_logic::Message::Restore(Restore { tick, state })).await;
    }

    pub(crate) async fn send_tick(&mut self, number: u64, items: impl IntoIterator<Item = Item>) {
        let tick = tick_bytes(number, items);
        let mut body = BytesMut::from(&link::tick_prefix(&tick)[4..]);
        body.extend_from_slice(&tick);
        self.send_body(body.freeze()).await;
    }

    /// Sends a tick and waits for its answer; pushes before it are dropped.
    pub(crate) async fn tick(
        &mut self,
        number: u64,
        items: impl IntoIterator<Item = Item>,
    ) -> Done {
        self.send_tick(number, items).await;
        self.done().await
    }

    pub(crate) async fn done(&mut self) -> Done {
        loop {
            match self.next().await {
                Some(Message::Done(done)) => return done,
                Some(Message::Push(_)) => {}
                other => panic!("no Done: {other:?}"),
            }
        }
    }

    /// The next push; answers before it are dropped.
    pub(crate) async fn push(&mut self) -> Push {
        loop {
            match self.next().await {
                Some(Message::Push(push)) => return push,
                Some(Message::Done(_)) => {}
                other => panic!("no Push: {other:?}"),
            }
        }
    }

    /// The goodbye, and that nothing comes after it.
    pub(crate) async fn goodbye(&mut self) -> Goodbye {
        match self.next().await {
            Some(Message::Goodbye(goodbye)) => {
                assert_eq!(self.next().await, None);
                goodbye
            }
            other => panic!("no Goodbye: {other:?}"),
        }
    }

    /// The next message but pings; `None` when the server hung up.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            match self.next_of_all().await {
                Some(Message::Ping(_)) => {}
                other => return other,
            }
        }
    }

    /// The next message, pings too.
    pub(crate) async fn next_of_all(&mut self) -> Option<Message> {
        let body = timeout(PATIENCE, self.wire.next()).await.expect("an answer in time")?;
        FromLogic::decode(body.unwrap()).unwrap().message
    }
}
