//! `even-clients`: packets are spread evenly.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::load::Load;
use crate::programs::Programs;

/// They play on for so long: joining is noticed late, and so is the end of what is measured.
const PLAY_ON: Duration = Duration::from_millis(500);

/// What they counted.
#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(super) sent: u64,
    received: u64,
    pub(super) late_p99_us: f64,
}

pub(super) fn command(
    programs: &Programs,
    address: SocketAddr,
    load: Load,
    length: Duration,
) -> Command {
    let mut command = Command::new(programs.own("even-clients"));
    let seconds = (length + PLAY_ON).as_secs_f64();
    command.arg(address.to_string());
    command.args(["--count", &load.clients.to_string(), "--rate", &load.rate.to_string()]);
    command.args(["--seconds", &seconds.to_string()]);
    command
}

impl Summary {
    /// Understands what they wrote.
    ///
    /// # Errors
    /// It is no summary, or something is missing.
    pub(super) fn read(text: &str) -> Result<Self> {
        let summary: Self = serde_json::from_str(text)?;
        let Self { sent, received, .. } = summary;
        ensure!(sent == received, "{received} packets came back of {sent}");
        Ok(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_without_a_loss_counts() {
        assert!(Summary::read(r#"{"sent":5,"received":5,"late_p99_us":8.2}"#).is_ok());
        assert!(Summary::read(r#"{"sent":5,"received":4,"late_p99_us":8.2}"#).is_err());
        assert!(Summary::read("").is_err());
    }
}
