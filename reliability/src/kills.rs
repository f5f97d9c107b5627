//! `kills`: kill -9 of the relay at random moments, under load and while it starts.
//!
//! A round is a journal of its own, with clients, packets, a pace and a way to sync of its own. In
//! each, one life after another is killed, and a witness keeps what it saw. When the last life has
//! ended in order, the journal is held against the witness.

use std::thread::sleep;
use std::time::{Duration, Instant};

use pulsegate_tests::{Crowd, Program, Recorded, Site, Witness, eventually};

use crate::attack::{Attack, Figures};
use crate::ending::{ends_in_order, starts};

/// How many lives one journal sees.
const KILLS_A_ROUND: u32 = 20;

/// Kills as often as was asked for.
pub(crate) fn attack(attack: &Attack) -> Figures {
    let mut dice = attack.dice();
    let (count, began) = (attack.count(100), Instant::now());
    let mut tally = Tally::default();
    while tally.kills < count {
        let kills = KILLS_A_ROUND.min(count - tally.kills);
        let round = Round::by(&mut dice);
        tally.add(&round.fight(kills, &mut dice));
        println!("{:5} kills, {round:?}", tally.kills);
    }
    tally.figures(began.elapsed())
}

#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    while_starting: u32,
    seen: u64,
    recorded: u64,
    segments: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.while_starting += other.while_starting;
        self.seen += other.seen;
        self.recorded += other.recorded;
        self.segments += other.segments;
    }

    fn figures(&self, took: Duration) -> Figures {
        let mut figures = Figures::default();
        figures.add("kills", self.kills);
        figures.add("of these, while it started", self.while_starting);
        figures.add("ticks that logic saw", self.seen);
        figures.add("ticks in the journals", self.recorded);
        figures.add("segments", self.segments);
        figures.add("ticks that logic saw and the journal lacks", 0);
        figures.add(
            "a kill, a start and the play between, ms",
            took.as_millis() / u128::from(self.kills.max(1)),
        );
        figures
    }
}

/// What differs from round to round.
#[derive(Debug)]
struct Round {
    clients: usize,
    packet: usize,
    sleep_ms: u64,
    sync: &'static str,
    segment_kib: u64,
    logic_holds_state: bool,
}

impl Round {
    fn by(dice: &mut fastrand::Rng) -> Self {
        Self {
            clients: dice.usize(1..=24),
            packet: dice.usize(1..=3000),
            sleep_ms: dice.u64(1..=15),
            sync: ["tick", "tick", "interval", "os"][dice.usize(..4)],
            segment_kib: dice.u64(64..=512),
            logic_holds_state: dice.bool(),
        }
    }

    fn settings(&self) -> String {
        format!(
            "tick.sleep = \"{}ms\"\njournal.sync = \"{}\"\njournal.segment_size = \"{}KiB\"\n\
             limits.bytes_per_second = \"1GiB\"",
            self.sleep_ms, self.sync, self.segment_kib
        )
    }

    fn fight(&self, kills: u32, dice: &mut fastrand::Rng) -> Tally {
        let site = Site::new(&self.settings());
        let witness =
            if self.logic_holds_state { Witness::with_state() } else { Witness::stateless() };
        let _listening = witness.listen(site.host().logic());
        let crowd = Crowd::sending(self.clients, self.packet, site.host().clients());
        let mut while_starting = 0;
        for _ in 0..kills {
            let mut relay = Program::start(site.command());
            if dice.u8(..4) == 0 {
                while_starting += 1;
                sleep(Duration::from_micros(dice.u64(..60_000)));
            } else {
                self.wait_for_play(&mut relay, &crowd, &witness);
                sleep(Duration::from_micros(dice.u64(..20_000 * self.sleep_ms)));
            }
            relay.kill();
        }
        let relay = starts(&site, &witness);
        crowd.go_home();
        ends_in_order(relay);

        let recorded = Recorded::of(&site.journal());
        recorded.keeps_all_promises(&witness);
        assert_eq!(recorded.missing(), 0, "ticks, without a failure of the disk");
        Tally {
            kills,
            while_starting,
            seen: witness.tell(|testimony| testimony.ticks.len() as u64),
            recorded: recorded.count() as u64,
            segments: pulsegate_journal::info(site.journal()).unwrap().segments.len() as u64,
        }
    }

    fn wait_for_play(&self, relay: &mut Program, crowd: &Crowd, witness: &Witness) {
        let (echoes, tick) = (crowd.echoes(), witness.newest());
        relay.says("relay runs");
        eventually("clients play", || {
            crowd.echoes() >= echoes + self.clients as u64 && witness.newest() > tick
        });
    }
}
