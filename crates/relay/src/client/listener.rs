//! Who is let in.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use pulsegate_protocol::Reason;
use rustix::io::Errno;
use serde_json::{Value, json};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::figures::Figures;
use super::outbox::Outbox;
use super::{Client, connection, parting};
use crate::config::{self, Config};
use crate::front::Front;

/// Connections that are told why they are turned away, at the same time. Others are just closed.
const TURNED_AWAY_AT_ONCE: usize = 64;

/// How long the listener rests when files run out: from, to.
const REST: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Lets clients in until `stop`. Their tasks run on in [`Front::connections`], on the same thread.
pub async fn run(listener: TcpListener, front: Arc<Front>, stop: CancellationToken) {
    let mut door = Door {
        config: front.config.load_full(),
        front,
        turned_away: Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE)),
        reserve: reserve(),
        rest: REST.0,
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                door.rest = REST.0;
                door.follow_config(&listener);
                door.let_in(stream, peer).await;
            }
            Err(error) if is_exhaustion(&error) => door.out_of_files(&listener, &error).await,
            // The connection was gone before it was accepted: no fault of anybody here.
            Err(error) => debug!(%error, "a connection could not be accepted"),
        }
    }
}

struct Door {
    /// The configuration that the listening socket was set up by.
    config: Arc<Config>,
    front: Arc<Front>,
    turned_away: Arc<Semaphore>,
    /// A file kept open so that, when files run out, one connection can still be answered.
    reserve: Option<File>,
    rest: Duration,
}

impl Door {
    /// The next clients inherit what a reload has changed.
    fn follow_config(&mut self, listener: &TcpListener) {
        let config = self.front.config.load_full();
        if Arc::ptr_eq(&config, &self.config) {
            return;
        }
        if let Err(error) = configure(listener, &config.client) {
            warn!(%error, "new clients keep the old socket options");
        }
        self.config = config;
    }

    async fn let_in(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Some(reason) = self.front.turns_away(peer.ip()) {
            self.turn_away(stream, reason);
            return;
        }
        // It may have waited since before this process, or the configuration in force, began.
        if let Err(error) = configure(&stream, &self.config.client) {
            debug!(%error, %peer, "a client keeps the socket options that it came with");
        }
        let front = &self.front;
        let (reader, writer) = stream.into_split();
        let client = Arc::new(Client::new(
            front.next_session(),
            peer,
            front.clock.now(),
            Figures::new(front.clock.listened()),
            Outbox::new(writer),
        ));
        while front.roster.begin(&client).is_err() {
            front.intake.space().await;
        }
        debug!(session = client.id, %peer, "session opened");
        front.connections.spawn(connection::serve(Arc::clone(front), client, reader));
        front.make_room_among_the_parting();
        self.crowd_out_a_newcomer().await;
    }

    /// Sends a newcomer away if there is one too many, now that the new one is in.
    ///
    /// The oldest goes, and not the one at the door: those who mean no harm send their first frame
    /// at once, while those who fill the place stay as long as they may. Were the new one turned
    /// away, a few connections a second would keep everybody out.
    async fn crowd_out_a_newcomer(&self) {
        if self.front.newcomer_too_many().is_none() {
            return;
        }
        // First frames may have come that nobody has read yet.
        yield_now().await;
        if let Some(oldest) = self.front.newcomer_too_many() {
            self.front.end(&oldest, Reason::CrowdedOut, retry_after());
        }
    }

    fn turn_away(&self, mut stream: TcpStream, reason: Reason) {
        self.front.metrics.turned_away(reason);
        let Ok(permit) = Arc::clone(&self.turned_away).try_acquire_owned() else { return };
        let notices = self.front.config.load().client.notices;
        let notice = parting::notice(self.front.framing, reason, &retry_after());
        self.front.connections.spawn(async move {
            if notices {
                let _ = stream.write_all(&notice).await;
            }
            let _ = stream.shutdown().await;
            let _ = timeout(Duration::from_secs(1), parting::drain(stream)).await;
            drop(permit);
        });
    }

    /// Answers one waiting connection by means of the reserve, then rests: an accept that fails at
    /// once would otherwise spin.
    async fn out_of_files(&mut self, listener: &TcpListener, error: &io::Error) {
        self.front.metrics.accept_pauses.inc();
        if self.rest >= REST.1 || self.rest == REST.0 {
            warn!(%error, "out of files; new clients wait (raise LimitNOFILE, or lower limits.sessions)");
        }
        drop(self.reserve.take());
        if let Ok(Ok((stream, _))) = timeout(Duration::from_millis(1), listener.accept()).await {
            self.front.metrics.turned_away(Reason::ServerFull);
            let notice = parting::notice(self.front.framing, Reason::ServerFull, &retry_after());
            let _ = stream.try_write(&notice);
        }
        self.reserve = reserve();
        sleep(self.rest).await;
        self.rest = (self.rest * 2).min(REST.1);
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
    )
}

/// Spread over two seconds, so that those who were turned away together do not return together.
fn retry_after() -> Value {
    let mut byte = [0];
    // Without randomness they come back at the same time; no harm beyond that.
    let _ = getrandom::fill(&mut byte);
    json!({ "retry_after_ms": 1000 + u64::from(byte[0]) * 8 })
}

/// Sets the options of a client's socket, or of the listening one, from which those inherit them
/// that come from then on.
pub fn configure(socket: &impl AsFd, client: &config::Client) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_send_buffer_size(client.send_buffer)?;
    socket.set_recv_buffer_size(client.receive_buffer)?;
    socket.set_tcp_user_timeout(Some(client.user_timeout))?;
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(client.keepalive_idle)
            .with_interval(client.keepalive_interval)
            .with_retries(client.keepalive_probes),
    )
}
