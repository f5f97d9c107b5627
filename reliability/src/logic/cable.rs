//! A logic server behind a cable that is cut.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_tests::programs::{logic_server, unshared};
use pulsegate_tests::{Program, TestRelay, eventually, pulsegate};

use super::Scale;
use crate::attack::Figures;

/// In a network of the relay's own: a second one beside it, joined by a cable.
const NETWORK: &str = "
    ip link set lo up
    relay=$$
    unshare --net sh -c 'while kill -0 $0; do sleep 0.2; done' $relay > /dev/null 2>&1 & far=$!
    echo $far > far.pid
    while [ $(readlink /proc/$far/ns/net) = $(readlink /proc/self/ns/net) ]; do sleep 0.01; done
    ip link add near type veth peer name far netns $far
    ip addr add 10.78.0.1/24 dev near
    ip link set near up
    nsenter --net=/proc/$far/ns/net ip addr add 10.78.0.2/24 dev far
    nsenter --net=/proc/$far/ns/net ip link set far up
";

/// A cut is noticed within `logic.timeout`, and the link is made again when the cable is whole.
pub(super) fn cable(_: &Scale<'_>, figures: &mut Figures) {
    let settings = "
        client.listen = \"10.78.0.1:14000\"
        logic.address = \"10.78.0.2:14001\"
        logic.timeout = \"3s\"
    ";
    let in_network = |command: &Command| unshared(command, &["--net"], NETWORK);
    assert!(in_network(&pulsegate()).is_some(), "no network namespaces here");
    let mut relay = TestRelay::launch(settings, |command| *command = in_network(command).unwrap());
    let far = fs::read_to_string(relay.config().with_file_name("far.pid")).unwrap();
    let near = relay.program().pid();
    let mut logic = within(far.trim(), &logic_server());
    logic.args(["echo", "--listen", "10.78.0.2:14001"]);
    let _logic = Program::start(logic);
    eventually("it is linked", || relay.log().contains("logic server connected"));
    sleep(Duration::from_secs(1));

    let cable = |state| {
        let mut cable = within(&near.to_string(), &Command::new("ip"));
        assert!(cable.args(["link", "set", "near", state]).status().unwrap().success());
    };
    cable("down");
    let cut = Instant::now();
    relay.program().says("logic server is away; ticks wait in the journal");
    eventually("the silence is noticed", || relay.log().matches("(logic.timeout)").count() > 0);
    let noticed = cut.elapsed();
    cable("up");
    let whole = Instant::now();
    eventually("it is linked again", || relay.log().matches("logic server connected").count() > 1);
    figures.add("cable: a cut is noticed within ms, with logic.timeout = 3s", noticed.as_millis());
    figures.add("cable: linked again ms after it is whole", whole.elapsed().as_millis());
    assert!(noticed < Duration::from_millis(3300), "noticed after {noticed:?}");
}

/// A command in the network of a process.
fn within(pid: &str, command: &Command) -> Command {
    let mut within = Command::new("nsenter");
    within.args(["--user", "--preserve-credentials", "--net", "--target", pid, "--"]);
    within.arg(command.get_program());
    within
}
