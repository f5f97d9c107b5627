//! What is on its way back to a client.
//!
//! Replies are written by whoever brings them, as far as the socket takes them at once; only the
//! rest waits here, for the client's own task. Nothing waits for a client: when the outbox is full,
//! the client is closed as a slow reader.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustix::io::ioctl_fionread;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// The bytes that a client's socket would not take yet.
#[derive(Debug)]
pub struct Outbox(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// Gone once the client has parted.
    socket: Option<OwnedWriteHalf>,
    waiting: BytesMut,
    /// When what still waits was posted, and how many waiting bytes end with it. What was posted
    /// soon after another is one with it, so that many small frames need no more room than few.
    posted: VecDeque<(Duration, usize)>,
    /// Whether replies are kept until they are handed over.
    held_back: bool,
    /// Whether what waits is to go out as soon as the socket takes it.
    due: bool,
    /// Whether a write failed.
    broken: bool,
}

/// How much an outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// So many bytes wait at the most. One frame always fits, whose body is no longer.
    pub bytes: usize,
    /// For so long they may wait.
    pub within: Duration,
}

impl Room {
    /// Whether frames of so many bytes could ever wait, had the client read all before.
    pub const fn may_hold(&self, frames: usize) -> bool {
        frames <= self.bytes + FRAMING
    }
}

/// Into how many steps the time that bytes may wait is divided: so exact is their age.
pub const STEPS: u32 = 64;

/// What is kept for each step.
pub const STEP_BYTES: usize = size_of::<(Duration, usize)>();

/// The most that a frame has beside its body.
const FRAMING: usize = 4;

/// What became of frames that were posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// They are with the kernel, or held back on purpose.
    Sent,
    /// Some wait: the client's task has to be woken.
    Waits,
    /// There is no room for them: the client does not read.
    Full,
    /// The client has parted, or its connection broke.
    Gone,
}

impl Outbox {
    /// An empty outbox before a socket.
    pub fn new(socket: OwnedWriteHalf) -> Self {
        let inner = Inner {
            socket: Some(socket),
            waiting: BytesMut::new(),
            posted: VecDeque::new(),
            held_back: false,
            due: false,
            broken: false,
        };
        Self(Mutex::new(inner))
    }

    /// Sends frames, or keeps what the socket does not take, as far as there is `room`.
    pub fn post(&self, frames: &[u8], now: Duration, room: Room) -> Posted {
        let mut inner = self.lock();
        inner.post(frames, now, room).unwrap_or_else(|_| {
            inner.broken = true;
            Posted::Gone
        })
    }

    /// Whether a reply found the connection broken. The kernel says so once: whoever reads after
    /// that sees an ordinary end.
    pub fn is_broken(&self) -> bool {
        self.lock().broken
    }

