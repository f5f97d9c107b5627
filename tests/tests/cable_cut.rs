//! A cable that is cut: a client that is gone without a word.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;
use std::time::Duration;

use pulsegate_protocol::proto::{Cause, Reason, item::Item};
use pulsegate_tests::programs::unshared;
use pulsegate_tests::{Program, TestRelay, alone, eventually, pulsegate};

/// In a network of the relay's own: a second one beside it, joined by a cable.
const NETWORK: &str = "
    ip link set lo up
    relay=$$
    unshare --net sh -c 'while kill -0 $0; do sleep 0.2; done' $relay > /dev/null 2>&1 & far=$!
    echo $far > far.pid
    while [ $(readlink /proc/$far/ns/net) = $(readlink /proc/self/ns/net) ]; do sleep 0.01; done
    ip link add near type veth peer name far netns $far
    ip addr add 10.77.0.1/24 dev near
    ip link set near up
    nsenter --net=/proc/$far/ns/net ip addr add 10.77.0.2/24 dev far
    nsenter --net=/proc/$far/ns/net ip link set far up
";

const LEAVE: Duration = Duration::from_secs(2);
const CLOSE: Duration = Duration::from_secs(4);
/// A period of the beat, and the time that a busy machine takes to do it.
const TICK: Duration = Duration::from_millis(50 + 60);

#[test]
fn a_client_whose_cable_is_cut_is_in_leave_and_then_closed_on_time() {
    let settings = "
        client.listen = \"10.77.0.1:14000\"
        client.first_frame_within = \"1s\"
        client.frame_within = \"1s\"
        liveness.leave_after = \"2s\"
        liveness.close_after = \"4s\"
        tick.sleep = \"50ms\"
    ";
    let in_network = |command: &Command| unshared(command, &["--net"], NETWORK);
    if in_network(&pulsegate()).is_none() {
        return;
    }
    let _alone = alone();
    let mut relay = TestRelay::launch(settings, |command| *command = in_network(command).unwrap());
    let far: u32 = fs::read_to_string(relay.config().with_file_name("far.pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let near = relay.program().pid();

    let mut client = within(far, pulsegate());
    client.args(["bots", "10.77.0.1:14000", "--count", "1", "--rate", "50", "--duration", "60s"]);
    let _client = Program::start(client);
    let packets = |items: &[(u64, Item)]| {
        items.iter().filter(|(_, item)| matches!(item, Item::Packet(_))).count()
    };
    eventually("it plays", || packets(&relay.journal_items()) > 20);
    let mut cut = within(near, Command::new("ip"));
    assert!(cut.args(["link", "set", "near", "down"]).status().unwrap().success());

    let closed = |(_, item): &(u64, Item)| matches!(item, Item::Close(_));
    eventually("it is closed", || relay.journal_items().iter().any(closed));
    let mut last_packet = Duration::ZERO;
    let (mut left, mut closed) = (None, None);
    for tick in relay.journal_ticks() {
        let at = Duration::from_nanos(tick.monotonic_ns);
        for item in tick.items {
            match item.item.unwrap() {
                Item::Packet(_) => last_packet = at,
                Item::State(change) => {
                    assert_eq!(change.cause(), Cause::Silence);
                    left = Some(at);
                }
                Item::Close(close) => {
                    assert_eq!(close.reason(), Reason::Silent);
                    closed = Some(at);
                }
                _ => {}
            }
        }
    }
    for (due, at) in [(LEAVE, left.unwrap()), (CLOSE, closed.unwrap())] {
        let silence = at - last_packet;
        println!("due after {due:?}, came after {silence:?}");
        assert!(silence + TICK >= due && silence <= due + TICK, "{silence:?}, not {due:?}");
    }
}

/// A command in the network of a process.
fn within(pid: u32, command: Command) -> Command {
    let mut within = Command::new("nsenter");
    within.args(["--user", "--preserve-credentials", "--net", "--target", &pid.to_string(), "--"]);
    within.arg(command.get_program());
    within
}
