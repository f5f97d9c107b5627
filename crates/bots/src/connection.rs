//! A client's connection: frames out, frames in.
//!
//! Nothing here blocks, and whoever waits for [`Connection::ready`] may stop at any time: what was
//! half sent or half received is kept.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use pulsegate_protocol::Framing;
use pulsegate_protocol::heartbeat::{Claims, Status};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

const FRAMING: Framing = Framing::DEFAULT;

/// A relay that accepts no connection for so long is not there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// With so many bytes that the relay has not read, no new ones are made.
const OUTGOING_LIMIT: usize = 64 * 1024;
/// How a notice of the relay begins.
const NOTICE: &[u8] = b"{\"pulsegate\"";

/// The connection is over; a word for how.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parted(pub(crate) String);

impl From<io::Error> for Parted {
    fn from(error: io::Error) -> Self {
        Self(match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset".into(),
            kind => kind.to_string().replace(' ', "_"),
        })
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// Why the relay said that it closes.
    notice: Option<String>,
    /// Bytes written so far.
    pub(crate) sent: u64,
    /// Bytes read so far.
    pub(crate) received: u64,
}

impl Connection {
    pub(crate) async fn open(relay: SocketAddr) -> io::Result<Self> {
        let stream = timeout(CONNECT_WITHIN, TcpStream::connect(relay)).await??;
        stream.set_nodelay(true)?;
        let (incoming, outgoing) = (BytesMut::new(), BytesMut::new());
        Ok(Self { stream, incoming, outgoing, notice: None, sent: 0, received: 0 })
    }

    /// Whether the relay reads quickly enough for more to be put.
    pub(crate) fn has_room(&self) -> bool {
        self.outgoing.len() < OUTGOING_LIMIT
    }

    /// Whether all that was put is written.
    pub(crate) fn is_written(&self) -> bool {
        self.outgoing.is_empty()
    }

    pub(crate) fn put_frame(&mut self, body: &[u8]) -> Result<(), Parted> {
        let header = FRAMING.header(body.len()).map_err(|fault| Parted(fault.to_string()))?;
        self.outgoing.put_slice(&header);
        self.outgoing.put_slice(body);
        Ok(())
    }

    pub(crate) fn put_heartbeat(&mut self, status: Status) -> Result<(), Parted> {
        let ip = self.stream.local_addr()?.ip().to_string();
        let claims = Claims { ip, status, pid: Some(std::process::id().into()) };
        self.put_frame(&serde_json::to_vec(&claims).map_err(io::Error::from)?)
    }

    /// Waits until there is something to read, or room for what was put; whether there is
    /// something to read.
    pub(crate) async fn ready(&self) -> io::Result<bool> {
        let interest = if self.is_written() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        Ok(self.stream.ready(interest).await?.is_readable())
    }

    /// Writes what the kernel takes. If the connection is over, what the relay said before is
    /// handed to `take`.
    pub(crate) fn write(&mut self, take: impl FnMut(&[u8])) -> Result<(), Parted> {
        while !self.outgoing.is_empty() {
            match self.stream.try_write(&self.outgoing) {
                Ok(written) => {
                    self.outgoing.advance(written);
                    self.sent += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.read_to_the_end(take),
            }
        }
        Ok(())
    }

    /// Reads once, and hands each body to `take`.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), Parted> {
        self.incoming.reserve(4096);
        match self.stream.try_read_buf(&mut self.incoming) {
            Ok(0) => return Err(Parted("eof".into())),
            Ok(read) => self.received += read as u64,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(frame) =
            FRAMING.next(&self.incoming).map_err(|_| Parted("not_a_frame".into()))?
        {
            let bytes = self.incoming.split_to(frame.taken);
            let body = &bytes[frame.body];
            if self.notice.is_none() && body.starts_with(NOTICE) {
                self.notice = close_reason(body);
            }
            take(body);
        }
        Ok(())
    }

    /// The reason that the relay gave, or else the word for how the connection ended.
    pub(crate) fn last_word(&mut self, parted: Parted) -> String {
        self.notice.take().unwrap_or(parted.0)
    }

    fn read_to_the_end(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), Parted> {
        while self.notice.is_none() {
            let before = self.received;
            self.read(&mut take)?;
            if self.received == before {
                break;
            }
        }
        Err(Parted("reset".into()))
    }
}

/// The reason in a notice like `{"pulsegate":"close","reason":"silent"}`.
fn close_reason(body: &[u8]) -> Option<String> {
    let notice: serde_json::Value = serde_json::from_slice(body).ok()?;
    (notice.get("pulsegate")? == "close")
        .then(|| notice.get("reason")?.as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_notice_that_closes_says_why() {
        let reason = |notice: &str| close_reason(notice.as_bytes());
        assert_eq!(reason(r#"{"pulsegate":"close","reason":"silent"}"#), Some("silent".into()));
        assert_eq!(reason(r#"{"pulsegate":"logic_away"}"#), None);
        assert_eq!(reason(r#"{"pulsegate":"close""#), None);
    }
}
