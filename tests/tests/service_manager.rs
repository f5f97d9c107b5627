//! What a service manager hears: `sd_notify(3)`, over a socket of the test's own.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use pulsegate_tests::{PATIENCE, TestClient, TestRelay, eventually};
use tempfile::TempDir;

/// After so long without a word from its watchdog, a manager ends a relay.
const WATCHDOG: Duration = Duration::from_secs(2);

/// A service manager's ear.
struct Manager {
    socket: UnixDatagram,
    dir: TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        Self { socket, dir }
    }

    /// A relay that this manager started, and that has said that clients may come.
    fn start_relay(&self) -> TestRelay {
        let relay = TestRelay::launch("", |command| {
            command
                .env("NOTIFY_SOCKET", self.dir.path().join("notify"))
                .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
                .env_remove("WATCHDOG_PID");
        });
        assert_eq!(self.hears(PATIENCE).as_deref(), Some("READY=1"));
        relay
    }

    /// The next message, if it comes in time.
    fn hears(&self, patience: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut message = [0; 256];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).trim().to_owned())
    }

    /// Takes what has been said already.
    fn forgets(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut [0; 256]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }
}

#[test]
fn a_manager_hears_of_the_start_of_each_good_while_and_of_the_end() {
    let manager = Manager::new();
    let mut relay = manager.start_relay();
    TestClient::connect(relay.clients());
    for _ in 0..3 {
        assert_eq!(manager.hears(WATCHDOG).as_deref(), Some("WATCHDOG=1"));
    }

    assert!(relay.terminate().success());
    manager.socket.set_nonblocking(true).unwrap();
    let rest: Vec<_> = std::iter::from_fn(|| manager.hears(PATIENCE)).collect();
    assert!(rest.iter().any(|message| message == "STOPPING=1"), "{rest:?}");
}

#[test]
fn a_relay_that_is_stuck_does_not_feed_its_watchdog() {
    let manager = Manager::new();
    let mut relay = manager.start_relay();
    let stat = format!("/proc/{}/stat", relay.program().pid());
    relay.stop_signal();
    eventually("the relay is stopped", || fs::read_to_string(&stat).unwrap().contains(") T "));
    manager.forgets();
    assert_eq!(manager.hears(WATCHDOG), None);

    relay.cont();
    assert_eq!(manager.hears(WATCHDOG).as_deref(), Some("WATCHDOG=1"));
}
