//! A logic server that breaks the protocol costs a link, and no client anything.

#![allow(clippy::unwrap_used)]

use pulsegate_protocol::proto::{Applied, Done, from_logic::Message, item::Item, welcome::Resume};
use pulsegate_protocol::proto::{Goodbye, Tick, goodbye::Code, to_logic};
use pulsegate_tests::fake_logic::{self, FakeLogic, Link, reply_to};
use pulsegate_tests::{TestClient, TestRelay, eventually};

const PROTOCOL: &str = "pulsegate_links_lost_total{reason=\"protocol\"}";
const GONE: &str = "pulsegate_replies_dropped_total{reason=\"gone\"}";

fn has_packet(tick: &Tick) -> bool {
    tick.items.iter().any(|item| matches!(item.item, Some(Item::Packet(_))))
}

/// What the relay says last, and nothing after it.
fn goodbye(mut link: Link) -> Goodbye {
    loop {
        match link.receive().expect("a goodbye before the end") {
            to_logic::Message::Goodbye(goodbye) => {
                assert_eq!(link.receive(), None);
                return goodbye;
            }
            to_logic::Message::Tick(_) | to_logic::Message::Ping(_) => {}
            other => panic!("no goodbye, but {other:?}"),
        }
    }
}

/// A name, and what logic does wrong when this tick is to be answered.
type Fault = (&'static str, fn(&mut Link, u64));

/// Links that are ended by a fault each; then a good one, over which the client plays on.
fn each_fault_costs_its_link(faults: &[Fault]) {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept_stateless();
    relay.wait_ready();
    let mut client = TestClient::connect(relay.clients());
    for (count, (name, fault)) in faults.iter().enumerate() {
        client.send(*name);
        let tick = link.skip_until("the packet's", has_packet).number;
        fault(&mut link, tick);
        let said = goodbye(link);
        assert_eq!(said.code(), Code::Protocol, "{name}: {}", said.text);
        eventually("it is counted", || relay.metric(PROTOCOL) == (count + 1) as f64);

        link = logic.accept_stateless();
        let again = link.skip_until("the same again", has_packet);
        assert_eq!(again.number, tick, "{name}");
        link.send(Message::Done(fake_logic::echo(&again).unwrap()));
        assert_eq!(client.read_text(), *name);
    }
    assert_eq!(relay.sessions().len(), 1);
}

#[test]
fn an_answer_to_a_tick_that_was_never_sent_or_was_answered_costs_the_link() {
    each_fault_costs_its_link(&[
        ("never sent", |link, tick| link.done(tick + 1000)),
        ("twice", |link, tick| link.done(tick - 1)),
        ("backwards", |link, _| link.done(1)),
        ("zero", |link, _| link.done(0)),
    ]);
}

#[test]
fn bytes_that_are_no_message_cost_the_link() {
    each_fault_costs_its_link(&[
        ("noise", |link, _| link.send_raw(&[0, 0, 0, 3, 0xFF, 0xFF, 0xFF])),
        ("empty", |link, _| link.send_raw(&[0, 0, 0, 0])),
        ("a second welcome", |link, _| link.welcome(Resume::Stateless(Default::default()))),
    ]);
}

#[test]
fn replies_to_nobody_are_dropped_and_counted() {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept_stateless();
    relay.wait_ready();
    let mut client = TestClient::connect(relay.clients());
    let gone = TestClient::connect(relay.clients());
    client.send("hello");
    let tick = link.skip_until("the packet's", has_packet);
    drop(gone);
    relay.wait_sessions(1);
    let hello = fake_logic::echo(&tick).unwrap().replies.remove(0);
    let session = relay.sessions()[0]["id"].as_u64().unwrap();
    let nobody = (session + 1..session + 4).chain([0, u64::MAX]);
    let mut replies: Vec<_> = nobody.map(|id| reply_to(id, b"to nobody")).collect();
    replies.push(hello);
    link.send(Message::Done(Done { tick: tick.number, replies, ..Done::default() }));
    assert_eq!(client.read_text(), "hello");
    assert_eq!(relay.metric(GONE), 5.0);
}

#[test]
fn state_of_another_journal_is_refused_by_name() {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept();
    let ours = link.hello.lineage.clone();
    let theirs = "0123456789abcdef0123456789abcdef";
    link.welcome(Resume::Applied(Applied { lineage: theirs.into(), tick: 1 }));
    let said = goodbye(link);
    assert_eq!(said.code(), Code::Lineage);
    assert!(said.text.contains(theirs) && said.text.contains(&ours), "{}", said.text);
    eventually("both are in the log", || {
        let log = relay.log();
        log.contains(theirs) && log.matches(&ours).count() > 1
    });
    assert_ne!(relay.get("/readyz").0, 200);
}

#[test]
fn logic_that_is_ahead_of_the_journal_is_refused() {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept();
    let lineage = link.hello.lineage.clone();
    link.welcome(Resume::Applied(Applied { lineage, tick: 1_000_000 }));
    assert_eq!(goodbye(link).code(), Code::Behind);
}

#[test]
fn logic_that_is_ahead_is_refused_though_new_ticks_bear_the_numbers_of_lost_ones() {
    let relay = TestRelay::before_logic("tick.sleep = \"5ms\"");
    eventually("ticks that logic has not seen", || relay.metric("pulsegate_ticks_total") >= 20.0);
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept();
    let lineage = link.hello.lineage.clone();
    link.welcome(Resume::Applied(Applied { lineage, tick: 5 }));
    let said = goodbye(link);
    assert_eq!(said.code(), Code::Behind);
    assert!(said.text.contains("ticks 1 to 5 are missing"), "{}", said.text);
}

/// A tick with a packet that is applied, and whose link breaks before its answer is out.
fn applied_and_not_answered(
    relay: &TestRelay,
    logic: &FakeLogic,
) -> (TestClient, Tick, impl Fn(&mut Link)) {
    let mut link = logic.accept_stateless();
    relay.wait_ready();
    let mut client = TestClient::connect(relay.clients());
    client.send("once");
    let tick = link.skip_until("the packet's", has_packet);
    drop(link);
    let number = tick.number;
    let resume = move |link: &mut Link| {
        assert_eq!(link.hello.answered, number - 1);
        let lineage = link.hello.lineage.clone();
        link.welcome(Resume::Applied(Applied { lineage, tick: number }));
    };
    (client, tick, resume)
}

#[test]
fn answers_that_were_lost_with_the_link_are_taken_when_they_come_again() {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let (mut client, tick, resume) = applied_and_not_answered(&relay, &logic);
    let mut link = logic.accept();
    resume(&mut link);
    link.send(Message::Done(fake_logic::echo(&tick).unwrap()));
    assert_eq!(client.read_text(), "once");

    client.send("and on");
    let next = link.next_tick().unwrap();
    assert_eq!(next.number, tick.number + 1);
    link.send(Message::Done(fake_logic::echo(&next).unwrap()));
    if !has_packet(&next) {
        let next = link.skip_until("the next packet's", has_packet);
        link.send(Message::Done(fake_logic::echo(&next).unwrap()));
    }
    assert_eq!(client.read_text(), "and on");

    drop(link);
    let mut link = logic.accept();
    let (lineage, answered) = (link.hello.lineage.clone(), link.hello.answered);
    assert!(answered > tick.number);
    link.welcome(Resume::Applied(Applied { lineage, tick: answered }));
    link.send(Message::Done(fake_logic::echo(&tick).unwrap()));
    assert_eq!(goodbye(link).code(), Code::Protocol);
}

#[test]
fn logic_that_does_not_repeat_lost_answers_loses_their_replies_and_nothing_else() {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let (mut client, tick, resume) = applied_and_not_answered(&relay, &logic);
    let mut link = logic.accept();
    resume(&mut link);
    client.send("and on");
    let next = link.skip_until("the next packet's", has_packet);
    assert!(next.number > tick.number);
    link.send(Message::Done(fake_logic::echo(&next).unwrap()));
    assert_eq!(client.read_text(), "and on");
    assert_eq!(relay.metric("pulsegate_links_total"), 2.0);
}

#[test]
fn clients_that_want_to_know_are_told_when_logic_goes_and_when_it_is_back() {
    let relay = TestRelay::before_logic("client.outage_notices = true");
    let logic = FakeLogic::listen(relay.logic());
    let link = logic.accept_stateless();
    let mut client = TestClient::connect(relay.clients());
    client.send("");
    relay.wait_sessions(1);
    drop(link);
    assert_eq!(client.read_text(), r#"{"pulsegate":"logic_away"}"#);
    let _link = logic.accept_stateless();
    assert_eq!(client.read_text(), r#"{"pulsegate":"logic_back"}"#);
}
