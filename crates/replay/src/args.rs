//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args};

use crate::point::Point;
use crate::verify::ignore::Ignore;

/// Send recorded ticks to a logic server
///
/// It gets them as it got them from the relay, at the same pace or another one. It must be one that
/// serves no live players. Or, with --as-clients, send a relay what its clients sent. See
/// docs/replay.md.
///
/// The exit status is 0 if all was played, 1 if it broke off, and 2 if it could not begin. With
/// --until-diff it is 1 if an answer differs, and 2 if that could not be found out; with
/// --as-clients 1 if a client could not join, and 2 if none could.
#[derive(Clone, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("peer").args(["logic", "as_clients"]).required(true))]
pub struct ReplayArgs {
    /// The journal's directory; a relay may be writing it.
    #[arg(value_name = "DIR")]
    pub journal: PathBuf,

    /// The logic server: host:port, or unix:/path.
    #[arg(long, value_name = "ADDR")]
    pub logic: Option<String>,

    /// Instead of a logic server, a relay's address for clients, host:port.
    ///
    /// The recorded clients come back and do what they did, in the recorded order and rhythm.
    #[arg(
        long,
        value_name = "ADDR",
        conflicts_with_all = ["whole", "prelude", "step", "pause_at", "until_diff"]
    )]
    pub as_clients: Option<String>,

    /// How many clients do what one of the recording did.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "as_clients",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub times: u32,

    /// The first tick to play: 812, 14:03:10, -5m or session:812:open.
    ///
    /// Its number; a time such as 2026-07-01T20:15:00Z, or 14:03:10 on the recording's day; -5m, so
    /// long before its end; session:812:open or session:812:close. The logic server is brought there
    /// at full speed.
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub from: Option<Point>,

    /// The last tick to play, given like the first.
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub until: Option<Point>,

    /// Only this session's packets and events; may be given several times.
    ///
    /// All ticks are sent, and no snapshot is used, for it would hold the other sessions too.
    #[arg(long = "session", value_name = "ID")]
    pub sessions: Vec<u64>,

    /// Send also the packets that an operator had left out.
    ///
    /// Those of ticks that logic died of, which it was sent without them.
    #[arg(long)]
    pub whole: bool,

    /// Begin with a made-up tick that opens the sessions that were present.
    ///
    /// It takes the place of all that came before the range. All other state from before is
    /// missing.
    #[arg(long)]
    pub prelude: bool,

    /// How fast: a multiple of real time such as 8x or 0.5x, or max.
    #[arg(long, default_value = "1x", value_name = "FACTOR|max")]
    pub speed: Speed,

    /// Wait for a key before each tick, and show what goes in and comes out.
    ///
    /// Enter, space or n: next tick; c: go on without stopping; q: end. Where standard input is no
    /// terminal, a line takes the place of a key, and behind the last one all goes on.
    #[arg(long)]
    pub step: bool,

    /// Wait for a key before this tick, while a debugger is attached.
    ///
    /// It is given like the first one. With --step, stepping begins there.
    #[arg(long, value_name = "POINT", allow_hyphen_values = true)]
    pub pause_at: Option<Point>,

    /// End with the first answer that differs from the recorded one.
    ///
    /// Each is compared before the next tick is sent. At a terminal logic is left alone where it
    /// differs until a key is pressed.
    #[arg(long, conflicts_with = "sessions")]
    pub until_diff: bool,

    /// What may differ with --until-diff; may be given several times.
    ///
    /// A place in JSON bodies such as `players[*].x`, or state_hash, or close.
    #[arg(long = "ignore", value_name = "PATH", requires = "until_diff")]
    pub ignore: Vec<Ignore>,

    /// What the logic server and its relay share, if they do.
    #[arg(
        long,
        env = "PULSEGATE_LOGIC__SECRET",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    pub secret: String,

    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

impl ReplayArgs {
    /// All of a journal into a logic server, in real time.
    pub fn of(journal: impl Into<PathBuf>, logic: impl Into<String>) -> Self {
        Self {
            journal: journal.into(),
            logic: Some(logic.into()),
            as_clients: None,
            times: 1,
            from: None,
            until: None,
            sessions: Vec::new(),
            whole: false,
            prelude: false,
            speed: Speed::Times(1.0),
            step: false,
            pause_at: None,
            until_diff: false,
            ignore: Vec::new(),
            secret: String::new(),
            json: false,
        }
    }

    /// Where the logic server is; empty if there is none, with `as_clients`.
    pub(crate) fn logic(&self) -> &str {
        self.logic.as_deref().unwrap_or_default()
    }
}

/// How fast ticks are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// So many times as fast as they were recorded.
    Times(f64),
    /// As fast as the logic server takes them.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.strip_suffix('x').unwrap_or(text).parse() {
            Ok(factor) if (0.001..=1_000_000.0).contains(&factor) => Ok(Self::Times(factor)),
            _ => Err("expected a factor such as 8x or 0.5x, or max".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_factors_or_max() {
        assert_eq!("8x".parse(), Ok(Speed::Times(8.0)));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
        assert_eq!("max".parse(), Ok(Speed::Max));
        for text in ["0x", "-1x", "fast", "nan", "infx"] {
            assert!(text.parse::<Speed>().is_err(), "{text}");
        }
    }
}
