//! `logic-server`: a sample game behind Pulsegate.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pulsegate_logic::samples::{GameServer, ProxyHeader, Sample, run_sample};
use pulsegate_logic::{Address, Options};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::error;
use tracing_subscriber::filter::LevelFilter;

/// A sample logic server for Pulsegate.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    game: Game,
    /// Where the relay finds this server: `host:port` or `unix:/path`
    #[arg(long, global = true, value_name = "ADDR", default_value = "127.0.0.1:14001")]
    listen: Address,
    /// The secret that relay and logic server share
    #[arg(long, global = true, env = "PULSEGATE_LOGIC__SECRET", hide_env_values = true)]
    #[arg(value_name = "TEXT", default_value = "", hide_default_value = true)]
    secret: String,
    /// How much to say: `off`, `error`, `warn`, `info`, `debug` or `trace`
    #[arg(long, global = true, value_name = "LEVEL", default_value = "info")]
    log_level: LevelFilter,
}

#[derive(Debug, Subcommand)]
enum Game {
    /// Send each packet back to its sender, byte for byte
    Echo,
    /// Move players on a grid: `{"move":"north"}`
    Arena,
    /// Put an unchanged TCP game server behind the relay, with a connection for each session
    Bridge {
        /// The game server: `host:port`
        #[arg(value_name = "ADDR")]
        address: String,
        /// Begin each connection with a PROXY header that names the client's address
        #[arg(long, value_name = "VERSION", num_args = 0..=1, default_missing_value = "v1")]
        #[arg(require_equals = true)]
        proxy_protocol: Option<ProxyHeader>,
    },
}

impl From<Game> for Sample {
    fn from(game: Game) -> Self {
        match game {
            Game::Echo => Self::Echo,
            Game::Arena => Self::Arena,
            Game::Bridge { address, proxy_protocol: proxy_header } => {
                Self::Bridge(GameServer { address, proxy_header })
            }
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_max_level(arguments.log_level)
        .with_target(false)
        .init();

    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let Arguments { game, listen, secret, .. } = arguments;
    let shutdown = stop_signal().map_err(|error| format!("cannot wait for signals: {error}"))?;
    let listener = listen.bind().await.map_err(|error| {
        format!("cannot listen on {listen}: {error}; choose another address with --listen")
    })?;
    run_sample(game.into(), listener, Options { secret }, shutdown).await;
    Ok(())
}

/// A token that SIGTERM or SIGINT cancels.
fn stop_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let fired = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        fired.cancel();
    });
    Ok(stop)
}
