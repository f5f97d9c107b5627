//! Where clients' tasks put what arrived, until the beat takes it.
//!
//! One lock, held for the copy of one payload: it gives all that happens in a tick one order. It is
//! also what ends a session, so that nothing of a session can come behind its own `close`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pulsegate_protocol::Reason;
use pulsegate_protocol::heartbeat::Status;
use pulsegate_protocol::proto::{self, item::Item};
use pulsegate_protocol::tick::Gathering;
use tokio::sync::Notify;

use crate::client::Client;

/// How much the beat thread may be told in a tick, before clients have to wait for the next.
pub const NEWS: usize = 16 * 1024;

/// The batch that is being gathered.
#[derive(Debug)]
pub struct Intake {
    open: Mutex<Open>,
    /// Bytes at which clients have to wait for the next beat.
    limit: usize,
    space: Notify,
}

#[derive(Debug)]
struct Open {
    gathering: Gathering,
    news: Vec<News>,
}

/// What the beat thread has to know of a session, beside what is in the batch.
#[derive(Debug)]
pub enum News {
    /// A session began.
    Opened(Arc<Client>),
    /// A session in `leave` was heard.
    Heard(u64),
    /// A heartbeat claimed a status, at this listened time.
    Claimed(u64, Status, Duration),
    /// A session ended.
    Ended(u64),
}

/// What is wanted of a heartbeat, beside the stamp that it leaves.
#[derive(Debug, Clone, Copy)]
pub struct Heartbeat<'a> {
    /// The status that it claims.
    pub claim: Option<Status>,
    /// Whether it is to be in the batch.
    pub record: bool,
    /// Its body, if logic is to get it as a packet.
    pub forward: Option<&'a [u8]>,
    /// When it came, in listened time, if its claim has to be judged.
    pub judge_claim_at: Option<Duration>,
}

impl Heartbeat<'_> {
    fn asks_nothing(&self) -> bool {
        !self.record && self.forward.is_none() && self.judge_claim_at.is_none()
    }
}

