//! Ticks out and answers in, until the link breaks.
//!
//! Sending and receiving do not wait for each other, but for one thing: no more than
//! [`IN_FLIGHT`] ticks are unanswered at any time.

use std::time::Duration;

use pulsegate_protocol::link;
use pulsegate_protocol::proto::{Done, Ping, Pong, Restore, from_logic, to_logic};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::LinkError;
use super::handshake::Met;
use super::replies::Replies;
use super::source::Source;
use super::stream::{Incoming, Outgoing};

/// Ticks that may be unanswered at a time, while a logic server catches up.
pub const IN_FLIGHT: u64 = 64;

/// A link on which nothing else is sent carries a ping so often.
const PING: Duration = Duration::from_secs(1);

/// How long the last ticks may take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Pongs that may be owed at a time. A peer that asks faster is answered more rarely.
const PONGS: usize = 16;

/// Exchanges ticks and answers from where the logic server is. Returns when `stop` came and the
/// last tick was answered, or it is clear that it will not be.
pub async fn run(
    met: Met,
    incoming: &mut Incoming,
    out: &mut Outgoing,
    source: &mut Source,
    replies: &Replies,
    timeout: Duration,
    stop: &CancellationToken,
) -> Result<(), LinkError> {
    let (pongs, owed) = mpsc::channel(PONGS);
    let answered = watch::Sender::new(met.next - 1);
    let sent = watch::Sender::new(met.next - 1);
    let mut sending = Sending {
        out,
        source,
        next: met.next,
        owed,
        sent: &sent,
        answered: answered.subscribe(),
        ping: Instant::now() + PING,
    };
    let mut receiving = Receiving {
        incoming,
        replies,
        timeout,
        pongs,
        answered: &answered,
        sent: sent.subscribe(),
    };
    tokio::select! {
        result = sending.run(met.restore, stop) => result,
        result = receiving.run() => result,
    }
}

struct Sending<'a> {
    out: &'a mut Outgoing,
    source: &'a mut Source,
    next: u64,
    owed: mpsc::Receiver<Pong>,
    sent: &'a watch::Sender<u64>,
    answered: watch::Receiver<u64>,
    ping: Instant,
}

impl Sending<'_> {
    async fn run(
        &mut self,
        restore: Option<Restore>,
        stop: &CancellationToken,
    ) -> Result<(), LinkError> {
        if let Some(restore) = restore {
            self.out.send(to_logic::Message::Restore(restore)).await?;
        }
        tokio::select! {
            result = self.send_on() => return result,
            () = stop.cancelled() => {}
        }
        let last = self.source.newest();
        tokio::select! {
            result = self.send_until_answered(last) => result,
            () = tokio::time::sleep(LAST_ANSWERS) => Ok(()),
        }
    }

    async fn send_on(&mut self) -> Result<(), LinkError> {
        loop {
            self.step().await?;
        }
    }

    async fn send_until_answered(&mut self, last: u64) -> Result<(), LinkError> {
        while *self.answered.borrow() < last {
            self.step().await?;
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<(), LinkError> {
        let may_send = self.next <= *self.answered.borrow_and_update() + IN_FLIGHT;
        tokio::select! {
            tick = self.source.tick(self.next), if may_send => {
                let tick = tick?;
                self.next = tick.number + 1;
                // Said first: the answer may be here before this task runs again.
                self.sent.send_replace(tick.number);
                self.out.send_tick(&tick).await?;
                self.ping = Instant::now() + PING;
            }
            Some(pong) = self.owed.recv() => self.out.send(to_logic::Message::Pong(pong)).await?,
            // The sender lives as long as the other half of this exchange.
            _ = self.answered.changed() => {}
            () = sleep_until(self.ping) => {
                self.ping = Instant::now() + PING;
                self.out.send(to_logic::Message::Ping(Ping { id: self.next })).await?;
            }
        }
        Ok(())
    }
}

struct Receiving<'a> {
    incoming: &'a mut Incoming,
    replies: &'a Replies,
    timeout: Duration,
    pongs: mpsc::Sender<Pong>,
    answered: &'a watch::Sender<u64>,
    sent: watch::Receiver<u64>,
}

impl Receiving<'_> {
    async fn run(&mut self) -> Result<(), LinkError> {
        loop {
            let (message, frame) = self.incoming.next(self.timeout).await?;
            match message {
                from_logic::Message::Done(done) => {
                    self.check(&done)?;
                    let tick = done.tick;
                    self.replies.done(done, link::inner(&frame)).await;
                    self.answered.send_replace(tick);
                }
                from_logic::Message::Push(push) => {
                    self.replies.push(push, link::inner(&frame)).await;
                }
                from_logic::Message::Ping(ping) => {
                    let _ = self.pongs.try_send(Pong { id: ping.id });
                }
                from_logic::Message::Pong(_) => {}
                from_logic::Message::Goodbye(goodbye) => {
                    let code = goodbye.code();
                    return Err(LinkError::Goodbye { code, text: goodbye.text });
                }
                from_logic::Message::Welcome(_) => {
                    return Err(LinkError::Protocol("a second Welcome".into()));
                }
            }
        }
    }

    /// Answers come in the order of the ticks, one for each that was sent.
    fn check(&self, done: &Done) -> Result<(), LinkError> {
        let (answered, sent) = (*self.answered.borrow(), *self.sent.borrow());
        if done.tick <= answered {
            return Err(LinkError::Protocol(format!(
                "Done for tick {}, and tick {answered} was answered already",
                done.tick
            )));
        }
        if done.tick > sent {
            return Err(LinkError::Protocol(format!(
                "Done for tick {}, and tick {sent} is the last that was sent",
                done.tick
            )));
        }
        Ok(())
    }
}
