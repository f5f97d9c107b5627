//! What a batch of 1,000 packets costs on its way to the logic server and back.
#![allow(missing_docs, clippy::unwrap_used, reason = "criterion's macros; the panic is the report")]

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prost::Message as _;
use pulsegate_protocol::link::{from_logic, tick_prefix};
use pulsegate_protocol::proto::{Done, FromLogic, Reply, ToLogic, from_logic, reply::To};
use pulsegate_protocol::tick::{Chained, Gathering, Head};

const PACKETS: u64 = 1000;
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Sessions of the second life on: their ids take six bytes.
const FIRST_SESSION: u64 = 1_000_000_000_001;

criterion_group!(benches, tick, done);
criterion_main!(benches);

fn tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick");
    group.throughput(Throughput::Elements(PACKETS));
    // The relay gives a batch as much room as the one before it took.
    let room = gather(0).bytes.len();
    group.bench_function("encode", |bencher| bencher.iter(|| gather(room)));
    let message = to_logic(&gather(room));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| ToLogic::decode(message.clone()).unwrap());
    });
}

fn done(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("done");
    group.throughput(Throughput::Elements(PACKETS));
    group.bench_function("encode", |bencher| {
        bencher.iter_batched(answer, from_logic, BatchSize::SmallInput);
    });
    let message = from_logic(answer());
    group.bench_function("decode", |bencher| {
        bencher.iter(|| FromLogic::decode(message.clone()).unwrap());
    });
}

fn gather(room: usize) -> Chained {
    let mut batch = Gathering::with_capacity(room);
    for session in FIRST_SESSION..FIRST_SESSION + PACKETS {
        batch.packet(session, &PAYLOAD);
    }
    batch.seal(&Head { number: 1, ..Head::default() }).chain(0)
}

/// The frame's body, as the logic server gets it.
fn to_logic(tick: &Chained) -> Bytes {
    let mut message = BytesMut::from(&tick_prefix(&tick.bytes)[4..]);
    message.extend_from_slice(&tick.bytes);
    message.freeze()
}

fn answer() -> from_logic::Message {
    let reply =
        |session| Reply { to: Some(To::Session(session)), payload: Bytes::from_static(&PAYLOAD) };
    let replies = (FIRST_SESSION..FIRST_SESSION + PACKETS).map(reply).collect();
    from_logic::Message::Done(Done { tick: 1, replies, ..Done::default() })
}
