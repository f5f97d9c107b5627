//! Ticks out and answers in, until the link breaks.
//!
//! Sending and receiving do not wait for each other, but for one thing: no more than
//! [`IN_FLIGHT`] ticks are unanswered at any time; one, where logic died before.

use std::collections::VecDeque;
use std::sync::Arc;
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
use super::suspects::Suspects;

/// Ticks that may be unanswered at a time, while a logic server catches up.
pub const IN_FLIGHT: u64 = 64;

/// A link on which nothing else is sent carries a ping so often.
const PING: Duration = Duration::from_secs(1);

/// Pongs that may be owed at a time. A peer that asks faster is answered more rarely.
const PONGS: usize = 16;

/// Exchanges ticks and answers from where the logic server is. Returns when `stop` came and the
/// last tick was answered. If it is dropped, half a message may have been sent.
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
    let suspects = Arc::clone(source.suspects());
    suspects.answered(met.next - 1);
    let mut sending = Sending {
        out,
        source,
        replies,
        next: met.next,
        in_flight: VecDeque::new(),
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
        last: met.answered,
        answered: &answered,
        sent: sent.subscribe(),
        suspects: &suspects,
    };
    let result = tokio::select! {
        result = sending.run(met.restore, stop) => result,
        result = receiving.run() => result,
    };
    let answered = *answered.borrow();
    let mut unanswered = sending.in_flight.into_iter().filter(|tick| *tick > answered);
    if let Some(first) = unanswered.next()
        && result.as_ref().is_err_and(LinkError::may_be_a_death)
    {
        suspects.died_of(first..=unanswered.next_back().unwrap_or(first));
    }
    result
}

struct Sending<'a> {
    out: &'a mut Outgoing,
    source: &'a mut Source,
    replies: &'a Replies,
    next: u64,
    /// What was sent and, when it was last looked at, not answered.
    in_flight: VecDeque<u64>,
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
        while !stop.is_cancelled() || *self.answered.borrow() < self.replies.last_sealed() {
            self.step(stop).await?;
        }
        Ok(())
    }

    /// Waits for one thing to send, and sends it. A message that was begun is finished.
    async fn step(&mut self, stop: &CancellationToken) -> Result<(), LinkError> {
        let answered = *self.answered.borrow_and_update();
        while self.in_flight.front().is_some_and(|tick| *tick <= answered) {
            self.in_flight.pop_front();
        }
        let window = if self.source.suspects().goes_alone(self.next) { 1 } else { IN_FLIGHT };
        let may_send = self.next <= answered + window;
        tokio::select! {
            tick = self.source.tick(self.next), if may_send => {
                let tick = tick?;
                self.next = tick.number + 1;
                // Said first: the answer may be here before this task runs again.
                self.sent.send_replace(tick.number);
                self.in_flight.push_back(tick.number);
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
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
        Ok(())
    }
}

struct Receiving<'a> {
    incoming: &'a mut Incoming,
    replies: &'a Replies,
    timeout: Duration,
    pongs: mpsc::Sender<Pong>,
    /// The last tick that was answered, on this link or one before.
    last: u64,
    /// The same, but not before the first tick of this link.
    answered: &'a watch::Sender<u64>,
    sent: watch::Receiver<u64>,
    suspects: &'a Suspects,
}

impl Receiving<'_> {
    async fn run(&mut self) -> Result<(), LinkError> {
        loop {
            let (message, frame) = self.incoming.next(self.timeout).await?;
            match message {
                from_logic::Message::Done(done) => {
                    self.check(&done)?;
                    let tick = done.tick;
                    // Said first: an answer that may reach a client is not overtaken by a word.
                    self.suspects.answered(tick);
                    self.replies.done(done, link::inner(&frame)).await;
                    self.last = tick;
                    self.answered.send_modify(|answered| *answered = tick.max(*answered));
                }
                from_logic::Message::Push(push) => {
                    self.replies.push(push, link::inner(&frame)).await;
                }
                from_logic::Message::Ping(ping) => {
                    let _ = self.pongs.try_send(Pong { id: ping.id });
                }
                from_logic::Message::Pong(_) => {}
                from_logic::Message::Goodbye(goodbye) => return Err(goodbye.into()),
                from_logic::Message::Welcome(_) => {
                    return Err(LinkError::Protocol("a second Welcome".into()));
                }
            }
        }
    }

    /// Answers come in the order of the ticks, one for each that was sent. Those that were lost
    /// with the link before may come first.
    fn check(&self, done: &Done) -> Result<(), LinkError> {
        let (answered, sent) = (self.last, *self.sent.borrow());
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
