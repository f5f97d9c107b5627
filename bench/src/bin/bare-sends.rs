//! The floor of a beat: the sends alone, one after another, with no relay around them.
//!
//! `bare-sends ADDRESS CLIENTS` reads each 50 ms what clients sent meanwhile, and then sends each of
//! them as many bytes back. When all have gone it prints how long the sends of each beat took, one
//! line in nanoseconds a beat; only of those in which it was a packet for each client.

use std::env;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

const BEAT: Duration = Duration::from_millis(50);
/// A body of 64 bytes behind its length.
const PACKET: usize = 68;
/// More than clients send in a beat.
const BUFFER: [u8; 4096] = [b'x'; 4096];

struct Client {
    stream: TcpStream,
    /// Bytes that it sent, and that it did not get back yet.
    owed: usize,
}

fn main() -> io::Result<()> {
    let mut words = env::args().skip(1);
    let (Some(address), Some(Ok(expected))) = (words.next(), words.next().map(|n| n.parse()))
    else {
        eprintln!("usage: bare-sends ADDRESS CLIENTS");
        return Ok(());
    };
    for took in beat(&address, expected)? {
        println!("{}", took.as_nanos());
    }
    Ok(())
}

fn beat(address: &str, expected: usize) -> io::Result<Vec<Duration>> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let (mut clients, mut took, mut due) = (Vec::new(), Vec::new(), Instant::now());
    while took.is_empty() || !clients.is_empty() {
        due += BEAT;
        sleep(due.saturating_duration_since(Instant::now()));
        accept(&listener, &mut clients)?;
        clients.retain_mut(|client| client.read().is_ok());
        let packets = clients.iter().map(|client| client.owed).sum::<usize>() / PACKET;
        let begin = Instant::now();
        clients.iter_mut().try_for_each(Client::send)?;
        // At the edge of a beat, some packets fall into the one or the other.
        if packets.abs_diff(expected) <= (expected / 100).max(1) {
            took.push(begin.elapsed());
        }
    }
    Ok(took)
}

fn accept(listener: &TcpListener, clients: &mut Vec<Client>) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        clients.push(Client { stream, owed: 0 });
    }
}

impl Client {
    /// Fails if it has gone.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = BUFFER;
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                self.owed += bytes;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn send(&mut self) -> io::Result<()> {
        if self.owed > 0 {
            self.stream.write_all(&BUFFER[..self.owed])?;
            self.owed = 0;
        }
        Ok(())
    }
}
