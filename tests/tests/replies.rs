//! What logic says to whom, and in which order it arrives.

#![allow(clippy::unwrap_used)]

use pulsegate_protocol::Framing;
use pulsegate_protocol::proto::from_logic::Message;
use pulsegate_protocol::proto::{Done, Reply, Sessions, item::Item, reply::To};
use pulsegate_tests::fake_logic::{FakeLogic, reply_to};
use pulsegate_tests::{TestClient, TestRelay, eventually};

fn reply(to: To, payload: &[u8]) -> Reply {
    Reply { to: Some(to), payload: payload.to_vec().into() }
}

/// The sessions that opened in a tick.
fn opened(tick: &pulsegate_protocol::proto::Tick) -> Vec<u64> {
    let opens = tick.items.iter().filter_map(|item| match &item.item {
        Some(Item::Open(open)) => Some(open.session),
        _ => None,
    });
    opens.collect()
}

#[test]
fn each_client_reads_its_replies_in_the_order_in_which_logic_gave_them() {
    let relay = TestRelay::before_logic("");
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept_stateless();
    relay.wait_ready();
    let mut clients = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        clients.push(TestClient::connect(relay.clients()));
        let tick = link.skip_until("the client's open", |tick| !opened(tick).is_empty());
        ids.extend(opened(&tick));
        link.done(tick.number);
    }
    let [a, b, c] = ids[..] else { panic!("{ids:?}") };
    // Longer than what is gathered for one call, and as long as a frame may be.
    let (long, longest) = (vec![b'l'; 20 * 1024], vec![b'L'; 64 * 1024]);
    let replies = vec![
        reply_to(a, b"1"),
        reply_to(b, b"2"),
        reply_to(a, b"3"),
        reply(To::All(Default::default()), b"4"),
        reply_to(c, b"5"),
        reply_to(a, &long),
        reply_to(a, b"6"),
        reply_to(b, b"7"),
        reply_to(a, &longest),
        reply(To::Several(Sessions { ids: vec![c, a] }), b"8"),
        reply_to(a, b"9"),
    ];
    let number = link.next_tick().unwrap().number;
    link.send(Message::Done(Done { tick: number, replies, ..Done::default() }));

    let expected: [&[&[u8]]; 3] = [
        &[b"1", b"3", b"4", &long, b"6", &longest, b"8", b"9"],
        &[b"2", b"4", b"7"],
        &[b"4", b"5", b"8"],
    ];
    for (client, expected) in clients.iter_mut().zip(expected) {
        for body in expected {
            assert_eq!(client.read(), *body);
        }
    }
    let sent = expected.iter().map(|bodies| bodies.len()).sum::<usize>();
    eventually("each is counted", || relay.metric("pulsegate_frames_out_total") == sent as f64);
}

#[test]
fn a_reply_that_no_frame_can_hold_is_dropped_and_those_around_it_arrive() {
    let relay = TestRelay::before_logic("client.max_frame = \"1KiB\"");
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept_stateless();
    relay.wait_ready();
    let mut client = TestClient::connect(relay.clients());
    let tick = link.skip_until("the client's open", |tick| !opened(tick).is_empty());
    let id = opened(&tick)[0];
    let replies =
        vec![reply_to(id, b"before"), reply_to(id, &[b'x'; 1025]), reply_to(id, b"after")];
    link.send(Message::Done(Done { tick: tick.number, replies, ..Done::default() }));
    assert_eq!(client.read_text(), "before");
    assert_eq!(client.read_text(), "after");
    let dropped = "pulsegate_replies_dropped_total{reason=\"too_large\"}";
    assert_eq!(relay.metric(dropped), 1.0);
}

#[test]
fn a_raw_reply_that_no_outbox_can_hold_closes_its_client_and_says_why() {
    const REPLY: usize = 4 * 1024 * 1024;
    let raw = "client.framing = 'raw'\nliveness.policy = 'off'";
    let relay = TestRelay::before_logic(&format!("{raw}\nlimits.outbox = '8KiB'"));
    let logic = FakeLogic::listen(relay.logic());
    let mut link = logic.accept_stateless();
    relay.wait_ready();
    let mut enter = || {
        let client = TestClient::connect_as(relay.clients(), Framing::Raw);
        let tick = link.skip_until("the client's open", |tick| !opened(tick).is_empty());
        link.done(tick.number);
        (client, opened(&tick)[0])
    };
    let ((mut client, id), (mut other, others)) = (enter(), enter());
    let number = link.next_tick().unwrap().number;
    let replies = vec![reply_to(id, &vec![b'x'; REPLY]), reply_to(others, b"and on")];
    link.send(Message::Done(Done { tick: number, replies, ..Done::default() }));
    assert_eq!(other.read_text(), "and on");
    assert!(client.read_close().reset, "a stream with a hole looks like one that has ended");
    assert_eq!(relay.departed()[0]["reason"], "reply_too_large");
    let log = relay.log();
    let told = log.lines().find(|line| line.contains("(limits.outbox)")).expect(&log);
    assert!(told.contains(&format!("reply={REPLY} outbox=8192")), "{told}");
}
