//! What the relay says, sorted: batches to the game, pings to the writer.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use pulsegate_protocol::link::codec;
use pulsegate_protocol::proto::{
    Ping, Pong, ToLogic, from_logic::Message, goodbye::Code, to_logic,
};
use tokio::io::{AsyncRead, AsyncReadExt, ReadHalf, copy, sink};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::codec::{Decoder, LengthDelimitedCodec};

use super::End;
use crate::game::Order;
use crate::handshake::goodbye;

/// A relay that is silent for so long is dead. It pings each second.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// So long before that it is looked again. A process that was stopped, as by a debugger, learns how
/// much time has passed before it learns what has arrived.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// Room for one read, in bytes.
const READ: usize = 16 * 1024;

/// The link's receiving side.
pub(super) struct Reader<S> {
    socket: ReadHalf<S>,
    buffer: BytesMut,
    codec: LengthDelimitedCodec,
}

impl<S: AsyncRead> Reader<S> {
    pub(super) fn new(socket: ReadHalf<S>) -> Self {
        Self { socket, buffer: BytesMut::new(), codec: codec() }
    }

    /// Sets the longest message. The codec sets aside what a length announces, so a stranger's
    /// must be short.
    pub(super) fn limit(&mut self, bytes: usize) {
        self.codec.set_max_frame_length(bytes);
    }

    /// Reads until the link ends. Waits, and hears nothing, while `orders` is full.
    pub(super) async fn run(
        &mut self,
        orders: &mpsc::Sender<Order>,
        answers: &mpsc::Sender<Message>,
    ) -> End {
        loop {
            let message = match self.message().await {
                Ok(message) => message,
                Err(end) => return end,
            };
            let order = match message {
                Some(to_logic::Message::Tick(tick)) => Order::Tick(tick),
                Some(to_logic::Message::Restore(restore)) => Order::Restore(restore),
                Some(to_logic::Message::Ping(Ping { id })) => {
                    // If that many answers wait, the relay has better proof of life than a pong.
                    let _ = answers.try_send(Message::Pong(Pong { id }));
                    continue;
                }
                Some(to_logic::Message::Goodbye(goodbye)) => return End::Theirs(Some(goodbye)),
                Some(to_logic::Message::Hello(_)) => {
                    return goodbye(Code::Protocol, "Hello came a second time").into();
                }
                // A later version's message is not ours to judge.
                Some(to_logic::Message::Pong(_)) | None => continue,
            };
            if orders.send(order).await.is_err() {
                // The game's thread has ended, and it says itself why.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn message(&mut self) -> Result<Option<to_logic::Message>, End> {
        match ToLogic::decode(self.next().await?) {
            Ok(envelope) => Ok(envelope.message),
            Err(error) => {
                let text = format!("a message could not be decoded: {error}");
                Err(goodbye(Code::Protocol, text).into())
            }
        }
    }

    /// The next frame's body. A frame may take its time as long as bytes of it arrive.
    pub(super) async fn next(&mut self) -> Result<Bytes, End> {
        loop {
            match self.codec.decode(&mut self.buffer) {
                Ok(Some(body)) => return Ok(body.freeze()),
                Ok(None) => self.more().await?,
                Err(error) => return Err(goodbye(Code::Protocol, error.to_string()).into()),
            }
        }
    }

    async fn more(&mut self) -> Result<(), End> {
        self.buffer.reserve(READ);
        let mut read =
            timeout(DEAD_AFTER - LAST_LOOK, self.socket.read_buf(&mut self.buffer)).await;
        if read.is_err() {
            read = timeout(LAST_LOOK, self.socket.read_buf(&mut self.buffer)).await;
        }
        match read {
            Ok(Ok(0)) => Err(End::Theirs(None)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => {
                let text = format!("nothing arrived for {DEAD_AFTER:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
            }
        }
    }

    /// Reads and forgets until the relay hangs up.
    pub(super) async fn drain(&mut self) -> io::Result<u64> {
        copy(&mut self.socket, &mut sink()).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex, split};
    use tokio::time::{Instant, advance, sleep};

    use super::*;

    fn reader() -> (DuplexStream, Reader<DuplexStream>) {
        let (relay, logic) = duplex(1024);
        (relay, Reader::new(split(logic).0))
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_relay_is_dead_after_ten_seconds() {
        let (_relay, mut reader) = reader();
        let began = Instant::now();
        assert!(matches!(reader.next().await, Err(End::Broken(_))));
        assert_eq!(began.elapsed(), DEAD_AFTER);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_while_the_process_was_stopped_is_heard() {
        let (mut relay, mut reader) = reader();
        let heard = tokio::spawn(async move { reader.next().await.unwrap() });
        tokio::task::yield_now().await;
        advance(DEAD_AFTER * 6).await;
        relay.write_all(&[0, 0, 0, 4, b'p', b'o', b'n', b'g']).await.unwrap();
        assert_eq!(&heard.await.unwrap()[..], b"pong");
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_takes_a_minute_is_no_silence() {
        let (mut relay, mut reader) = reader();
        let drip = tokio::spawn(async move {
            for byte in [0, 0, 0, 4, b'p', b'o', b'n', b'g'] {
                relay.write_all(&[byte]).await.unwrap();
                sleep(DEAD_AFTER * 9 / 10).await;
            }
            relay
        });
        assert_eq!(&reader.next().await.unwrap()[..], b"pong");
        drop(drip.await);
    }

    #[tokio::test]
    async fn an_announced_length_above_the_limit_is_refused_in_words() {
        let (mut relay, mut reader) = reader();
        reader.limit(4096);
        relay.write_all(&[0x7F, 0xFF, 0xFF, 0xFF]).await.unwrap();
        match reader.next().await {
            Err(End::Ours(said)) => assert_eq!(said.code(), Code::Protocol),
            other => panic!("{other:?}"),
        }
    }
}
