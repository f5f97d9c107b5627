//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use pulsegate_protocol::tick::Head;

/// Sends recorded ticks to a logic server, as the relay did when they were recorded.
#[derive(Clone, Args)]
pub struct ReplayArgs {
    /// The journal's directory; a relay may be writing it.
    #[arg(value_name = "DIR")]
    pub journal: PathBuf,

    /// The logic server: host:port, or unix:/path. One that serves live players refuses.
    #[arg(long, value_name = "ADDR")]
    pub logic: String,

    /// The first tick to play: its number, or a time such as 2026-07-01T20:15:00Z. What the logic
    /// server needs to know before it is sent at full speed.
    #[arg(long, value_name = "TICK|TIME")]
    pub from: Option<Point>,

    /// The last tick to play, as a number or a time.
    #[arg(long, value_name = "TICK|TIME")]
    pub until: Option<Point>,

    /// Only this session's packets and events; may be given several times. All ticks are sent, and
    /// no snapshot is used, for it would hold the other sessions too.
    #[arg(long = "session", value_name = "ID")]
    pub sessions: Vec<u64>,

    /// Send the packets of skipped ticks too: those of which logic died, and which an operator had
    /// left out.
    #[arg(long)]
    pub whole: bool,

    /// How fast: a multiple of real time such as 8x or 0.5x, or max.
    #[arg(long, default_value = "1x", value_name = "FACTOR|max")]
    pub speed: Speed,

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

/// A place in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The tick with this number.
    Tick(u64),
    /// The first tick that was sealed at this time or after it, in nanoseconds since 1970-01-01
    /// UTC; as an end, the last one that was sealed at it or before.
    Time(u64),
}

/// How fast ticks are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// So many times as fast as they were recorded.
    Times(f64),
    /// As fast as the logic server takes them.
    Max,
}

impl Point {
    /// Whether a tick is at this place or before it.
    pub(crate) fn includes(self, head: &Head) -> bool {
        match self {
            Self::Tick(number) => head.number <= number,
            Self::Time(wall_ns) => head.wall_ns <= wall_ns,
        }
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse() {
            return Ok(Self::Tick(number));
        }
        let time: Timestamp = text.parse().map_err(|_| {
            "expected a tick's number, or a time such as 2026-07-01T20:15:00Z".to_owned()
        })?;
        let wall_ns = u64::try_from(time.as_nanosecond());
        wall_ns.map(Self::Time).map_err(|_| "expected a time after 1970".into())
    }
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
    fn places_are_numbers_or_times() {
        assert_eq!("17".parse(), Ok(Point::Tick(17)));
        assert_eq!("1970-01-01T00:00:02.5Z".parse(), Ok(Point::Time(2_500_000_000)));
        assert_eq!("1970-01-01T02:00:00+02:00".parse(), Ok(Point::Time(0)));
        for text in ["", "-1", "noon", "1969-12-31T23:59:59Z", "2026-07-01"] {
            assert!(text.parse::<Point>().is_err(), "{text}");
        }
    }

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
