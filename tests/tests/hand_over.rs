//! A service manager keeps the clients' socket open from one life of a relay to the next.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::process::Command;

use command_fds::{CommandFdExt, FdMapping};
use pulsegate_tests::{TestClient, TestRelay, host::Host};

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
