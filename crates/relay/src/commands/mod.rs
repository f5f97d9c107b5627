//! The command line.

pub mod ask;
pub mod check;
pub mod config;
pub mod health;
pub mod journal;
pub mod rollback;
pub mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use miette::IntoDiagnostic;
use tokio::runtime::{Builder, Runtime};

/// A heartbeat relay between game clients and a game's logic server.
///
/// Without a command it runs: clients on 127.0.0.1:14000, a built-in echo server behind it, every
/// tick in ./data.
#[derive(Parser)]
#[command(name = "pulsegate", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Run the relay (the default)
    Run(run::RunArgs),
    /// Check a configuration file, and say what follows from it
    Check {
        /// The file
        config: PathBuf,
    },
    /// Print the default configuration, or its schema
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Ask a relay that runs how it is; the exit status says whether it is well
    Health(health::HealthArgs),
    /// Simulate clients
    Bots(pulsegate_bots::BotsArgs),
    /// Look into a journal
    #[command(subcommand)]
    Journal(journal::JournalCommand),
    Replay(pulsegate_replay::ReplayArgs),
    Verify(pulsegate_replay::VerifyArgs),
    /// Find the strategy and settings that suit how long ticks take
    Tune(pulsegate_tune::TuneArgs),
    /// Bring logic back to an earlier tick; clients stay, and play goes on from there
    ///
    /// Nothing is erased: see docs/operations.md, "Going back". The exit status is 1 if logic stays
    /// where it is; then the reason is said.
    Rollback(rollback::RollbackArgs),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What a person should read; the process then ends with status 1.
    pub fn run(self) -> miette::Result<ExitCode> {
        match self.command {
            None => run::run(self.run),
            Some(Command::Run(args)) => run::run(args),
            Some(Command::Check { config }) => check::run(&config).map(|()| ExitCode::SUCCESS),
            Some(Command::Config(command)) => {
                command.run().into_diagnostic()?;
                Ok(ExitCode::SUCCESS)
            }
            Some(Command::Health(args)) => health::run(args).map(|()| ExitCode::SUCCESS),
            Some(Command::Bots(args)) => {
                Ok(runtime()?.block_on(pulsegate_bots::terminal::run(args)))
            }
            Some(Command::Journal(command)) => journal::run(command),
            Some(Command::Replay(args)) => {
                Ok(runtime()?.block_on(pulsegate_replay::terminal::run(args)))
            }
            Some(Command::Verify(args)) => {
                Ok(runtime()?.block_on(pulsegate_replay::verify::terminal::run(args)))
            }
            Some(Command::Tune(args)) => Ok(pulsegate_tune::terminal::run(&args)),
            Some(Command::Rollback(args)) => rollback::run(args).map(|()| ExitCode::SUCCESS),
            Some(Command::Completions { shell }) => {
                let mut command = <Self as clap::CommandFactory>::command();
                clap_complete::generate(shell, &mut command, "pulsegate", &mut std::io::stdout());
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn runtime() -> miette::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build().into_diagnostic()
}
