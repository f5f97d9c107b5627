//! What is measured, in the order in which it is printed.

mod cost;

use anyhow::Result;
use clap::ValueEnum;

use crate::figures::Figures;
use crate::programs::Programs;
use crate::trial::Scale;

/// With what, how large, and where to.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    pub(crate) scale: Scale,
}

impl Bench {
    /// Says on standard error what runs now.
    fn tell(&self, what: &str) {
        eprintln!("  {what}");
    }
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// CPU per frame, beside HAProxy, nginx and a bare echo server
    Cost,
}

impl Section {
    /// All of them.
    pub(crate) fn all() -> &'static [Self] {
        Self::value_variants()
    }

    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cost => "Cost",
        }
    }

    /// Measures one round of it.
    ///
    /// # Errors
    /// A program failed, or a client lost something.
    pub(crate) fn measure(self, bench: &Bench, figures: &mut Figures) -> Result<()> {
        match self {
            Self::Cost => cost::measure(bench, figures),
        }
    }

    /// Its tables, after its rounds.
    ///
    /// # Errors
    /// A figure is missing.
    pub(crate) fn show(self, figures: &Figures) -> Result<String> {
        match self {
            Self::Cost => cost::show(figures),
        }
    }
}
