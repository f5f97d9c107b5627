//! One client's task: bytes → frames → batch, until the session ends.
//!
//! An idle client costs no buffer: bytes are read into a buffer of the thread's, and only an
//! unfinished frame is kept. The task never waits for the logic server, nor for another client.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use pulsegate_protocol::framing::foreign_protocol;
use pulsegate_protocol::heartbeat::{Claims, Recognition, Status};
use pulsegate_protocol::{FrameFault, Framing, Reason};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{sleep, timeout};
use tracing::{debug, error};

use super::allowance::Allowance;
use super::{Client, parting};
use crate::front::Front;
use crate::tick::beat::Beat;
use crate::tick::intake::{Full, Heartbeat, News};

/// The most that one read takes. Shared by all clients of a thread.
const READ: usize = 64 * 1024;

/// How long a client that closed its side waits for the answers to its last packets.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The longest that bytes wait until they are read, and its part of a beat.
const REST: (Duration, u32) = (Duration::from_millis(1), 16);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// Serves one client until its session has ended and it has been told why.
///
/// A panic in here costs this client alone.
pub async fn serve(front: Arc<Front>, client: Arc<Client>, reader: OwnedReadHalf) {
    let connection = Connection::new(&front, &client, reader);
    let reader = match AssertUnwindSafe(connection.run()).catch_unwind().await {
        Ok(reader) => Some(reader),
        Err(_) => {
            error!(session = client.id, "a client's task panicked; only this client is closed");
            front.metrics.panics.inc();
            front.end(&client, Reason::Internal, Value::Null);
            None
        }
    };
    let (reason, details) = client.parting().unwrap_or((Reason::Internal, &Value::Null));
    let notices = front.config.load().client.notices;
    parting::part(&client, reader, reason, details, front.framing, notices).await;
}

/// Rests before the clients' thread waits for more, so that it finds many packets at once: to be
/// woken for each costs more than to read it. Nothing goes on before the beat anyway.
pub fn rest(beat: &Beat) {
    let (longest, part) = REST;
    thread::sleep(longest.min(beat.pace().shortest_beat() / part));
}

struct Connection<'a> {
    front: &'a Front,
    client: &'a Arc<Client>,
    reader: OwnedReadHalf,
    /// What arrived and is no whole frame yet, or found the batch full.
    partial: Vec<u8>,
    /// Since when, in listened time, the frame at its start is unfinished.
    partial_since: Option<Duration>,
    /// Whether a whole frame ever came.
    spoke: bool,
    allowance: Allowance,
    /// When it may be read from again.
    paused_until: Option<Duration>,
    /// Whether the batch has no room for the frame at the start of `partial`.
    batch_full: bool,
}

/// Why a connection is to end.
struct End(Reason, Value);

/// What the socket has for us.
enum Io {
    Read(Result<(), End>),
    HalfClosed,
    Broken(io::Error),
    Writable,
}

impl<'a> Connection<'a> {
    fn new(front: &'a Front, client: &'a Arc<Client>, reader: OwnedReadHalf) -> Self {
        Self {
            front,
            client,
            reader,
            partial: Vec::new(),
            partial_since: None,
            spoke: false,
            allowance: Allowance::default(),
            paused_until: None,
            batch_full: false,
        }
    }

    async fn run(mut self) -> OwnedReadHalf {
        while self.client.parting().is_none() {
            if let Err(End(reason, details)) = self.step().await {
                self.front.end(self.client, reason, details);
            }
        }
        self.reader
    }

    /// Waits for one thing to happen, and does what follows from it.
    async fn step(&mut self) -> Result<(), End> {
        let (front, client) = (self.front, self.client);
        let deadline = self.deadline();
        let batch_full = self.batch_full;
        // What was sent is read before anybody is judged for not sending it.
        tokio::select! {
            biased;
            io = self.io() => match io {
                Io::Read(received) => received,
                Io::Writable => self.flush(),
                Io::HalfClosed => self.client_closed_its_side().await,
                Io::Broken(error) => Err(broken(&error)),
            },
            () = front.intake.space(), if batch_full => self.go_on(),
            () = client.wake.notified() => self.flush(),
            () = sleep(deadline.unwrap_or_default()), if deadline.is_some() => self.on_deadline(),
        }
    }

