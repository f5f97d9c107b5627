//! The admin port's connections: few, short, and in nobody's way.
//!
//! They have a runtime's threads of their own beside the clients'. When there are too many, the
//! oldest is closed: whoever asks sends its request at once and is answered in a moment, while a
//! connection that only fills the place is as old as it can get.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{View, api};

/// How many connections there are at once.
pub const CONNECTIONS: usize = 32;

/// What one of them takes at the most, beside the list of sessions that it asked for.
pub const CONNECTION: u64 = 128 * 1024;

/// The longest head of a request.
const HEAD: usize = 16 * 1024;

/// The longest body of a request: a few settings. As values of JSON it takes more than a hundred
/// times as much at the worst, and that has to be within [`CONNECTION`].
pub(super) const BODY: usize = 512;

/// How long a request's head may take, and how long the next one may be waited for.
const HEAD_WITHIN: Duration = Duration::from_secs(5);

/// How long a connection may be kept, and how long after that its last answer may take.
const LIFE: Duration = Duration::from_secs(60);

/// How long to wait after a connection that could not be accepted: files may have run out.
const REST: Duration = Duration::from_millis(100);

/// Answers operators until `stop`.
pub async fn serve(listener: TcpListener, view: Arc<View>, stop: CancellationToken) {
    let routes = api::routes(Arc::clone(&view));
    let (mut connections, mut by_age) = (JoinSet::new(), VecDeque::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                if make_room(&mut by_age) {
                    view.front.metrics.admin_connections_cut.inc();
                }
                by_age.push_back(connections.spawn(answer(stream, routes.clone())));
            }
            Err(error) => {
                debug!(%error, "an admin connection could not be accepted");
                sleep(REST).await;
            }
        }
    }
}

/// Closes the oldest connection if there are too many; says whether it did.
fn make_room(by_age: &mut VecDeque<AbortHandle>) -> bool {
    by_age.retain(|connection| !connection.is_finished());
    let oldest = if by_age.len() < CONNECTIONS { None } else { by_age.pop_front() };
    oldest.inspect(AbortHandle::abort).is_some()
}

async fn answer(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = std::pin::pin!(connection);
    if timeout(LIFE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        // Whoever does not take its answer does not get it.
        let _ = timeout(HEAD_WITHIN, connection).await;
    }
}
