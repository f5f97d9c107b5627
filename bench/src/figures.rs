//! All that was measured: each figure by its name, with one value a round.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::spread::Spread;

/// Figures by name. A name is a path that says what was measured, with what: `cost/1000x20/nginx`.
///
/// The values of a round stand at the same place in all figures, so that a ratio compares
/// neighbours in time.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, Vec<f64>>);

impl Figures {
    /// Adds this round's value.
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// What the rounds of one figure came to.
    ///
    /// # Errors
    /// There is no such figure, or a value of it is no number.
    pub(crate) fn spread(&self, name: &str) -> Result<Spread> {
        Spread::of(self.values(name)?).with_context(|| format!("{name} has no value"))
    }

    /// What the ratio of two figures came to, round by round.
    ///
    /// # Errors
    /// As [`Figures::spread`], for either of them.
    pub(crate) fn ratio(&self, name: &str, to: &str) -> Result<Spread> {
        let pairs = self.values(name)?.iter().zip(self.values(to)?);
        let ratios: Vec<_> = pairs.map(|(value, base)| value / base).collect();
        Spread::of(&ratios).with_context(|| format!("{name} and {to} share no round"))
    }

    /// By how many percent a figure is above another, round by round.
    ///
    /// # Errors
    /// As [`Figures::ratio`].
    pub(crate) fn extra(&self, name: &str, above: &str) -> Result<Spread> {
        Ok(self.ratio(name, above)?.map(|ratio| (ratio - 1.0) * 100.0))
    }

    /// Whether there is such a figure.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All of them, for programs.
    pub(crate) fn to_json(&self) -> Value {
        self.0
            .iter()
            .filter_map(|(name, values)| {
                let Spread { min, median, max } = Spread::of(values)?;
                let figure = json!({ "min": min, "median": median, "max": max, "runs": values });
                Some((name.clone(), figure))
            })
            .collect()
    }

    fn values(&self, name: &str) -> Result<&[f64]> {
        let values = self.0.get(name).with_context(|| format!("{name} was not measured"))?;
        anyhow::ensure!(values.iter().all(|value| value.is_finite()), "{name} is not a number");
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_compares_values_of_the_same_round() {
        let mut figures = Figures::default();
        for (fast, slow) in [(1.0, 2.0), (10.0, 40.0), (3.0, 3.0)] {
            figures.add("fast", fast);
            figures.add("slow", slow);
        }
        let ratio = figures.ratio("fast", "slow").unwrap();
        assert_eq!(ratio, Spread { min: 0.25, median: 0.5, max: 1.0 });
    }

    #[test]
    fn what_is_missing_or_no_number_is_an_error() {
        let mut figures = Figures::default();
        figures.add("broken", f64::NAN);
        figures.add("whole", 1.0);
        assert!(figures.spread("broken").is_err());
        assert!(figures.spread("absent").is_err());
        assert!(figures.ratio("whole", "absent").is_err());
    }
}