    async fn io(&mut self) -> Io {
        let read = !self.batch_full && self.paused_until.is_none();
        let write = self.client.outbox.waits();
        poll_fn(|cx| {
            if read && let Poll::Ready(io) = self.poll_read(cx) {
                return Poll::Ready(io);
            }
            if write {
                return match ready!(self.reader.as_ref().poll_write_ready(cx)) {
                    Ok(()) => Poll::Ready(Io::Writable),
                    Err(error) => Poll::Ready(Io::Broken(error)),
                };
            }
            Poll::Pending
        })
        .await
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Io> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            Poll::Ready(match ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer)) {
                Err(error) => Io::Broken(error),
                Ok(()) if buffer.filled().is_empty() => Io::HalfClosed,
                Ok(()) => Io::Read(self.receive(buffer.filled())),
            })
        })
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.client.figures.bytes_came(bytes.len());
        self.front.metrics.bytes_in.inc_by(bytes.len() as u64);
        let frames = if self.partial.is_empty() {
            let (taken, frames) = self.take_frames(bytes)?;
            self.partial.extend_from_slice(&bytes[taken..]);
            frames
        } else {
            self.partial.extend_from_slice(bytes);
            self.take_from_partial()?
        };
        self.account_for(bytes.len(), frames);
        Ok(())
    }

    /// The batch has room again. What waited for it has been paid for in bytes, not in frames.
    fn go_on(&mut self) -> Result<(), End> {
        self.batch_full = false;
        let frames = self.take_from_partial()?;
        self.account_for(0, frames);
        Ok(())
    }

    fn account_for(&mut self, bytes: usize, frames: u64) {
        self.note_partial(frames);
        let now = self.front.clock.now();
        let rate = self.front.rate();
        self.paused_until = self.allowance.charge(now, bytes as u64, frames, rate);
    }

    fn take_from_partial(&mut self) -> Result<u64, End> {
        let mut partial = std::mem::take(&mut self.partial);
        let (taken, frames) = self.take_frames(&partial)?;
        if taken < partial.len() {
            partial.drain(..taken);
            self.partial = partial;
        }
        Ok(frames)
    }

    /// Keeps the time at which an unfinished frame began.
    fn note_partial(&mut self, frames: u64) {
        if self.partial.is_empty() || self.batch_full {
            self.partial_since = None;
        } else if frames > 0 || self.partial_since.is_none() {
            self.partial_since = Some(self.front.clock.listened());
        }
    }

    /// Takes the whole frames at the start of `bytes`: how many bytes and frames they were.
    fn take_frames(&mut self, bytes: &[u8]) -> Result<(usize, u64), End> {
        let (mut taken, mut frames) = (0, 0);
        loop {
            let rest = &bytes[taken..];
            let frame = match self.front.framing.next(rest) {
                Ok(None) => return Ok((taken, frames)),
                Ok(Some(frame)) => frame,
                Err(fault) => return Err(self.bad_frame(fault, rest)),
            };
            match self.take_frame(&rest[frame.body])? {
                Ok(()) => {}
                Err(Full) => {
                    self.batch_full = true;
                    return Ok((taken, frames));
                }
            }
            taken += frame.taken;
            frames += 1;
            if self.client.has_ended() {
                return Ok((bytes.len(), frames));
            }
        }
    }

    fn take_frame(&mut self, body: &[u8]) -> Result<Result<(), Full>, End> {
        #[cfg(test)]
        assert_ne!(body, b"panic", "a test asked for it");

        let taken = match self.front.recognise(body) {
            Recognition::Packet => self.take_packet(body),
            Recognition::Heartbeat(claims) => self.take_heartbeat(claims, body),
            Recognition::Malformed(why) => {
                return Err(End(Reason::HeartbeatMalformed, json!({ "detail": why })));
            }
        };
        if taken.is_ok() {
            self.spoke = true;
            self.front.metrics.frames_in.inc();
            self.client.figures.frame_came(self.front.clock.listened());
            if self.client.figures.wants_look() {
                self.front.intake.tell(News::Heard(self.client.id));
            }
        }
        Ok(taken)
    }

    fn take_packet(&self, body: &[u8]) -> Result<(), Full> {
        self.front.intake.packet(self.client, body)?;
        self.client.figures.packet_came(self.front.clock.listened());
        Ok(())
    }

    fn take_heartbeat(&self, claims: Option<Claims>, body: &[u8]) -> Result<(), Full> {
        let config = self.front.config.load();
        let claim = claims.as_ref().map(|claims| claims.status);
        // `alive` changes nothing for whoever is.
        let judge =
            claim.is_some_and(|status| status != Status::Alive || !self.client.figures.is_alive());
        let heartbeat = Heartbeat {
            claim,
            record: config.journal.heartbeats,
            forward: config.heartbeat.forward.then_some(body),
            judge_claim_at: judge.then(|| self.front.clock.listened()),
        };
        self.front.intake.heartbeat(self.client, heartbeat)?;
        self.front.metrics.heartbeats.inc();
        self.client.figures.heartbeat_came(claims);
        if config.heartbeat.ack {
            self.front.post(self.client, &self.front.ack);
        }
        Ok(())
    }

    fn bad_frame(&self, fault: FrameFault, bytes: &[u8]) -> End {
        if !self.spoke
            && let Some(protocol) = foreign_protocol(bytes)
        {
            debug!(session = self.client.id, peer = %self.client.peer, protocol, "wrong protocol");
            return End(Reason::WrongProtocol, json!({ "looks_like": protocol }));
        }
        let details = match fault {
            FrameFault::TooLarge { length, limit } => json!({ "length": length, "limit": limit }),
            FrameFault::LengthInvalid { length } => json!({ "length": length }),
        };
        End(fault.reason(), details)
    }

    fn flush(&self) -> Result<(), End> {
        self.client.outbox.flush().map_err(|error| broken(&error))
    }

    /// Its packets are answered before it is let go: it may have closed only its own direction.
    async fn client_closed_its_side(&mut self) -> Result<(), End> {
        if self.client.outbox.is_broken() {
            return Err(broken(&io::ErrorKind::ConnectionReset.into()));
        }
        if !self.partial.is_empty() && self.front.framing != Framing::Raw {
            let missing = json!({ "arrived": self.partial.len() });
            return Err(End(Reason::FrameCut, missing));
        }
        let now = self.front.clock.listened();
        self.front.intake.tell(News::Claimed(self.client.id, Status::Leave, now));
        let mut answered = self.front.answered.clone();
        let last = self.front.beat.gathering();
        // Late answers are the logic server's fault, and then go nowhere.
        let _ = timeout(LAST_ANSWERS, answered.wait_for(|tick| *tick >= last)).await;
        Err(End(Reason::Goodbye, Value::Null))
    }

    /// How long until the first of this client's own deadlines.
    fn deadline(&self) -> Option<Duration> {
        if let Some(until) = self.paused_until {
            return Some(until.saturating_sub(self.front.clock.now()));
        }
        let due = self.deadlines().into_iter().flatten().map(|(due, _)| due).min()?;
        Some(due.saturating_sub(self.front.clock.listened()))
    }

    /// In listened time.
    fn deadlines(&self) -> [Option<(Duration, Reason)>; 3] {
        let config = &self.front.config.load().client;
        // A frame that waits for room in the batch has come, though nobody has taken it yet.
        let first = config.first_frame_within.filter(|_| !self.spoke && !self.batch_full);
        let first =
            first.map(|within| (self.client.figures.began() + within, Reason::NoFirstFrame));
        let frame = self.partial_since.map(|at| (at + config.frame_within, Reason::FrameLate));
        let write = self.client.outbox.waits_since();
        let write = write.map(|at| (at + config.write_within, Reason::SlowReader));
        [first, frame, write]
    }

    fn on_deadline(&mut self) -> Result<(), End> {
        if self.paused_until.take().is_some() {
            return Ok(());
        }
        let now = self.front.clock.listened();
        let missed = self.deadlines().into_iter().flatten().find(|(due, _)| *due <= now);
        missed.map_or(Ok(()), |(_, reason)| Err(End(reason, Value::Null)))
    }
}

fn broken(error: &io::Error) -> End {
    End(Reason::Disconnected, json!({ "detail": error.to_string() }))
}
