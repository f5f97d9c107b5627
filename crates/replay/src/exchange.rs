//! Ticks out and answers in.
//!
//! Two halves that do not wait for each other, but for one thing: no more than [`WINDOW`] ticks are
//! unanswered at any time.

use std::time::Duration;

use pulsegate_protocol::proto::{
    Done, Goodbye, Ping, Pong, from_logic, goodbye::Code, to_logic::Message,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::error::Error;
use crate::feed::Recorded;
use crate::link::{Incoming, Outgoing};
use crate::pacing::Pacing;
use crate::plan::Plan;

/// Ticks that may be unanswered at a time.
const WINDOW: u64 = 64;

/// A link on which nothing else is sent carries a ping so often.
const PING: Duration = Duration::from_secs(1);

/// Pongs that may be owed at a time. A peer that asks faster is answered more rarely.
const PONGS: usize = 16;

/// How long a logic server that hung up is listened to.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How far the exchange is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    /// The number of the last tick sent, and of the last one answered.
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// How many ticks were sent, and how many answered.
    pub(crate) ticks_sent: u64,
    pub(crate) ticks_answered: u64,
    /// How many of those sent were in the range, and how long they had taken.
    pub(crate) played: u64,
    pub(crate) recorded: Duration,
    /// When the first of them was sent.
    pub(crate) began: Option<Instant>,
    pub(crate) replies: u64,
    pub(crate) state_hash: Option<u64>,
}

/// Sends what the feed holds, each tick at its time, until all of it is answered. Each answer is
/// handed on, if somebody wants them.
pub(crate) async fn run(
    plan: Plan,
    mut pacing: Pacing,
    mut feed: mpsc::Receiver<Result<Recorded, Error>>,
    answers: Option<mpsc::Sender<Done>>,
    incoming: &mut Incoming,
    outgoing: &mut Outgoing,
    standing: &watch::Sender<Standing>,
) -> Result<(), Error> {
    let (pongs, owed) = mpsc::channel(PONGS);
    let mut sending = Sending { outgoing, owed, standing, ping: Instant::now() + PING };
    let mut receiving = Receiving { incoming, answers, pongs, standing };
    let mut receiving = std::pin::pin!(receiving.run());
    let sent = tokio::select! {
        sent = sending.run(plan, &mut pacing, &mut feed) => sent,
        broken = &mut receiving => Err(broken),
    };
    match sent {
        // Whoever closed a connection may have said why, and that is still to be read.
        Err(Error::Broken(error)) => {
            Err(timeout(LAST_WORDS, receiving).await.unwrap_or(Error::Broken(error)))
        }
        sent => sent,
    }
}

struct Sending<'a> {
    outgoing: &'a mut Outgoing,
    owed: mpsc::Receiver<Pong>,
    standing: &'a watch::Sender<Standing>,
    ping: Instant,
}

impl Sending<'_> {
    async fn run(
        &mut self,
        plan: Plan,
        pacing: &mut Pacing,
        feed: &mut mpsc::Receiver<Result<Recorded, Error>>,
    ) -> Result<(), Error> {
        if let Some(restore) = plan.restore {
            self.outgoing.send(Message::Restore(restore)).await?;
        }
        let ended = loop {
            match self.meanwhile(feed.recv()).await? {
                Some(Ok(tick)) => self.play(tick, plan.from, pacing).await?,
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        // Before a damage is reported, all before it is played to its end.
        self.until(|standing| standing.ticks_answered == standing.ticks_sent).await?;
        let text = "the replay is over".into();
        self.outgoing.send(Message::Goodbye(Goodbye { code: Code::Shutdown.into(), text })).await?;
        ended
    }

    async fn play(&mut self, tick: Recorded, from: u64, pacing: &mut Pacing) -> Result<(), Error> {
        let in_range = tick.head.number >= from;
        self.until(|standing| standing.ticks_sent - standing.ticks_answered < WINDOW).await?;
        if in_range {
            let due = pacing.due(&tick.head);
            let began = self.standing.borrow().began.unwrap_or_else(Instant::now);
            self.standing.send_modify(|standing| standing.began = Some(began));
            self.meanwhile(sleep_until(began + due)).await?;
        }
        // Said first: the answer may be here before this half runs again.
        self.standing.send_modify(|standing| {
            standing.sent = tick.head.number;
            standing.ticks_sent += 1;
            standing.played += u64::from(in_range);
            standing.recorded = pacing.recorded();
        });
        self.outgoing.send_tick(&tick.bytes).await?;
        self.ping = Instant::now() + PING;
        Ok(())
    }

    async fn until(&mut self, reached: impl FnMut(&Standing) -> bool) -> Result<(), Error> {
        let mut watched = self.standing.subscribe();
        // The sender lives as long as this half.
        self.meanwhile(watched.wait_for(reached)).await.map(|_| ())
    }

    /// Waits, and keeps the link alive meanwhile.
    async fn meanwhile<T>(&mut self, awaited: impl Future<Output = T>) -> Result<T, Error> {
        let mut awaited = std::pin::pin!(awaited);
        loop {
            tokio::select! {
                value = &mut awaited => return Ok(value),
                Some(pong) = self.owed.recv() => self.outgoing.send(Message::Pong(pong)).await?,
                () = sleep_until(self.ping) => {
                    self.ping = Instant::now() + PING;
                    self.outgoing.send(Message::Ping(Ping { id: 0 })).await?;
                }
            }
        }
    }
}

struct Receiving<'a> {
    incoming: &'a mut Incoming,
    answers: Option<mpsc::Sender<Done>>,
    pongs: mpsc::Sender<Pong>,
    standing: &'a watch::Sender<Standing>,
}

impl Receiving<'_> {
    /// Takes answers until the link breaks.
    async fn run(&mut self) -> Error {
        loop {
            if let Err(error) = self.step().await {
                return error;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Error> {
        match self.incoming.next().await? {
            Some(from_logic::Message::Done(done)) => self.done(done).await,
            Some(from_logic::Message::Push(push)) => {
                let replies = push.replies.len() as u64;
                self.standing.send_modify(|standing| standing.replies += replies);
                Ok(())
            }
            Some(from_logic::Message::Ping(ping)) => {
                // Full: it asks faster than it is read, and hears of the next one.
                let _ = self.pongs.try_send(Pong { id: ping.id });
                Ok(())
            }
            Some(from_logic::Message::Pong(_)) => Ok(()),
            Some(from_logic::Message::Goodbye(goodbye)) => Err(self.ended(goodbye.text)),
            Some(from_logic::Message::Welcome(_)) => {
                Err(Error::Protocol("a second Welcome".into()))
            }
            None => Err(self.ended("it closed the connection".into())),
        }
    }

    async fn done(&self, done: Done) -> Result<(), Error> {
        let Standing { sent, answered, .. } = *self.standing.borrow();
        if done.tick <= answered || done.tick > sent {
            return Err(Error::Protocol(format!(
                "a Done for tick {}, when tick {answered} was answered and tick {sent} sent",
                done.tick
            )));
        }
        self.standing.send_modify(|standing| {
            standing.answered = done.tick;
            standing.ticks_answered += 1;
            standing.replies += done.replies.len() as u64;
            standing.state_hash = done.state_hash;
        });
        if let Some(answers) = &self.answers {
            // Whoever takes no more of them has seen enough.
            let _ = answers.send(done).await;
        }
        Ok(())
    }

    fn ended(&self, text: String) -> Error {
        Error::Ended { applied: self.standing.borrow().answered, text }
    }
}
