//! The `logic-server` program.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod fake_relay;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use fake_relay::{FakeRelay, hello, packet, said_to};
use pulsegate_protocol::proto::goodbye::Code;
use tokio::task::spawn_blocking;

/// A child that does not outlive its test.
struct Program(Child);

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let program = env!("CARGO_BIN_EXE_logic-server");
        let mut command = Command::new(program);
        command.args(arguments).env_remove("PULSEGATE_LOGIC__SECRET");
        Self(command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_says_where_it_listens_serves_and_ends_on_sigterm() {
    let mut program = Program::start(&["echo", "--listen", "127.0.0.1:0"]);
    let mut said = BufReader::new(program.0.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.trim().rsplit_once("address=").expect(&line).1;

    let mut relay = FakeRelay::connect(address.parse().unwrap()).await;
    relay.welcomed(hello("l")).await;
    let done = relay.tick(1, [packet(1, "hi")]).await;
    assert_eq!(said_to(1, &done.replies), ["hi"]);

    let pid = program.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(relay.goodbye().await.code(), Code::Shutdown);
    drop(relay);
    let status = spawn_blocking(move || program.0.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn an_address_that_is_taken_is_named_with_a_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut program = Program::start(&["arena", "--listen", &address]);
    let mut said = String::new();
    program.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!program.0.wait().unwrap().success());
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn a_bridge_wants_to_know_where_to() {
    let mut program = Program::start(&["bridge"]);
    assert_eq!(program.0.wait().unwrap().code(), Some(2));
}
