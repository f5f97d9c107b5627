//! The sending side of a link that is kept alive.

use std::time::Duration;

use bytes::Bytes;
use pulsegate_protocol::proto::{Ping, Pong, to_logic::Message};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::error::Error;
use crate::link::Outgoing;

/// A link on which nothing else is sent carries a ping so often.
const PING: Duration = Duration::from_secs(1);

/// What goes out, with the pings and pongs that say that somebody is there.
pub(super) struct Alive<'a> {
    outgoing: &'a mut Outgoing,
    owed: mpsc::Receiver<Pong>,
    ping_at: Instant,
}

impl<'a> Alive<'a> {
    /// `owed` are the pongs to send.
    pub(super) fn new(outgoing: &'a mut Outgoing, owed: mpsc::Receiver<Pong>) -> Self {
        Self { outgoing, owed, ping_at: Instant::now() + PING }
    }

    pub(super) async fn send(&mut self, message: Message) -> Result<(), Error> {
        Ok(self.outgoing.send(message).await?)
    }

    pub(super) async fn send_tick(&mut self, tick: &Bytes) -> Result<(), Error> {
        self.outgoing.send_tick(tick).await?;
        self.ping_at = Instant::now() + PING;
        Ok(())
    }

    /// Waits, and keeps the link alive meanwhile, however long it takes.
    pub(super) async fn meanwhile<T>(
        &mut self,
        awaited: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let mut awaited = std::pin::pin!(awaited);
        loop {
            tokio::select! {
                value = &mut awaited => return Ok(value),
                Some(pong) = self.owed.recv() => self.send(Message::Pong(pong)).await?,
                () = sleep_until(self.ping_at) => {
                    self.ping_at = Instant::now() + PING;
                    self.send(Message::Ping(Ping { id: 0 })).await?;
                }
            }
        }
    }
}
