//! Clients that play on through all that happens to a relay.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use crate::wait::PATIENCE;

/// Clients that come again whenever they are cut off, and send as fast as they are answered. They
/// go when this is dropped.
#[derive(Debug)]
pub struct Crowd {
    stop: Arc<AtomicBool>,
    echoes: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    /// So many clients, who send few bytes each.
    pub fn of(count: usize, relay: SocketAddr) -> Self {
        Self::sending(count, 13, relay)
    }

    /// So many clients, whose packets have so many bytes.
    pub fn sending(count: usize, bytes: usize, relay: SocketAddr) -> Self {
        let (stop, echoes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..count).map(|_| {
            let (stop, echoes) = (Arc::clone(&stop), Arc::clone(&echoes));
            thread::spawn(move || {
                while !stop.load(Relaxed) {
                    // Nobody listens between two lives, and a life may end within any call.
                    let _ = play(relay, bytes, &stop, &echoes);
                    sleep(Duration::from_millis(5));
                }
            })
        });
        Self { stop: Arc::clone(&stop), echoes: Arc::clone(&echoes), threads: threads.collect() }
    }

    /// How many of their packets came back so far.
    pub fn echoes(&self) -> u64 {
        self.echoes.load(Relaxed)
    }

    /// Sends all of them home, and waits until they are gone.
    pub fn go_home(mut self) {
        self.stop.store(true, Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn play(
    relay: SocketAddr,
    bytes: usize,
    stop: &AtomicBool,
    echoes: &AtomicU64,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(relay)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut frame = (bytes as u32).to_be_bytes().to_vec();
    frame.resize(4 + bytes, b'x');
    let mut echo = frame.clone();
    while !stop.load(Relaxed) {
        stream.write_all(&frame)?;
        stream.read_exact(&mut echo)?;
        echoes.fetch_add(1, Relaxed);
    }
    Ok(())
}
