//! Where the programs are.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

/// The directories of programs that were built.
#[derive(Debug)]
pub(crate) struct Programs {
    own: PathBuf,
    built: PathBuf,
}

impl Programs {
    /// Those beside this program; `pulsegate` and `logic-server` are in `BENCH_BINARIES` if that
    /// is set.
    ///
    /// # Errors
    /// One of them is missing.
    pub(crate) fn find() -> Result<Self> {
        let own = env::current_exe().context("cannot tell where this program is")?;
        let own = own.parent().context("this program is in no directory")?.to_owned();
        let built = env::var_os("BENCH_BINARIES").map_or_else(|| own.clone(), PathBuf::from);
        let found = Self { own, built };
        let needed = ["bare-echo", "bare-sends", "even-clients", "fan-out", "tokio-interval"]
            .map(|name| found.own(name));
        let needed =
            needed.into_iter().chain(["pulsegate", "logic-server"].map(|n| found.built(n)));
        for path in needed {
            ensure!(path.exists(), "{} is missing; bench/run builds it", path.display());
        }
        Ok(found)
    }

    /// A program of this package.
    pub(crate) fn own(&self, name: &str) -> PathBuf {
        self.own.join(name)
    }

    /// A program of Pulsegate.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.built.join(name)
    }
}
