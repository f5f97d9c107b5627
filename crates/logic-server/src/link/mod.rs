//! One relay's connection, from `Hello` to goodbye.
//!
//! ```text
//!  socket ─ reading ─ orders ──▶ game's thread ─ answers ─▶ writing ─ socket
//!              └──── pongs ────────────────────────▲  ▲
//!                                     pushes ─────────┘
//! ```
//!
//! While the game is busy, `orders` fills and reading pauses; writing goes on and sends a ping each
//! second, so that the relay can tell a busy game from a dead one.

mod reading;
mod writing;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use pulsegate_protocol::link::MAX_MESSAGE;
use pulsegate_protocol::proto::{
    Goodbye, Hello, ToLogic, from_logic::Message, goodbye::Code, to_logic, welcome::Resume,
};
use tokio::io::{AsyncRead, AsyncWrite, split};
use tokio::runtime::Handle;
use tokio::sync::{OwnedMutexGuard, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info, warn};

use self::reading::Reader;
use self::writing::Writer;
use crate::Logic;
use crate::game::{Game, Play};
use crate::handshake::{self, MAX_HELLO, goodbye};
use crate::seat::{Claim, Seat};

/// How long a stranger may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(5);

/// How long the end waits for the tick in hand, and then for the goodbye to leave.
const LAST_TICK_WITHIN: Duration = Duration::from_secs(2);
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// Ticks that wait for the game. When it is full, the socket is not read: the relay waits.
const ORDERS: usize = 16;
/// Answers that wait for the socket. When it is full, the game waits.
const ANSWERS: usize = 16;

/// How a link ended.
#[derive(Debug)]
enum End {
    /// The relay hung up, with or without a word.
    Theirs(Option<Goodbye>),
    /// We hang up, and say why.
    Ours(Goodbye),
    /// There is nobody to tell.
    Broken(io::Error),
}

