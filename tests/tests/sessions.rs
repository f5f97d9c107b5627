//! Who is let in, who departed, and that each session opens and closes once.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::item::Item;
use pulsegate_tests::fake_logic::reply_to;
use pulsegate_tests::{FakeLogic, TestClient, TestRelay, alone, eventually};
use serde_json::json;

#[test]
fn the_one_too_many_is_told_that_the_server_is_full() {
    let relay = TestRelay::start("limits.sessions = 2");
    let mut first = TestClient::connect(relay.clients());
    let mut second = TestClient::connect(relay.clients());
    first.echo("in");
    second.echo("in too");
    let turned_away = TestClient::connect(relay.clients()).read_close();
    assert_eq!(turned_away.reason, "server_full");
    assert!(turned_away.notice["retry_after_ms"].as_u64().unwrap() >= 1000);
    let counter = "pulsegate_connections_turned_away_total{reason=\"server_full\"}";
    assert_eq!(relay.metric(counter), 1.0);

    drop(first);
    relay.wait_sessions(1);
    TestClient::connect(relay.clients()).echo("there is room again");
    second.echo("nobody disturbed me");
    assert_eq!(relay.history(3)[0], "open", "who was turned away never was a session");
}

#[test]
fn an_address_has_its_own_limit() {
    let relay = TestRelay::start("limits.sessions_per_address = 1");
    let (here, there): (IpAddr, IpAddr) = ([127, 0, 9, 1].into(), [127, 0, 9, 2].into());
    let mut first = TestClient::connect_from(here, relay.clients());
    first.echo("in");
    let turned_away = TestClient::connect_from(here, relay.clients()).read_close();
    assert_eq!(turned_away.reason, "address_full");
    TestClient::connect_from(there, relay.clients()).echo("another address");
    drop(first);
    eventually("the first is gone", || relay.departed().iter().any(|gone| gone["id"] == 1));
    TestClient::connect_from(here, relay.clients()).echo("room again");
}

#[test]
fn a_network_has_its_own_limit() {
    let relay = TestRelay::start("limits.sessions_per_prefix = 2");
    let from = |address: [u8; 4]| TestClient::connect_from(address.into(), relay.clients());
    let mut neighbours = [from([127, 0, 9, 1]), from([127, 0, 9, 2])];
    neighbours.each_mut().into_iter().for_each(|client| client.echo("in"));
    let turned_away = from([127, 0, 9, 3]).read_close();
    assert_eq!(turned_away.reason, "prefix_full");
    assert!(turned_away.notice["retry_after_ms"].is_u64());
    from([127, 0, 10, 3]).echo("another network");
    let counter = "pulsegate_connections_turned_away_total{reason=\"prefix_full\"}";
    assert_eq!(relay.metric(counter), 1.0);
    drop(neighbours);
    eventually("both are gone", || relay.departed().iter().any(|gone| gone["id"] == 2));
    from([127, 0, 9, 3]).echo("room again");
}

