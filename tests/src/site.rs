//! A place for relays, whether one runs there or not.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::host::Host;
use crate::relay::{configure, run};

/// Addresses, a configuration and a journal, for one relay after another. For tests that decide
/// themselves how each is started, and do not expect it to last.
#[derive(Debug)]
pub struct Site {
    dir: TempDir,
    host: Host,
}

impl Site {
    /// A place for relays whose logic server is at the host's address for that. `settings` are
    /// lines of TOML with whole names, as for [`TestRelay`](crate::TestRelay).
    pub fn new(settings: &str) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap(), host: Host::take() };
        let settings = format!("{settings}\nlogic.address = \"{}\"", site.host.logic());
        configure(&site.host, site.dir.path(), &settings);
        site
    }

    /// Runs a relay here.
    pub fn command(&self) -> Command {
        run(self.dir.path())
    }

    /// Its addresses.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Where the journal is, unless the settings say otherwise.
    pub fn journal(&self) -> PathBuf {
        self.dir.path().join("journal")
    }

    /// A place for other files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}
