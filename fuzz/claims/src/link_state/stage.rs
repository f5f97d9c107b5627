//! The relay's side of a link, and a logic server that does as it is told.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use prost::Message as _;
use pulsegate::backlog::Backlog;
use pulsegate::client::Client;
use pulsegate::client::figures::Figures;
use pulsegate::client::outbox::Outbox;
use pulsegate::config::{Config, Override};
use pulsegate::front::Front;
use pulsegate::logic_link::handshake::{self, Identity};
use pulsegate::logic_link::replies::Replies;
use pulsegate::logic_link::source::Source;
use pulsegate::logic_link::{LinkError, exchange, stream};
use pulsegate::{Listeners, Relay, recorder};
use pulsegate_protocol::Reason;
use pulsegate_protocol::proto::{Tick, ToLogic, to_logic};
use pulsegate_protocol::tick::{Gathering, Head};
use serde_json::Value;
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use super::LINEAGES;
use super::model::{Model, SESSIONS};

/// Room for all that either side says before the other reads.
const WIRE: usize = 1024 * 1024;

/// Room for all ticks: none is only in a journal.
const BACKLOG: usize = 64 * 1024 * 1024;

/// Longer than any run.
const PATIENCE: Duration = Duration::from_secs(3600);

/// After so many turns without a word nothing more comes.
const QUIET: u32 = 3;

thread_local! {
    static HOUSE: RefCell<Option<House>> = const { RefCell::new(None) };
}

/// What outlives one script.
struct House {
    runtime: Runtime,
    front: Arc<Front>,
    /// Clients' sockets; what goes to them is held back, and never written.
    sockets: Vec<OwnedWriteHalf>,
}

/// Plays one script.
pub(super) fn play(model: Model, script: impl AsyncFnOnce(&mut Stage<'_>)) {
    HOUSE.with_borrow_mut(|house| {
        let House { runtime, front, sockets } = house.get_or_insert_with(House::open);
        runtime.block_on(async {
            let clients = SESSIONS.map(|id| enter(front, id, sockets.pop().unwrap()));
            let model = act(front, model, script).await;
            for (client, reader) in clients.iter().zip(model.readers()) {
                assert_eq!(client.has_ended(), !reader.is_open, "session {}", client.id);
                let (socket, wire) = client.outbox.close().unwrap();
                assert_eq!(wire, reader.wire, "session {}", client.id);
                sockets.push(socket);
                front.end(client, Reason::Operator, Value::Null);
            }
        });
        front.intake.take();
        front.intake.news();
    });
}

impl House {
    fn open() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (front, sockets) = runtime.block_on(async {
            let settings = [
                ("journal.dir", "off"),
                ("logic.address", "127.0.0.1:1"),
                ("limits.outbox", "64MiB"),
                ("limits.sessions", "10"),
            ];
            let settings = settings.map(|(key, value)| Override {
                key,
                value: value.into(),
                origin: "a fuzzer",
            });
            let config = Config::load(None, [], &settings).unwrap();
            let clients = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = clients.local_addr().unwrap();
            let relay = Relay::new(config, Listeners { clients, admin: None }).await.unwrap();
            let mut sockets = Vec::new();
            for _ in SESSIONS {
                sockets.push(TcpStream::connect(address).await.unwrap().into_split().1);
            }
            (Arc::clone(&relay.view().front), sockets)
        });
        Self { runtime, front, sockets }
    }
}

fn enter(front: &Front, id: u64, socket: OwnedWriteHalf) -> Arc<Client> {
    let now = Duration::ZERO;
    let peer = ([127, 0, 0, 1], 1).into();
    let client = Arc::new(Client::new(id, peer, now, Figures::new(now), Outbox::new(socket)));
    client.hold_back(true, now);
    front.roster.begin(&client).unwrap();
    client
}

async fn act(front: &Arc<Front>, model: Model, script: impl AsyncFnOnce(&mut Stage<'_>)) -> Model {
    let (links, accepted) = mpsc::channel(1);
    let room = recorder::Room { batches: WIRE, answers: WIRE };
    let (_batches, answers, _inbox) = recorder::queues(room, &front.metrics);
    let (answered, seen) = watch::channel(model.answered());
    let backlog = Arc::new(Backlog::new(model.newest(), BACKLOG));
    let source = Source::new(Arc::clone(&backlog), None);
    let replies = Replies::new(Arc::clone(front), answers, answered);
    let ended = RefCell::new(None);
    let mut stage = Stage {
        model,
        backlog: &backlog,
        checksum: 0,
        links,
        wire: None,
        heard: Vec::new(),
        answered: seen,
        ended: &ended,
    };
    tokio::select! {
        biased;
        () = script(&mut stage) => {}
        () = relay(accepted, source, replies, &ended) => panic!("the relay's side is over"),
    }
    stage.model
}

/// The relay's side: one link after another.
async fn relay(
    mut accepted: mpsc::Receiver<DuplexStream>,
    mut source: Source,
    replies: Replies,
    ended: &RefCell<Option<LinkError>>,
) {
    let identity = Identity { lineage: LINEAGES[0].into(), epoch: 1, secret: String::new() };
    while let Some(socket) = accepted.recv().await {
        let end = converse(Box::pin(socket), &identity, &mut source, &replies).await;
        *ended.borrow_mut() = Some(end.expect_err("nobody stops it"));
    }
}

async fn converse(
    socket: stream::Socket,
    identity: &Identity,
    source: &mut Source,
    replies: &Replies,
) -> Result<(), LinkError> {
    let (mut incoming, mut out) = stream::over(socket);
    let hello = identity.hello(Default::default(), 0, replies.answered());
    let welcome = handshake::greet(&mut incoming, &mut out, &hello, "", PATIENCE).await?;
    let met = handshake::resume(welcome, identity, source, replies).await?;
    let stop = CancellationToken::new();
    exchange::run(met, &mut incoming, &mut out, source, replies, PATIENCE, &stop).await
}

/// The logic server's side, and what is known of the relay's.
pub(super) struct Stage<'a> {
    pub(super) model: Model,
    backlog: &'a Backlog,
    checksum: u32,
    links: mpsc::Sender<DuplexStream>,
    wire: Option<DuplexStream>,
    /// What the relay said since the last look.
    heard: Vec<u8>,
    answered: watch::Receiver<u64>,
    ended: &'a RefCell<Option<LinkError>>,
}

