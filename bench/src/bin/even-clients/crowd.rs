//! The clients' connections.

use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

/// Between two joins: about a thousand a second.
const JOIN_EVERY: Duration = Duration::from_millis(1);

/// Connections by number of the client, and who of them has something to read.
#[derive(Debug)]
pub(crate) struct Crowd {
    clients: Vec<OnceLock<TcpStream>>,
    pub(crate) readable: OwnedFd,
}

impl Crowd {
    /// Clients that have not joined yet.
    ///
    /// # Errors
    /// Too many files are open.
    pub(crate) fn new(count: u32) -> Result<Self> {
        let readable = epoll::create(CreateFlags::CLOEXEC).context("cannot wait for packets")?;
        Ok(Self { clients: (0..count).map(|_| OnceLock::new()).collect(), readable })
    }

    /// How many there are, with those that have not joined yet.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// A client's connection, once it has joined.
    pub(crate) fn get(&self, client: usize) -> Option<&TcpStream> {
        self.clients.get(client)?.get()
    }

    /// Lets all of them join, one after another.
    ///
    /// # Errors
    /// One cannot connect.
    pub(crate) fn join(&self, address: SocketAddr) -> Result<()> {
        for (client, place) in self.clients.iter().enumerate() {
            let stream = connect(address)
                .with_context(|| format!("client {client} cannot connect to {address}"))?;
            let stream = place.get_or_init(|| stream);
            let number = EventData::new_u64(client as u64);
            epoll::add(&self.readable, stream.as_fd(), number, EventFlags::IN)?;
            sleep(JOIN_EVERY);
        }
        Ok(())
    }

    /// Expects nothing more of a client.
    pub(crate) fn forget(&self, client: &TcpStream) -> rustix::io::Result<()> {
        epoll::delete(&self.readable, client.as_fd())
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
