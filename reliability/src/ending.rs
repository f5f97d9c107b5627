//! A relay's start without help, and its end in order.

use pulsegate_tests::{Program, Site, Witness, eventually};
use rustix::process::Signal;

/// Starts a relay, and waits until the witness has seen something new of it.
#[track_caller]
pub(crate) fn starts(site: &Site, witness: &Witness) -> Program {
    let newest = witness.newest();
    let mut relay = Program::start(site.command());
    relay.says("relay runs");
    eventually("logic sees a new tick", || {
        assert!(relay.runs(), "it ended");
        witness.newest() > newest
    });
    relay
}

/// Ends it, with success.
#[track_caller]
pub(crate) fn ends_in_order(mut relay: Program) {
    relay.signal(Signal::TERM);
    let status = relay.wait_exit();
    assert!(status.success(), "{status}");
}
