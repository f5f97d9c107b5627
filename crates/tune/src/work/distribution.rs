//! Work times out of a distribution.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand_distr::{Distribution as _, Exp, LogNormal, Normal, Uniform};
use rand_pcg::Pcg64;
use rand_pcg::rand_core::SeedableRng;

use super::{LONGEST, duration};

const EXPECTED: &str = "expected constant(10ms), uniform(5ms,30ms), exponential(8ms), \
                        normal(12ms,4ms) or lognormal(12ms,4ms)";

/// How work times are spread, as it is written on the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    text: String,
    shape: Shape,
}

/// All in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Constant(f64),
    Uniform(Uniform<f64>),
    Exponential(Exp<f64>),
    Normal(Normal<f64>),
    LogNormal(LogNormal<f64>),
}

impl Distribution {
    /// So many work times, the same for the same seed. What would be less than nothing is nothing.
    pub(super) fn draw(&self, ticks: u64, seed: u64) -> Vec<Duration> {
        let mut random = Pcg64::seed_from_u64(seed);
        (0..ticks).map(|_| self.shape.sample(&mut random)).collect()
    }
}

impl Shape {
    fn sample(&self, random: &mut Pcg64) -> Duration {
        let seconds = match self {
            Self::Constant(seconds) => *seconds,
            Self::Uniform(uniform) => uniform.sample(random),
            Self::Exponential(exponential) => exponential.sample(random),
            Self::Normal(normal) => normal.sample(random),
            Self::LogNormal(log_normal) => log_normal.sample(random),
        };
        Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX).min(LONGEST)
    }
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('(').ok_or(EXPECTED)?;
        let inner = rest.trim_end().strip_suffix(')').ok_or(EXPECTED)?;
        let numbers = inner.split(',').map(|number| Ok(duration(number, "ms")?.as_secs_f64()));
        let numbers: Vec<_> = numbers.collect::<Result<_, String>>()?;
        let shape = match (name.trim(), numbers.as_slice()) {
            ("constant", [value]) => Some(Shape::Constant(*value)),
            ("uniform", [low, high]) => Uniform::new_inclusive(low, high).ok().map(Shape::Uniform),
            ("exponential", [mean]) => Exp::new(1.0 / mean).ok().map(Shape::Exponential),
            ("normal", [mean, deviation]) => Normal::new(*mean, *deviation).ok().map(Shape::Normal),
            ("lognormal", [mean, deviation]) => {
                LogNormal::from_mean_cv(*mean, deviation / mean).ok().map(Shape::LogNormal)
            }
            _ => return Err(EXPECTED.into()),
        };
        let shape = shape.ok_or_else(|| format!("there is no {text}; {EXPECTED}"))?;
        Ok(Self { text: text.into(), shape })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(text: &str, seed: u64) -> Vec<Duration> {
        text.parse::<Distribution>().unwrap().draw(20_000, seed)
    }

    fn mean_and_deviation_ms(text: &str) -> (f64, f64) {
        let drawn = draw(text, 7);
        let ms: Vec<_> = drawn.iter().map(|work| work.as_secs_f64() * 1e3).collect();
        let mean = ms.iter().sum::<f64>() / ms.len() as f64;
        let square = ms.iter().map(|ms| (ms - mean).powi(2)).sum::<f64>() / ms.len() as f64;
        (mean, square.sqrt())
    }

    #[test]
    fn what_is_drawn_has_the_mean_and_deviation_that_were_asked_for() {
        for (text, mean, deviation) in [
            ("constant(10ms)", 10.0, 0.0),
            ("uniform(5ms, 30ms)", 17.5, 25.0 / 12f64.sqrt()),
            ("exponential(8)", 8.0, 8.0),
            ("normal(12ms,2ms)", 12.0, 2.0),
            ("lognormal(12ms,4ms)", 12.0, 4.0),
        ] {
            let drawn = mean_and_deviation_ms(text);
            assert!((drawn.0 - mean).abs() < 0.3, "{text}: {drawn:?}");
            assert!((drawn.1 - deviation).abs() < 0.3, "{text}: {drawn:?}");
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_and_another_one_something_else() {
        assert_eq!(draw("normal(12ms,4ms)", 1), draw("normal(12ms,4ms)", 1));
        assert_ne!(draw("normal(12ms,4ms)", 1), draw("normal(12ms,4ms)", 2));
    }

    #[test]
    fn less_than_nothing_is_nothing() {
        let drawn = draw("normal(0ms,4ms)", 1);
        let none = drawn.iter().filter(|work| work.is_zero()).count();
        assert!((9_000..11_000).contains(&none), "{none}");
    }

    #[test]
    fn what_is_no_distribution_is_refused_with_those_that_are() {
        for text in [
            "",
            "normal",
            "normal(12ms",
            "normal(12ms)",
            "normal(12ms,4ms,1ms)",
            "poisson(3ms)",
            "uniform(9ms,3ms)",
            "lognormal(0,1ms)",
            "constant(soon)",
        ] {
            let error = text.parse::<Distribution>().unwrap_err();
            assert!(error.contains("expected") || error.contains("soon"), "{text}: {error}");
        }
    }
}