impl Stage<'_> {
    pub(super) async fn seal(&mut self, ticks: u8) {
        for _ in 0..ticks {
            let mut batch = Gathering::with_capacity(0);
            batch.packet(1, &[ticks]);
            let number = self.model.newest() + 1;
            let tick = batch.seal(&Head { number, ..Head::default() }).chain(self.checksum);
            self.checksum = tick.checksum;
            self.model.seal(tick.bytes.clone());
            self.backlog.push(tick);
        }
        self.settle().await;
    }

    pub(super) async fn connect(&mut self) {
        self.hang_up().await;
        self.heard.clear();
        let (ours, theirs) = duplex(WIRE);
        self.links.send(theirs).await.unwrap();
        self.wire = Some(ours);
        self.model.connect();
        self.settle().await;
        let hello = self.take_message();
        assert!(matches!(hello, Some(to_logic::Message::Hello(_))), "{hello:?}");
    }

    pub(super) async fn hang_up(&mut self) {
        self.model.hang_up();
        if self.wire.take().is_some() {
            self.settle().await;
            assert!(self.ended.borrow_mut().take().is_some(), "a link without a peer goes on");
        }
    }

    pub(super) async fn hang_up_within(&mut self, body: &[u8], bytes: usize) {
        if let Some(wire) = &mut self.wire {
            let frame = [&(body.len() as u32).to_be_bytes(), body].concat();
            // A link that has ended takes nothing.
            let _ = wire.write_all(&frame[..bytes % frame.len()]).await;
        }
        self.hang_up().await;
    }

    pub(super) async fn say(&mut self, body: &[u8]) {
        let Some(wire) = &mut self.wire else { return };
        if !self.model.is_linked() {
            return;
        }
        wire.write_all(&(body.len() as u32).to_be_bytes()).await.unwrap();
        wire.write_all(body).await.unwrap();
        self.model.hear(body);
        self.settle().await;
    }

    /// Lets the relay's side do all that it has to do.
    async fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < QUIET {
            yield_now().await;
            quiet = if self.listen().await { 0 } else { quiet + 1 };
        }
    }

    async fn listen(&mut self) -> bool {
        let Some(wire) = &mut self.wire else { return false };
        let mut room = [0; 16 * 1024];
        let mut buffer = ReadBuf::new(&mut room);
        // What is there, without a wait.
        poll_fn(|cx| {
            let _ = Pin::new(&mut *wire).poll_read(cx, &mut buffer);
            Poll::Ready(())
        })
        .await;
        self.heard.extend_from_slice(buffer.filled());
        !buffer.filled().is_empty()
    }

    fn take_message(&mut self) -> Option<to_logic::Message> {
        let length = self.heard.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)?;
        let frame: Vec<u8> = self.heard.drain(..4 + length).collect();
        Some(ToLogic::decode(&frame[4..]).unwrap().message.unwrap())
    }

    /// Whether the relay is where the model says.
    pub(super) fn agree(&mut self) {
        assert_eq!(*self.answered.borrow(), self.model.answered());
        let ended = self.ended.borrow();
        let still_linked = self.wire.is_some() && ended.is_none();
        assert_eq!(still_linked, self.model.is_linked(), "{ended:?}");
        let mut expected = self.model.take_unsent().into_iter();
        while let Some(message) = self.take_message() {
            match message {
                to_logic::Message::Tick(tick) => {
                    let expected = expected.next().expect("a tick too many");
                    assert_eq!(Ok(tick), Tick::decode(expected));
                }
                to_logic::Message::Pong(_) => {}
                other => panic!("the relay says {other:?}"),
            }
        }
        assert_eq!(expected.len(), 0, "ticks that the relay does not send");
        drop(ended);
        if !still_linked {
            self.wire = None;
            self.ended.borrow_mut().take();
        }
    }
}
