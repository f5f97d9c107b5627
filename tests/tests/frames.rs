//! Bytes of clients become frames, or a reason that the client can read.

#![allow(clippy::unwrap_used)]

use std::net::TcpStream;

use pulsegate_protocol::Framing;
use pulsegate_protocol::framing::{ByteOrder, LengthPrefix, LengthWidth};
use pulsegate_tests::{TestClient, TestRelay, eventually};

#[test]
fn a_length_that_cannot_be_is_answered_with_a_readable_reason() {
    let relay = TestRelay::start("client.max_frame = '1KiB'");
    for (header, reason, length) in [
        ([0xff, 0xff, 0xff, 0xff], "frame_length_invalid", -1),
        ([0x80, 0, 0, 0], "frame_length_invalid", i32::MIN),
        ([0x7f, 0xff, 0xff, 0xff], "frame_too_large", i32::MAX),
        ([0, 0, 4, 1], "frame_too_large", 1025),
    ] {
        let mut client = TestClient::connect(relay.clients());
        client.send_raw(&header);
        client.send_raw(b"what nobody will read");
        let close = client.read_close();
        assert_eq!((close.reason.as_str(), close.reset), (reason, false), "{close:?}");
        assert_eq!(close.notice["length"], length);
        if reason == "frame_too_large" {
            assert_eq!(close.notice["limit"], 1024);
        }
        assert_eq!(relay.metric("pulsegate_sessions"), 0.0);
    }
    let closed = |reason| format!("pulsegate_sessions_closed_total{{reason=\"{reason}\"}}");
    assert_eq!(relay.metric(&closed("frame_too_large")), 2.0);
    assert_eq!(relay.metric(&closed("frame_length_invalid")), 2.0);
}

#[test]
fn a_client_that_is_still_sending_can_read_why_it_is_closed() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.send_raw(&[0xff; 4]);
    eventually("the session is over", || !relay.departed().is_empty());
    for _ in 0..30 {
        client.send_raw(&[b'x'; 1024]);
    }
    client.half_close();
    let close = client.read_close();
    assert_eq!((close.reason.as_str(), close.reset), ("frame_length_invalid", false));
}

#[test]
fn bytes_that_are_only_announced_cost_nothing() {
    const CLIENTS: usize = 300;
    let relay = TestRelay::start(
        "client.max_frame = '1MiB'\nlimits.outbox = '1MiB'\nlimits.bytes_per_second = '1MiB'",
    );
    let before = relay.reserved_bytes();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = TestClient::connect(relay.clients());
            client.send_raw(b"\x00\x10\x00\x00x");
            client
        })
        .collect();
    eventually("all of it has arrived", || {
        relay.metric("pulsegate_received_bytes_total") == (CLIENTS * 5) as f64
    });
    let each = relay.reserved_bytes().saturating_sub(before) / CLIENTS as u64;
    assert!(each < 200 * 1024, "{each} bytes for each announced mebibyte");
    assert_eq!(relay.sessions().len(), clients.len());
}

#[test]
fn the_longest_frame_is_taken_and_comes_back() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    client.echo(vec![b'x'; 65_536]);
    client.echo(vec![b'y'; 65_535]);
}

#[test]
fn a_frame_cut_at_any_byte_is_the_same_frame() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    let frame = client.frame(b"hello");
    let mut sent = 0;
    for cut in 1..frame.len() {
        client.send_raw(&frame[..cut]);
        sent += frame.len();
        // Both parts must be separate reads, or nothing would be tested.
        let first_part = sent - frame.len() + cut;
        eventually("the first part is read", || {
            relay.session(1)["bytes_in"].as_u64() == Some(first_part as u64)
        });
        client.send_raw(&frame[cut..]);
        assert_eq!(client.read(), b"hello", "cut after {cut} bytes");
    }
}

#[test]
fn a_header_that_comes_byte_by_byte_is_a_header() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    for (sent, byte) in client.frame(b"").into_iter().enumerate() {
        client.send_raw(&[byte]);
        eventually("the byte is read", || {
            relay.session(1)["bytes_in"].as_u64() == Some(sent as u64 + 1)
        });
    }
    eventually("it was a heartbeat", || relay.session(1)["heartbeats"] == 1);
}

#[test]
fn a_thousand_frames_in_one_write_come_back_in_order() {
    let relay = TestRelay::start("limits.outbox = '1MiB'\nlimits.frames_per_second = 10000");
    let mut client = TestClient::connect(relay.clients());
    let bodies: Vec<String> = (0..1000).map(|number| format!("frame {number}")).collect();
    let glued: Vec<u8> = bodies.iter().flat_map(|body| client.frame(body.as_bytes())).collect();
    client.send_raw(&glued);
    for body in bodies {
        assert_eq!(client.read_text(), body);
    }
}

