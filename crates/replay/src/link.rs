//! The connection to the logic server, and its handshake.

use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use prost::Message as _;
use pulsegate_protocol::link;
use pulsegate_protocol::proto::{
    FromLogic, Hello, Mode, Welcome, from_logic, to_logic, welcome::Resume,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::args::ReplayArgs;
use crate::error::Error;
use crate::recording::Recording;

/// How long the logic server has to accept, and then to answer the hello.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one is waited for that is being started, and how often it is looked for.
const STARTS_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) type Socket = Box<dyn Stream>;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What comes from the logic server.
pub(crate) struct Incoming(FramedRead<ReadHalf<Socket>, LengthDelimitedCodec>);

/// What goes to it.
pub(crate) struct Outgoing(WriteHalf<Socket>);

/// Both ways.
pub(crate) struct Link {
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
}

/// A logic server that has said where it resumes.
pub(crate) struct Met {
    pub(crate) link: Link,
    pub(crate) name: String,
    pub(crate) resume: Resume,
}

/// Connects, and introduces the recording.
///
/// The epoch that it names is that of tick `first`.
pub(crate) async fn meet(
    args: &ReplayArgs,
    recording: &Recording,
    first: u64,
) -> Result<Met, Error> {
    let address = args.logic();
    let socket = timeout(PATIENCE, open_when_started(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| Error::Connect { address: address.to_owned(), source })?;
    let Link { mut incoming, mut outgoing } = Link::over(socket);

    let hello = hello(args, recording, first)?;
    outgoing.send(to_logic::Message::Hello(hello.clone())).await?;
    let answer = timeout(PATIENCE, incoming.next()).await;
    let welcome = match answer.map_err(|_| Error::Mute(address.to_owned()))?? {
        Some(from_logic::Message::Welcome(welcome)) => welcome,
        Some(from_logic::Message::Goodbye(goodbye)) => {
            let code = goodbye.code();
            return Err(Error::Refused { address: address.to_owned(), code, text: goodbye.text });
        }
        Some(_) => return Err(Error::Protocol("its first message is not a Welcome".into())),
        None => return Err(Error::Mute(address.to_owned())),
    };
    let resume = check(&welcome, &hello, &args.secret)?;
    Ok(Met { link: Link { incoming, outgoing }, name: welcome.name, resume })
}

/// Tries again for a while, if nobody listens there yet.
async fn open_when_started(address: &str) -> io::Result<Socket> {
    let deadline = Instant::now() + STARTS_WITHIN;
    loop {
        match open(address).await {
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)
                    && Instant::now() < deadline =>
            {
                sleep(LOOK_EVERY).await;
            }
            opened => return opened,
        }
    }
}

async fn open(address: &str) -> io::Result<Socket> {
    if let Some(path) = address.strip_prefix("unix:") {
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

fn hello(args: &ReplayArgs, recording: &Recording, first: u64) -> Result<Hello, Error> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(Error::Random)?;
    Ok(Hello {
        protocol: link::VERSION,
        relay: concat!("pulsegate replay ", env!("CARGO_PKG_VERSION")).into(),
        lineage: recording.lineage().into(),
        epoch: recording.epoch_of(first)?,
        mode: Mode::Replay.into(),
        pace: None,
        snapshot_every: 0,
        nonce: Bytes::copy_from_slice(&nonce),
        proof: link::hello_proof(&args.secret, &nonce, recording.lineage()),
        answered: 0,
    })
}

fn check(welcome: &Welcome, hello: &Hello, secret: &str) -> Result<Resume, Error> {
    if welcome.protocol != link::VERSION {
        return Err(Error::Version(welcome.protocol));
    }
    if !link::welcome_is_proven(&welcome.proof, secret, &hello.nonce) {
        return Err(Error::Secret);
    }
    let resume = welcome.resume.clone();
    resume.ok_or_else(|| Error::Protocol("its Welcome does not say where to resume".into()))
}

impl Link {
    pub(crate) fn over(socket: Socket) -> Self {
        let (read, write) = split(socket);
        let incoming = Incoming(FramedRead::new(read, link::codec()));
        Self { incoming, outgoing: Outgoing(write) }
    }
}

impl Incoming {
    /// The next message; nothing if the logic server closed its side.
    ///
    /// Waits as long as it takes: a logic server may stand in a debugger.
    pub(crate) async fn next(&mut self) -> Result<Option<from_logic::Message>, Error> {
        let Some(frame) = self.0.next().await.transpose()? else { return Ok(None) };
        FromLogic::decode(frame.freeze())
            .map_err(|error| Error::Protocol(format!("a message cannot be read: {error}")))?
            .message
            .ok_or_else(|| Error::Protocol("a message is empty, or of a newer kind".into()))
            .map(Some)
    }
}

impl Outgoing {
    /// Sends a message that is no tick.
    pub(crate) async fn send(&mut self, message: to_logic::Message) -> io::Result<()> {
        let body = link::to_logic(message);
        let length = (body.len() as u32).to_be_bytes();
        self.0.write_all_buf(&mut length.chain(body)).await
    }

    /// Sends an encoded tick as it is.
    pub(crate) async fn send_tick(&mut self, tick: &Bytes) -> io::Result<()> {
        self.0.write_all_buf(&mut link::tick_prefix(tick).chain(tick.clone())).await
    }
}
