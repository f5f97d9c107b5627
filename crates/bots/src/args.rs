//! The command line.

use std::time::Duration;

use clap::Args;
use tokio_util::sync::CancellationToken;

/// Simulated clients that join one after another, send packets and heartbeats, and count what
/// comes back.
#[derive(Debug, Clone, Args)]
pub struct BotsArgs {
    /// Where the relay listens for clients.
    #[arg(default_value = "127.0.0.1:14000")]
    pub address: String,

    /// How many bots.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub count: u32,

    /// Packets a second, for each bot; 0: only heartbeats.
    #[arg(long, default_value_t = 20.0, value_parser = rate)]
    pub rate: f64,

    /// Bytes in a packet; a packet is never shorter than its stamp, of some 30 bytes.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub size: u32,

    /// Time between one bot's join and the next one's.
    #[arg(long, default_value = "10ms", value_parser = humantime::parse_duration)]
    pub join_every: Duration,

    /// How long all play together, from the moment at which the last one is to join.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub duration: Duration,

    /// Time between a bot's heartbeats, the first of which it sends when it joins; 0s: none.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    pub heartbeat: Duration,

    /// Fall silent so long after joining, but stay connected: to watch them leave and be closed.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub mute_after: Option<Duration>,

    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,

    /// Exit with status 1 unless every bot joined and every packet came back once and in order.
    #[arg(long)]
    pub strict: bool,
}

/// What the bots do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Host and port of the relay.
    pub address: String,
    /// How many bots.
    pub count: u32,
    /// Packets a second, for each bot; 0: none.
    pub rate: f64,
    /// Bytes in a packet, if its stamp is not longer.
    pub size: usize,
    /// Time between one bot's join and the next one's.
    pub join_every: Duration,
    /// How long all play together, from the moment at which the last one is to join.
    pub duration: Duration,
    /// Time between a bot's heartbeats; `None`: none.
    pub heartbeat: Option<Duration>,
    /// When a bot falls silent, counted from its join.
    pub mute_after: Option<Duration>,
    /// Ends the playing early: outstanding echoes are still awaited, and goodbyes said.
    pub stop: CancellationToken,
}

impl Options {
    /// The command line's defaults, against this address.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            count: 100,
            rate: 20.0,
            size: 64,
            join_every: Duration::from_millis(10),
            duration: Duration::from_secs(30),
            heartbeat: Some(Duration::from_secs(5)),
            mute_after: None,
            stop: CancellationToken::new(),
        }
    }
}

impl From<&BotsArgs> for Options {
    fn from(args: &BotsArgs) -> Self {
        Self {
            address: args.address.clone(),
            count: args.count,
            rate: args.rate,
            size: args.size as usize,
            join_every: args.join_every,
            duration: args.duration,
            heartbeat: Some(args.heartbeat).filter(|every| !every.is_zero()),
            mute_after: args.mute_after,
            stop: CancellationToken::new(),
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("packets a second, from 0 to 10000".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: BotsArgs,
    }

    fn parse(line: &str) -> Result<BotsArgs, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.args)
    }

    #[test]
    fn a_bare_command_line_means_the_defaults() {
        let options = Options::from(&parse("bots").unwrap());
        let defaults = Options::new("127.0.0.1:14000");
        assert_eq!(format!("{options:?}"), format!("{defaults:?}"));
    }

    #[test]
    fn no_heartbeats_and_no_packets_can_be_asked_for() {
        let options = Options::from(&parse("bots h:1 --heartbeat 0s --rate 0").unwrap());
        assert_eq!((options.heartbeat, options.rate), (None, 0.0));
    }

    #[test]
    fn absurd_numbers_are_refused() {
        for line in ["bots --rate -1", "bots --rate nan", "bots --count 0", "bots --size 65537"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
