//! One recorded client, from its connect to its parting.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pulsegate_protocol::heartbeat::Status;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Act, Stage};
use crate::bot::PART;
use crate::connection::{Connection, Parted};

/// A client that says nothing else sends a heartbeat so often.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// So many of the newest packets are remembered, to know their echoes.
const REMEMBERED: usize = 64;

/// Lives one client's life, and leaves its figures on the stage.
pub(super) async fn live(stage: Arc<Stage>, acts: mpsc::Receiver<Act>) {
    let turn = stage.connecting.acquire().await;
    let connected = Connection::open(stage.address).await;
    drop(turn);
    let connection = match connected {
        Ok(connection) => connection,
        Err(error) => return stage.not_joined(&error),
    };
    stage.course().totals.joined += 1;
    let mut client = Client {
        stage: &stage,
        connection,
        acts,
        heartbeat_at: Some(Instant::now()),
        packets: VecDeque::new(),
    };
    let word = client.play().await;
    let (sent, received) = (client.connection.sent, client.connection.received);
    let totals = &mut stage.course().totals;
    totals.parted(word);
    totals.bytes_sent += sent;
    totals.bytes_received += received;
}

struct Client<'a> {
    stage: &'a Stage,
    connection: Connection,
    acts: mpsc::Receiver<Act>,
    /// When the next heartbeat is due, if nothing is sent before. None: it is silent.
    heartbeat_at: Option<Instant>,
    packets: VecDeque<(Bytes, Instant)>,
}

enum Next {
    Act(Act),
    Readable,
    Writable,
    Heartbeat,
}

impl Client<'_> {
    /// Plays until the end, and returns the word for how it ended.
    async fn play(&mut self) -> String {
        match self.follow().await {
            Ok(last) => self.part(last).await,
            Err(parted) => self.connection.last_word(parted),
        }
    }

    /// Does as it is told, until it has to part.
    async fn follow(&mut self) -> Result<Act, Parted> {
        loop {
            self.write()?;
            match self.next().await? {
                Next::Act(Act::Send(body)) => self.send(body)?,
                Next::Act(Act::Claim(status)) => self.heartbeat(status)?,
                Next::Act(Act::FallSilent) => self.heartbeat_at = None,
                Next::Act(Act::Wake | Act::Join) => self.heartbeat_at = Some(Instant::now()),
                Next::Act(last @ (Act::Goodbye | Act::Disconnect | Act::Closed)) => {
                    return Ok(last);
                }
                Next::Heartbeat => self.heartbeat(Status::Alive)?,
                Next::Readable => self.read()?,
                Next::Writable => {}
            }
        }
    }

    async fn next(&mut self) -> Result<Next, Parted> {
        let Self { connection, acts, heartbeat_at, .. } = self;
        let heartbeat = heartbeat_at.unwrap_or_else(Instant::now);
        tokio::select! {
            act = acts.recv(), if connection.has_room() => {
                // Nobody says what it did any more: the recording is over.
                Ok(Next::Act(act.unwrap_or(Act::Goodbye)))
            }
            readable = connection.ready() => {
                Ok(if readable? { Next::Readable } else { Next::Writable })
            }
            () = sleep_until(heartbeat), if heartbeat_at.is_some() => Ok(Next::Heartbeat),
        }
    }

    fn send(&mut self, body: Bytes) -> Result<(), Parted> {
        self.connection.put_frame(&body)?;
        self.stage.course().totals.packets_sent += 1;
        self.spoke();
        if self.packets.len() == REMEMBERED {
            self.packets.pop_front();
        }
        self.packets.push_back((body, Instant::now()));
        Ok(())
    }

    fn heartbeat(&mut self, status: Status) -> Result<(), Parted> {
        self.connection.put_heartbeat(status)?;
        self.stage.course().totals.heartbeats_sent += 1;
        self.spoke();
        Ok(())
    }

    fn spoke(&mut self) {
        self.heartbeat_at = self.heartbeat_at.map(|_| Instant::now() + HEARTBEAT);
    }

    fn write(&mut self) -> Result<(), Parted> {
        let Self { stage, connection, packets, .. } = self;
        connection.write(|body| came(stage, packets, body))
    }

    fn read(&mut self) -> Result<(), Parted> {
        let Self { stage, connection, packets, .. } = self;
        connection.read(|body| came(stage, packets, body))
    }

    /// Parts as it did, and returns the word for how.
    async fn part(&mut self, last: Act) -> String {
        match last {
            Act::Disconnect => match timeout(PART, self.until(Connection::is_written)).await {
                Ok(Err(parted)) => self.connection.last_word(parted),
                _ => "disconnected".into(),
            },
            Act::Closed => self.hear_out().await.unwrap_or_else(|| "left_open".into()),
            _ => {
                if let Err(parted) = self.heartbeat(Status::Close) {
                    return self.connection.last_word(parted);
                }
                let word = self.hear_out().await.unwrap_or_else(|| "never_closed".into());
                if word == "eof" { "goodbye".into() } else { word }
            }
        }
    }

    /// Listens until the relay closes: the word for why, if it does so soon.
    async fn hear_out(&mut self) -> Option<String> {
        match timeout(PART, self.until(|_| false)).await {
            Ok(Err(parted)) => Some(self.connection.last_word(parted)),
            _ => None,
        }
    }

    async fn until(&mut self, done: impl Fn(&Connection) -> bool) -> Result<(), Parted> {
        loop {
            self.write()?;
            if done(&self.connection) {
                return Ok(());
            }
            if self.connection.ready().await? {
                self.read()?;
            }
        }
    }
}

/// Counts a body that came. One that is equal to a packet that was sent is its echo.
fn came(stage: &Stage, packets: &mut VecDeque<(Bytes, Instant)>, body: &[u8]) {
    let totals = &mut stage.course().totals;
    match packets.iter().position(|(packet, _)| packet == body) {
        Some(place) => {
            totals.echo(packets[place].1.elapsed());
            packets.drain(..=place);
        }
        None => totals.other_frames += 1,
    }
}
