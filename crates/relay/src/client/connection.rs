//! One client's task: what it waits for, until the session ends. What it does with the bytes is in
//! `connection/taking.rs`.
//!
//! The task is written as a state that is polled, since there are as many of it as clients: an idle
//! one keeps no timer, no buffer and no future, and a frame passes through few branches. It never
//! waits for the logic server, nor for another client.

mod taking;

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
use futures::future::BoxFuture;
use pulsegate_protocol::heartbeat::Status;
use pulsegate_protocol::{Framing, Reason};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::error;

use super::allowance::Allowance;
use super::{Client, parting};
use crate::front::Front;
use crate::tick::beat::Beat;
use crate::tick::intake::News;

/// The most that one read takes. Shared by all clients.
const READ: usize = 64 * 1024;

/// What a read may take in any case.
const SMALL_READ: usize = 4 * 1024;

/// The most that a frame has beside its body.
const FRAMING: usize = 4;

/// The most that is kept of what a client sent, where its longest body has so many bytes.
pub fn most_kept(max_frame: usize) -> usize {
    READ.max(max_frame + FRAMING + SMALL_READ)
}

/// How long a client that closed its side waits for the answers to its last packets.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The longest that the clients' thread rests.
const LONGEST_REST: Duration = Duration::from_millis(1);

/// How many rests a beat is at least.
const RESTS: u32 = 16;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// Rests before the clients' thread waits for more, so that it finds many packets at once: to be
/// woken for each costs more than to read it. Packets go on at the beat anyway; those of the last
/// rest before it go into the next tick.
pub fn rest(beat: &Beat) {
    thread::sleep(LONGEST_REST.min(beat.pace().shortest_beat() / RESTS));
}

/// Serves one client until its session has ended and it has been told why.
///
/// A panic in here costs this client alone.
pub async fn serve(front: Arc<Front>, client: Arc<Client>, reader: OwnedReadHalf) {
    let mut connection = Connection::new(&front, &client, reader);
    let served = AssertUnwindSafe(poll_fn(|cx| connection.poll(cx))).catch_unwind().await;
    if served.is_err() {
        error!(session = client.id, "a client's task panicked; only this client is closed");
        front.metrics.panics.inc();
        front.end(&client, Reason::Internal, Value::Null);
    }
    let reader = connection.into_reader();
    let (reason, details) = client.parting().unwrap_or((Reason::Internal, &Value::Null));
    // Boxed, so that those who stay need no room for it.
    Box::pin(parting::part(&front, &client, reader, reason, details)).await;
}

struct Connection<'a> {
    front: &'a Front,
    client: &'a Arc<Client>,
    reader: OwnedReadHalf,
    /// What arrived and is no whole frame yet, or found the batch full.
    partial: Vec<u8>,
    /// Since when, in listened time, the frame at its start is unfinished.
    partial_since: Option<Duration>,
    /// Whether a whole frame ever came, though it may wait for room in the batch.
    spoke: bool,
    allowance: Allowance,
    /// When it may be read from again, in the relay's time: that never goes back.
    paused_until: Option<Duration>,
    /// Room for the frame at the start of `partial`, while the batch has none.
    space: Option<BoxFuture<'a, ()>>,
    /// The answers to the last packets of a client that has closed its side.
    last_answers: Option<BoxFuture<'a, ()>>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a connection is to end.
