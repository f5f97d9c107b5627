//! A whole relay in this process, for what a test build alone can do.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::*;

/// A relay with the built-in echo server and nothing on disk.
async fn started() -> (Arc<View>, SocketAddr, CancellationToken, JoinHandle<Result<(), Error>>) {
    let mut config = Config::default();
    config.journal.dir = None;
    let clients = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let relay = Relay::new(config, Listeners { clients, admin: None }).await.unwrap();
    let (view, address, stop) =
        (relay.view(), relay.client_address().unwrap(), CancellationToken::new());
    let running = tokio::spawn(relay.run(stop.clone()));
    (view, address, stop, running)
}

async fn echo(client: &mut TcpStream, word: &str) {
    let mut frame = (word.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(word.as_bytes());
    client.write_all(&frame).await.unwrap();
    let mut answer = vec![0; frame.len()];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, frame);
}

#[tokio::test]
async fn a_panic_in_one_clients_task_closes_that_client_alone() {
    const PANICS: u64 = 100;
    let (view, address, stop, running) = started().await;
    let mut other = TcpStream::connect(address).await.unwrap();
    echo(&mut other, "before").await;
    for _ in 0..PANICS {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"\0\0\0\x05panic").await.unwrap();
        let mut last = String::new();
        client.read_to_string(&mut last).await.unwrap();
        assert!(last.ends_with(r#"{"pulsegate":"close","reason":"internal"}"#), "{last}");
    }
    echo(&mut other, "after").await;
    assert_eq!(view.front.metrics.panics.get(), PANICS);
    assert_eq!(view.front.roster.len(), 1);
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stall_that_is_noticed_late_leaves_no_clients_frames_unread() {
    let (view, address, stop, running) = started().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let clock = &view.front.clock;
    // Charged to the allowance at times that the listened time will have yet to reach.
    while clock.now() < Duration::from_secs(3) {
        echo(&mut client, "before").await;
    }
    clock.was_deaf_for(clock.listened());
    let noticed = clock.now();
    echo(&mut client, "after").await;
    echo(&mut client, "and again").await;
    assert!(clock.now() < noticed + Duration::from_secs(1));
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_part_that_panics_or_ends_early_ends_the_rest() {
    let forever = std::future::pending::<()>;
    let here = Handle::current();
    let mut parts = Parts::default();
    parts.task(&here, "patient", forever());
    parts.thread("nervous", || panic!("as a test wants it")).unwrap();
    let error = parts.run_until(forever()).await.unwrap_err();
    assert!(matches!(error, Error::Panicked("nervous")), "{error}");

    let mut parts = Parts::default();
    parts.task(&here, "patient", forever());
    parts.task(&here, "nervous", async { panic!("as a test wants it") });
    let error = parts.run_until(forever()).await.unwrap_err();
    assert!(matches!(error, Error::Panicked("nervous")), "{error}");

    let mut parts = Parts::default();
    parts.task(&here, "patient", forever());
    parts.task(&here, "short", async {});
    let error = parts.run_until(forever()).await.unwrap_err();
    assert!(matches!(error, Error::Ended("short")), "{error}");
}

#[tokio::test]
async fn parts_that_are_to_end_may_do_so_in_any_order_and_no_other_may() {
    let here = Handle::current();
    let mut parts = Parts::default();
    let gate = CancellationToken::new();
    parts.task(&here, "second", gate.clone().cancelled_owned());
    parts.task(&here, "first", async move { gate.cancel() });
    parts.end_of(&["second", "first"]).await.unwrap();

    let mut parts = Parts::default();
    parts.task(&here, "patient", std::future::pending());
    parts.task(&here, "short", async {});
    let error = parts.end_of(&["patient"]).await.unwrap_err();
    assert!(matches!(error, Error::Ended("short")), "{error}");
}
