//! Many cheap connections, and threads that attack until they are dropped.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// Clients of one address, so that ports do not run out.
const PER_SOURCE: usize = 5000;

/// Lets this process, and those that it starts, open as many files as they may.
pub(super) fn allow_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// Connects from one of several addresses of this machine, by the client's number.
pub(super) fn connect(relay: SocketAddr, number: usize) -> TcpStream {
    connect_with(relay, number, None)
}

/// The same, with a small receive buffer: the kernel takes little for one that does not read.
pub(super) fn connect_narrow(relay: SocketAddr, number: usize) -> TcpStream {
    connect_with(relay, number, Some(4096))
}

fn connect_with(relay: SocketAddr, number: usize, buffer: Option<usize>) -> TcpStream {
    let source = Ipv4Addr::new(127, 0, 78, (number / PER_SOURCE % 250 + 1) as u8);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    if let Some(buffer) = buffer {
        socket.set_recv_buffer_size(buffer).unwrap();
    }
    socket.set_tcp_nodelay(true).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&relay.into()).unwrap();
    socket.into()
}

/// A thread that goes on until this is dropped.
pub(super) struct Assault {
    goes_on: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Assault {
    /// Calls `strike` again and again. It must return soon each time.
    pub(super) fn start(mut strike: impl FnMut() + Send + 'static) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&goes_on);
        let thread = thread::spawn(move || {
            while asked.load(Relaxed) {
                strike();
            }
        });
        Self { goes_on, thread: Some(thread) }
    }
}

impl Drop for Assault {
    fn drop(&mut self) {
        self.goes_on.store(false, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes a stretch of frames over and over, as fast as the relay takes it.
pub(super) struct Hose {
    stream: TcpStream,
    frames: Vec<u8>,
    at: usize,
}

impl Hose {
    pub(super) fn new(stream: TcpStream, frames: Vec<u8>) -> Self {
        stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { stream, frames, at: 0 }
    }

    /// Writes on, as far as the socket takes it.
    pub(super) fn spray(&mut self) {
        let written = match self.stream.write(&self.frames[self.at..]) {
            Ok(written) => written,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => panic!("the flooder was thrown out: {error}"),
        };
        self.at = (self.at + written) % self.frames.len();
    }
}

impl Drop for Hose {
    fn drop(&mut self) {
        // Others may read from it still.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
