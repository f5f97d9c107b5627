//! Figures as people read them.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// Milliseconds, without the unit: `12.5`.
pub(crate) fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    if ms >= 999.95 { format!("{ms:.0}") } else { format!("{ms:.1}") }
}

/// Percent, without the sign: `34`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0}", share * 100.0)
}

/// Beats per second, without the unit: `19.8`, and `20` if it is that.
pub(crate) fn rate(rate: f64) -> String {
    let text = format!("{rate:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// From one moment to another, both in nanoseconds since 1970-01-01 UTC: on this machine's clocks.
pub(crate) fn span(from_ns: u64, until_ns: u64) -> String {
    let (from, until) = (local(from_ns), local(until_ns));
    let format = if from.date() == until.date() { "%T %:z" } else { "%F %T %:z" };
    format!("{} to {}", from.strftime("%F %T"), until.strftime(format))
}

/// The time of day, likewise.
pub(crate) fn clock(wall_ns: u64) -> String {
    local(wall_ns).strftime("%T").to_string()
}

/// In RFC 3339.
pub(crate) fn timestamp(wall_ns: u64) -> Timestamp {
    Timestamp::from_nanosecond(wall_ns.into()).unwrap_or_default()
}

fn local(wall_ns: u64) -> Zoned {
    timestamp(wall_ns).to_zoned(TimeZone::system())
}
