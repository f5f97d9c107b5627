//! The bridge between a relay and a game server that knows nothing of it.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod fake_relay;

use std::net::SocketAddr;

use fake_relay::{FakeRelay, PATIENCE, Server, close, open, packet, said_to};
use pulsegate_logic::samples::{Bridge, GameServer, ProxyHeader, bridge};
use pulsegate_protocol::proto::from_logic::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// A game server whose connections the test holds, and a bridge to it.
struct Bridged {
    game_server: TcpListener,
    bridge: Server,
}

impl Bridged {
    async fn start(proxy_header: Option<ProxyHeader>) -> Self {
        let game_server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = game_server.local_addr().unwrap();
        Self { game_server, bridge: bridge_to(address, proxy_header).await }
    }

    /// The next connection that the bridge makes.
    async fn connection(&self) -> TcpStream {
        timeout(PATIENCE, self.game_server.accept()).await.expect("a connection").unwrap().0
    }
}

async fn bridge_to(address: SocketAddr, proxy_header: Option<ProxyHeader>) -> Server {
    let server = GameServer { address: address.to_string(), proxy_header };
    Server::start(move |pusher| Bridge::new(server.clone(), pusher)).await
}

async fn read_exactly(connection: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(PATIENCE, connection.read_exact(&mut bytes)).await.expect("bytes in time").unwrap();
    bytes
}

/// Everything that is pushed to a session, until the push that closes it.
async fn pushed_until_closed(relay: &mut FakeRelay, session: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let push = relay.push().await;
        said_to(session, &push.replies).iter().for_each(|payload| bytes.extend_from_slice(payload));
        if push.close.contains(&session) {
            return bytes;
        }
    }
}

/// Bytes in which a lost, doubled or moved piece shows.
fn telling_bytes(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

#[tokio::test]
async fn packets_reach_the_game_server_byte_for_byte_on_a_connection_of_their_own() {
    let bridged = Bridged::start(None).await;
    let (mut relay, _) = bridged.bridge.link("l").await;
    relay.tick(1, [open(1), packet(1, "first "), packet(1, ""), packet(1, "second")]).await;
    let mut first = bridged.connection().await;
    assert_eq!(read_exactly(&mut first, 12).await, b"first second");

    let long = telling_bytes(300_000);
    let packets = long.chunks(7_001).map(|piece| packet(2, piece.to_vec()));
    relay.tick(2, std::iter::once(open(2)).chain(packets)).await;
    relay.tick(3, [packet(1, "more")]).await;
    let mut second = bridged.connection().await;
    assert!(read_exactly(&mut second, long.len()).await == long);
    assert_eq!(read_exactly(&mut first, 4).await, b"more");
}

#[tokio::test]
async fn what_the_game_server_says_is_pushed_whole_and_its_end_closes_the_session() {
    let bridged = Bridged::start(None).await;
    let (mut relay, _) = bridged.bridge.link("l").await;
    relay.tick(1, [open(1)]).await;
    let mut connection = bridged.connection().await;

    // More than every queue on the way holds, so that the bridge must stop reading for a while.
    let long = telling_bytes(12_000_000);
    let expected = long.clone();
    let saying = tokio::spawn(async move {
        connection.write_all(&long).await.unwrap();
        connection.write_all(b"goodbye").await.unwrap();
    });
    let pushed = pushed_until_closed(&mut relay, 1).await;
    saying.await.unwrap();
    assert_eq!(&pushed[expected.len()..], b"goodbye");
    assert!(pushed[..expected.len()] == expected);
}

#[tokio::test]
async fn pushes_come_without_a_tick_and_name_the_last_one_applied() {
    let bridged = Bridged::start(None).await;
    let (mut relay, _) = bridged.bridge.link("l").await;
    relay.tick(41, [open(1)]).await;
    let mut connection = bridged.connection().await;
    connection.write_all(b"unasked").await.unwrap();
    let push = relay.push().await;
    assert_eq!((push.applied, said_to(1, &push.replies)), (41, vec!["unasked".into()]));
}

#[tokio::test]
async fn a_session_that_closes_hands_over_its_last_bytes_and_hangs_up() {
    let bridged = Bridged::start(None).await;
    let (mut relay, _) = bridged.bridge.link("l").await;
    relay.tick(1, [open(1), packet(1, "last words"), close(1)]).await;
    let mut connection = bridged.connection().await;
    // Unread bytes on the way back must not cost the client's last ones.
    connection.write_all(&[7; 100_000]).await.unwrap();
    let mut heard = Vec::new();
    timeout(PATIENCE, connection.read_to_end(&mut heard)).await.expect("an end").unwrap();
    assert_eq!(heard, b"last words");
}

#[tokio::test]
async fn the_proxy_header_comes_first() {
    let bridged = Bridged::start(Some(ProxyHeader::V1)).await;
    let port = bridged.game_server.local_addr().unwrap().port();
    let (mut relay, _) = bridged.bridge.link("l").await;
    relay.tick(1, [open(5), packet(5, "hello")]).await;
    let expected = format!("PROXY TCP4 203.0.113.7 127.0.0.1 5 {port}\r\nhello");
    let mut connection = bridged.connection().await;
    let heard = read_exactly(&mut connection, expected.len()).await;
    assert_eq!(String::from_utf8(heard).unwrap(), expected);
}

#[tokio::test]
async fn a_session_without_a_game_server_is_closed() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let bridge = bridge_to(address, None).await;
    let (mut relay, _) = bridge.link("l").await;
    // The push may come before the answer.
    relay.send_tick(1, [open(1)]).await;
    assert_eq!(relay.push().await.close, [1]);
}

