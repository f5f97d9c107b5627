//! What several runs came to: the least, the middle and the most.

use std::fmt;

/// Minimum, median and maximum of one figure over the runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value; `None` for none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { min, median, max })
    }

    /// The same figure in another unit.
    pub(crate) fn map(self, convert: impl Fn(f64) -> f64) -> Self {
        Self { min: convert(self.min), median: convert(self.median), max: convert(self.max) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { min, median, max } = *self;
        if min.to_bits() == max.to_bits() {
            return f.write_str(&short(median));
        }
        write!(f, "{} ({}–{})", short(median), short(min), short(max))
    }
}

/// A number with about three digits that mean something.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        1_000.0.. => whole(value),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A number without what comes behind its point.
pub(crate) fn whole(value: f64) -> String {
    let (thousands, rest) = (value.round() as i64 / 1_000, value.round() as i64 % 1_000);
    if thousands == 0 {
        return rest.to_string();
    }
    format!("{},{:03}", whole(thousands as f64), rest.abs())
}

/// The value below which the share `q` of all lies, by nearest rank; `None` of nothing.
pub(crate) fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * q).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { min: 1.0, median: 2.0, max: 3.0 });
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn numbers_show_what_means_something() {
        let shown = [0.0, 0.456, 10.04, 123.4, -1_638.4, 1_999.6, 1_234_567.0].map(short);
        assert_eq!(shown, ["0", "0.46", "10.0", "123", "-1,638", "2,000", "1,234,567"]);
        assert_eq!(Spread::of(&[1.0, 2.0, 3.0]).unwrap().to_string(), "2.00 (1.00–3.00)");
        assert_eq!(Spread::of(&[2.0]).unwrap().to_string(), "2.00");
    }

    #[test]
    fn a_quantile_is_a_value_that_was_there() {
        let mut values: Vec<_> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut values, 0.5), Some(50.0));
        assert_eq!(quantile(&mut values, 0.99), Some(99.0));
        assert_eq!(quantile(&mut values, 1.0), Some(100.0));
        assert_eq!(quantile(&mut [7.0], 0.01), Some(7.0));
        assert_eq!(quantile(&mut [], 0.5), None);
    }
}
