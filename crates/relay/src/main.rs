//! The command `pulsegate`.

use std::process::ExitCode;

use clap::Parser;
use pulsegate::commands::Cli;

/// Returns memory to the system after a crowd has left.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> miette::Result<ExitCode> {
    Cli::parse().run()
}
