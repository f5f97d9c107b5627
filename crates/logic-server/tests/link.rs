//! The SDK against a relay that says what the test wants.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod fake_relay;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use fake_relay::{
    FakeRelay, PATIENCE, Server, close, hello, open, packet, replay, said_to, tick_bytes,
};
use prost::Message as _;
use pulsegate_logic::samples::{Arena, Echo};
use pulsegate_logic::{Event, Logic, Memory, Pusher, Replies, Strategy, Tick};
use pulsegate_protocol::link::{hello_proof, welcome_is_proven};
use pulsegate_protocol::proto::{
    self, Applied, Hello, Rebuild, Stateless, from_logic::Message, goodbye::Code, to_logic,
    welcome::Resume,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Counts ticks, and stays in each one until the test lets it go.
struct Gated {
    ticks: u64,
    entered: SyncSender<u64>,
    gate: Arc<Mutex<Receiver<()>>>,
}

impl Logic for Gated {
    const NAME: &'static str = "gated";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        self.entered.send(tick.number()).unwrap();
        self.gate.lock().unwrap().recv().unwrap();
        self.ticks += 1;
        replies.all(self.ticks.to_string());
    }
}

/// A server with a gated game, the numbers of ticks that it began, and what lets them end.
async fn gated() -> (Server, Receiver<u64>, SyncSender<()>) {
    let (entered, begun) = sync_channel(100);
    let (open, gate) = sync_channel(100);
    let gate = Arc::new(Mutex::new(gate));
    let make = move |_| Gated { ticks: 0, entered: entered.clone(), gate: Arc::clone(&gate) };
    (Server::start(make).await, begun, open)
}

#[tokio::test]
async fn a_good_relay_is_welcomed_and_told_where_to_resume() {
    let server = Server::start(|_| Echo).await;
    let (_relay, welcome) = server.link("l").await;
    assert_eq!(welcome.name, "echo");
    assert_eq!(welcome.resume, Some(Resume::Stateless(Stateless {})));

    let server = Server::start(|_| Arena::default()).await;
    let (mut relay, welcome) = server.link("l").await;
    assert_eq!(welcome.resume, Some(Resume::Rebuild(Rebuild {})));
    relay.tick(1, []).await;
    drop(relay);
    let (_relay, welcome) = server.link("l").await;
    let applied = Applied { lineage: "l".into(), tick: 1 };
    assert_eq!(welcome.resume, Some(Resume::Applied(applied)));
}

#[tokio::test]
async fn a_relay_is_refused_with_a_code_and_a_sentence() {
    let server = Server::with_secret("secret", |_| Echo).await;
    let proof = hello_proof("secret", &hello("l").nonce, "l");
    let proven = Hello { proof, ..hello("l") };
    for (wrong, code, word) in [
        (Hello { protocol: 9, ..proven.clone() }, Code::Protocol, "version"),
        (hello("l"), Code::Secret, "secret"),
        (Hello { lineage: "other".into(), ..proven.clone() }, Code::Secret, "secret"),
        (Hello { mode: 0, ..proven.clone() }, Code::Protocol, "live"),
    ] {
        let mut relay = FakeRelay::connect(server.address).await;
        relay.send(to_logic::Message::Hello(wrong)).await;
        let goodbye = relay.goodbye().await;
        assert_eq!(goodbye.code(), code);
        assert!(goodbye.text.contains(word), "{}", goodbye.text);
    }
    let mut relay = FakeRelay::connect(server.address).await;
    let welcome = relay.welcomed(proven.clone()).await;
    assert!(welcome_is_proven(&welcome.proof, "secret", &proven.nonce));
}

#[tokio::test]
async fn answers_that_were_lost_with_the_link_are_given_again() {
    let server = Server::start(|_| Arena::default()).await;
    let (mut relay, _) = server.link("l").await;
    let mut answers = Vec::new();
    for number in 1..=70 {
        answers.push(relay.tick(number, [open(number)]).await);
    }
    drop(relay);

    // 6 and older are no longer kept, and the relay has all up to 68.
    for (answered, first_again) in [(0, 7), (68, 69), (70, 71)] {
        let mut relay = FakeRelay::connect(server.address).await;
        let welcome = relay.welcomed(Hello { answered, ..hello("l") }).await;
        let applied = Applied { lineage: "l".into(), tick: 70 };
        assert_eq!(welcome.resume, Some(Resume::Applied(applied)));
        for number in first_again..=70 {
            assert_eq!(relay.done().await, answers[number - 1]);
        }
        relay.ping(5).await;
        assert!(matches!(relay.next().await, Some(Message::Pong(pong)) if pong.id == 5));
    }
}

