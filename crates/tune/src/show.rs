//! Figures as people read them.

use std::time::Duration;

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
