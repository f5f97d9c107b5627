//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use pulsegate_replay::Point;

use crate::goal::Goal;
use crate::work::Distribution;

/// Tries all strategies over work times, and recommends one with its settings.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("source").required(true).args(["journal", "work", "csv"])))]
pub struct TuneArgs {
    /// Work times from a journal's directory; a relay may be writing it.
    #[arg(value_name = "DIR")]
    pub journal: Option<PathBuf>,

    /// The first tick of the journal that counts: its number; a time such as 2026-07-01T20:15:00Z,
    /// or 14:03:10 on the recording's day; -5m, so long before its end; session:812:open or
    /// session:812:close.
    #[arg(long, value_name = "POINT", requires = "journal", allow_hyphen_values = true)]
    pub from: Option<Point>,

    /// The last tick that counts, given like the first.
    #[arg(long, value_name = "POINT", requires = "journal", allow_hyphen_values = true)]
    pub until: Option<Point>,

    /// Work times from a distribution: constant(10ms), uniform(5ms,30ms), exponential(8ms), or by
    /// mean and standard deviation normal(12ms,4ms), lognormal(12ms,4ms).
    #[arg(long, value_name = "DISTRIBUTION")]
    pub work: Option<Distribution>,

    /// Work times from a CSV file, one a line; numbers without a unit are milliseconds.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// The column of the CSV file, by its name in the first line; it is needed if there are
    /// several. One that ends with _us or _s is in that unit.
    #[arg(long, value_name = "NAME", requires = "csv")]
    pub column: Option<String>,

    /// How many ticks to draw from the distribution.
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "work",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub ticks: u64,

    /// The same seed draws the same work times.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "work")]
    pub seed: u64,

    /// Wanted beats per second [default: those of the recording, or 20].
    #[arg(long, value_name = "BEATS", value_parser = rate)]
    pub rate: Option<f64>,

    /// What the beat is to be like.
    #[arg(long, value_enum, default_value_t = Goal::Steady)]
    pub goal: Goal,

    /// Print all candidates, as JSON.
    #[arg(long)]
    pub json: bool,

    /// Write a page with timelines, distributions and the trade-off.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.1..=1000.0).contains(&rate) => Ok(rate),
        _ => Err("expected beats per second, from 0.1 to 1000".into()),
    }
}
