//! A logic server that dies of the same tick each time.

use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::proto::{Applied, Tick, from_logic::Message, welcome::Resume};
use pulsegate_tests::fake_logic::echo;
use pulsegate_tests::{FakeLogic, Link, TestClient, TestRelay, eventually};
use serde_json::json;

use super::Scale;
use crate::attack::Figures;

const SUSPECT: &str = "pulsegate_suspect_tick";

/// The tick is named, and held until an operator says that it may be skipped.
pub(super) fn poison(_: &Scale<'_>, figures: &mut Figures) {
    let relay = TestRelay::before_logic("");
    let door = FakeLogic::listen(relay.logic());
    let mut healthy = TestClient::connect(relay.clients());
    let mut attacker = TestClient::connect(relay.clients());
    let (mut applied, mut crashes) = (0, 0);
    healthy.send("before");
    attacker.send("poison");
    healthy.send("after");
    while relay.metric(SUSPECT) == 0.0 {
        applied = live_until_poison(&door, applied);
        crashes += 1;
        assert!(crashes <= 10, "nobody suspects anything");
        eventually("the crash is noticed", || relay.metric("pulsegate_link_up") == 0.0);
    }
    let suspect = relay.metric(SUSPECT) as u64;
    assert_eq!(suspect, applied + 1);
    assert!(relay.log().contains("suspect tick"), "{}", relay.log());
    assert!(relay.get("/readyz").1.contains(&format!("tick {suspect}")));
    figures.add("poison: crashes until the tick is suspect", crashes);

    // It is held: what was sent is not thrown away because a machine thinks so.
    for _ in 0..2 {
        assert_eq!(live_until_poison(&door, applied), applied);
    }
    let (status, text) = relay.post("/api/logic/skip", &json!({ "tick": suspect }), &[]);
    assert_eq!(status, 200, "{text}");
    let (mut link, tick) = resume(&door, applied);
    assert_eq!((tick.number, has_poison(&tick)), (suspect, false));
    link.done(tick.number);
    healthy.send("and on");
    let next =
        link.skip_until("life goes on", |tick| !tick.items.is_empty() && has(tick, b"and on"));
    link.send(Message::Done(echo(&next).unwrap()));
    while healthy.read() != b"and on" {}
    assert_eq!(relay.metric(SUSPECT), 0.0);
    assert_eq!(relay.sessions().len(), 2);
    let kept = relay.journal_ticks().into_iter().find(|tick| tick.number == suspect).unwrap();
    assert!(has_poison(&kept), "the journal keeps what was skipped");
    figures.add("poison: ticks skipped by an operator's word", 1);
}

/// One life of a logic server: how far it comes.
fn live_until_poison(door: &FakeLogic, applied: u64) -> u64 {
    let (mut link, first) = resume(door, applied);
    if has_poison(&first) {
        return first.number - 1;
    }
    link.done(first.number);
    link.skip_until("the poison", has_poison).number - 1
}

/// A link that goes on behind the last tick applied, and its first tick.
fn resume(door: &FakeLogic, applied: u64) -> (Link, Tick) {
    for _ in 0..20 {
        let mut link = door.accept();
        let lineage = link.hello.lineage.clone();
        link.welcome(match applied {
            0 => Resume::Rebuild(Default::default()),
            tick => Resume::Applied(Applied { lineage, tick }),
        });
        // Nothing comes over one that waited here while the relay gave it up.
        if let Some(tick) = link.next_tick() {
            return (link, tick);
        }
    }
    panic!("no link gets a tick")
}

fn has_poison(tick: &Tick) -> bool {
    has(tick, b"poison")
}

fn has(tick: &Tick, body: &[u8]) -> bool {
    tick.items
        .iter()
        .any(|item| matches!(&item.item, Some(Item::Packet(packet)) if packet.payload == body))
}
