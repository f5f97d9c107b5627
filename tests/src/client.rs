//! One client, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use pulsegate_protocol::Framing;
use serde_json::Value;
use socket2::{Domain, SockRef, Socket, Type};

use crate::wait::PATIENCE;

/// A connection to a relay, in the role of a client. It blocks, and gives up after [`PATIENCE`].
#[derive(Debug)]
pub struct TestClient {
    stream: TcpStream,
    framing: Framing,
    arrived: BytesMut,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Close {
    /// The relay's word for it; empty if it said none.
    pub reason: String,
    /// The whole last notice, or null.
    pub notice: Value,
    /// Frames that came before it.
    pub frames: Vec<Vec<u8>>,
    /// Whether the connection was reset rather than closed.
    pub reset: bool,
}

impl TestClient {
    /// Connects, with the default framing.
    #[track_caller]
    pub fn connect(relay: SocketAddr) -> Self {
        Self::over(TcpStream::connect(relay).unwrap(), Framing::DEFAULT)
    }

    /// Connects, with another framing.
    #[track_caller]
    pub fn connect_as(relay: SocketAddr, framing: Framing) -> Self {
        Self::over(TcpStream::connect(relay).unwrap(), framing)
    }

    /// Connects from another address of this machine, such as 127.0.9.1.
    #[track_caller]
    pub fn connect_from(source: IpAddr, relay: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&relay.into()).unwrap();
        Self::over(socket.into(), Framing::DEFAULT)
    }

    /// Connects with a receive buffer of so many bytes: the kernel takes little for a client that
    /// does not read.
    #[track_caller]
    pub fn connect_narrow(relay: SocketAddr, receive_buffer: usize) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(receive_buffer).unwrap();
        socket.connect(&relay.into()).unwrap();
        Self::over(socket.into(), Framing::DEFAULT)
    }

    fn over(stream: TcpStream, framing: Framing) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, framing, arrived: BytesMut::new() }
    }

    /// Its own address: the peer that the relay sees.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().unwrap()
    }

    /// The socket, for options and half-closing.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// A frame with this body, as bytes.
    pub fn frame(&self, body: &[u8]) -> Vec<u8> {
        [&self.framing.header(body.len()).unwrap(), body, self.framing.trailer()].concat()
    }

    /// Sends one frame.
    #[track_caller]
    pub fn send(&mut self, body: impl AsRef<[u8]>) {
        let frame = self.frame(body.as_ref());
        self.send_raw(&frame);
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Closes its own direction only.
    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Ends the connection by a reset.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next frame's body.
    #[track_caller]
    pub fn read(&mut self) -> Vec<u8> {
        self.read_within(PATIENCE).unwrap_or_else(|| panic!("no frame came for {PATIENCE:?}"))
    }

    /// The next frame's body, if it comes in time; panics if the connection ends instead.
    #[track_caller]
    pub fn read_within(&mut self, patience: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(body) = self.take_frame() {
                return Some(body);
            }
            match self.receive(deadline) {
                Ok(0) => panic!("the relay closed instead of sending a frame"),
                Ok(_) => {}
                Err(ErrorKind::WouldBlock) => return None,
                Err(error) => panic!("no frame, but {error}"),
            }
        }
    }

    /// The next frame, as text.
    #[track_caller]
    pub fn read_text(&mut self) -> String {
        String::from_utf8(self.read()).unwrap()
    }

    /// Sends a frame, and expects it back: all that was sent before it has then been taken too.
    #[track_caller]
    pub fn echo(&mut self, body: impl AsRef<[u8]>) {
        self.send(body.as_ref());
        assert_eq!(self.read(), body.as_ref());
    }

    /// Reads until the connection ends.
    #[track_caller]
    pub fn read_close(&mut self) -> Close {
        self.read_close_within(PATIENCE)
    }

    /// Reads until the connection ends, which must be in time.
    #[track_caller]
    pub fn read_close_within(&mut self, patience: Duration) -> Close {
        let deadline = Instant::now() + patience;
        let reset = loop {
            match self.receive(deadline) {
                Ok(0) => break false,
                Ok(_) => {}
                Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => break true,
                Err(ErrorKind::WouldBlock) => panic!("still open after {patience:?}"),
                Err(error) => panic!("{error}"),
            }
        };
        let mut frames = Vec::new();
        while let Some(frame) = self.take_frame() {
            frames.push(frame);
        }
        let notice = frames.last().and_then(|frame| serde_json::from_slice(frame).ok());
        let notice = notice.filter(|notice: &Value| notice["pulsegate"] == "close");
        if notice.is_some() {
            frames.pop();
        }
        let notice = notice.unwrap_or(Value::Null);
        let reason = notice["reason"].as_str().unwrap_or_default().to_owned();
        Close { reason, notice, frames, reset }
    }

    fn take_frame(&mut self) -> Option<Vec<u8>> {
        let frame = self.framing.next(&self.arrived).unwrap()?;
        let body = self.arrived[frame.body].to_vec();
        self.arrived.advance(frame.taken);
        Some(body)
    }

    fn receive(&mut self, deadline: Instant) -> Result<usize, ErrorKind> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.stream.set_read_timeout(Some(left.max(Duration::from_millis(1)))).unwrap();
        let mut buffer = [0; 65_536];
        let read = self.stream.read(&mut buffer).map_err(|error| error.kind())?;
        self.arrived.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}
