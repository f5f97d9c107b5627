//! A client's own deadlines: its first frame, a frame's end, its reading; and how it may go.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use pulsegate_protocol::proto::{Done, Tick, item::Item};
use pulsegate_tests::fake_logic::reply_to;
use pulsegate_tests::{FakeLogic, TestClient, TestRelay, eventually};

const MOMENT: Duration = Duration::from_millis(20);

#[test]
fn a_client_that_never_says_anything_is_told_so_and_closed() {
    let relay = TestRelay::start("client.first_frame_within = '200ms'");
    let began = Instant::now();
    let close = TestClient::connect(relay.clients()).read_close();
    assert_eq!(close.reason, "no_first_frame");
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_client_that_spoke_once_may_be_quiet() {
    let relay = TestRelay::start("client.first_frame_within = '200ms'");
    let mut quiet = TestClient::connect(relay.clients());
    quiet.send("");
    let silent = TestClient::connect(relay.clients()).read_close();
    assert_eq!(silent.reason, "no_first_frame");
    quiet.echo("still here");
}

#[test]
fn a_frame_that_drips_is_late_however_often_a_byte_comes() {
    let relay = TestRelay::start("client.frame_within = '300ms'");
    let mut client = TestClient::connect(relay.clients());
    client.echo("whole");
    client.send_raw(b"\0\0\x10\0");
    let began = Instant::now();
    let mut drip = client.stream().try_clone().unwrap();
    let dripping = thread::spawn(move || {
        let deadline = began + Duration::from_secs(10);
        // It ends when the relay has closed the connection.
        while drip.write(b"x").is_ok() && Instant::now() < deadline {
            thread::sleep(MOMENT);
        }
    });
    assert_eq!(client.read_close().reason, "frame_late");
    let lasted = began.elapsed();
    assert!(lasted >= Duration::from_millis(290) && lasted < Duration::from_secs(5), "{lasted:?}");
    assert_eq!(relay.whole_history(1), ["open", "packet whole", "close (frame_late)"]);
    drop(client);
    dripping.join().unwrap();
}

#[test]
fn a_client_that_closed_its_side_gets_its_answers_and_a_goodbye() {
    let relay = TestRelay::start("tick.sleep = '200ms'");
    let mut client = TestClient::connect(relay.clients());
    for body in ["one", "two", "three"] {
        client.send(body);
    }
    client.half_close();
    let close = client.read_close();
    assert_eq!((close.reason.as_str(), close.reset), ("goodbye", false));
    assert_eq!(close.frames, [&b"one"[..], b"two", b"three"]);
    let history = relay.whole_history(1);
    assert_eq!(history[..4], ["open", "packet one", "packet two", "packet three"]);
    assert_eq!(history.last().unwrap(), "close (goodbye)");
}

#[test]
fn a_client_that_closed_its_side_within_a_frame_is_told_so() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.send_raw(b"\0\0\0\x0ahalf");
    client.half_close();
    let close = client.read_close();
    assert_eq!((close.reason.as_str(), &close.notice["arrived"]), ("frame_cut", &8.into()));
    assert_eq!(relay.whole_history(1), ["open", "close (frame_cut)"]);
}

#[test]
fn a_reset_within_a_frame_is_one_close_and_no_packet() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.echo("whole");
    client.send_raw(b"\0\0\0\x0ahalf");
    eventually("the half frame is read", || relay.session(1)["bytes_in"] == 17);
    client.reset();
    let expected = ["open", "packet whole", "close (disconnected)"];
    assert_eq!(relay.whole_history(1), expected);
    let later = TestClient::connect(relay.clients());
    drop(later);
    relay.whole_history(2);
    assert_eq!(relay.history(1), expected);
}

#[test]
fn a_reset_while_answers_flow_is_one_close() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    for _ in 0..200 {
        client.send([b'x'; 500]);
    }
    client.read();
    client.reset();
    let history = relay.whole_history(1);
    assert_eq!(history.iter().filter(|told| told.starts_with("close")).count(), 1);
    assert_eq!(history.last().unwrap(), "close (disconnected)");
    TestClient::connect(relay.clients()).echo("the others do not notice");
}

/// Answers every packet with a frame of 60,000 bytes.
fn much_for_little(tick: &Tick) -> Option<Done> {
    let packets = tick.items.iter().filter_map(|item| match &item.item {
        Some(Item::Packet(packet)) => Some(reply_to(packet.session, &[b'x'; 60_000])),
        _ => None,
    });
    Some(Done { tick: tick.number, replies: packets.collect(), ..Done::default() })
}

const NARROW: &str = "client.send_buffer = '4KiB'\nclient.write_within = '500ms'";

#[test]
fn a_client_that_does_not_read_is_closed_when_the_oldest_byte_is_too_old() {
    let relay = TestRelay::before_logic(NARROW);
    FakeLogic::listen(relay.logic()).serve(much_for_little);
    relay.wait_ready();
    let mut client = TestClient::connect_narrow(relay.clients(), 2048);
    client.send("more, please");
    let began = Instant::now();
    assert_eq!(relay.whole_history(1).last().unwrap(), "close (slow_reader)");
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    // A reset, so that the kernel does not keep what nobody reads.
    assert!(client.read_close().reset);
}

#[test]
fn a_client_that_reads_in_drips_is_a_slow_reader_too() {
    let relay = TestRelay::before_logic(NARROW);
    FakeLogic::listen(relay.logic()).serve(much_for_little);
    relay.wait_ready();
    let mut client = TestClient::connect_narrow(relay.clients(), 2048);
    client.send("more, please");
    let mut socket = client.stream().try_clone().unwrap();
    eventually("it is closed while it reads on", || {
        thread::sleep(MOMENT);
        // What the kernel took before the end can still be read after it.
        let _ = socket.read(&mut [0]);
        !relay.departed().is_empty()
    });
    assert_eq!(relay.departed()[0]["reason"], "slow_reader");
}

#[test]
fn a_full_outbox_closes_its_client_at_once_and_nobody_else() {
    let relay = TestRelay::before_logic("client.send_buffer = '4KiB'");
    FakeLogic::listen(relay.logic()).serve(much_for_little);
    relay.wait_ready();
    let mut deaf = TestClient::connect_narrow(relay.clients(), 2048);
    let mut other = TestClient::connect(relay.clients());
    let began = Instant::now();
    deaf.send("more");
    deaf.send("and more");
    assert_eq!(relay.whole_history(1).last().unwrap(), "close (slow_reader)");
    assert!(began.elapsed() < Duration::from_secs(9), "that was its age, not its size");
    other.send("more");
    assert_eq!(other.read().len(), 60_000);
}
