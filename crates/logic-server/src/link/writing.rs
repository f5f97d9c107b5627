//! What the relay is told: answers, pushes, and pings when there are none.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use pulsegate_protocol::link::{codec, from_logic};
use pulsegate_protocol::proto::{Goodbye, Ping, Push, from_logic::Message};
use tokio::io::{AsyncWrite, WriteHalf};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{sleep, timeout};
use tokio_util::codec::{FramedWrite, LengthDelimitedCodec};

use super::End;
use crate::pusher::Pushes;

/// How long nothing is sent before a ping is.
const PING_AFTER: Duration = Duration::from_secs(1);

/// A relay that does not take a message within this time is dead. A snapshot may be large.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// The link's sending side.
pub(super) struct Writer<S> {
    sink: FramedWrite<WriteHalf<S>, LengthDelimitedCodec>,
}

impl<S: AsyncWrite> Writer<S> {
    pub(super) fn new(socket: WriteHalf<S>) -> Self {
        Self { sink: FramedWrite::new(socket, codec()) }
    }

    /// Sends what the game says until it says goodbye or the socket fails.
    ///
    /// A push names the last tick whose answer went out before it.
    pub(super) async fn run(
        mut self,
        mut answers: mpsc::Receiver<Message>,
        pushes: Arc<Mutex<Pushes>>,
        mut applied: u64,
    ) -> End {
        let mut pushes = pushes.lock_owned().await;
        let mut pings = 0;
        loop {
            let message = tokio::select! {
                answer = answers.recv() => match answer {
                    Some(answer) => answer,
                    None => return End::Theirs(None),
                },
                Some(push) = pushes.recv() => Message::Push(Push { applied, ..push }),
                () = sleep(PING_AFTER) => {
                    pings += 1;
                    Message::Ping(Ping { id: pings })
                }
            };
            if let Message::Goodbye(goodbye) = message {
                return match self.goodbye(goodbye.clone()).await {
                    Ok(()) => goodbye.into(),
                    Err(error) => error.into(),
                };
            }
            if let Message::Done(done) = &message {
                applied = applied.max(done.tick);
            }
            let more_waits = !(answers.is_empty() && pushes.is_empty());
            let sent = if more_waits { self.feed(message).await } else { self.send(message).await };
            if let Err(error) = sent {
                return error.into();
            }
        }
    }

    /// Sends a message at once.
    pub(super) async fn send(&mut self, message: Message) -> io::Result<()> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Sends the last message, and closes this direction.
    pub(super) async fn goodbye(&mut self, goodbye: Goodbye) -> io::Result<()> {
        self.feed(Message::Goodbye(goodbye)).await?;
        within(SinkExt::<Bytes>::close(&mut self.sink)).await
    }

    async fn feed(&mut self, message: Message) -> io::Result<()> {
        within(self.sink.feed(from_logic(message))).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        within(SinkExt::<Bytes>::flush(&mut self.sink)).await
    }
}

async fn within(sending: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(WRITE_WITHIN, sending).await.unwrap_or_else(|_| {
        let text = format!("the relay took no message for {WRITE_WITHIN:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}
