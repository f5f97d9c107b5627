//! Much play, all of it in the journal.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use pulsegate_protocol::proto::item::Item;
use pulsegate_tests::{Bots, TestRelay, alone};

/// The number in `bot 12 packet 345 at …`.
fn number(payload: &[u8]) -> u64 {
    let text = str::from_utf8(payload).unwrap();
    text.split(' ').nth(3).and_then(|number| number.parse().ok()).expect(text)
}

#[test]
fn a_thousand_bots_get_each_frame_back_once_and_the_journal_has_all_in_order() {
    let _alone = alone();
    let mut relay = TestRelay::start("");
    let bots = "--count 1000 --rate 20 --join-every 2ms --duration 30s";
    let summary = Bots::play(relay.clients(), bots);
    println!("{summary:#}");
    assert!(relay.terminate().success());

    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let mut opened = 0;
    for tick in relay.journal_ticks() {
        for item in tick.items {
            match item.item.unwrap() {
                Item::Open(_) => opened += 1,
                Item::Packet(packet) => {
                    let last = last.entry(packet.session).or_default();
                    assert_eq!(number(&packet.payload), *last + 1, "session {}", packet.session);
                    *last += 1;
                }
                _ => {}
            }
        }
    }
    assert_eq!(opened, 1000);
    assert_eq!(summary["packets_sent"].as_u64().unwrap(), last.values().sum::<u64>());
    assert!(summary["packets_sent"].as_u64().unwrap() > 590_000);
}
