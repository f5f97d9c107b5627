//! What it costs to see that a body is no heartbeat, and that it is one.
#![allow(missing_docs, reason = "criterion's macros")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use pulsegate_protocol::heartbeat::{Kinds, MAX_BODY};

const BOTH: Kinds = Kinds { empty: true, json: true };

criterion_group!(benches, recognise);
criterion_main!(benches);

fn recognise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recognise");
    let said = r#"she said \"go north\", and left; "#;
    let bodies = [
        ("object, short", r#"{"move": "north", "at": [12, 40], "speed": 3.5}"#.to_owned()),
        ("object, long", format!(r#"{{"said": "{}"}}"#, said.repeat(MAX_BODY / said.len() - 1))),
        ("string, short", format!(r#""{said}""#)),
        ("string, long", format!(r#""{}""#, said.repeat(MAX_BODY / said.len() - 1))),
        ("heartbeat", r#"{"ip": "192.0.2.1", "status": "alive", "pid": 26464}"#.to_owned()),
        (
            "heartbeat in a string",
            r#""{\"ip\": \"192.0.2.1\", \"status\": \"alive\", \"pid\": 26464}""#.to_owned(),
        ),
    ];
    for (name, body) in bodies {
        group.bench_function(name, |bencher| {
            bencher.iter(|| BOTH.recognise(black_box(body.as_bytes())));
        });
    }
}
