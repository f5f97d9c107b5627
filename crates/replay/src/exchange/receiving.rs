//! The receiving half.

use pulsegate_protocol::proto::{Done, Pong, Push, Reply, from_logic::Message};
use tokio::sync::{mpsc, watch};

use super::Standing;
use crate::error::Error;
use crate::link::Incoming;

/// So many replies that were pushed are kept for whoever hears the next answer.
const PUSHED: usize = 40;

/// What came back.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) done: Done,
    /// The replies that were pushed since the answer before.
    pub(crate) pushed: Vec<Reply>,
    /// How many more of them there were.
    pub(crate) pushed_left_out: usize,
}

pub(super) struct Receiving<'a> {
    incoming: &'a mut Incoming,
    answers: Option<mpsc::Sender<Answer>>,
    /// The first tick whose answer is handed on, and whose replies count.
    from: u64,
    /// The answer that is to come.
    next: Answer,
    pongs: mpsc::Sender<Pong>,
    standing: &'a watch::Sender<Standing>,
}

impl<'a> Receiving<'a> {
    pub(super) fn new(
        incoming: &'a mut Incoming,
        answers: Option<mpsc::Sender<Answer>>,
        from: u64,
        pongs: mpsc::Sender<Pong>,
        standing: &'a watch::Sender<Standing>,
    ) -> Self {
        Self { incoming, answers, from, next: Answer::default(), pongs, standing }
    }

    /// Takes answers until the link breaks.
    pub(super) async fn run(&mut self) -> Error {
        loop {
            if let Err(error) = self.step().await {
                return error;
            }
        }
    }

    async fn step(&mut self) -> Result<(), Error> {
        match self.incoming.next().await? {
            Some(Message::Done(done)) => self.done(done).await,
            Some(Message::Push(push)) => {
                self.pushed(push);
                Ok(())
            }
            Some(Message::Ping(ping)) => {
                // Full: it asks faster than it is read, and hears of the next one.
                let _ = self.pongs.try_send(Pong { id: ping.id });
                Ok(())
            }
            Some(Message::Pong(_)) => Ok(()),
            Some(Message::Goodbye(goodbye)) => Err(self.ended(goodbye.text)),
            Some(Message::Welcome(_)) => Err(Error::Protocol("a second Welcome".into())),
            None => Err(self.ended("it closed the connection".into())),
        }
    }

    async fn done(&mut self, done: Done) -> Result<(), Error> {
        let Standing { sent, answered, .. } = *self.standing.borrow();
        if done.tick <= answered || done.tick > sent {
            return Err(Error::Protocol(format!(
                "a Done for tick {}, when tick {answered} was answered and tick {sent} sent",
                done.tick
            )));
        }
        let (tick, state_hash, replies) = (done.tick, done.state_hash, done.replies.len() as u64);
        let answer = Answer { done, ..std::mem::take(&mut self.next) };
        if let Some(answers) = &self.answers
            && tick >= self.from
        {
            // Whoever takes no more of them has seen enough.
            let _ = answers.send(answer).await;
        }
        // Said last: this half is dropped as soon as nothing is unanswered.
        self.standing.send_modify(|standing| {
            standing.answered = tick;
            standing.ticks_answered += 1;
            standing.replies += if tick >= self.from { replies } else { 0 };
            standing.state_hash = state_hash;
        });
        Ok(())
    }

    fn pushed(&mut self, push: Push) {
        let replies = push.replies.len();
        self.standing.send_modify(|standing| {
            if standing.answered + 1 >= self.from {
                standing.replies += replies as u64;
            }
        });
        let room = PUSHED - self.next.pushed.len();
        self.next.pushed.extend(push.replies.into_iter().take(room));
        self.next.pushed_left_out += replies.saturating_sub(room);
    }

    fn ended(&self, text: String) -> Error {
        Error::Ended { applied: self.standing.borrow().answered, text }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use bytes::Buf;
    use futures::poll;
    use pulsegate_protocol::link;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;
    use crate::link::Link;

    #[tokio::test]
    async fn an_answer_counts_when_it_has_been_handed_on() {
        let (near, mut logic) = duplex(1000);
        for tick in 1..=2 {
            let body = link::from_logic(Message::Done(Done { tick, ..Done::default() }));
            let length = (body.len() as u32).to_be_bytes();
            logic.write_all_buf(&mut length.chain(body)).await.unwrap();
        }
        let mut link = Link::over(Box::new(near));
        let standing = Standing { sent: 2, ticks_sent: 2, ..Standing::default() };
        let standing = watch::Sender::new(standing);
        let (answers, mut taken) = mpsc::channel(1);
        let (pongs, _owed) = mpsc::channel(1);
        let mut receiving = Receiving::new(&mut link.incoming, Some(answers), 0, pongs, &standing);
        let mut receiving = pin!(receiving.run());

        assert!(poll!(&mut receiving).is_pending());
        assert_eq!(standing.borrow().ticks_answered, 1);
        assert_eq!(taken.recv().await.unwrap().done.tick, 1);
        assert!(poll!(&mut receiving).is_pending());
        assert_eq!(standing.borrow().ticks_answered, 2);
        assert_eq!(taken.recv().await.unwrap().done.tick, 2);
    }
}