#[tokio::test]
async fn a_strangers_bytes_cost_a_goodbye_and_the_server_listens_on() {
    let server = Server::start(|_| Echo).await;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0, 0, 0, 2, 0xFF, 0xFF], &[0, 0, 0, 0]] {
        let mut stranger = TcpStream::connect(server.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stranger, bytes).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stranger.read_to_end(&mut answer)).await.unwrap().unwrap();
        let said = proto::FromLogic::decode(&answer[4..]).unwrap().message;
        match said {
            Some(Message::Goodbye(goodbye)) => assert_eq!(goodbye.code(), Code::Protocol),
            other => panic!("{other:?}"),
        }
    }
    server.link("l").await;
}

#[tokio::test]
async fn another_relay_is_refused_while_one_is_linked() {
    let server = Server::start(|_| Echo).await;
    let (relay, _) = server.link("mine").await;
    let mut other = FakeRelay::connect(server.address).await;
    other.send(to_logic::Message::Hello(hello("other"))).await;
    let goodbye = other.goodbye().await;
    assert_eq!(goodbye.code(), Code::Owned);
    assert!(goodbye.text.contains("mine") && goodbye.text.contains("other"), "{}", goodbye.text);
    drop(relay);
}

#[tokio::test]
async fn state_of_another_journal_is_named_so_that_the_relay_refuses() {
    let server = Server::start(|_| Arena::default()).await;
    let (mut relay, _) = server.link("mine").await;
    relay.tick(1, []).await;
    relay.send(to_logic::Message::Goodbye(proto::Goodbye::default())).await;
    assert_eq!(relay.next().await, None);

    let (mut other, welcome) = server.link("other").await;
    let held = Some(Resume::Applied(Applied { lineage: "mine".into(), tick: 1 }));
    assert_eq!(welcome.resume, held);
    other.send_tick(1, []).await;
    assert_eq!(other.goodbye().await.code(), Code::Lineage);
    assert_eq!(server.link("mine").await.1.resume, held);
}

