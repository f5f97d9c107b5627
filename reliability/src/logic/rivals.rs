//! Two logic servers, two relays, and logic servers that cannot be right.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::time::Duration;

use pulsegate_protocol::proto::from_logic::Message;
use pulsegate_protocol::proto::{
    Applied, Goodbye, Welcome, goodbye::Code, to_logic, welcome::Resume,
};
use pulsegate_tests::{
    FakeLogic, Link, TestClient, TestLogic, TestRelay, eventually, eventually_some,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use socket2::{Domain, Socket, Type};

use super::{Scale, wait_links};
use crate::attack::Figures;

/// Never do two receive ticks, and never is one fed by two.
pub(super) fn rivals(_: &Scale<'_>, figures: &mut Figures) {
    two_logic_servers(figures);
    two_relays(figures);
}

fn two_logic_servers(figures: &mut Figures) {
    let relay = TestRelay::before_logic("");
    let doors = [shared(relay.logic()), shared(relay.logic())];
    let (first, mut link) = accept_any(&doors);
    link.welcome(Resume::Stateless(Default::default()));
    relay.wait_ready();
    let mut last = 0;
    for _ in 0..20 {
        last = link.next_tick().unwrap().number;
        link.done(last);
    }
    assert!(!doors.iter().any(somebody_knocks), "a link to the second while the first holds");
    drop(link);
    let (second, mut link) = accept_any(&doors);
    link.welcome(Resume::Stateless(Default::default()));
    let next = link.next_tick().unwrap().number;
    assert_eq!(next, last + 1, "the second goes on where the first was");
    assert_eq!(relay.metric("pulsegate_links_total"), 2.0);
    println!("  the first link went to door {first}, the second to door {second}");
    figures.add("rivals: links at a time, with two logic servers at one address", 1);
}

/// One of several listeners at one address; the kernel chooses who gets a connection.
fn shared(address: SocketAddr) -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(16).unwrap();
    socket.into()
}

fn accept_any(doors: &[TcpListener]) -> (usize, Link) {
    let index = eventually_some("a link to one of them", || doors.iter().position(somebody_knocks));
    (index, FakeLogic::from(doors[index].try_clone().unwrap()).accept())
}

fn somebody_knocks(door: &TcpListener) -> bool {
    let mut door = [PollFd::from_borrowed_fd(door.as_fd(), PollFlags::IN)];
    poll(&mut door, Some(&Timespec::default())).unwrap() > 0
}

fn two_relays(figures: &mut Figures) {
    let mut first = TestRelay::before_logic("");
    let _logic = TestLogic::start(first.logic(), &["echo"]);
    first.wait_ready();
    let settings = format!("logic.address = \"{}\"", first.logic());
    let second = TestRelay::launch(&settings, |_| {});
    eventually("the second is told whose it is", || second.get("/readyz").1.contains("OWNED"));
    let mut inside = TestClient::connect(first.clients());
    let mut waiting = TestClient::connect(second.clients());
    waiting.send("from the second");
    inside.echo("from the first");
    assert_eq!(waiting.read_within(Duration::from_millis(500)), None);
    assert_eq!(second.metric("pulsegate_links_total"), 0.0);
    first.kill();
    assert_eq!(waiting.read_text(), "from the second");
    figures.add("rivals: ticks that a logic server takes of a second relay", 0);
}

/// Each is refused, in words that name both sides, and costs no client.
pub(super) fn liars(_: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::before_logic("");
    let door = FakeLogic::listen(relay.logic());
    let mut client = TestClient::connect(relay.clients());
    client.send("through it all");
    let ours = {
        let link = door.accept();
        link.hello.lineage.clone()
    };
    let theirs = "0123456789abcdef0123456789abcdef".to_owned();
    let ahead = Applied { lineage: ours.clone(), tick: 1_000_000 };
    let foreign = Applied { lineage: theirs.clone(), tick: 1 };
    let lies: [(&str, Welcome, Code, [&str; 2]); 3] = [
        ("ahead", welcome(1, ahead), Code::Behind, ["1000000", "the journal ends at tick"]),
        ("foreign", welcome(1, foreign), Code::Lineage, [&theirs, &ours]),
        ("skewed", welcome(7, Applied::default()), Code::Protocol, ["version 7", "this relay 1"]),
    ];
    for (name, welcome, code, words) in lies {
        let mut link = door.accept();
        link.send(Message::Welcome(welcome));
        let said = goodbye(&mut link);
        assert_eq!(said.code(), code, "{name}: {}", said.text);
        eventually(&format!("{name}: both are in the log"), || {
            words.iter().all(|word| said.text.contains(word) && relay.log().contains(word))
        });
        figures.add(&format!("liars: {name} is refused as"), code.as_str_name());
    }
    let mut link = door.accept();
    link.send(Message::Goodbye(Goodbye {
        code: Code::Protocol.into(),
        text: "version 2 only".into(),
    }));
    eventually("a refusal is in the log", || relay.log().contains("version 2 only"));
    drop(link);
    door.serve(pulsegate_tests::fake_logic::echo);
    wait_links(&relay, 1);
    assert_eq!(client.read_text(), "through it all");
}

fn welcome(protocol: u32, applied: Applied) -> Welcome {
    Welcome {
        protocol,
        name: "liar".into(),
        resume: Some(Resume::Applied(applied)),
        ..Welcome::default()
    }
}

fn goodbye(link: &mut Link) -> Goodbye {
    loop {
        match link.receive().expect("a goodbye before the end") {
            to_logic::Message::Goodbye(goodbye) => return goodbye,
            to_logic::Message::Tick(tick) => panic!("tick {} went to a liar", tick.number),
            _ => {}
        }
    }
}
