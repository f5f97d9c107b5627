//! How the parts are joined: every long-lived thread, task and queue is made in this file.
//!
//! The parts die together: if one ends before its time, [`Relay::run`] returns an error and the
//! process ends with it. A client's task is no such part; it ends alone.

#[cfg(test)]
mod tests;

mod parts;
mod store;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use pulsegate_logic::samples::{self, Sample};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use self::parts::{Parts, task_thread};
use self::store::{close_ghosts, open_store};
use crate::admin::metrics::Metrics;
use crate::admin::{self, View};
use crate::backlog::Backlog;
use crate::client::frames::Frames;
use crate::client::{connection, listener};
use crate::config::{Config, LogicAddress};
use crate::front::Front;
use crate::logic_link::handshake::Identity;
use crate::logic_link::replies::Replies;
use crate::logic_link::rollback::Rollbacks;
use crate::logic_link::source::Source;
use crate::logic_link::suspects::Suspects;
use crate::logic_link::{LogicLink, Status};
use crate::recorder::{self, DiskWait, Gap, Recorder, Store};
use crate::session::roster::Roster;
use crate::session::table::Table;
use crate::tick::beat::Beat;
use crate::tick::clock::{Clock, wall_ns};
use crate::tick::driver::Driver;
use crate::tick::figures::TickFigures;
use crate::tick::intake::Intake;

/// Ids of sessions begin anew in each life of a relay, this far apart.
const IDS_PER_EPOCH: u64 = 1_000_000_000_000;

/// How much of the newest ticks is kept in memory beside a journal, and without one.
const BACKLOG: usize = 8 * 1024 * 1024;
const BACKLOG_WITHOUT_JOURNAL: usize = 64 * 1024 * 1024;

/// How many bytes of the newest ticks are kept in memory, and one tick at least.
pub const fn backlog_limit(has_journal: bool) -> usize {
    if has_journal { BACKLOG } else { BACKLOG_WITHOUT_JOURNAL }
}

/// Why ticks are missing that an earlier life lost.
const NOT_NAMED: &str = "the journal had failed, and the relay died before it could say so";

/// How long the clients' last bytes may take at the end.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// What the caller bound.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub clients: TcpListener,
    /// For the operator.
    pub admin: Option<TcpListener>,
}

