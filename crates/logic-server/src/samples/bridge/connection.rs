//! One session's connection to the game server.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, sink};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{GameServer, proxy_header};
use crate::Pusher;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The longest payload of one push, in bytes.
const READ: usize = 16 * 1024;

/// Which side ended a connection.
enum Ended {
    Client,
    Server,
}

/// Carries bytes both ways until either side ends, then ends the other. The caller limits how long
/// it takes after the client's end.
pub(super) async fn run(
    server: GameServer,
    session: u64,
    peer: String,
    from_client: DuplexStream,
    pusher: Pusher,
) {
    match carry(&server, session, &peer, from_client, &pusher).await {
        Ok(Ended::Client) => {}
        Ok(Ended::Server) => {
            debug!(session, "the game server hung up");
            // Without a queue there is no relay to tell either.
            let _ = pusher.close(session).await;
        }
        Err(error) => {
            warn!(session, address = server.address, %error, "no game server for a session");
            let _ = pusher.close(session).await;
        }
    }
}

async fn carry(
    server: &GameServer,
    session: u64,
    peer: &str,
    mut from_client: DuplexStream,
    pusher: &Pusher,
) -> io::Result<Ended> {
    let stream = connect(&server.address).await?;
    let header = match server.proxy_header {
        Some(version) => proxy_header::encode(version, peer, stream.peer_addr()?),
        None => Vec::new(),
    };
    let (mut from_server, mut to_server) = stream.into_split();
    let forth = async {
        to_server.write_all(&header).await?;
        copy(&mut from_client, &mut to_server).await
    };
    let back = push_all(&mut from_server, session, pusher);
    tokio::select! {
        _ = back => return Ok(Ended::Server),
        sent = forth => {
            if sent.is_err() {
                // It closed its receiving side; what it said before still counts.
                let _ = push_all(&mut from_server, session, pusher).await;
                return Ok(Ended::Server);
            }
        }
    }
    // An error is an end as well.
    let _ = hang_up(to_server, from_server).await;
    Ok(Ended::Client)
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Pushes what the game server says until it hangs up. Waits while the queue is full.
async fn push_all(
    from_server: &mut OwnedReadHalf,
    session: u64,
    pusher: &Pusher,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        if (&mut *from_server).take(READ as u64).read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let payload = buffer.split().freeze();
        pusher.push(session, payload).await.map_err(io::Error::other)?;
    }
}

/// Closes our direction and waits for the game server's: with bytes unread, the connection would
/// be reset, and the client's last ones lost with it.
async fn hang_up(mut to_server: OwnedWriteHalf, mut from_server: OwnedReadHalf) -> io::Result<()> {
    to_server.shutdown().await?;
    copy(&mut from_server, &mut sink()).await.map(drop)
}
