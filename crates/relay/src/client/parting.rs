//! How a connection ends so that the client can still read why.
//!
//! `close()` with input that nobody read makes the kernel answer with a reset, and the client may
//! lose the reason that was just sent. So: send, shut down our direction, read on for a moment, and
//! only then close. A client that does not read is the exception: a reset frees the kernel's buffer
//! at once.

use std::time::Duration;

use bytes::BytesMut;
use pulsegate_protocol::reason::close_notice;
use pulsegate_protocol::{Framing, Reason};
use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use super::Client;
use crate::front::Front;

/// How long the last bytes may take to go out, and then how long is listened.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many bytes are read and thrown away at the most.
const DRAIN: usize = 64 * 1024;

/// Parts with a client whose session has ended. If its room is needed meanwhile, it is cut off: it
/// has then got what its socket took, and may lose it if it sent something that nobody read.
pub async fn part(
    front: &Front,
    client: &Client,
    reader: OwnedReadHalf,
    reason: Reason,
    details: &Value,
) {
    let Some((mut socket, last)) = last_bytes(front, client, reason, details) else { return };
    let patiently = async {
        // A client that is gone, or does not take its last bytes, does not get them.
        let _ = timeout(PATIENCE, send(&mut socket, &last)).await;
        let _ = timeout(PATIENCE, drain(reader)).await;
    };
    tokio::select! {
        biased;
        () = patiently => {}
        () = front.room_needed.notified() => {}
    }
}

/// The socket and what is to be sent over it; nothing for a client that does not read, or has a
/// stream with a hole.
fn last_bytes(
    front: &Front,
    client: &Client,
    reason: Reason,
    details: &Value,
) -> Option<(OwnedWriteHalf, BytesMut)> {
    let (socket, mut last) = client.outbox.close()?;
    if matches!(reason, Reason::SlowReader | Reason::ReplyTooLarge) {
        reset(socket.as_ref());
        // An orderly end before the reset would make what it has look whole.
        socket.forget();
        return None;
    }
    if front.config.load().client.notices {
        last.extend_from_slice(&notice(front.framing, reason, details));
    }
    Some((socket, last))
}

/// The frame that tells a client why it is closed; empty where nothing but the game's bytes may be
/// sent.
pub fn notice(framing: Framing, reason: Reason, details: &Value) -> Vec<u8> {
    if framing == Framing::Raw {
        return Vec::new();
    }
    let body = close_notice(reason, details.clone());
    let Ok(header) = framing.header(body.len()) else { return Vec::new() };
    [&header, &body[..], framing.trailer()].concat()
}

async fn send(socket: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    socket.write_all(bytes).await?;
    socket.shutdown().await
}

/// Reads until the peer has closed its side as well.
pub async fn drain(reader: impl tokio::io::AsyncRead + Unpin) {
    let mut rest = reader.take(DRAIN as u64);
    let mut buffer = [0; 1024];
    while matches!(rest.read(&mut buffer).await, Ok(read) if read > 0) {}
}

fn reset(socket: &TcpStream) {
    // Without it the kernel keeps trying to deliver what the client does not read.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