#[test]
fn a_body_is_passed_on_to_the_byte_whatever_it_is() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    let deep = "[".repeat(60_000);
    let bodies: [&[u8]; 13] = [
        br#"{"a":1,"a":2}"#,
        b"1e999",
        b"-0",
        b"9223372036854775809",
        br#""\ud800""#,
        b"{\"\xff\":\"\xed\xa0\x80\"}",
        b"\xef\xbb\xbf{}",
        b"a\0b",
        b"{} and more",
        br#"{ "n" : 1.10,	"n":1e400 }"#,
        br#"{"pulsegate":"close","reason":"logic"}"#,
        br#"{"ip":5}"#,
        deep.as_bytes(),
    ];
    for body in bodies {
        client.echo(body);
    }
    let packets: Vec<_> = relay
        .journal_items()
        .into_iter()
        .filter_map(|(_, item)| match item {
            pulsegate_protocol::proto::item::Item::Packet(packet) => Some(packet.payload),
            _ => None,
        })
        .collect();
    assert_eq!(packets, bodies);
}

#[test]
fn a_heartbeat_that_is_not_well_formed_is_refused() {
    let relay = TestRelay::start("");
    for (body, detail) in [
        (r#"{"ip":"192.0.2.1","ip":"192.0.2.2","status":"alive"}"#, "stands twice"),
        (r#"{"ip":"192.0.2.1","status":"asleep"}"#, "asleep"),
        (r#"{"ip":"192.0.2.1","status":"alive""#, "EOF"),
    ] {
        let mut client = TestClient::connect(relay.clients());
        client.send(body);
        let close = client.read_close();
        assert_eq!(close.reason, "heartbeat_malformed");
        assert!(close.notice["detail"].as_str().unwrap().contains(detail), "{close:?}");
    }
}

#[test]
fn a_foreign_protocol_is_told_that_it_came_to_the_wrong_place() {
    let relay = TestRelay::start("");
    for (opening, protocol) in [
        (&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], "HTTP"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "PROXY protocol"),
    ] {
        let mut client = TestClient::connect(relay.clients());
        client.send_raw(opening);
        let close = client.read_close();
        assert_eq!(close.reason, "wrong_protocol");
        assert_eq!(close.notice["looks_like"], protocol);
    }
}

#[test]
fn what_follows_a_fault_is_discarded() {
    let relay = TestRelay::start("");
    let mut client = TestClient::connect(relay.clients());
    let all = [client.frame(b"good"), vec![0xff; 4], client.frame(b"evil")].concat();
    client.send_raw(&all);
    let close = client.read_close();
    assert_eq!(close.reason, "frame_length_invalid");
    let expected = ["open", "packet good", "close (frame_length_invalid)"];
    assert_eq!(relay.whole_history(1), expected);
}

#[test]
fn a_short_little_endian_length_that_counts_itself_is_understood() {
    let relay = TestRelay::start(
        "client.length_bytes = 2\nclient.byte_order = 'little'\n\
         client.length_includes_header = true\nclient.max_frame = '60KiB'",
    );
    let framing = Framing::Length(LengthPrefix {
        width: LengthWidth::Two,
        byte_order: ByteOrder::Little,
        includes_header: true,
        max_frame: 61_440,
    });
    let mut client = TestClient::connect_as(relay.clients(), framing);
    client.send_raw(b"\x07\x00hello");
    assert_eq!(client.read(), b"hello");
    client.echo(vec![0; 61_440]);

    client.send_raw(b"\x01\x00");
    assert_eq!(client.read_close().reason, "frame_length_invalid");
}

#[test]
fn lines_are_frames_where_lines_are_asked_for() {
    let relay = TestRelay::start("client.framing = 'lines'\nclient.max_frame = '1KiB'");
    let framing = Framing::Lines { max_frame: 1024 };
    let mut client = TestClient::connect_as(relay.clients(), framing);
    client.send_raw(b"one\r\ntwo\n\n{\"ip\":\"192.0.2.1\",\"status\":\"alive\"}\nthree\n");
    for line in ["one", "two", "three"] {
        assert_eq!(client.read_text(), line);
    }
    assert_eq!(relay.session(1)["heartbeats"], 2);
    client.send_raw(&[b'x'; 1026]);
    let close = client.read_close();
    assert_eq!((close.reason.as_str(), &close.notice["limit"]), ("frame_too_large", &1024.into()));
}

#[test]
fn raw_bytes_are_handed_on_as_they_come_and_nothing_is_added() {
    let relay = TestRelay::start("client.framing = 'raw'\nliveness.policy = 'off'");
    let mut client = TestClient::connect_as(relay.clients(), Framing::Raw);
    // Twice what would be a fault or a heartbeat in another framing.
    client.echo([0xff; 4]);
    client.echo([0; 4]);
    client.half_close();
    let close = client.read_close();
    assert_eq!((close.frames.len(), close.reason.as_str()), (0, ""), "{close:?}");
    assert_eq!(relay.departed()[0]["reason"], "goodbye");
}

#[test]
fn a_client_that_comes_and_goes_without_a_word_says_goodbye_by_it() {
    let relay = TestRelay::start("");
    drop(TcpStream::connect(relay.clients()).unwrap());
    assert_eq!(relay.whole_history(1).last().unwrap(), "close (goodbye)");
}