/// The batch has no room: wait for [`Intake::space`], then try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Intake {
    /// An empty batch that takes about `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let open = Open { gathering: Gathering::with_capacity(0), news: Vec::new() };
        Self { open: Mutex::new(open), limit, space: Notify::new() }
    }

    /// Begins a session. Nothing of it is in the batch before this, and no tick that holds it is
    /// sealed before it is on the list.
    pub fn open(&self, client: &Arc<Client>, list: impl FnOnce()) -> Result<(), Full> {
        let mut open = self.room()?;
        list();
        open.gathering
            .event(Item::Open(proto::Open { session: client.id, peer: client.peer.to_string() }));
        open.news.push(News::Opened(Arc::clone(client)));
        Ok(())
    }

    /// Takes a packet. One from a session that has ended is dropped.
    pub fn packet(&self, client: &Client, payload: &[u8]) -> Result<(), Full> {
        let mut open = self.room()?;
        if !client.has_ended() {
            open.gathering.packet(client.id, payload);
        }
        Ok(())
    }

    /// Takes what is wanted of a heartbeat: all of it, or nothing if there is no room.
    pub fn heartbeat(&self, client: &Client, heartbeat: Heartbeat<'_>) -> Result<(), Full> {
        if heartbeat.asks_nothing() {
            return Ok(());
        }
        let mut open = self.room()?;
        if client.has_ended() {
            return Ok(());
        }
        if heartbeat.record {
            let claim = heartbeat.claim.map_or("", Status::name).to_owned();
            open.gathering.event(Item::Heartbeat(proto::Heartbeat { session: client.id, claim }));
        }
        if let Some(body) = heartbeat.forward {
            open.gathering.packet(client.id, body);
        }
        if let (Some(status), Some(at)) = (heartbeat.claim, heartbeat.judge_claim_at) {
            open.news.push(News::Claimed(client.id, status, at));
        }
        Ok(())
    }

    /// Tells the beat thread. What is told must have a bound of its own: one thing for a session
    /// and tick.
    pub fn tell(&self, news: News) {
        self.lock().news.push(news);
    }

    /// Ends a session; `false` if it had ended before. This always has room: a session that was
    /// let in is let out.
    pub fn close(&self, client: &Client, reason: Reason) -> bool {
        let mut open = self.lock();
        let first = client.mark_ended(reason);
        if first {
            let close = proto::Close { session: client.id, reason: reason.into() };
            open.gathering.event(Item::Close(close));
            open.news.push(News::Ended(client.id));
        }
        first
    }

    /// Adds what the beat thread found, unless the session has ended meanwhile.
    pub fn state(&self, client: &Client, change: proto::StateChange) {
        let mut open = self.lock();
        if !client.has_ended() {
            open.gathering.event(Item::State(change));
        }
    }

    /// Adds an event that is of no session.
    pub fn event(&self, event: Item) {
        self.lock().gathering.event(event);
    }

    /// What was told since the last call.
    pub fn news(&self) -> Vec<News> {
        std::mem::take(&mut self.lock().news)
    }

    /// Takes the batch, and begins the next one with room for as much.
    pub fn take(&self) -> Gathering {
        let mut open = self.lock();
        let room = open.gathering.size().min(self.limit);
        let batch = std::mem::replace(&mut open.gathering, Gathering::with_capacity(room));
        drop(open);
        self.space.notify_waiters();
        batch
    }

    /// Whether clients have to wait for the next beat.
    pub fn is_full(&self) -> bool {
        self.room().is_err()
    }

    /// Returns when there may be room again.
    pub async fn space(&self) {
        let notified = self.space.notified();
        // The batch may have been taken between the caller's attempt and the line above.
        if self.is_full() {
            notified.await;
        }
    }

    fn room(&self) -> Result<MutexGuard<'_, Open>, Full> {
        let open = self.lock();
        if open.gathering.size() < self.limit && open.news.len() < NEWS {
            Ok(open)
        } else {
            Err(Full)
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing in here can panic half-way through a change.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use pulsegate_protocol::tick::Head;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::client::figures::Figures;
    use crate::client::outbox::Outbox;

    const AT: Duration = Duration::ZERO;

    async fn client() -> Arc<Client> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_, writer) = accepted.unwrap().0.into_split();
        let peer = connected.unwrap().local_addr().unwrap();
        let outbox = Outbox::new(writer);
        Arc::new(Client::new(1, peer, AT, Figures::new(AT), outbox))
    }

    fn items(intake: &Intake) -> Vec<Item> {
        let tick = intake.take().seal(&Head::default()).chain(0);
        let tick = proto::Tick::decode(tick.bytes).unwrap();
        tick.items.into_iter().filter_map(|item| item.item).collect()
    }

    fn claim() -> Heartbeat<'static> {
        Heartbeat {
            claim: Some(Status::Leave),
            record: true,
            forward: Some(b"{}"),
            judge_claim_at: Some(AT),
        }
    }

    #[tokio::test]
    async fn a_session_ends_once_and_nothing_of_it_comes_behind_its_close() {
        let (intake, client) = (Intake::new(1024), client().await);
        intake.open(&client, || {}).unwrap();
        assert!(intake.close(&client, Reason::Silent));
        assert!(!intake.close(&client, Reason::Operator));
        intake.packet(&client, b"late").unwrap();
        intake.heartbeat(&client, claim()).unwrap();
        intake.state(&client, proto::StateChange::default());

        let close = proto::Close { session: 1, reason: Reason::Silent.into() };
        let items = items(&intake);
        assert!(matches!(&items[..], [Item::Open(_), Item::Close(last)] if *last == close));
        assert!(matches!(&intake.news()[..], [News::Opened(_), News::Ended(1)]));
    }

    #[tokio::test]
    async fn a_full_batch_takes_nothing_more_but_lets_everybody_out() {
        let (intake, client) = (Intake::new(200), client().await);
        intake.open(&client, || {}).unwrap();
        while intake.packet(&client, b"a packet").is_ok() {}
        assert_eq!(intake.heartbeat(&client, claim()), Err(Full));
        assert_eq!(intake.open(&client, || panic!("nobody is listed")), Err(Full));
        assert!(intake.close(&client, Reason::Goodbye));

        let taken = items(&intake);
        assert!(taken.iter().all(|item| !matches!(item, Item::Heartbeat(_))));
        assert!(matches!(taken.last(), Some(Item::Close(_))));
        intake.space().await;
        assert!(!intake.is_full());
    }

    #[tokio::test]
    async fn claims_are_bounded_even_where_they_leave_nothing_in_the_batch() {
        let (intake, client) = (Intake::new(usize::MAX), client().await);
        let claim = Heartbeat { record: false, forward: None, ..claim() };
        for _ in 0..NEWS {
            intake.heartbeat(&client, claim).unwrap();
        }
        assert_eq!(intake.heartbeat(&client, claim), Err(Full));
        assert_eq!(intake.news().len(), NEWS);
        assert_eq!(intake.heartbeat(&client, claim), Ok(()));
    }
}
