//! `restart`: how long a start takes after a kill, with a large journal.

use std::time::{Duration, Instant};

use clap::Args;
use prost::Message;
use pulsegate_journal::{Now, Options, Sync, Writer};
use pulsegate_protocol::proto::item::Item;
use pulsegate_protocol::proto::{Done, Open};
use pulsegate_protocol::tick::{Gathering, Head};
use pulsegate_tests::{Program, Site, Witness, eventually};

use crate::attack::{Attack, Figures};
use crate::ending::ends_in_order;

const GIB: u64 = 1024 * 1024 * 1024;

/// How much a tick holds: 1,000 clients' small packets.
const TICK: usize = 16 * 1024;

/// How many clients were there when the last life was killed.
const GHOSTS: u64 = 2000;

/// What 1.0 promises.
const PROMISED: Duration = Duration::from_secs(1);

/// What `restart` understands besides.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Arguments {
    /// How large the journal is
    #[arg(long, default_value_t = 1)]
    gigabytes: u64,
}

/// Writes a journal whose newest segment is nearly full, and starts a relay on it.
pub(crate) fn attack(arguments: Arguments, attack: &Attack) -> Figures {
    let site = Site::new("");
    let witness = Witness::stateless();
    let _listening = witness.listen(site.host().logic());
    let last = write(&site, arguments.gigabytes * GIB - GIB / 100, &mut attack.dice());

    let began = Instant::now();
    let mut relay = Program::start(site.command());
    eventually("logic sees a new tick", || {
        assert!(relay.runs(), "it ended");
        witness.newest() > last
    });
    let took = began.elapsed();
    let ghosts = witness.tell(|testimony| testimony.ticks[&(last + 1)].bytes.len());
    assert!(ghosts as u64 > GHOSTS, "who was there is closed in the first tick");
    ends_in_order(relay);
    assert!(took <= PROMISED, "it took {took:?}");

    let mut figures = Figures::default();
    figures.add("journal, GiB", arguments.gigabytes);
    figures.add("its ticks", last);
    figures.add("sessions that were open", GHOSTS);
    figures.add("from the start to the first tick that logic sees, ms", took.as_millis());
    figures
}

/// Writes what a life leaves that was killed; returns its last tick.
fn write(site: &Site, bytes: u64, dice: &mut fastrand::Rng) -> u64 {
    let options = Options { sync: Sync::Os, ..Options::new(site.journal()) };
    let now = Now::default();
    let (mut writer, _) = Writer::open(options, now).unwrap();
    let mut noise = vec![0; TICK];
    dice.fill(&mut noise);
    let mut number = 0;
    while number * (TICK as u64) < bytes {
        number += 1;
        let mut batch = Gathering::with_capacity(TICK + 100);
        if number == 1 {
            (1..=GHOSTS).for_each(|session| batch.event(open(session)));
        }
        batch.packet(1, &noise);
        let head = Head { number, epoch: 1, ..Head::default() };
        writer.append(batch.seal(&head), now).unwrap();
        let done = Done { tick: number, ..Done::default() };
        writer.answer(&done.encode_to_vec(), number, false, now).unwrap();
    }
    number
}

fn open(session: u64) -> Item {
    Item::Open(Open { session, peer: format!("192.0.2.1:{}", session + 1024) })
}
