//! The connection under the link: TCP or a Unix socket, as frames.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::StreamExt;
use prost::Message;
use pulsegate_protocol::link;
use pulsegate_protocol::proto::{FromLogic, Goodbye, from_logic, to_logic};
use pulsegate_protocol::tick::Chained;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use super::LinkError;
pub use crate::config::LogicAddress;

/// A byte stream to the logic server.
pub trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

type Socket = Pin<Box<dyn Stream>>;

/// What comes from the logic server.
pub struct Incoming(FramedRead<ReadHalf<Socket>, LengthDelimitedCodec>);

/// What goes to the logic server.
pub struct Outgoing(WriteHalf<Socket>);

/// Connects within `patience`.
pub async fn connect(
    address: &LogicAddress,
    patience: Duration,
) -> io::Result<(Incoming, Outgoing)> {
    match timeout(patience, open(address, patience)).await {
        Ok(socket) => {
            let (read, write) = tokio::io::split(socket?);
            Ok((Incoming(FramedRead::new(read, link::codec())), Outgoing(write)))
        }
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn open(address: &LogicAddress, patience: Duration) -> io::Result<Socket> {
    Ok(match address {
        LogicAddress::Unix(path) => Box::pin(UnixStream::connect(path).await?),
        LogicAddress::Tcp(address) => {
            let stream = TcpStream::connect(address.as_str()).await?;
            stream.set_nodelay(true)?;
            // A cut cable is noticed even while we have something to send.
            SockRef::from(&stream).set_tcp_user_timeout(Some(patience))?;
            Box::pin(stream)
        }
        LogicAddress::Echo | LogicAddress::Arena => {
            return Err(io::Error::other("a built-in sample has no address of its own"));
        }
    })
}

impl Incoming {
    /// The next message, and the frame that it came in; the peer is dead after `patience`.
    pub async fn next(
        &mut self,
        patience: Duration,
    ) -> Result<(from_logic::Message, Bytes), LinkError> {
        let frame = match timeout(patience, self.0.next()).await {
            Err(_) => return Err(LinkError::Silent(patience)),
            Ok(None) => return Err(LinkError::Closed),
            Ok(Some(frame)) => frame?.freeze(),
        };
        let message = FromLogic::decode(frame.clone())
            .map_err(|error| LinkError::Protocol(format!("a message cannot be read: {error}")))?
            .message
            .ok_or_else(|| LinkError::Protocol("a message is empty, or of a newer kind".into()))?;
        Ok((message, frame))
    }
}

impl Outgoing {
    /// Sends a message that is no tick.
    pub async fn send(&mut self, message: to_logic::Message) -> io::Result<()> {
        let body = link::to_logic(message);
        let length = (body.len() as u32).to_be_bytes();
        self.0.write_all_buf(&mut length.chain(body)).await?;
        self.0.flush().await
    }

    /// Sends a tick: the very bytes that are in the journal, behind a prefix.
    pub async fn send_tick(&mut self, tick: &Chained) -> io::Result<()> {
        let prefix = link::tick_prefix(&tick.bytes);
        self.0.write_all_buf(&mut prefix.chain(tick.bytes.clone())).await?;
        self.0.flush().await
    }

    /// Says why the link ends. A peer that does not take it misses it.
    pub async fn say_goodbye(&mut self, goodbye: Goodbye) {
        let goodbye = self.send(to_logic::Message::Goodbye(goodbye));
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }
}