#[test]
fn a_flooder_has_to_wait_and_loses_nothing() {
    let _alone = alone();
    let relay = TestRelay::start("limits.frames_per_second = 1000\nlimits.outbox = '1MiB'");
    let mut flooder = TestClient::connect(relay.clients());
    let mut honest = TestClient::connect(relay.clients());
    let began = Instant::now();
    let flood: Vec<u8> =
        (0..3000).flat_map(|number| flooder.frame(format!("{number}").as_bytes())).collect();
    flooder.send_raw(&flood);
    let asked = Instant::now();
    honest.echo("me too");
    assert!(asked.elapsed() < Duration::from_secs(1), "an honest one waited {:?}", asked.elapsed());
    for number in 0..3000 {
        assert_eq!(flooder.read_text(), number.to_string());
    }
    // A second's worth may come at once, and one read takes what it finds; the debt is paid after.
    flooder.echo("and it stays");
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn empty_frames_are_bound_by_the_same_limit() {
    let _alone = alone();
    let relay = TestRelay::start("limits.frames_per_second = 10000");
    let mut flooder = TestClient::connect(relay.clients());
    let began = Instant::now();
    flooder.send_raw(&[0; 4 * 50_000]);
    flooder.echo("done");
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(relay.session(1)["heartbeats"], 50_000);
    assert_eq!(relay.history(1), ["open", "packet done"]);
}

#[test]
fn the_departed_are_remembered_with_who_they_were_and_why_they_went() {
    let relay = TestRelay::start("liveness.departed = 2");
    let mut addresses = Vec::new();
    for _ in 0..3 {
        let mut client = TestClient::connect(relay.clients());
        client.echo("hello");
        addresses.push(client.address().to_string());
        let id = relay.sessions()[0]["id"].clone();
        let (status, _) = relay.post(&format!("/api/sessions/{id}/close"), &json!(null), &[]);
        assert_eq!(status, 200);
        assert_eq!(client.read_close().reason, "operator");
    }
    let departed = relay.departed();
    let who: Vec<_> = departed.iter().map(|gone| (&gone["id"], &gone["peer"])).collect();
    assert_eq!(who, [(&json!(3), &json!(addresses[2])), (&json!(2), &json!(addresses[1]))]);
    for gone in &departed {
        assert_eq!(gone["reason"], "operator");
        assert!(gone["lived_ms"].as_u64().unwrap() < 20_000, "{gone}");
        assert!(gone["closed_at"].as_str().unwrap().ends_with('Z'), "{gone}");
    }
    assert_eq!(relay.post("/api/sessions/1/close", &json!(null), &[]).0, 404);
}

#[test]
fn a_reply_to_a_closed_session_reaches_nobody_and_is_counted() {
    let relay = TestRelay::before_logic("");
    let mut link = FakeLogic::listen(relay.logic()).accept_stateless();
    let mut first = TestClient::connect(relay.clients());
    first.send("who am I");
    let is_packet = |item: &Option<Item>| matches!(item, Some(Item::Packet(_)));
    let asked =
        link.skip_until("the question", |tick| tick.items.iter().any(|item| is_packet(&item.item)));
    first.reset();
    relay.whole_history(1);
    let mut second = TestClient::connect(relay.clients());
    relay.wait_sessions(1);
    assert_eq!(relay.sessions()[0]["id"], 2, "an id is never used twice");
    link.push(asked.number, vec![reply_to(1, b"you are 1"), reply_to(77, b"you never were")]);
    link.push(asked.number, vec![reply_to(2, b"you are 2")]);
    assert_eq!(second.read_text(), "you are 2");
    assert_eq!(relay.metric("pulsegate_replies_dropped_total{reason=\"gone\"}"), 2.0);
}

#[test]
fn under_churn_each_session_opens_once_and_closes_once() {
    const THREADS: u64 = 4;
    const EACH: u64 = 60;
    let _alone = alone();
    let relay = TestRelay::start("tick.sleep = '5ms'\nclient.first_frame_within = '50ms'");
    let address = relay.clients();
    let files = relay.open_files();
    let churn =
        (0..THREADS).map(|_| thread::spawn(move || (0..EACH).for_each(|n| visit(address, n))));
    churn.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().unwrap());
    relay.wait_sessions(0);
    eventually("every close is in the journal", || {
        relay.metric("pulsegate_sessions_opened_total") == (THREADS * EACH) as f64
            && (1..=THREADS * EACH).all(|id| relay.departed().iter().any(|gone| gone["id"] == id))
    });
    eventually("every file is closed", || relay.open_files() <= files);
    relay.whole_history(THREADS * EACH);

    let mut relay = relay;
    assert!(relay.terminate().success());
    let mut sessions: BTreeMap<u64, Vec<&'static str>> = BTreeMap::new();
    for (_, item) in relay.journal_items() {
        match item {
            Item::Open(open) => sessions.entry(open.session).or_default().push("open"),
            Item::Packet(packet) => sessions.entry(packet.session).or_default().push("packet"),
            Item::Close(close) => sessions.entry(close.session).or_default().push("close"),
            _ => {}
        }
    }
    assert_eq!(sessions.len() as u64, THREADS * EACH);
    for (id, events) in sessions {
        let (first, last) = (events[0], events[events.len() - 1]);
        assert_eq!((first, last), ("open", "close"), "session {id}: {events:?}");
        let inner = &events[1..events.len() - 1];
        assert!(inner.iter().all(|event| *event == "packet"), "session {id}: {events:?}");
    }
}

/// Connects and goes in one of the ways in which clients go.
fn visit(relay: std::net::SocketAddr, number: u64) {
    let mut client = TestClient::connect(relay);
    match number % 6 {
        // Nobody else ever sent this: it cannot be an answer to another client.
        0 => client.echo(client.address().to_string()),
        1 => client.reset(),
        2 => {
            client.send("no time for the answer");
            client.reset();
        }
        3 => {
            client.send_raw(&[0xff; 5]);
            client.read_close();
        }
        4 => {
            client.send(r#"{"ip":"a","status":"close"}"#);
            client.read_close();
        }
        _ => drop(client.read_close()),
    }
}