impl From<Goodbye> for End {
    fn from(goodbye: Goodbye) -> Self {
        Self::Ours(goodbye)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Meets a relay and serves it until either side has enough.
pub(crate) async fn run<L: Logic, S>(
    socket: S,
    peer: String,
    seat: Arc<Seat<L>>,
    secret: Arc<str>,
    shutdown: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = split(socket);
    let (mut reader, mut writer) = (Reader::new(read), Writer::new(write));
    let met = tokio::select! {
        met = meet(&mut reader, &mut writer, &seat, &secret) => met,
        () = shutdown.cancelled() => Err(stopping().into()),
    };
    let end = match met {
        Ok(meeting) => {
            info!(peer, relay = meeting.hello.relay, mode = ?meeting.hello.mode(), "relay linked");
            meeting.serve(&mut reader, writer, shutdown).await
        }
        // A health check only connects.
        Err(End::Theirs(None)) => return debug!(peer, "hung up without a word"),
        Err(end) => {
            if let End::Ours(goodbye) = &end {
                let _ = writer.goodbye(goodbye.clone()).await;
            }
            end
        }
    };
    report(&peer, &end);
    if matches!(end, End::Ours(_)) {
        // Hanging up on unread bytes would reset the connection, and the goodbye with it.
        let _ = timeout(GOODBYE_WITHIN, reader.drain()).await;
    }
}

fn report(peer: &str, end: &End) {
    match end {
        End::Theirs(None) => info!(peer, "relay hung up"),
        End::Theirs(Some(goodbye)) => {
            info!(peer, code = goodbye.code().as_str_name(), text = goodbye.text, "relay left");
        }
        End::Ours(goodbye) if goodbye.code() == Code::Shutdown => info!(peer, "link closed"),
        End::Ours(goodbye) => {
            warn!(peer, code = goodbye.code().as_str_name(), text = goodbye.text, "link ended");
        }
        End::Broken(error) => info!(peer, %error, "link broke"),
    }
}

/// A relay that was welcomed.
struct Meeting<L: Logic> {
    hello: Hello,
    claim: Claim<L>,
    game: OwnedMutexGuard<Game<L>>,
}

async fn meet<L: Logic, S: AsyncRead + AsyncWrite>(
    reader: &mut Reader<S>,
    writer: &mut Writer<S>,
    seat: &Arc<Seat<L>>,
    secret: &str,
) -> Result<Meeting<L>, End> {
    reader.limit(MAX_HELLO);
    let body = timeout(HELLO_WITHIN, reader.next())
        .await
        .map_err(|_| goodbye(Code::Protocol, format!("no Hello within {HELLO_WITHIN:?}")))?;
    let hello = handshake::hello(&body?)?;
    handshake::check(&hello, secret)?;
    reader.limit(MAX_MESSAGE);

    let claim = seat.claim(&hello)?;
    let mut game = tokio::select! {
        game = claim.game() => game,
        () = claim.replaced.cancelled() => return Err(replaced().into()),
    };
    let resume = game.meet(&hello.lineage);
    let foreign = matches!(&resume, Resume::Applied(held) if held.lineage != hello.lineage);
    let resumes = matches!(resume, Resume::Applied(_)) && !foreign;
    let welcome = handshake::welcome(L::NAME, resume, secret, &hello.nonce);
    writer.send(Message::Welcome(welcome)).await?;
    if foreign {
        drop((game, claim));
        return Err(refused_by_relay(reader.next().await?));
    }
    if resumes {
        for done in game.answers_after(hello.answered) {
            writer.send(Message::Done(done)).await?;
        }
    }
    Ok(Meeting { hello, claim, game })
}

/// A relay that reads of another journal's state has nothing to say but goodbye.
fn refused_by_relay(body: Bytes) -> End {
    match ToLogic::decode(body) {
        Ok(ToLogic { message: Some(to_logic::Message::Goodbye(goodbye)) }) => {
            End::Theirs(Some(goodbye))
        }
        _ => goodbye(Code::Lineage, "the state held here is of another journal").into(),
    }
}

fn replaced() -> Goodbye {
    goodbye(Code::Owned, "a newer link of the same relay took over")
}

fn stopping() -> Goodbye {
    goodbye(Code::Shutdown, "the logic server stops")
}

impl<L: Logic> Meeting<L> {
    async fn serve<S: AsyncRead + AsyncWrite + Send + 'static>(
        self,
        reader: &mut Reader<S>,
        writer: Writer<S>,
        shutdown: CancellationToken,
    ) -> End {
        let Self { hello, claim, game } = self;
        let (orders, to_game) = mpsc::channel(ORDERS);
        let (answers, to_relay) = mpsc::channel(ANSWERS);
        let stop = CancellationToken::new();
        let finished = CancellationToken::new();

        let writing = writer.run(to_relay, game.pushes(), game.applied());
        let mut writing = AbortOnDropHandle::new(tokio::spawn(writing));
        let play = Play {
            game,
            orders: to_game,
            answers: answers.clone(),
            stop: stop.clone(),
            snapshot_every: hello.snapshot_every,
        };
        if let Err(error) = start_thread(play, finished.clone()) {
            return error.into();
        }

        let end = tokio::select! {
            end = reader.run(&orders, &answers) => end,
            end = &mut writing => end.unwrap_or_else(|error| io::Error::other(error).into()),
            () = finished.cancelled() => last_word(&mut writing).await,
            () = claim.replaced.cancelled() => replaced().into(),
            () = shutdown.cancelled() => stopping().into(),
        };
        stop.cancel();
        drop(orders);
        if let End::Ours(goodbye) = &end
            && !writing.is_finished()
        {
            part(goodbye.clone(), finished, answers, writing).await;
        }
        if matches!(&end, End::Theirs(Some(goodbye)) if goodbye.code() == Code::StartOver) {
            claim.game().await.start_over();
        }
        end
    }
}

/// Runs the game on a thread of its own: one that hangs cannot hold up the runtime's end.
fn start_thread<L: Logic>(
    play: Play<OwnedMutexGuard<Game<L>>>,
    finished: CancellationToken,
) -> io::Result<()> {
    let runtime = Handle::current();
    let run = move || {
        let _runtime = runtime.enter();
        let _finished = finished.drop_guard();
        play.run();
    };
    thread::Builder::new().name(format!("game {}", L::NAME)).spawn(run).map(drop)
}

/// What the game's thread said as it ended.
async fn last_word(writing: &mut AbortOnDropHandle<End>) -> End {
    match timeout(GOODBYE_WITHIN, writing).await {
        Ok(Ok(end)) => end,
        _ => io::Error::other("the game's thread ended").into(),
    }
}

/// Lets the answer to the tick in hand go out, then says goodbye. A relay that does not read in
/// time does not hear it.
async fn part(
    goodbye: Goodbye,
    finished: CancellationToken,
    answers: mpsc::Sender<Message>,
    writing: AbortOnDropHandle<End>,
) {
    let _ = timeout(LAST_TICK_WITHIN, finished.cancelled()).await;
    let farewell = async {
        if answers.send(Message::Goodbye(goodbye)).await.is_ok() {
            let _ = writing.await;
        }
    };
    let _ = timeout(GOODBYE_WITHIN, farewell).await;
}
