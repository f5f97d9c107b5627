//! The command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ignore::Ignore;
use crate::args::{ReplayArgs, Speed};
use crate::point::Point;

/// Compare a logic server's answers with the recorded ones
///
/// Replies are compared one by one, then the sessions to close, then the state's hash, up to the
/// first difference. Not compared: pushes, which have no place between ticks; how long the rules
/// ran, snapshots and wishes for a pace; ticks whose answer was not recorded.
///
/// The exit status is 0 if nothing differs, 1 if something does, and 2 if that could not be found
/// out.
#[derive(Clone, Args)]
pub struct VerifyArgs {
    /// The journal's directory; a relay may be writing it.
    #[arg(value_name = "DIR")]
    pub journal: PathBuf,

    /// The logic server: host:port, or unix:/path. One that serves live players refuses.
    #[arg(long, value_name = "ADDR")]
    pub logic: String,

    /// The first tick to compare: its number; a time such as 2026-07-01T20:15:00Z, or 14:03:10 on
    /// the recording's day; -5m, so long before its end; session:812:open or session:812:close.
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub from: Option<Point>,

    /// The last tick to compare, given like the first.
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub until: Option<Point>,

    /// What may differ: a place in JSON bodies such as `players[*].x`, or state_hash, or close; may be
    /// given several times.
    #[arg(long = "ignore", value_name = "PATH")]
    pub ignore: Vec<Ignore>,

    /// Find the tick by halving the recording at its snapshots, instead of playing all of it. For
    /// logic servers with state hashes. The tick that is found is the first one that differs if
    /// every stretch between two snapshots differs from there on, as when the rules changed at some
    /// tick of the recording, or have changed since. If the last stretch does not differ, all of the
    /// range is compared after all.
    #[arg(long)]
    pub bisect: bool,

    /// How to print the verdict.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,

    /// Write the verdict as a page for a browser, too.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// What the logic server and its relay share, if they do.
    #[arg(
        long,
        env = "PULSEGATE_LOGIC__SECRET",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub secret: String,
}

/// How a verdict is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    Text,
    /// One JSON object.
    Json,
    /// JUnit's XML, as GitLab and Jenkins show it.
    Junit,
    /// Annotations of GitHub Actions.
    Github,
}

impl VerifyArgs {
    /// The replay whose answers are compared.
    pub(crate) fn replay(&self) -> ReplayArgs {
        ReplayArgs {
            from: self.from,
            until: self.until,
            speed: Speed::Max,
            secret: self.secret.clone(),
            ..ReplayArgs::of(&self.journal, &self.logic)
        }
    }
}
