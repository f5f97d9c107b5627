//! How a relay ends: told to, told twice, and because a part of it failed.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::TcpStream;
use std::time::Duration;

use pulsegate_protocol::Reason;
use pulsegate_protocol::proto::goodbye::Code;
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::proto::{from_logic, to_logic};
use pulsegate_tests::fake_logic::echo;
use pulsegate_tests::{FakeLogic, TestClient, TestRelay, alone, eventually};
use rustix::process::{Resource, Signal};

/// A relay with one client, whose packet waits for the next beat.
fn with_a_packet_on_its_way(relay: &TestRelay) -> TestClient {
    let mut client = TestClient::connect(relay.clients());
    client.send("last wish");
    eventually("the packet is in the batch", || relay.session(1)["frames_in"] == 1);
    client
}

#[test]
fn sigterm_ends_in_order_last_packets_answers_closes_goodbyes() {
    let mut relay = TestRelay::before_logic("tick.sleep = '500ms'");
    let mut link = FakeLogic::listen(relay.logic()).accept_stateless();
    let mut client = with_a_packet_on_its_way(&relay);
    relay.program().signal(Signal::TERM);

    let (mut events, mut goodbye) = (Vec::new(), None);
    while let Some(message) = link.receive() {
        match message {
            to_logic::Message::Tick(tick) => {
                events.extend(tick.items.iter().filter_map(|item| item.item.clone()));
                link.send(from_logic::Message::Done(echo(&tick).unwrap()));
            }
            to_logic::Message::Goodbye(last) => goodbye = Some(last.code()),
            _ => {}
        }
    }
    assert_eq!(goodbye, Some(Code::Shutdown));
    assert!(
        matches!(&events[..], [Item::Open(_), Item::Packet(packet), Item::Close(close)]
        if packet.payload == "last wish" && close.reason() == Reason::Shutdown),
        "{events:?}"
    );

    let close = client.read_close();
    assert_eq!((close.frames, close.reason), (vec![b"last wish".to_vec()], "shutdown".into()));
    drop(client);
    assert_eq!(relay.wait_exit(Duration::from_secs(10)).code(), Some(0));
    assert_eq!(relay.history(1), ["open", "packet last wish", "close (shutdown)"]);
    let info = pulsegate_journal::info(relay.journal()).unwrap();
    assert!(info.segments.iter().all(|segment| segment.sealed), "{info:?}");
}

#[test]
fn a_logic_server_that_lags_behind_may_still_answer_the_last_packets() {
    let mut relay = TestRelay::before_logic("tick.sleep = '20ms'\ntick.stall_after = '10s'");
    let mut link = FakeLogic::listen(relay.logic()).accept_stateless();
    let unanswered = link.next_tick().unwrap();
    let mut client = with_a_packet_on_its_way(&relay);
    relay.program().signal(Signal::TERM);
    relay.program().says("stopping sessions=1");
    let mut next = Some(unanswered);
    while let Some(tick) = next {
        link.send(from_logic::Message::Done(echo(&tick).unwrap()));
        next = link.next_tick();
    }
    let close = client.read_close();
    assert_eq!((close.frames, close.reason), (vec![b"last wish".to_vec()], "shutdown".into()));
    assert_eq!(relay.wait_exit(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn a_relay_that_ends_lets_nobody_in_and_says_that_it_is_not_ready() {
    let mut relay = TestRelay::before_logic("tick.stall_after = '1min'");
    let mut link = FakeLogic::listen(relay.logic()).accept_stateless();
    with_a_packet_on_its_way(&relay);
    relay.wait_ready();
    let unanswered = link.next_tick().unwrap();
    relay.program().signal(Signal::TERM);
    eventually("it says that it stops", || {
        let (status, text) = relay.get("/readyz");
        status == 503 && text.contains("the relay stops")
    });
    eventually("nobody is let in", || TcpStream::connect(relay.clients()).is_err());

    // Its last answers are waited for; a second signal ends that.
    assert!(relay.program().runs(), "tick {} is not answered", unanswered.number);
    relay.program().signal(Signal::TERM);
    let status = relay.wait_exit(Duration::from_secs(5));
    assert!(!status.success(), "{status}");
    assert!(relay.log().contains("stopping at once"));
}

#[test]
fn sigint_is_as_good_as_sigterm() {
    let mut relay = TestRelay::start("");
    relay.program().signal(Signal::INT);
    assert_eq!(relay.wait_exit(Duration::from_secs(10)).code(), Some(0));
}

#[test]
fn signals_that_mean_nothing_end_nothing() {
    let relay = TestRelay::start("");
    let mut relay = relay;
    for signal in [Signal::PIPE, Signal::HUP, Signal::WINCH, Signal::URG, Signal::CHILD] {
        relay.program().signal(signal);
    }
    TestClient::connect(relay.clients()).echo("hello");
}

/// How soon a relay ends whose journal failed; a beat, and the time to say so.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn a_journal_that_cannot_grow_ends_the_relay_and_the_error_says_why() {
    let _alone = alone();
    let mut relay = TestRelay::start("");
    relay.program().limit(Resource::Fsize, 1);
    let status = relay.wait_exit(SOON);
    assert_eq!(status.code(), Some(1), "{status}");
    assert!(relay.log().contains("File too large"));
}

#[test]
fn a_journal_that_was_deleted_ends_the_relay_and_the_error_says_so() {
    let _alone = alone();
    let mut relay = TestRelay::start("");
    fs::remove_dir_all(relay.journal()).unwrap();
    assert_eq!(relay.wait_exit(SOON).code(), Some(1));
    assert!(relay.log().contains("was deleted"));
}
