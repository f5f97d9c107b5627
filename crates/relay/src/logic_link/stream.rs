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

/// Some byte stream to the logic server.
pub type Socket = Pin<Box<dyn Stream>>;

/// What comes from the logic server.
pub struct Incoming(FramedRead<ReadHalf<Socket>, LengthDelimitedCodec>);

/// What goes to the logic server.
pub struct Outgoing {
    socket: WriteHalf<Socket>,
    /// Whether a message was begun and not finished: whoever sent it was dropped meanwhile, or the
    /// connection broke. Nothing can be said behind half a message.
    cut: bool,
}

/// Connects within `patience`.
pub async fn connect(
    address: &LogicAddress,
    patience: Duration,
) -> io::Result<(Incoming, Outgoing)> {
    match timeout(patience, open(address, patience)).await {
        Ok(socket) => socket.map(over),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// The two directions of a connection that is there.
pub fn over(socket: Socket) -> (Incoming, Outgoing) {
    let (read, write) = tokio::io::split(socket);
    (Incoming(FramedRead::new(read, link::codec())), Outgoing::new(write))
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
    /// Takes messages of so many bytes at the most.
    pub fn take_at_most(&mut self, bytes: usize) {
        self.0.decoder_mut().set_max_frame_length(bytes);
    }

    fn refuse(&self, error: io::Error) -> LinkError {
        if error.kind() != io::ErrorKind::InvalidData {
            return error.into();
        }
        let most = self.0.decoder().max_frame_length();
        LinkError::Protocol(format!("a message is longer than {most} bytes (limits.answer)"))
    }

    /// The next message, and the frame that it came in; the peer is dead after `patience`.
    pub async fn next(
        &mut self,
        patience: Duration,
    ) -> Result<(from_logic::Message, Bytes), LinkError> {
        let frame = match timeout(patience, self.0.next()).await {
            Err(_) => return Err(LinkError::Silent(patience)),
            Ok(None) => return Err(LinkError::Closed),
            Ok(Some(frame)) => frame.map_err(|error| self.refuse(error))?.freeze(),
        };
        let message = FromLogic::decode(frame.clone())
            .map_err(|error| LinkError::Protocol(format!("a message cannot be read: {error}")))?
            .message
            .ok_or_else(|| LinkError::Protocol("a message is empty, or of a newer kind".into()))?;
        Ok((message, frame))
    }
}

impl Outgoing {
    fn new(socket: WriteHalf<Socket>) -> Self {
        Self { socket, cut: false }
    }

    /// Sends a message that is no tick.
    pub async fn send(&mut self, message: to_logic::Message) -> io::Result<()> {
        let body = link::to_logic(message);
        let length = (body.len() as u32).to_be_bytes();
        self.write(length.chain(body)).await
    }

    /// Sends a tick: the very bytes that are in the journal, behind a prefix.
    pub async fn send_tick(&mut self, tick: &Chained) -> io::Result<()> {
        self.write(link::tick_prefix(&tick.bytes).chain(tick.bytes.clone())).await
    }

    /// Says why the link ends. A peer that does not take it misses it.
    pub async fn say_goodbye(&mut self, goodbye: Goodbye) {
        if self.cut {
            return;
        }
        let goodbye = self.send(to_logic::Message::Goodbye(goodbye));
        let _ = timeout(Duration::from_secs(1), goodbye).await;
    }

    async fn write(&mut self, mut frame: impl Buf) -> io::Result<()> {
        self.cut = true;
        self.socket.write_all_buf(&mut frame).await?;
        self.socket.flush().await?;
        self.cut = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use pulsegate_protocol::proto::Ping;
    use tokio::io::{AsyncReadExt, duplex, split};

    use super::*;

    #[tokio::test]
    async fn nothing_is_said_behind_half_a_message() {
        let (relay, mut logic) = duplex(4);
        let relay: Socket = Box::pin(relay);
        let mut out = Outgoing::new(split(relay).1);
        let ping = out.send(to_logic::Message::Ping(Ping { id: 300 }));
        assert!(timeout(Duration::from_millis(10), ping).await.is_err());
        let mut half = [0; 4];
        logic.read_exact(&mut half).await.unwrap();

        out.say_goodbye(Goodbye::default()).await;
        drop(out);
        let mut rest = Vec::new();
        logic.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
}
