//! The relay as it is measured: its pace, its journal, and the logic server behind it.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::peers::{Peer, READY_WITHIN, directory, free_address, wait_until_open};
use crate::process::Process;
use crate::programs::Programs;

/// How durable the journal makes a tick before logic sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// There is no journal.
    Off,
    /// Written, and left to the system.
    Os,
    /// On the disk; the default.
    Tick,
}

/// What answers the ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Game {
    /// Each packet goes back to its sender.
    Echo,
    /// Every twentieth tick is answered by 1 KiB to all.
    FanOut,
}

/// How a relay is started; all else is at its default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) sync: Sync,
    pub(crate) game: Game,
    /// Beats a second on a grid; `None`: the default pace, about 20 a second.
    pub(crate) hertz: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self { sync: Sync::Tick, game: Game::Echo, hertz: None }
    }
}

impl Options {
    /// Starts the logic server and the relay, and waits until the two are connected.
    ///
    /// # Errors
    /// One of them cannot be started, or does not get ready.
    pub(crate) fn start(self, programs: &Programs) -> Result<Peer> {
        let (backend, logic) = self.game.start(programs)?;
        let directory = directory()?;
        let (address, admin) = (free_address()?, free_address()?);
        let mut command = Command::new(programs.built("pulsegate"));
        command.current_dir(directory.path());
        command.arg("run").args(["--listen", &address.to_string(), "--logic", &logic.to_string()]);
        command.args(["--admin", &admin.to_string()]);
        command.args(["--journal", if self.sync == Sync::Off { "off" } else { "journal" }]);
        command.envs(self.environment());
        let mut process = Process::start("pulsegate", &mut command)?;
        process.wait_until("being ready", READY_WITHIN, |_| is_ready(admin))?;
        Ok(Peer { process, address, understands_goodbye: true, backend: Some(backend), directory })
    }

    fn environment(self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("PULSEGATE_LIMITS__SESSIONS", "19500".to_owned())];
        match self.sync {
            Sync::Off => {}
            Sync::Os => settings.push(("PULSEGATE_JOURNAL__SYNC", "os".into())),
            Sync::Tick => settings.push(("PULSEGATE_JOURNAL__SYNC", "tick".into())),
        }
        if let Some(hertz) = self.hertz {
            settings.push(("PULSEGATE_TICK__STRATEGY", "deadline".into()));
            settings.push(("PULSEGATE_TICK__PERIOD", format!("{}us", 1_000_000 / hertz)));
        }
        settings
    }
}

impl Game {
    fn start(self, programs: &Programs) -> Result<(Process, SocketAddr)> {
        let address = free_address()?;
        let (name, mut command) = match self {
            Self::Echo => {
                let mut command = Command::new(programs.built("logic-server"));
                command.args(["echo", "--log-level", "error", "--listen"]);
                ("logic-server", command)
            }
            Self::FanOut => ("fan-out", Command::new(programs.own("fan-out"))),
        };
        let mut process = Process::start(name, command.arg(address.to_string()))?;
        wait_until_open(&mut process, address)?;
        Ok((process, address))
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let answer = ureq::get(format!("http://{admin}/readyz"))
        .config()
        .timeout_global(Some(Duration::from_secs(1)))
        .build()
        .call();
    answer.is_ok()
}
