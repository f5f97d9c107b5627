//! `power`: power cuts, with the journal on an ext4 file system in a file.
//!
//! A cut is a copy of that file, taken while the relay is stopped. What is copied is what the
//! file system had handed to the disk by then, in the order in which it does; what it still held
//! in memory is not in it. That is the picture that a power cut leaves of a disk that has no
//! cache of its own, or keeps its promises about it. A disk that writes unsynced sectors in any
//! order is played besides: some of the sectors of the newest segment that nobody had synced are
//! there, and others are not.
//!
//! The copy is mounted, and a relay starts on it without help; some of those starts are cut as
//! well. With `sync = "tick"`, what logic saw before the cut is there. With `interval` and `os`,
//! some of the newest may be gone, no more than they say, and a logic server that saw them is
//! refused, by a line that names them. Nothing is taken for damage.
//!
//! Everything is mounted in a namespace of this process and its children: it goes when they do.
//!
//! - [`disk`]: the file system in a file
//! - [`round`]: a relay on it, the cuts, and what must be left

mod disk;
mod round;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use clap::Args;

use self::round::{Round, Tally};
use crate::attack::{Attack, Figures};

/// How many cuts one journal sees.
const CUTS_A_ROUND: u32 = 5;

/// Set in the namespace.
const INSIDE: &str = "RELIABILITY_MOUNTS_HERE";

/// What `power` understands besides.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Arguments {
    /// Where no loop device is to be had, say so and succeed
    #[arg(long)]
    skip_without_loop: bool,
}

/// Cuts as often as was asked for.
pub(crate) fn attack(arguments: Arguments, attack: &Attack) -> Figures {
    let mut figures = Figures::default();
    if std::env::var_os(INSIDE).is_none() {
        let refusal = enter_a_namespace(attack);
        return without_loop(arguments, &format!("unshare --mount: {refusal}"));
    }
    let home = tempfile::tempdir().unwrap();
    if let Some(refusal) = disk::refusal(home.path()) {
        return without_loop(arguments, &refusal);
    }
    let (mut dice, count) = (attack.dice(), attack.count(20));
    let mut total = Tally::default();
    while total.cuts < count {
        let round = Round::by(&mut dice);
        let cuts = CUTS_A_ROUND.min(count - total.cuts);
        println!("{:5} cuts before {round:?}", total.cuts);
        total.add(&round_at(home.path(), &round, cuts, &mut dice));
    }
    total.tell(&mut figures);
    figures
}

fn round_at(home: &Path, round: &Round, cuts: u32, dice: &mut fastrand::Rng) -> Tally {
    let home = tempfile::tempdir_in(home).unwrap();
    round.fight(cuts, home.path(), dice)
}

/// Becomes the same program in a namespace of mounts, with the same dice. Returns only if that is
/// not allowed.
fn enter_a_namespace(attack: &Attack) -> std::io::Error {
    let this = match std::env::current_exe() {
        Ok(this) => this,
        Err(error) => return error,
    };
    Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(this)
        .args(std::env::args_os().skip(1))
        .arg(format!("--seed={}", attack.seed()))
        .env(INSIDE, "yes")
        .exec()
}

fn without_loop(arguments: Arguments, why: &str) -> Figures {
    assert!(
        arguments.skip_without_loop,
        "no file system can be mounted from a file here: {why}\n\
         Run this as root where there are loop devices, or with --skip-without-loop"
    );
    println!("NOT TESTED: no file system can be mounted from a file here: {why}");
    Figures::default()
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.in_recovery += other.in_recovery;
        self.after_a_kill += other.after_a_kill;
        self.torn += other.torn;
        self.seen += other.seen;
        self.lossy += other.lossy;
        self.lost += other.lost;
    }

    fn tell(&self, figures: &mut Figures) {
        figures.add("power cuts", self.cuts);
        figures.add("of these, cut again in the next start", self.in_recovery);
        figures.add("of these, right after a kill -9 and a start", self.after_a_kill);
        figures.add("of these, with a torn end", self.torn);
        figures.add("ticks that logic saw", self.seen);
        figures.add("with sync = \"tick\": ticks lost that logic saw", 0);
        figures.add("with interval and os: cuts that lost some, all found out", self.lossy);
        figures.add("with interval and os: ticks that these lost", self.lost);
    }
}
