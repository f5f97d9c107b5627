//! `bench`: Pulsegate measured beside what people use today, in one run on one machine.
//!
//! `bench/run` installs what is needed, builds, and starts this. In the order in which data flows:
//!
//! - [`programs`], [`process`], [`kernel`]: what is started, and what the kernel tells of it
//! - [`peers`], [`relay`]: the contenders, each with what stands behind it
//! - [`load`], [`clients`]: how many clients do what, and the processes that are these clients
//! - [`trial`]: one contender under one load
//! - [`beats`]: how late its ticks were, from its journal
//! - [`sections`]: what is measured, a file each
//! - [`figures`], [`spread`]: one value a round, and what they came to
//! - [`marks`]: what they should be
//! - [`machine`], [`table`], [`drawing`]: what is printed and drawn
//!
//! Contenders alternate within a round, and ratios compare neighbours of one round. CPU is that of
//! the measured process alone, with all its threads and children.

mod beats;
mod clients;
mod drawing;
mod figures;
mod kernel;
mod load;
mod machine;
mod marks;
mod peers;
mod process;
mod programs;
mod relay;
mod sections;
mod spread;
mod table;
mod trial;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::figures::Figures;
use crate::machine::Machine;
use crate::programs::Programs;
use crate::sections::{Bench, Section};
use crate::trial::Scale;

/// Measures Pulsegate beside what people use today, and prints tables in Markdown.
///
/// Everything runs on loopback. `BENCH_BINARIES=DIR` measures the `pulsegate` and `logic-server` of
/// another directory.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// What to measure [default: all]
    #[arg(value_enum, value_name = "SECTION")]
    sections: Vec<Section>,
    /// How many rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// All in small, and one round: only to see that it runs
    #[arg(long)]
    smoke: bool,
    /// Where to write all figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to draw
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    limit_files()?;
    let programs = Programs::find()?;
    let machine = Machine::look(&programs)?;
    let bench = Bench { programs, scale: Scale { smoke: arguments.smoke } };
    println!("{machine}");
    if arguments.smoke {
        println!("A smoke run: it shows that all of it runs, and its figures mean nothing.\n");
    }
    let figures = measure(arguments, &bench)?;
    let all = arguments.sections.is_empty();
    println!("## Marks\n\n{}", marks::show(&figures, all)?);
    if let Some(path) = &arguments.json {
        let all = json!({ "machine": machine.to_json(), "figures": figures.to_json() });
        fs::write(path, format!("{all:#}\n"))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn measure(arguments: &Arguments, bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let all = arguments.sections.is_empty();
    let sections = if all { Section::all() } else { &arguments.sections };
    for section in sections {
        let rounds = if arguments.smoke { 1 } else { section.rounds(arguments.runs) };
        for round in 1..=rounds {
            eprintln!("{}, round {round} of {rounds}", section.title());
            section.measure(bench, &mut figures)?;
        }
        println!("## {}\n\n{}", section.title(), section.show(&figures)?);
        if let Some(directory) = &arguments.svg {
            section.draw(&figures, directory)?;
        }
    }
    Ok(figures)
}

/// Files that each program may have open: the same for all, and as many as the marks speak of.
const FILES: u64 = 20_000;

fn limit_files() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX).min(FILES);
    let limit = Rlimit { current: Some(maximum), maximum: Some(maximum) };
    setrlimit(Resource::Nofile, limit).context("cannot set the limit of open files")
}