#[tokio::test]
async fn a_session_that_the_bridge_never_saw_open_is_closed() {
    let bridged = Bridged::start(None).await;
    let (mut relay, _) = bridged.bridge.link("l").await;
    assert_eq!(relay.tick(1, [packet(8, "mid-stream")]).await.close, [8]);
}

#[tokio::test]
async fn a_session_whose_game_server_does_not_read_is_closed_and_the_others_are_not() {
    let bridged = Bridged::start(None).await;
    let (mut relay, _) = bridged.bridge.link("l").await;
    relay.tick(1, [open(1)]).await;
    let _stuck = bridged.connection().await;
    relay.tick(2, [open(2)]).await;
    let mut well = bridged.connection().await;

    // The kernel's buffers on both sides take some megabytes before the bridge's own limit counts.
    let filling = vec![0; bridge::TO_SERVER / 16];
    for number in 3..2_000 {
        let done = relay.tick(number, [packet(1, filling.clone())]).await;
        if !done.close.is_empty() {
            assert_eq!(done.close, [1]);
            relay.tick(number + 1, [packet(2, "well")]).await;
            assert_eq!(read_exactly(&mut well, 4).await, b"well");
            return;
        }
    }
    panic!("the session was never closed");
}

#[tokio::test]
async fn a_lost_link_ends_every_connection_and_later_every_session() {
    let bridged = Bridged::start(None).await;
    let (mut relay, _) = bridged.bridge.link("l").await;
    relay.tick(1, [open(1), packet(1, "x")]).await;
    let mut connection = bridged.connection().await;
    assert_eq!(read_exactly(&mut connection, 1).await, b"x");
    drop(relay);
    let ended = timeout(PATIENCE, connection.read(&mut [0])).await.expect("an end");
    assert!(matches!(ended, Ok(0) | Err(_)));

    let (mut relay, _) = bridged.bridge.link("l").await;
    let done = relay.tick(2, [packet(1, "in the middle of nothing")]).await;
    assert!(done.close.contains(&1), "{done:?}");
    assert!(relay.tick(3, [close(1)]).await.close.is_empty());
    assert!(relay.tick(4, [packet(2, "")]).await.close.contains(&2));
    relay.send_tick(5, [open(3)]).await;
    assert!(matches!(relay.next().await, Some(Message::Done(_))));
    bridged.connection().await;
}
