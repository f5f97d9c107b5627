//! Recorded clients: each does again what a client of a recording did, when it did it.
//!
//! Whoever reads the recording sends [`Cue`]s, in their order; they are given to the clients one
//! by one, each at its time. A client that cannot keep up, since the relay does not read from it,
//! makes all wait: nothing is left out, and [`Summary::behind_ms`] says how late it became.
//!
//! - `client`: one of them, from its connect to its parting
//! - `summary`: what it all came to

mod client;
mod summary;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use pulsegate_protocol::heartbeat::Status;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use summary::Summary;

use crate::run::{Error, PROGRESS_EVERY, allow_all_files, finished, resolve};
use crate::traffic::Totals;

/// How many cues may wait for one client.
const CUES: usize = 64;
/// How many may be connecting at a time.
const CONNECTING: usize = 256;

/// One of the recorded clients has to do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When, from the start.
    pub at: Duration,
    /// Which client: the session that it was.
    pub session: u64,
    /// What.
    pub act: Act,
}

/// What a recorded client does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// It connects.
    Join,
    /// It sends a packet.
    Send(Bytes),
    /// It sends a heartbeat that claims this.
    Claim(Status),
    /// It sends no heartbeats of its own from now on.
    FallSilent,
    /// It sends heartbeats again.
    Wake,
    /// It says goodbye.
    Goodbye,
    /// It disconnects without a word.
    Disconnect,
    /// The relay closed it. What comes of it now is awaited for five seconds.
    Closed,
}

/// How the recording is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// Host and port of the relay.
    pub address: String,
    /// How many clients do what one of the recording did.
    pub times: u32,
    /// Ends the playing early: goodbyes are said.
    pub stop: CancellationToken,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The time of the last cue.
    pub at: Duration,
    /// How late it was.
    pub behind: Duration,
    /// How many clients joined so far.
    pub joined: u32,
    /// How many of them are gone again.
    pub parted: u32,
    /// How many packets were sent.
    pub sent: u64,
}

/// Plays until there are no more cues, and tells of its progress a few times a second. Who is there
/// at the end says goodbye. It is over at once if the first client cannot connect.
///
/// # Errors
/// The relay's address leads nowhere.
pub async fn play(
    options: Options,
    mut cues: mpsc::Receiver<Cue>,
    mut progress: impl FnMut(Progress),
) -> Result<Summary, Error> {
    allow_all_files();
    let address = resolve(&options.address).await?;
    let stage = Arc::new(Stage::new(address, options.stop.child_token()));
    let mut director = Director::new(options, Arc::clone(&stage));
    let mut direct = std::pin::pin!(director.direct(&mut cues));
    loop {
        tokio::select! {
            () = &mut direct => break,
            () = tokio::time::sleep(PROGRESS_EVERY) => progress(stage.progress()),
        }
    }
    progress(stage.progress());
    Ok(stage.summary())
}

/// What all clients share.
#[derive(Debug)]
struct Stage {
    address: SocketAddr,
    start: Instant,
    connecting: Semaphore,
    /// Ends the playing early.
    stop: CancellationToken,
    course: Mutex<Course>,
}

/// The sums so far.
#[derive(Debug, Default)]
struct Course {
    totals: Totals,
    clients: u32,
    at: Duration,
    behind: Duration,
    most_behind: Duration,
}

impl Stage {
    fn new(address: SocketAddr, stop: CancellationToken) -> Self {
        Self {
            address,
            start: Instant::now(),
            connecting: Semaphore::new(CONNECTING),
            stop,
            course: Mutex::default(),
        }
    }

    fn not_joined(&self, error: &io::Error) {
        let totals = &mut self.course().totals;
        totals.not_joined(error);
        // Where nobody listens, none of those who come later will be heard.
        if totals.joined == 0 {
            self.stop.cancel();
        }
    }

    /// Held only for a few additions.
    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> Progress {
        let Course { totals, at, behind, .. } = &*self.course();
        Progress {
            at: *at,
            behind: *behind,
            joined: totals.joined,
            parted: totals.gone(),
            sent: totals.packets_sent,
        }
    }

    fn summary(&self) -> Summary {
        Summary::new(&self.course(), self.start.elapsed())
    }
}

/// Hands each cue to its clients.
struct Director {
    options: Options,
    stage: Arc<Stage>,
    clients: HashMap<u64, Vec<mpsc::Sender<Act>>>,
    lives: JoinSet<()>,
}

impl Director {
    fn new(options: Options, stage: Arc<Stage>) -> Self {
        Self { options, stage, clients: HashMap::new(), lives: JoinSet::new() }
    }

    async fn direct(&mut self, cues: &mut mpsc::Receiver<Cue>) {
        let stop = self.stage.stop.clone();
        let play = async {
            while let Some(cue) = cues.recv().await {
                let due = self.stage.start + cue.at;
                sleep_until(due).await;
                self.give(cue.session, cue.act).await;
                self.note(cue.at, due.elapsed());
                while let Some(ended) = self.lives.try_join_next() {
                    finished(ended);
                }
            }
        };
        stop.run_until_cancelled(play).await;
        // Who hears of no more cues says goodbye.
        self.clients.clear();
        while let Some(ended) = self.lives.join_next().await {
            finished(ended);
        }
    }

    async fn give(&mut self, session: u64, act: Act) {
        match act {
            // After logic was brought back, those who are there are opened to it once more.
            Act::Join if self.clients.contains_key(&session) => {}
            Act::Join => self.join(session),
            Act::Goodbye | Act::Disconnect | Act::Closed => {
                for client in self.clients.remove(&session).unwrap_or_default() {
                    // One that is gone already has parted in its own way.
                    let _ = client.send(act.clone()).await;
                }
            }
            act => {
                for client in self.clients.get(&session).into_iter().flatten() {
                    let _ = client.send(act.clone()).await;
                }
            }
        }
    }

    fn join(&mut self, session: u64) {
        let clients = (0..self.options.times).map(|_| {
            let (cues, acts) = mpsc::channel(CUES);
            self.lives.spawn(client::live(Arc::clone(&self.stage), acts));
            cues
        });
        self.clients.insert(session, clients.collect());
        self.stage.course().clients += self.options.times;
    }

    fn note(&self, at: Duration, behind: Duration) {
        let mut course = self.stage.course();
        course.at = at;
        course.behind = behind;
        course.most_behind = course.most_behind.max(behind);
    }
}