#[tokio::test]
async fn a_newer_link_of_the_same_relay_replaces_the_old_one() {
    let server = Server::start(|_| Arena::default()).await;
    let (mut old, _) = server.link("l").await;
    old.tick(1, [open(1)]).await;
    let (mut new, welcome) = server.link("l").await;
    assert_eq!(old.goodbye().await.code(), Code::Owned);
    let applied = Applied { lineage: "l".into(), tick: 1 };
    assert_eq!(welcome.resume, Some(Resume::Applied(applied)));
    assert_eq!(new.tick(2, []).await.replies.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_link_waits_for_the_tick_in_hand_and_resumes_after_it() {
    let (server, begun, gate) = gated().await;
    let (mut old, _) = server.link("l").await;
    old.send_tick(1, []).await;
    old.send_tick(2, []).await;
    assert_eq!(tokio::task::block_in_place(|| begun.recv()), Ok(1));
    let mut new = FakeRelay::connect(server.address).await;
    new.send(to_logic::Message::Hello(hello("l"))).await;
    assert_eq!(old.next().await.map(|said| matches!(said, Message::Goodbye(_))), Some(true));
    gate.send(()).unwrap();
    match new.next().await {
        Some(Message::Welcome(welcome)) => {
            let applied = Applied { lineage: "l".into(), tick: 1 };
            assert_eq!(welcome.resume, Some(Resume::Applied(applied)));
        }
        other => panic!("{other:?}"),
    }
    assert!(begun.try_recv().is_err(), "tick 2 of the old link must not be applied");
}

#[tokio::test]
async fn a_tick_that_was_applied_is_answered_and_not_applied_again() {
    let server = Server::start(|_| Arena::default()).await;
    let (mut relay, _) = server.link("l").await;
    let first = relay.tick(1, [open(1)]).await;
    let again = relay.tick(1, [open(1), open(2)]).await;
    assert_eq!(again, proto::Done { tick: 1, ..Default::default() });
    let next = relay.tick(2, []).await;
    assert_eq!(next.state_hash, first.state_hash);
}

#[tokio::test]
async fn a_tick_out_of_place_ends_the_link_and_leaves_the_state() {
    let server = Server::start(|_| Arena::default()).await;
    let (mut relay, _) = server.link("l").await;
    relay.tick(1, []).await;
    relay.send_tick(3, [open(1)]).await;
    let goodbye = relay.goodbye().await;
    assert_eq!(goodbye.code(), Code::Protocol);
    assert!(goodbye.text.contains("tick 3") && goodbye.text.contains("tick 2"), "{goodbye:?}");

    let mut relay = FakeRelay::connect(server.address).await;
    relay.welcomed(Hello { answered: 1, ..hello("l") }).await;
    let gap = proto::Gap { first: 2, last: 4, why: "the disk was full".into() };
    assert_eq!(relay.tick(5, [proto::item::Item::Gap(gap)]).await.tick, 5);
}

#[tokio::test]
async fn stateless_logic_answers_again_what_a_relay_asks_again() {
    let server = Server::start(|_| Echo).await;
    for _ in 0..2 {
        let (mut relay, _) = server.link("l").await;
        let done = relay.tick(7, [packet(1, "again")]).await;
        assert_eq!(said_to(1, &done.replies), ["again"]);
    }
}

#[tokio::test]
async fn echo_returns_each_packet_byte_for_byte_and_in_order() {
    let server = Server::start(|_| Echo).await;
    let (mut relay, _) = server.link("l").await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let large = vec![7; 60_000];
    let items = [
        open(1),
        packet(1, "a"),
        packet(2, every_byte.clone()),
        packet(1, ""),
        packet(1, large.clone()),
        close(2),
    ];
    let done = relay.tick(1, items).await;
    assert_eq!(said_to(1, &done.replies), [&b"a"[..], b"", &large]);
    assert_eq!(said_to(2, &done.replies), [every_byte]);
    assert!(done.busy_ns > 0);
}

#[tokio::test]
async fn a_restored_snapshot_goes_on_where_it_was_taken() {
    let server = Server::start(|_| Arena::default()).await;
    let asks = Hello { snapshot_every: 2, ..hello("l") };
    let mut relay = FakeRelay::connect(server.address).await;
    relay.welcomed(asks).await;
    assert_eq!(relay.tick(1, [open(1)]).await.snapshot, None);
    let snapshot = relay.tick(2, [packet(1, r#"{"move":"east"}"#)]).await.snapshot.unwrap();
    let whole = relay.tick(3, [packet(1, r#"{"move":"south"}"#)]).await;

    let fresh = Server::start(|_| Arena::default()).await;
    let (mut relay, _) = fresh.link("l").await;
    relay.restore(2, snapshot).await;
    let rest = relay.tick(3, [packet(1, r#"{"move":"south"}"#)]).await;
    assert_eq!((rest.state_hash, rest.replies), (whole.state_hash, whole.replies));
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_is_refused_in_words() {
    let server = Server::start(|_| Arena::default()).await;
    let (mut relay, _) = server.link("l").await;
    relay.restore(2, "no snapshot".into()).await;
    let goodbye = relay.goodbye().await;
    assert!(goodbye.text.contains("snapshot after tick 2"), "{}", goodbye.text);
    assert_eq!(server.link("l").await.1.resume, Some(Resume::Rebuild(Rebuild {})));
}

#[tokio::test]
async fn replays_get_fresh_games_until_a_live_relay_was_served() {
    let server = Server::start(|_| Arena::default()).await;
    for _ in 0..2 {
        let mut relay = FakeRelay::connect(server.address).await;
        let welcome = relay.welcomed(replay("recorded")).await;
        assert_eq!(welcome.resume, Some(Resume::Rebuild(Rebuild {})));
        relay.tick(1, [open(1)]).await;
    }
    let (mut live, welcome) = server.link("l").await;
    assert_eq!(welcome.resume, Some(Resume::Rebuild(Rebuild {})));
    assert_eq!(live.tick(1, []).await.replies, [], "nobody of the replay is here");
    drop(live);

    let mut relay = FakeRelay::connect(server.address).await;
    relay.send(to_logic::Message::Hello(replay("recorded"))).await;
    assert_eq!(relay.goodbye().await.code(), Code::Live);
}

#[tokio::test]
async fn a_ping_is_answered_while_the_game_is_busy() {
    let (server, _begun, gate) = gated().await;
    let (mut relay, _) = server.link("l").await;
    relay.send_tick(1, []).await;
    relay.ping(77).await;
    assert_eq!(relay.next().await, Some(Message::Pong(proto::Pong { id: 77 })));
    gate.send(()).unwrap();
    assert_eq!(relay.done().await.tick, 1);
}

#[tokio::test]
async fn a_server_with_nothing_to_say_pings() {
    let (server, _begun, _gate) = gated().await;
    let (mut relay, _) = server.link("l").await;
    for tick in 1..=40 {
        relay.send_tick(tick, []).await;
    }
    // Its queue is full of ticks now, and yet it is seen to live.
    for id in 1..=2 {
        assert_eq!(relay.next_of_all().await, Some(Message::Ping(proto::Ping { id })));
    }
}

#[tokio::test]
async fn shutdown_answers_the_tick_in_hand_and_says_goodbye() {
    let (server, begun, gate) = gated().await;
    let (mut relay, _) = server.link("l").await;
    relay.send_tick(1, []).await;
    tokio::task::spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
    server.shutdown.cancel();
    gate.send(()).unwrap();
    assert_eq!(relay.done().await.tick, 1);
    assert_eq!(relay.goodbye().await.code(), Code::Shutdown);
    drop(relay);
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

/// Panics on demand.
#[derive(Default)]
struct Fragile(u64);

impl Logic for Fragile {
    const NAME: &'static str = "fragile";

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        self.0 += 1;
        for event in tick.events() {
            if let Event::Packet { payload, .. } = event {
                assert_ne!(&payload[..], b"panic", "asked to");
            }
        }
        replies.all(self.0.to_string());
    }
}

#[tokio::test]
async fn a_panic_drops_the_state_and_the_server_listens_on() {
    let server = Server::start(|_| Fragile::default()).await;
    let (mut relay, _) = server.link("l").await;
    relay.tick(1, []).await;
    relay.send_tick(2, [packet(1, "panic")]).await;
    let goodbye = relay.goodbye().await;
    assert!(goodbye.text.contains("panicked after tick 1"), "{}", goodbye.text);

    let (mut relay, welcome) = server.link("l").await;
    assert_eq!(welcome.resume, Some(Resume::Rebuild(Rebuild {})));
    assert_eq!(relay.tick(1, []).await.replies[0].payload, "1");
}

/// Says things between ticks, and asks for a pace.
struct Chatty(Pusher);

impl Logic for Chatty {
    const NAME: &'static str = "chatty";
    const MEMORY: Memory = Memory::Nothing;

    fn tick(&mut self, tick: &Tick, replies: &mut Replies) {
        for event in tick.events() {
            if let Event::Open { session, .. } = event {
                self.0.try_push(session, "welcome").unwrap();
                replies.several([session, session + 1], "to two");
                replies.close(session);
                replies.pace(Strategy::default());
            }
        }
    }
}

#[tokio::test]
async fn pushes_and_wishes_reach_the_relay() {
    let server = Server::start(Chatty).await;
    let (mut relay, _) = server.link("l").await;
    relay.send_tick(1, [open(5)]).await;
    let mut said = [relay.next().await.unwrap(), relay.next().await.unwrap()];
    said.sort_by_key(|message| matches!(message, Message::Done(_)));
    let [Message::Push(push), Message::Done(done)] = said else { panic!("{said:?}") };
    assert_eq!(said_to(5, &push.replies), ["welcome"]);
    let several = proto::reply::To::Several(proto::Sessions { ids: vec![5, 6] });
    assert_eq!(done.replies[0].to, Some(several));
    assert_eq!((done.close, done.pace.is_some()), (vec![5], true));
}

#[test]
fn a_tick_reads_as_it_was_sealed() {
    let gap = proto::Gap { first: 1, last: 2, why: "full".into() };
    let items = [open(3), packet(3, "hi"), proto::item::Item::Gap(gap), close(3)];
    let tick = Tick::from(proto::Tick::decode(tick_bytes(9, items)).unwrap());
    let hi = "hi".into();
    let peer = "203.0.113.7:3";
    assert_eq!((tick.number(), tick.epoch()), (9, 1));
    assert_eq!(
        tick.events().collect::<Vec<_>>(),
        [
            Event::Open { session: 3, peer },
            Event::Packet { session: 3, payload: &hi },
            Event::Gap { first: 1, last: 2, why: "full" },
            Event::Close { session: 3, reason: pulsegate_logic::Reason::Goodbye },
        ]
    );
}
