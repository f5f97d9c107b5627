//! Bots against small servers that echo well, and against some that do not.
#![allow(clippy::unwrap_used, reason = "in a test the panic is the report")]

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use pulsegate_bots::{Options, Summary, run};
use pulsegate_protocol::heartbeat::{Kinds, Recognition, Status};
use pulsegate_protocol::reason::{Reason, close_notice};
use pulsegate_protocol::{FrameCodec, Framing};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::Framed;

type Link = Framed<TcpStream, FrameCodec>;

/// Serves every connection by `serve`, which is given its number from 0.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(usize, Link) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(number, Framed::new(stream, FrameCodec(Framing::DEFAULT))));
        }
    });
    address
}

fn is_goodbye(body: &[u8]) -> bool {
    let recognised = Kinds { empty: true, json: true }.recognise(body);
    matches!(recognised, Recognition::Heartbeat(Some(claims)) if claims.status == Status::Close)
}

/// Answers each packet with what `answer` makes of it, until the client says goodbye.
async fn echo(mut link: Link, mut answer: impl FnMut(Vec<u8>) -> Vec<Vec<u8>>) {
    while let Some(Ok(body)) = link.next().await {
        if is_goodbye(&body) {
            return;
        }
        if body.starts_with(b"bot ") {
            for reply in answer(body.to_vec()) {
                link.send(reply).await.unwrap();
            }
        }
    }
}

fn options(address: SocketAddr) -> Options {
    Options {
        count: 10,
        rate: 100.0,
        join_every: Duration::from_millis(2),
        duration: Duration::from_millis(400),
        ..Options::new(address.to_string())
    }
}

async fn play(options: Options) -> Summary {
    run(options, |_| {}).await.unwrap()
}

#[tokio::test]
async fn a_faithful_echo_is_flawless() {
    let address = server(|_, link| echo(link, |body| vec![body])).await;
    let mut told = Vec::new();
    let summary = run(options(address), |progress| told.push(progress)).await.unwrap();

    assert!(summary.is_flawless(), "{summary}");
    // At most 40 for each bot, and one for each 10 ms that it was there before the last; fewer if
    // this machine was too busy to join in time.
    assert!((100..=420).contains(&summary.traffic.packets_sent), "{summary}");
    assert_eq!(summary.echoed, summary.traffic.packets_sent);
    assert_eq!(summary.traffic.closes, [("goodbye".to_owned(), 10)].into());
    assert!(summary.traffic.round_trip_us.unwrap().p50 > 0);
    assert_eq!(summary.traffic.bytes_received, summary.echoed * (4 + 64));
    assert_eq!(told.last().unwrap().echoed, summary.echoed);
}

#[tokio::test]
async fn what_a_bad_echo_does_is_counted() {
    // Of each 4 packets: the 1st is doubled, the 2nd comes after the 3rd, the 4th is swallowed.
    let address = server(|_, link| {
        let mut packets = Vec::new();
        echo(link, move |body| {
            packets.push(body.clone());
            match packets.len() % 4 {
                1 => vec![body.clone(), body],
                3 => vec![body, packets[packets.len() - 2].clone()],
                _ => vec![],
            }
        })
    })
    .await;
    let summary = play(Options { count: 1, ..options(address) }).await;

    let rounds = summary.traffic.packets_sent / 4;
    assert!(rounds >= 4, "{summary}");
    assert!((rounds..=rounds + 1).contains(&summary.doubled), "{summary}");
    assert!((rounds..=rounds + 1).contains(&summary.out_of_order), "{summary}");
    assert!((rounds..=rounds + 1).contains(&summary.lost), "{summary}");
    assert_eq!(summary.echoed + summary.lost, summary.traffic.packets_sent);
}

#[tokio::test]
async fn an_echo_that_reaches_another_bot_is_seen() {
    let (sender, _) = tokio::sync::broadcast::channel::<Vec<u8>>(10_000);
    let address = server(move |_, mut link| {
        let (sender, mut all) = (sender.clone(), sender.subscribe());
        async move {
            loop {
                tokio::select! {
                    Some(Ok(body)) = link.next() => {
                        if is_goodbye(&body) {
                            return;
                        }
                        sender.send(body.to_vec()).unwrap();
                    }
                    Ok(body) = all.recv() => link.send(body).await.unwrap(),
                }
            }
        }
    })
    .await;
    let summary = play(Options { count: 2, ..options(address) }).await;
    assert!(summary.misdelivered > 0, "{summary}");
    assert_eq!((summary.lost, summary.doubled), (0, 0), "{summary}");
}

#[tokio::test]
async fn closes_are_counted_by_the_reason_that_the_relay_gives() {
    let address = server(|number, mut link| async move {
        link.next().await;
        match number {
            0 => link.send(close_notice(Reason::Operator, Value::Null)).await.unwrap(),
            1 => link.get_ref().set_zero_linger().unwrap(),
            2 => {}
            _ => echo(link, |body| vec![body]).await,
        }
    })
    .await;
    let summary = play(Options { count: 4, rate: 0.0, ..options(address) }).await;
    let expected = [("eof", 1), ("goodbye", 1), ("operator", 1), ("reset", 1)];
    assert_eq!(
        summary.traffic.closes,
        expected.map(|(word, count)| (word.to_owned(), count)).into()
    );
    assert_eq!(summary.traffic.packets_sent, 0);
}

#[tokio::test]
async fn muted_bots_stay_connected_until_they_are_closed() {
    let address = server(|_, mut link| async move {
        let silence = Duration::from_millis(200);
        while let Ok(Some(Ok(body))) = tokio::time::timeout(silence, link.next()).await {
            link.send(body).await.unwrap();
        }
        link.send(close_notice(Reason::Silent, Value::Null)).await.unwrap();
    })
    .await;
    let mute_after = Some(Duration::from_millis(100));
    let duration = Duration::from_secs(60);
    let summary = play(Options { count: 3, mute_after, duration, ..options(address) }).await;
    assert_eq!(summary.traffic.closes, [("silent".to_owned(), 3)].into());
    assert_eq!((summary.traffic.packets_sent, summary.lost), (30, 0), "{summary}");
}

#[tokio::test]
async fn a_run_can_be_stopped_early() {
    let address = server(|_, link| echo(link, |body| vec![body])).await;
    let options = Options { duration: Duration::from_secs(3600), ..options(address) };
    let stop = options.stop.clone();
    let summary = run(options, |progress| {
        if progress.echoed > 100 {
            stop.cancel();
        }
    })
    .await
    .unwrap();
    assert!(summary.echoed > 100 && summary.is_flawless(), "{summary}");
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_named() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let summary = play(Options { count: 3, ..options(gone) }).await;
    assert_eq!(summary.traffic.not_joined, [("connection refused".to_owned(), 3)].into());
    assert!(!summary.is_flawless());

    let error = run(Options::new("127.0.0.1"), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("`127.0.0.1`"), "{error}");
}
