//! Logic servers that die, hang, lie or flood.
//!
//! - [`checked`]: a logic server that keeps what it applied in files, so that somebody else can check
//! - [`kills`]: it is killed again and again under load
//! - [`outages`]: it stops, loops, or stays away
//! - [`rivals`]: two of them, or one that cannot be right
//! - [`poison`]: one that dies of the same tick each time
//! - [`torrents`]: one that is slow, and ones that say too much
//! - [`cable`]: one behind a cable that is cut

pub(crate) mod checked;

mod cable;
mod kills;
mod outages;
mod poison;
mod rivals;
mod torrents;

use clap::{Args, ValueEnum};
use pulsegate_tests::{TestRelay, eventually};

use crate::attack::{Attack, Figures};

/// What `logic` understands.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Arguments {
    /// Only this one [default: all of them]
    scenario: Option<Scenario>,
    /// At the scale of the published figures, which takes long
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scenario {
    /// kill -9 under load
    Kills,
    /// SIGSTOP, for shorter and for longer than `logic.timeout`
    Stops,
    /// It dies right after its Welcome, again and again
    CrashLoop,
    /// It stays away while clients go on
    Away,
    /// Two logic servers, and two relays
    Rivals,
    /// It says that it is where it cannot be
    Liars,
    /// It dies of the same tick each time
    Poison,
    /// It takes ten times as long as a tick
    Slow,
    /// A gigabyte of replies to one client
    Torrent,
    /// The same reply to everybody
    Broadcast,
    /// The cable of the link is cut
    Cable,
}

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale<'a> {
    pub(crate) attack: &'a Attack,
    full: bool,
}

impl<'a> Scale<'a> {
    pub(crate) fn new(attack: &'a Attack, full: bool) -> Self {
        Self { attack, full }
    }

    /// What CI does, or what the figures are made with.
    pub(crate) fn of<T>(&self, usual: T, full: T) -> T {
        if self.full { full } else { usual }
    }
}

/// Runs one scenario, or all.
pub(crate) fn run(arguments: Arguments, attack: &Attack) -> Figures {
    let mut figures = Figures::default();
    let scale = Scale::new(attack, arguments.full);
    let chosen = arguments.scenario.map(|scenario| vec![scenario]);
    for scenario in chosen.unwrap_or_else(|| Scenario::value_variants().to_vec()) {
        println!("{scenario:?}");
        attack_by(scenario)(&scale, &mut figures);
    }
    figures
}

fn attack_by(scenario: Scenario) -> fn(&Scale<'_>, &mut Figures) {
    match scenario {
        Scenario::Kills => kills::kills,
        Scenario::Stops => outages::stops,
        Scenario::CrashLoop => outages::crash_loop,
        Scenario::Away => outages::away,
        Scenario::Rivals => rivals::rivals,
        Scenario::Liars => rivals::liars,
        Scenario::Poison => poison::poison,
        Scenario::Slow => torrents::slow,
        Scenario::Torrent => torrents::torrent,
        Scenario::Broadcast => torrents::broadcast,
        Scenario::Cable => cable::cable,
    }
}

/// Waits until the relay has linked so often.
#[track_caller]
fn wait_links(relay: &TestRelay, links: u32) {
    eventually(&format!("{links} links"), || {
        relay.metric("pulsegate_links_total") >= f64::from(links)
    });
}
