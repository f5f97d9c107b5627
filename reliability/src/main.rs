//! `reliability`: attacks on the promises of Pulsegate, each a command, bounded, and repeatable by
//! the seed that it prints.
//!
//! `reliability/run` installs what is needed, builds, and starts this.
//!
//! - [`attack`]: how much, and by which seed; and the figures that an attack comes to
//! - the other modules: an attack each
//!
//! An attack that finds a broken promise panics with what it saw: that is its report.

// A panic is a report.
#![allow(clippy::unwrap_used)]

mod attack;
mod calls;
mod clients;
mod damage;
mod ending;
mod kills;
mod logic;
mod power;
mod restart;

use std::panic;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::attack::{Attack, Figures};

/// Attacks the promises of Pulsegate in its real binaries, and prints the figures in Markdown.
///
/// Everything runs on loopback or in namespaces of its own. `TEST_BINARIES=DIR` attacks the
/// `pulsegate` and `logic-server` of another directory.
#[derive(Debug, Parser)]
#[command(name = "reliability", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    attack: Attack,
}

#[derive(Debug, Clone, Subcommand)]
enum What {
    /// Kill the relay at random moments, under load and while it starts
    Kills,
    /// Let each system call of the journal and the link be the last, or fail; --count 0: every one
    Calls(calls::Arguments),
    /// Cut the power of the journal's disk
    Power(power::Arguments),
    /// Flip bits of a journal (--count 0: every one), cut it to every length, mix up its segments
    Damage,
    /// Start on a large journal after a kill
    Restart(restart::Arguments),
    /// Kill, stop, lose, double and betray the logic server
    Logic(logic::Arguments),
    /// Flood, drip, stall and churn among honest clients
    Clients(clients::Arguments),
    /// A logic server that keeps what it applied; `logic` starts and kills it
    #[command(hide = true)]
    CheckedLogic(logic::checked::Arguments),
}

fn main() -> ExitCode {
    let Arguments { what, attack } = Arguments::parse();
    let attack = attack.with_seed();
    println!("seed {}", attack.seed());
    let begun = std::time::Instant::now();
    match panic::catch_unwind(|| run(what, &attack)) {
        Ok(figures) => {
            println!("\n{figures}\n{:.0} s", begun.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(_) => {
            eprintln!("\nA promise is broken. Once more with --seed {}", attack.seed());
            ExitCode::FAILURE
        }
    }
}

fn run(what: What, attack: &Attack) -> Figures {
    match what {
        What::Calls(arguments) => calls::attack(arguments, attack),
        What::Kills => kills::attack(attack),
        What::Power(arguments) => power::attack(arguments, attack),
        What::Damage => damage::attack(attack),
        What::Restart(arguments) => restart::attack(arguments, attack),
        What::Logic(arguments) => logic::run(arguments, attack),
        What::Clients(arguments) => clients::run(arguments, attack),
        What::CheckedLogic(arguments) => logic::checked::serve(&arguments),
    }
}
