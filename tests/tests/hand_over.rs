//! A service manager keeps the clients' socket open from one life of a relay to the next.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use pulsegate_tests::{TestClient, TestRelay, eventually, host::Host};

/// The same command, started as `sd_listen_fds(3)` says: the socket is file 3.
fn with_socket(command: &mut Command, socket: &TcpListener) {
    let mut wrapped = Command::new("sh");
    wrapped.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\""]).env("LISTEN_FDS", "1");
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped.current_dir(command.get_current_dir().unwrap());
    let parent_fd = socket.as_fd().try_clone_to_owned().unwrap();
    wrapped.fd_mappings(vec![FdMapping { parent_fd, child_fd: 3 }]).unwrap();
    *command = wrapped;
}

#[test]
fn while_a_relay_is_restarted_nobody_is_refused() {
    let kept = Host::take();
    let socket = TcpListener::bind(kept.clients()).unwrap();
    let mut relay = TestRelay::launch("", |command| with_socket(command, &socket));
    let mut before = TestClient::connect(kept.clients());
    before.echo("one");
    relay.kill();

    let mut waiting: Vec<_> = (0..100).map(|_| TestClient::connect(kept.clients())).collect();
    waiting.iter_mut().for_each(|client| client.send("two"));
    relay.restart_by(|command| with_socket(command, &socket));
    for client in &mut waiting {
        assert_eq!(client.read(), b"two");
    }
}

/// An address as `/proc/net/tcp` writes it.
fn in_proc(address: SocketAddr) -> String {
    let IpAddr::V4(ip) = address.ip() else { panic!("{address} is of IPv6") };
    format!("{:08X}:{:04X}", u32::from_ne_bytes(ip.octets()), address.port())
}

/// Whether the relay's side of a connection has a timer that looks after a quiet peer.
fn is_kept_alive(relay: SocketAddr, client: &TestClient) -> bool {
    let ends = format!("{} {}", in_proc(relay), in_proc(client.address()));
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let row = table.lines().find(|row| row.contains(&ends)).unwrap();
    row.split_whitespace().nth(5).unwrap().starts_with("02:")
}

#[test]
fn who_waited_for_the_first_start_is_looked_after_as_any_other() {
    let kept = Host::take();
    let socket = TcpListener::bind(kept.clients()).unwrap();
    let mut waited = TestClient::connect(kept.clients());
    let _relay = TestRelay::launch("", |command| with_socket(command, &socket));
    waited.echo("here since before");
    let mut other = TestClient::connect(kept.clients());
    other.echo("here since now");
    for client in [&waited, &other] {
        eventually("a keepalive timer", || is_kept_alive(kept.clients(), client));
    }
}
