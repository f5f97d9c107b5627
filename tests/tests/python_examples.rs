//! The examples in Python, against the real relay. What the server does when it is killed or away is
//! tested beside the other logic servers.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use pulsegate_tests::{Bots, Program, TestClient, TestLogic, TestRelay};

#[test]
fn the_python_server_returns_every_frame_byte_for_byte_and_in_order() {
    let relay = TestRelay::before_logic("");
    let mut logic = TestLogic::start_python(relay.logic());
    relay.wait_ready();
    let mut client = TestClient::connect(relay.clients());
    let every_byte: Vec<u8> = (0..=255).collect();
    for body in [&b"a"[..], &every_byte, &vec![7; 60_000], "größer".as_bytes()] {
        client.echo(body);
    }
    Bots::play(relay.clients(), "--count 100 --join-every 1ms --duration 3s");
    logic.program().signal(rustix::process::Signal::TERM);
    logic.program().wait_exit();
    TestClient::connect(relay.clients()).send("it is asked for later");
    logic.restart();
    relay.wait_ready();
    client.echo("again");
}

#[test]
fn the_python_client_is_answered() {
    let relay = TestRelay::start("");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/client.py");
    let mut command = Command::new("python3");
    command.arg(script).args([&relay.clients().to_string(), r#"{"move":"north"}"#]);
    let mut client = Program::start(command);
    client.says(r#"{"move":"north"}"#);
    relay.wait_sessions(1);
}
