//! Places in a recording, as a person gives them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp};

/// What is to be given where a [`Point`] is.
const EXPECTED: &str = "expected a tick's number, a time such as 2026-07-01T20:15:00Z or 14:03:10, \
                        -5m for five minutes before the end, or session:812:open or \
                        session:812:close";

/// A place in a recording. [`Range::find`](crate::Range::find) says which ticks are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The tick with this number.
    Tick(u64),
    /// The first tick that was sealed at this time or after it, in nanoseconds since 1970-01-01
    /// UTC; as an end, the last one that was sealed at it or before.
    Time(u64),
    /// The same, for a time of the recording's day, in this machine's zone. Of several days the
    /// last one is meant.
    Clock(Time),
    /// The same, for a time so long before the recording's last tick.
    BeforeEnd(Duration),
    /// The tick in which a session opened.
    Opening(u64),
    /// The tick in which a session closed.
    Closing(u64),
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let point = match text.as_bytes() {
            [b'-', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => before_end(text),
            [b's', ..] => session(text),
            _ => text.parse().ok().map(Self::Tick).or_else(|| time(text)),
        };
        point.ok_or_else(|| EXPECTED.to_owned())
    }
}

fn before_end(text: &str) -> Option<Point> {
    let duration: SignedDuration = text[1..].parse().ok()?;
    Duration::try_from(duration).ok().map(Point::BeforeEnd)
}

fn session(text: &str) -> Option<Point> {
    let (id, edge) = text.strip_prefix("session:")?.split_once(':')?;
    let id = id.parse().ok()?;
    match edge {
        "open" => Some(Point::Opening(id)),
        "close" => Some(Point::Closing(id)),
        _ => None,
    }
}

fn time(text: &str) -> Option<Point> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return u64::try_from(time.as_nanosecond()).ok().map(Point::Time);
    }
    // A date alone is no time, though it can be read as one.
    let is_clock = text.contains(':') && !text.contains('-');
    is_clock.then(|| text.parse().ok().map(Point::Clock)).flatten()
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick(number) => write!(f, "tick {number}"),
            Self::Time(wall_ns) => {
                write!(f, "{}", Timestamp::from_nanosecond((*wall_ns).into()).unwrap_or_default())
            }
            Self::Clock(time) => write!(f, "{time}"),
            Self::BeforeEnd(duration) => write!(f, "{duration:?} before the end"),
            Self::Opening(session) => write!(f, "the opening of session {session}"),
            Self::Closing(session) => write!(f, "the closing of session {session}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;

    use super::*;

    #[test]
    fn places_are_numbers_times_and_what_sessions_did() {
        for (text, point) in [
            ("17", Point::Tick(17)),
            ("1970-01-01T00:00:02.5Z", Point::Time(2_500_000_000)),
            ("1970-01-01T02:00:00+02:00", Point::Time(0)),
            ("14:03:10", Point::Clock(time(14, 3, 10, 0))),
            ("14:03", Point::Clock(time(14, 3, 0, 0))),
            ("-5m", Point::BeforeEnd(Duration::from_secs(300))),
            ("-1h30m", Point::BeforeEnd(Duration::from_secs(5400))),
            ("-0.5s", Point::BeforeEnd(Duration::from_millis(500))),
            ("session:812:open", Point::Opening(812)),
            ("session:812:close", Point::Closing(812)),
        ] {
            assert_eq!(text.parse(), Ok(point), "{text}");
        }
        for text in [
            "",
            "-1",
            "--5m",
            "noon",
            "1969-12-31T23:59:59Z",
            "2026-07-01",
            "25:00",
            "session:812",
            "session:x:open",
            "session:812:opened",
            "5m",
            "-",
            "sessions",
        ] {
            assert!(text.parse::<Point>().is_err(), "{text}");
        }
    }
}