/// Why a relay ended before it was told to.
#[derive(Debug, Error)]
pub enum Error {
    /// The journal could not be opened or written.
    #[error("the journal failed: {0}")]
    Journal(#[from] pulsegate_journal::Error),
    /// A part ended.
    #[error("the {0} ended, and the relay cannot go on without it")]
    Ended(&'static str),
    /// A part panicked.
    #[error("the {0} panicked, and the relay cannot go on without it")]
    Panicked(&'static str),
    /// The system refused something that is needed to begin.
    #[error("cannot start: {what}: {error}")]
    Start {
        /// What it was.
        what: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

/// A relay that has been put together, and does not run yet.
pub struct Relay {
    config: Arc<ArcSwap<Config>>,
    front: Arc<Front>,
    view: Arc<View>,
    driver: Driver,
    recorder: Recorder,
    link: LogicLink,
    sample: Option<(Sample, TcpListener)>,
    clients: TcpListener,
    admin: Option<TcpListener>,
}

impl Relay {
    /// Opens the journal and joins the parts. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// A journal that cannot be opened, or is damaged.
    pub async fn new(config: Config, listeners: Listeners) -> Result<Self, Error> {
        let Listeners { clients, admin } = listeners;
        let clock = Arc::new(Clock::start());
        let metrics = Arc::new(Metrics::default());
        let intake = Arc::new(Intake::new(config.limits.batch));
        let figures = Arc::new(TickFigures::default());
        let disk = Arc::new(DiskWait::default());
        let (store, recovered) = open_store(&config, &clock)?;
        close_ghosts(&intake, &recovered);

        listener::configure(&clients, &config.client)
            .map_err(|error| Error::Start { what: "the options of the client socket", error })?;
        let (address, sample) = logic_address(&config.logic.address).await?;

        let (batches, answers_to_record, inbox) =
            recorder::queues(config.room_at_the_journal(), &metrics);
        let (answered, answers) = watch::channel(recovered.answered);
        let strategy = config.tick.strategy();
        let (beat, signals) = Beat::new(recovered.last_tick + 1, recovered.answered, strategy);
        let journal = match &store {
            Store::Journal(writer) => config.journal.dir.clone().zip(Some(writer.watermark())),
            Store::Nowhere(_) => None,
        };
        let limit = backlog_limit(journal.is_some());
        let backlog = Arc::new(Backlog::new(recovered.last_tick, limit));
        let roster =
            Arc::new(Roster::new(Arc::clone(&intake), Arc::clone(&clock), Arc::clone(&metrics)));

        let framing = config.client.framing();
        let on_error = config.journal.on_error;
        let identity = Identity {
            lineage: recovered.lineage.clone(),
            epoch: recovered.epoch,
            secret: config.logic.secret.expose().to_owned(),
        };
        let config = Arc::new(ArcSwap::from_pointee(config));
        let front = Arc::new(Front {
            config: Arc::clone(&config),
            framing,
            ack: Frames::ack(framing),
            clock: Arc::clone(&clock),
            intake: Arc::clone(&intake),
            roster: Arc::clone(&roster),
            beat: Arc::clone(&beat),
            answered: answers,
            metrics: Arc::clone(&metrics),
            logic_is_lost: false.into(),
            last_session: AtomicU64::new((recovered.epoch - 1) * IDS_PER_EPOCH),
            connections: TaskTracker::new(),
            room_needed: Notify::new(),
        });
        let status = Arc::new(Mutex::new(Status::default()));
        let suspects = Arc::new(Suspects::new(recovered.skipped));
        let rollbacks = Arc::new(Rollbacks::new(recovered.timeline));
        let view = Arc::new(View {
            front: Arc::clone(&front),
            figures: Arc::clone(&figures),
            backlog: Arc::clone(&backlog),
            disk: Arc::clone(&disk),
            link: Arc::clone(&status),
            suspects: Arc::clone(&suspects),
            rollbacks: Arc::clone(&rollbacks),
            logic: config.load().logic.address.clone(),
            lineage: recovered.lineage.clone(),
            epoch: recovered.epoch,
            started_ns: wall_ns(),
            stopping: CancellationToken::new(),
        });
        let driver = Driver {
            beat: Arc::clone(&beat),
            inbox: signals,
            clock: Arc::clone(&clock),
            intake: Arc::clone(&intake),
            roster: Arc::clone(&roster),
            table: Table::new(intake, roster, Arc::clone(&clock)),
            recorder: batches,
            disk: Arc::clone(&disk),
            config: Arc::clone(&config),
            figures,
            metrics: Arc::clone(&metrics),
            lineage: recovered.lineage,
            epoch: recovered.epoch as u32,
        };
        let recorder = Recorder {
            inbox,
            store,
            suspects: Arc::clone(&suspects),
            rollbacks: Arc::clone(&rollbacks),
            backlog: Arc::clone(&backlog),
            gap: recovered.lost_from.map(|first| Gap::new(first, NOT_NAMED.to_owned())),
            on_error,
            disk,
            clock,
            metrics,
        };
        let link = LogicLink {
            address,
            front: Arc::clone(&front),
            source: Source::new(backlog, journal).knowing(suspects, rollbacks),
            replies: Replies::new(Arc::clone(&front), answers_to_record, answered),
            identity,
            status,
        };
        Ok(Self { config, front, view, driver, recorder, link, sample, clients, admin })
    }

    /// What the operator's port, and whoever reloads the configuration, sees.
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view)
    }

    /// Where clients connect.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn client_address(&self) -> io::Result<SocketAddr> {
        self.clients.local_addr()
    }

    /// Runs until `shutdown`, then ends in order: no new clients, a last tick, its answers, a tick
    /// that closes everybody, the journal finished, goodbye to logic, and to each client.
    ///
    /// # Errors
    /// Any part that ended before its time.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { config, front, view, driver, recorder, link, sample, clients, admin } = self;
        let connections = front.connections.clone();
        let (no_more_clients, last_tick_sent, end) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());

        // However this ends, its threads end with it.
        let _end = end.clone().drop_guard();
        let mut parts = Parts::default();
        let runtime = Handle::current();
        let journal_runtime = runtime.clone();
        parts.thread(JOURNAL, move || Ok(recorder.run(&journal_runtime)?))?;
        parts.thread(BEAT, move || {
            driver.run();
            Ok(())
        })?;
        let link_thread = task_thread(LINK, end.clone(), || {})?;
        parts.task(&link_thread, LINK, link.run(last_tick_sent.clone()));
        let beat = Arc::clone(&front.beat);
        let client_thread = task_thread(CLIENTS, end.clone(), move || connection::rest(&beat))?;
        let clients = moved_to(&client_thread, clients)
            .map_err(|error| Error::Start { what: "the client socket", error })?;
        let doors = listener::run(clients, Arc::clone(&front), no_more_clients.clone());
        parts.task(&client_thread, LISTENER, doors);
        if let Some(admin) = admin {
            parts.task(
                &runtime,
                "admin server",
                admin::serve(admin, Arc::clone(&view), end.clone()),
            );
        }
        if let Some((sample, listener)) = sample {
            let secret = config.load().logic.secret.expose().to_owned();
            let options = pulsegate_logic::Options { secret };
            let server = samples::run_sample(sample, listener, options, end.clone());
            parts.task(&runtime, "built-in logic server", server);
        }

        parts.run_until(shutdown.cancelled()).await?;
        info!(sessions = front.roster.len(), "stopping");
        view.stopping.cancel();
        no_more_clients.cancel();
        parts.end_of(&[LISTENER]).await?;
        front.beat.stop();
        parts.end_of(&[BEAT]).await?;
        last_tick_sent.cancel();
        // The journal ends with the link's last word, and may be the first to be seen.
        parts.end_of(&[LINK, JOURNAL]).await?;
        connections.close();
        if timeout(LAST_BYTES, connections.wait()).await.is_err() {
            warn!(
                clients = connections.len(),
                "clients that take their last bytes too slowly are cut off"
            );
        }
        end.cancel();
        info!("stopped");
        Ok(())
    }
}

/// The same socket, watched by another thread.
fn moved_to(thread: &Handle, listener: TcpListener) -> io::Result<TcpListener> {
    let listener = listener.into_std()?;
    let _thread = thread.enter();
    TcpListener::from_std(listener)
}

/// Where the link goes, and the built-in sample that is to listen there, if it is one.
async fn logic_address(
    address: &LogicAddress,
) -> Result<(LogicAddress, Option<(Sample, TcpListener)>), Error> {
    let sample = match address {
        LogicAddress::Echo => Sample::Echo,
        LogicAddress::Arena => Sample::Arena,
        other => return Ok((other.clone(), None)),
    };
    let start = |error| Error::Start { what: "the built-in logic server", error };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(start)?;
    let bound = listener.local_addr().map_err(start)?;
    Ok((LogicAddress::Tcp(bound.to_string()), Some((sample, listener))))
}

const JOURNAL: &str = "journal thread";
const BEAT: &str = "beat thread";
const LINK: &str = "logic link";
const CLIENTS: &str = "clients";
const LISTENER: &str = "listener";
