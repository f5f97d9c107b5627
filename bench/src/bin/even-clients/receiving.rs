//! What comes back, by client.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use crate::crowd::Crowd;
use crate::sending::{PACKET, Sent};

const EVENTS: usize = 256;
const BUFFER: usize = 64 * 1024;

/// Bytes that came back to each client, and connections that were closed.
#[derive(Debug)]
pub(crate) struct Received {
    bytes: Vec<AtomicU64>,
    closed: AtomicU64,
}

impl Received {
    /// Nothing yet.
    pub(crate) fn new(clients: u32) -> Self {
        let bytes = (0..clients).map(|_| AtomicU64::new(0)).collect();
        Self { bytes, closed: AtomicU64::new(0) }
    }

    /// Packets that came back to each client; cut ones do not count.
    fn by_client(&self) -> impl Iterator<Item = u64> {
        self.bytes.iter().map(|bytes| bytes.load(Ordering::Relaxed) / PACKET.len() as u64)
    }

    /// Packets that came back to all clients together.
    pub(crate) fn packets(&self) -> u64 {
        self.by_client().sum()
    }

    /// Whether each client has back what it sent.
    pub(crate) fn is_all(&self, sent: &Sent) -> bool {
        self.by_client().eq(sent.packets.iter().copied())
    }

    /// Connections that the other side closed.
    pub(crate) fn closed(&self) -> u64 {
        self.closed.load(Ordering::Relaxed)
    }

    /// Counts as long as the program lives.
    ///
    /// # Errors
    /// The kernel does not say any more who has something to read.
    pub(crate) fn count(&self, crowd: &Crowd) -> rustix::io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; BUFFER];
        loop {
            events.clear();
            match epoll::wait(&crowd.readable, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            for event in &events {
                let client = event.data.u64() as usize;
                let Some(stream) = crowd.get(client) else { continue };
                self.read(client, stream, &mut buffer, crowd)?;
            }
        }
    }

    fn read(
        &self,
        client: usize,
        mut stream: &TcpStream,
        buffer: &mut [u8],
        crowd: &Crowd,
    ) -> rustix::io::Result<()> {
        match stream.read(buffer) {
            Ok(bytes @ 1..) => {
                self.bytes[client].fetch_add(bytes as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Ok(0) | Err(_) => {
                self.closed.fetch_add(1, Ordering::Relaxed);
                crowd.forget(stream)
            }
        }
    }
}
