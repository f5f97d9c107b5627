//! Clients that attack, and the relay's own stalls, among honest clients who are measured.
//!
//! - [`honest`]: those who are measured
//! - [`hostile`]: many cheap connections, and threads that attack until they are dropped
//! - [`floods`]: too much
//! - [`drips`]: too little, or too slowly
//! - [`deaf`]: those who never read
//! - [`crowds`]: many at once, and many one after another
//! - [`oddities`]: no files left, urgent bytes, resets within a frame, and bursts that are allowed
//! - [`stalls`]: the relay itself is stopped, or its disk hangs

pub(crate) mod honest;

mod crowds;
mod deaf;
mod drips;
mod floods;
mod hostile;
mod oddities;
mod stalls;

use clap::{Args, ValueEnum};

use crate::attack::{Attack, Figures};
use crate::logic::Scale;

/// What `clients` understands.
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
    /// One client at a thousand times its allowance
    Flood,
    /// A thousand clients, each with more than its allowance
    Floods,
    /// A million empty frames
    EmptyFrames,
    /// Frames that never finish
    Drips,
    /// Clients that never say a word
    Silence,
    /// Clients that never read
    NonReaders,
    /// Everybody comes back within a second of a restart
    Storm,
    /// Thousands come and go
    Churn,
    /// No file descriptors are left
    Files,
    /// Urgent bytes, and resets within a frame
    Oddities,
    /// As much at once as is allowed
    Bursts,
    /// The relay is stopped
    Stop,
    /// A sync hangs
    Sync,
}

/// Runs one scenario, or all.
pub(crate) fn run(arguments: Arguments, attack: &Attack) -> Figures {
    hostile::allow_files();
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
        Scenario::Flood => floods::flood,
        Scenario::Floods => floods::floods,
        Scenario::EmptyFrames => floods::empty_frames,
        Scenario::Drips => drips::drips,
        Scenario::Silence => drips::silence,
        Scenario::NonReaders => deaf::non_readers,
        Scenario::Storm => crowds::storm,
        Scenario::Churn => crowds::churn,
        Scenario::Files => oddities::files,
        Scenario::Oddities => oddities::oddities,
        Scenario::Bursts => oddities::bursts,
        Scenario::Stop => stalls::stop,
        Scenario::Sync => stalls::sync,
    }
}