struct End(Reason, Value);

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
            space: None,
            last_answers: None,
            timer: None,
        }
    }

    /// Keeps nothing but what parting needs.
    fn into_reader(self) -> OwnedReadHalf {
        self.reader
    }

    /// Does all that there is to do now; ready when the session has ended.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Registered before anything is looked at: what changes after the look comes back here.
        self.client.wakes(cx.waker());
        while self.client.parting().is_none() {
            if self.client.has_ended() {
                // Whoever ended it is about to say why, and wakes this task.
                return Poll::Pending;
            }
            if let Err(End(reason, details)) = ready!(self.poll_step(cx)) {
                self.front.end(self.client, reason, details);
            }
        }
        Poll::Ready(())
    }

    /// The next thing that happens, and what follows from it.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        // What was sent is read before anybody is judged for not sending it.
        if self.may_read()
            && let Poll::Ready(received) = self.poll_read(cx)
        {
            return Poll::Ready(received);
        }
        let waits_since = self.client.outbox.waits_since();
        if waits_since.is_some()
            && let Poll::Ready(writable) = self.reader.as_ref().poll_write_ready(cx)
        {
            let flushed = writable.and_then(|()| self.client.outbox.flush());
            return Poll::Ready(flushed.map_err(|error| broken(&error)));
        }
        if let Some(space) = &mut self.space
            && space.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(self.go_on());
        }
        if let Some(answers) = &mut self.last_answers {
            ready!(answers.as_mut().poll(cx));
            return Poll::Ready(Err(End(Reason::Goodbye, Value::Null)));
        }
        ready!(self.poll_deadline(cx, waits_since));
        Poll::Ready(self.on_deadline(waits_since))
    }

    fn may_read(&self) -> bool {
        self.space.is_none() && self.paused_until.is_none() && self.last_answers.is_none()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(&mut scratch[..self.most()]);
            Poll::Ready(match ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buffer)) {
                Err(error) => Err(broken(&error)),
                Ok(()) if buffer.filled().is_empty() => self.client_closed_its_side(),
                Ok(()) => self.receive(buffer.filled()),
            })
        })
    }

    /// How many bytes one read may take: of a frame that has begun, not much more than its rest, so
    /// that what is kept of a client is never more than a frame, or a read.
    fn most(&self) -> usize {
        match self.front.framing.max_frame() {
            Some(body) if !self.partial.is_empty() => {
                let rest = (body + FRAMING).saturating_sub(self.partial.len());
                rest.clamp(SMALL_READ, READ)
            }
            _ => READ,
        }
    }

    /// Its packets are answered before it is let go: it may have closed only its own direction.
    fn client_closed_its_side(&mut self) -> Result<(), End> {
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
        self.last_answers = Some(Box::pin(async move {
            let _ = timeout(LAST_ANSWERS, answered.wait_for(|tick| *tick >= last)).await;
        }));
        Ok(())
    }

    /// Ready when the first of this client's own deadlines has come.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, waits_since: Option<Duration>) -> Poll<()> {
        let Some(patience) = self.patience(waits_since) else {
            self.timer = None;
            return Poll::Pending;
        };
        if patience.is_zero() {
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(patience)));
        // Set anew each time: time in which nobody listened does not count.
        timer.as_mut().reset(Instant::now() + patience);
        timer.as_mut().poll(cx)
    }

    /// How long until the first of its deadlines.
    fn patience(&self, waits_since: Option<Duration>) -> Option<Duration> {
        if let Some(until) = self.paused_until {
            return Some(until.saturating_sub(self.front.clock.now()));
        }
        let deadlines = self.deadlines(waits_since).into_iter().flatten();
        let due = deadlines.map(|(due, _)| due).min()?;
        Some(due.saturating_sub(self.front.clock.listened()))
    }

    /// In listened time.
    fn deadlines(&self, waits_since: Option<Duration>) -> [Option<(Duration, Reason)>; 3] {
        if self.spoke && self.partial_since.is_none() && waits_since.is_none() {
            return [None; 3];
        }
        let config = &self.front.config.load().client;
        let first = config.first_frame_within.filter(|_| !self.spoke);
        let first =
            first.map(|within| (self.client.figures.began() + within, Reason::NoFirstFrame));
        let frame = self.partial_since.map(|at| (at + config.frame_within, Reason::FrameLate));
        let write = waits_since.map(|at| (at + config.write_within, Reason::SlowReader));
        [first, frame, write]
    }

    fn on_deadline(&mut self, waits_since: Option<Duration>) -> Result<(), End> {
        if self.paused_until.take().is_some() {
            return Ok(());
        }
        let now = self.front.clock.listened();
        let missed = self.deadlines(waits_since).into_iter().flatten().find(|(due, _)| *due <= now);
        missed.map_or(Ok(()), |(_, reason)| Err(End(reason, Value::Null)))
    }
}

fn broken(error: &io::Error) -> End {
    End(Reason::Disconnected, json!({ "detail": error.to_string() }))
}
