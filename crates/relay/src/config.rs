//! The configuration: one TOML file, overridden by the environment and the command line.
//!
//! - [`settings`]: every setting, in one table
//! - [`setting`]: what a setting is
//! - `given`, `kind`, `place`, [`choice`]: how a value is written, and what it becomes
//! - `read`, `document`: file, environment and command line into values
//! - `relations`: settings that contradict each other
//! - [`fault`]: what is wrong, and where; all faults are reported together
//! - [`needs`]: what a relay with these limits may need of its machine
//! - [`mod@print`]: the commented file and the JSON schema
//!
//! ```
//! use pulsegate::config::Config;
//!
//! let config = Config::default();
//! assert_eq!(config.client.listen.port(), 14000);
//! ```

pub mod choice;
pub mod fault;
pub mod needs;
pub mod print;
pub mod setting;
pub mod settings;

mod document;
mod given;
mod kind;
mod place;
mod read;
mod relations;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::ser::{Serialize, SerializeMap, Serializer};

pub use choice::{FramingKind, LogFormat, OnError, OverrunKind, PolicyKind};
pub use choice::{StrategyKind, SyncKind};
pub use fault::{Fault, Faults};
pub use place::{LogicAddress, Secret};
pub use setting::Setting;
pub use settings::{Admin, Client, Config, Heartbeat, Journal, Limits, Liveness, Log, LogicLink};
pub use settings::{SETTINGS, Tick};

/// What the names of environment variables begin with.
pub const VARIABLE_PREFIX: &str = "PULSEGATE_";

/// A setting that something outside the file has the last word on.
#[derive(Debug, Clone)]
pub struct Override {
    /// Its name: `client.listen`.
    pub key: &'static str,
    /// Its value, as it would stand in the file; quotes are not needed.
    pub value: String,
    /// Who says so, as an error shows it: `--listen`.
    pub origin: &'static str,
}

/// What another configuration has different, by names such as `tick.sleep`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// What a relay that runs can take over.
    pub live: Vec<&'static str>,
    /// What needs a restart.
    pub restart: Vec<&'static str>,
}

impl Changes {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty() && self.restart.is_empty()
    }
}

impl Config {
    /// Reads `file`, then `environment` (variables such as `PULSEGATE_TICK__SLEEP`; others are left
    /// alone), then `overrides`. What none of them names has its default.
    ///
    /// Fails with everything that is wrong, not with the first of it.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &[Override],
    ) -> Result<Self, Faults> {
        let mut reading = read::Reading::default();
        if let Some(path) = file {
            reading.file(path);
        }
        reading.environment(environment);
        reading.overrides(overrides);
        reading.finish()
    }

    /// This process's environment, as [`Config::load`] takes it.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        std::env::vars_os()
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX))
    }

    /// What `new` has different.
    pub fn changes(&self, new: &Config) -> Changes {
        let mut changes = Changes::default();
        for setting in SETTINGS.iter().filter(|setting| !(setting.same)(self, new)) {
            let list = if setting.live { &mut changes.live } else { &mut changes.restart };
            list.push(setting.name);
        }
        changes
    }

    /// This configuration with all that `new` has different and that needs no restart.
    ///
    /// Fails if the two do not go together: `new` may be right in itself, and yet contradict what
    /// only a restart would change.
    pub fn with_live_from(&self, new: &Config) -> Result<Config, Faults> {
        let mut merged = self.clone();
        for setting in SETTINGS.iter().filter(|setting| setting.live) {
            (setting.copy)(new, &mut merged);
        }
        let faults = relations::contradictions(&merged, &Default::default());
        if faults.is_empty() { Ok(merged) } else { Err(Faults::new("the reload", faults)) }
    }
}

/// As the file would say it, section by section; secrets are not shown.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sections = serializer.serialize_map(Some(settings::SECTIONS.len()))?;
        for section in settings::SECTIONS {
            let values: serde_json::Map<_, _> = SETTINGS
                .iter()
                .filter(|setting| setting.section == section.name)
                .map(|setting| (setting.key.to_owned(), (setting.show)(self)))
                .collect();
            sections.serialize_entry(section.name, &values)?;
        }
        sections.end()
    }
}
