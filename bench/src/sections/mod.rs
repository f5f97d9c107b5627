//! What is measured, in the order in which it is printed.

mod cost;
mod growth;
mod idle;
mod journal;
mod latency;
mod memory;
mod punctuality;

use std::path::Path;

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
    /// Bytes per client, in the process and in the kernel
    Memory,
    /// 19,500 clients in one process, and none
    Idle,
    /// How late beats are, beside tokio's `interval` and `cyclictest`
    Punctuality,
    /// From the beat to the last reply written
    Latency,
    /// The share of CPU that recording costs
    Journal,
    /// Cost and memory from 100 clients to 15,000
    Growth,
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
            Self::Memory => "Memory",
            Self::Idle => "Idle",
            Self::Punctuality => "Punctuality",
            Self::Latency => "Latency",
            Self::Journal => "Journal",
            Self::Growth => "Growth",
        }
    }

    /// How many rounds of it there are, if there are `runs` of others.
    pub(crate) fn rounds(self, runs: u32) -> u32 {
        // Each takes more than a minute, and nobody is compared.
        if self == Self::Idle { 1 } else { runs }
    }

    /// Measures one round of it.
    ///
    /// # Errors
    /// A program failed, or a client lost something.
    pub(crate) fn measure(self, bench: &Bench, figures: &mut Figures) -> Result<()> {
        match self {
            Self::Cost => cost::measure(bench, figures),
            Self::Memory => memory::measure(bench, figures),
            Self::Idle => idle::measure(bench, figures),
            Self::Punctuality => punctuality::measure(bench, figures),
            Self::Latency => latency::measure(bench, figures),
            Self::Journal => journal::measure(bench, figures),
            Self::Growth => growth::measure(bench, figures),
        }
    }

    /// Its tables, after its rounds.
    ///
    /// # Errors
    /// A figure is missing.
    pub(crate) fn show(self, figures: &Figures) -> Result<String> {
        match self {
            Self::Cost => cost::show(figures),
            Self::Memory => memory::show(figures),
            Self::Idle => idle::show(figures),
            Self::Punctuality => punctuality::show(figures),
            Self::Latency => latency::show(figures),
            Self::Journal => journal::show(figures),
            Self::Growth => growth::show(figures),
        }
    }

    /// Its drawing, if it has one.
    ///
    /// # Errors
    /// A figure is missing, or a file cannot be written.
    pub(crate) fn draw(self, figures: &Figures, directory: &Path) -> Result<()> {
        if self == Self::Growth { growth::draw(figures, directory) } else { Ok(()) }
    }
}
