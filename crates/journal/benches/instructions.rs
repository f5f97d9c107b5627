//! The hot paths, each once, for `bench/instructions` to count under callgrind.
//!
//! Without a name it lists the names.
#![allow(clippy::unwrap_used, reason = "the panic is the report")]

use std::hint::black_box;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use pulsegate_journal::{Now, Options, Sync, Writer};
use pulsegate_protocol::Framing;
use pulsegate_protocol::heartbeat::Kinds;
use pulsegate_protocol::link::{from_logic, tick_prefix};
use pulsegate_protocol::proto::{Done, FromLogic, Reply, ToLogic, from_logic, reply::To};
use pulsegate_protocol::tick::{Gathering, Head, Sealed};

const COUNT: u64 = 1000;
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Sessions of the second life on: their ids take six bytes.
const FIRST_SESSION: u64 = 1_000_000_000_001;

/// The work that counts: of 1,000 packets, replies, frames or bodies.
type Work = Box<dyn FnOnce()>;

/// A name, and what makes ready the work that it names.
type Case = (&'static str, fn() -> Work);

const CASES: [Case; 8] = [
    ("tick-encode", encode_tick),
    ("tick-decode", decode_tick),
    ("done-encode", encode_done),
    ("done-decode", decode_done),
    ("framing", framing),
    ("heartbeats", heartbeats),
    ("packets-that-look-like-heartbeats", packets),
    ("journal-append", append),
];

fn main() {
    // `cargo bench` and `cargo test` bring options of their own.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (name, case) in CASES {
        match &wanted {
            None => println!("{name}"),
            Some(wanted) if wanted == name => {
                // What happens only the first time does not count.
                case()();
                count(case());
            }
            Some(_) => {}
        }
    }
}

/// Callgrind counts while this runs.
#[inline(never)]
fn count(work: Work) {
    work();
}

fn encode_tick() -> Work {
    let room = gather(1, 0).size();
    Box::new(move || drop(black_box(gather(1, room).chain(0))))
}

fn decode_tick() -> Work {
    let tick = gather(1, 0).chain(0).bytes;
    let message = Bytes::from([&tick_prefix(&tick)[4..], &tick[..]].concat());
    Box::new(move || drop(black_box(ToLogic::decode(message).unwrap())))
}

fn encode_done() -> Work {
    let answer = answer();
    Box::new(move || drop(black_box(from_logic(answer))))
}

fn decode_done() -> Work {
    let message = from_logic(answer());
    Box::new(move || drop(black_box(FromLogic::decode(message).unwrap())))
}

fn framing() -> Work {
    let mut buffer = BytesMut::new();
    for _ in 0..COUNT {
        buffer.put_u32(PAYLOAD.len() as u32);
        buffer.put_slice(&PAYLOAD);
    }
    Box::new(move || {
        let mut rest = &buffer[..];
        while let Some(frame) = Framing::DEFAULT.next(rest).unwrap() {
            black_box(&rest[frame.body]);
            rest = &rest[frame.taken..];
        }
    })
}

fn heartbeats() -> Work {
    recognise(br#"{"ip": "192.0.2.1", "status": "alive", "pid": 26464}"#)
}

fn packets() -> Work {
    recognise(br#"{"move": "north", "at": [17, 4], "tick": 26464, "id": 1}"#)
}

fn recognise(body: &'static [u8]) -> Work {
    let kinds = Kinds { empty: true, json: true };
    Box::new(move || {
        for _ in 0..COUNT {
            drop(black_box(kinds.recognise(black_box(body))));
        }
    })
}

fn append() -> Work {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { sync: Sync::Os, ..Options::new(dir.path()) };
    let (mut writer, _) = Writer::open(options, Now::default()).unwrap();
    writer.append(gather(1, 0), Now::default()).unwrap();
    let batch = gather(2, 0);
    Box::new(move || {
        // The directory is to be there until now.
        let _dir = &dir;
        drop(black_box(writer.append(batch, Now::default()).unwrap()));
    })
}

fn gather(number: u64, room: usize) -> Sealed {
    let mut batch = Gathering::with_capacity(room);
    for session in FIRST_SESSION..FIRST_SESSION + COUNT {
        batch.packet(session, black_box(&PAYLOAD));
    }
    batch.seal(&Head { number, ..Head::default() })
}

fn answer() -> from_logic::Message {
    let reply =
        |session| Reply { to: Some(To::Session(session)), payload: Bytes::from_static(&PAYLOAD) };
    let replies = (FIRST_SESSION..FIRST_SESSION + COUNT).map(reply).collect();
    from_logic::Message::Done(Done { tick: 1, replies, ..Done::default() })
}