    /// Writes what is due, as far as the socket takes it.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().write()
    }

    /// Since when the oldest byte that is due waits for the socket; `None`: the client's task has
    /// nothing to write.
    pub fn waits_since(&self) -> Option<Duration> {
        let inner = self.lock();
        inner.posted.front().filter(|_| inner.due).map(|(at, _)| *at)
    }

    /// Holds replies back from now on.
    pub fn hold_back(&self) {
        self.lock().held_back = true;
    }

    /// Ends the holding back, and hands over.
    pub fn release(&self, now: Duration) {
        self.lock().held_back = false;
        self.hand_over(now);
    }

    /// Has the client's task, which must be woken, send what was held back.
    pub fn hand_over(&self, now: Duration) {
        self.lock().make_due(now);
    }

    /// How many bytes the client sent that nobody read yet.
    pub fn unread_bytes(&self) -> u64 {
        let inner = self.lock();
        inner.socket.as_ref().map_or(0, |socket| {
            let stream: &TcpStream = socket.as_ref();
            ioctl_fionread(stream).unwrap_or(0)
        })
    }

    /// Takes the socket and what waits: nothing is sent through this outbox any more.
    pub fn close(&self) -> Option<(OwnedWriteHalf, BytesMut)> {
        let mut inner = self.lock();
        let socket = inner.socket.take()?;
        Some((socket, std::mem::take(&mut inner.waiting)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn post(&mut self, mut frames: &[u8], now: Duration, room: Room) -> io::Result<Posted> {
        if self.socket.is_none() {
            return Ok(Posted::Gone);
        }
        if self.waiting.is_empty() && !self.held_back {
            frames = &frames[self.write_now(frames)?..];
            self.due = true;
        }
        if frames.is_empty() {
            return Ok(Posted::Sent);
        }
        if self.is_over(room.bytes, frames.len()) && self.held_back && !self.due {
            self.make_due(now);
            self.write()?;
        }
        if self.is_over(room.bytes, frames.len()) {
            return Ok(Posted::Full);
        }
        self.waiting.extend_from_slice(frames);
        self.note(now, frames.len(), room.within / STEPS);
        Ok(if self.due { Posted::Waits } else { Posted::Sent })
    }

    fn is_over(&self, limit: usize, length: usize) -> bool {
        self.waiting.len() + length > limit + FRAMING
    }

    fn note(&mut self, now: Duration, length: usize, step: Duration) {
        match self.posted.back_mut() {
            // What is held back on purpose has no age yet.
            Some((at, bytes)) if !self.due || now.saturating_sub(*at) < step => *bytes += length,
            _ => self.posted.push_back((now, length)),
        }
    }

    /// What waited on purpose waits for the socket from now on.
    fn make_due(&mut self, now: Duration) {
        if !self.due {
            self.due = true;
            self.posted.iter_mut().for_each(|(at, _)| *at = now);
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.due && !self.waiting.is_empty() {
            let written = self.write_now(&self.waiting)?;
            if written == 0 {
                return Ok(());
            }
            self.advance(written);
        }
        self.due = self.due && !self.held_back;
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        self.waiting.advance(written);
        while let Some((_, left)) = self.posted.front_mut() {
            if *left > written {
                *left -= written;
                break;
            }
            written -= *left;
            self.posted.pop_front();
        }
        if self.waiting.is_empty() {
            // Clients are idle most of the time; an idle one keeps no buffer.
            self.waiting = BytesMut::new();
            self.posted = VecDeque::new();
        }
    }

    /// How many bytes the socket took at once.
    fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let Some(socket) = &self.socket else { return Ok(0) };
        match socket.try_write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const ROOM: Room = Room { bytes: 64 * 1024, within: Duration::from_secs(10) };

    async fn outbox_and_client() -> (Outbox, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let (_, socket) = socket.into_split();
        (Outbox::new(socket), client)
    }

    fn fill(outbox: &Outbox) -> Posted {
        for second in 0..10_000 {
            let posted = outbox.post(&[7; 4000], Duration::from_secs(second), ROOM);
            if posted != Posted::Sent && posted != Posted::Waits {
                return posted;
            }
        }
        panic!("it never filled up");
    }

    #[tokio::test]
    async fn what_is_posted_goes_out_at_once_when_the_socket_takes_it() {
        let (outbox, mut client) = outbox_and_client().await;
        assert_eq!(outbox.post(b"\0\0\0\x05hello", Duration::ZERO, ROOM), Posted::Sent);
        let mut frame = [0; 9];
        client.read_exact(&mut frame).await.unwrap();
        assert_eq!(&frame, b"\0\0\0\x05hello");
        assert_eq!(outbox.waits_since(), None);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_fills_its_outbox_and_no_more() {
        let (outbox, _client) = outbox_and_client().await;
        assert_eq!(fill(&outbox), Posted::Full);
        assert!(outbox.waits_since().is_some());
        let (_socket, waiting) = outbox.close().unwrap();
        assert!(waiting.len() <= ROOM.bytes + FRAMING);
        assert_eq!(outbox.post(b"x", Duration::ZERO, ROOM), Posted::Gone);
    }

    #[tokio::test]
    async fn many_small_frames_take_no_more_room_than_few() {
        let (outbox, _client) = outbox_and_client().await;
        let mut now = Duration::ZERO;
        while outbox.waits_since().is_none() {
            outbox.post(&[0; 4000], now, ROOM);
        }
        while outbox.post(&[0; 4], now, ROOM) == Posted::Waits {
            now += Duration::from_millis(1);
        }
        assert!(now > Duration::from_secs(10), "{now:?}");
        let steps = outbox.lock().posted.len();
        assert!(steps as u128 <= 2 + now.as_millis() * u128::from(STEPS) / 10_000, "{steps}");
    }

    #[tokio::test]
    async fn not_even_an_empty_outbox_takes_more_than_it_may_hold() {
        let (outbox, _client) = outbox_and_client().await;
        assert_eq!(outbox.post(&vec![0; 16 * 1024 * 1024], Duration::ZERO, ROOM), Posted::Full);
    }

    #[tokio::test]
    async fn a_reply_that_finds_the_connection_broken_remembers_it() {
        let (outbox, client) = outbox_and_client().await;
        assert!(!outbox.is_broken());
        client.set_zero_linger().unwrap();
        drop(client);
        assert_eq!(fill(&outbox), Posted::Gone);
        assert!(outbox.is_broken());
    }

    #[tokio::test]
    async fn the_oldest_waiting_frame_gives_the_age() {
        let (outbox, mut client) = outbox_and_client().await;
        fill(&outbox);
        let before = outbox.waits_since().unwrap();
        let mut sink = vec![0; 8 * 1024 * 1024];
        while outbox.waits_since() == Some(before) {
            let _ = client.read(&mut sink).await.unwrap();
            outbox.flush().unwrap();
        }
        assert!(outbox.waits_since().is_none_or(|since| since > before));
    }

    #[tokio::test]
    async fn what_is_held_back_goes_out_when_it_is_handed_over() {
        let (outbox, mut client) = outbox_and_client().await;
        outbox.hold_back();
        assert_eq!(outbox.post(b"\0\0\0\x03one", Duration::ZERO, ROOM), Posted::Sent);
        assert_eq!(outbox.post(b"\0\0\0\x03two", Duration::ZERO, ROOM), Posted::Sent);
        assert_eq!(outbox.waits_since(), None);

        outbox.hand_over(Duration::from_secs(5));
        assert_eq!(outbox.waits_since(), Some(Duration::from_secs(5)));
        outbox.flush().unwrap();
        let mut frames = [0; 14];
        client.read_exact(&mut frames).await.unwrap();
        assert_eq!(&frames, b"\0\0\0\x03one\0\0\0\x03two");

        assert_eq!(outbox.post(b"\0\0\0\x05three", Duration::ZERO, ROOM), Posted::Sent);
        outbox.release(Duration::ZERO);
        outbox.flush().unwrap();
        assert_eq!(client.read(&mut [0; 20]).await.unwrap(), 9);
    }

    #[tokio::test]
    async fn more_than_half_an_outbox_held_back_is_no_reason_to_close() {
        let (outbox, mut client) = outbox_and_client().await;
        outbox.hold_back();
        for _ in 0..40 {
            assert_ne!(outbox.post(&[1; 4000], Duration::ZERO, ROOM), Posted::Full);
        }
        assert!(client.read(&mut [0; 100]).await.unwrap() > 0);
    }
}
