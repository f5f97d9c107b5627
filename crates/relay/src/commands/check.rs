//! `pulsegate check`: whether a configuration can be used, and what follows from it.

use std::fmt::Write as _;
use std::path::Path;

use bytesize::ByteSize;
use rustix::process::{Resource, getrlimit};

use crate::config::{Config, Faults, LogicAddress, PolicyKind, SyncKind};
use crate::disk;
use crate::machine::{MemoryLimit, memory_limit};

/// Reads `file` as `run` would, with this environment's overrides, and prints what follows from it.
///
/// Fails with everything that is wrong with it.
pub fn run(file: &Path) -> miette::Result<()> {
    println!("{}", report(file, Config::environment())?);
    Ok(())
}

fn report(
    file: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<String, Faults> {
    let config = Config::load(Some(file), environment, &[])?;
    let here = Here { files: getrlimit(Resource::Nofile).current, memory: memory_limit() };
    Ok(format!("{}: fine\n{}", file.display(), consequences(&config, &here)))
}

/// What there is here: how many files may be open, and how much memory there is.
struct Here {
    files: Option<u64>,
    memory: Option<MemoryLimit>,
}

/// What is worth knowing before a start.
fn consequences(config: &Config, here: &Here) -> String {
    let needs = config.needs();
    let mut text = needs.to_string();
    let mut note = |line: std::fmt::Arguments<'_>| {
        let _ = write!(text, "\n{line}");
    };
    if let Some(limit) = here.memory.as_ref().filter(|limit| limit.bytes < needs.memory()) {
        note(format_args!("  but {limit}: lower {}", needs.largest().settings));
    }
    if let Some(limit) = here.files.filter(|limit| *limit < needs.files()) {
        note(format_args!("  but only {limit} here: raise it with `ulimit -n {}`", needs.files()));
    }
    if let Some(dir) = &config.journal.dir {
        if let Err(error) = disk::is_writable(dir) {
            note(format_args!("journal: {} cannot be written here: {error}", dir.display()));
        }
        if let Some(concern) = disk::concern(dir) {
            note(format_args!("journal: {concern} ({})", dir.display()));
        }
    }
    if matches!(config.logic.address, LogicAddress::Echo | LogicAddress::Arena) {
        note(format_args!("logic: the built-in sample `{}`", config.logic.address));
    }
    if config.liveness.policy == PolicyKind::Off {
        note(format_args!("liveness: silent clients are left to TCP"));
    }
    match (&config.journal.dir, config.journal.sync) {
        (None, _) => note(format_args!("journal: off; after an outage logic cannot catch up")),
        (Some(_), SyncKind::Os) => {
            note(format_args!("journal: a power cut may take the last ticks"))
        }
        (Some(_), SyncKind::Interval) => note(format_args!(
            "journal: a power cut may take the last {}",
            humantime::format_duration(config.journal.sync_every)
        )),
        (Some(_), SyncKind::Tick) => {}
    }
    match (&config.journal.dir, config.journal.keep_size, config.journal.keep_age) {
        (Some(dir), None, None) => {
            note(format_args!("journal: grows in {} until you remove segments", dir.display()));
        }
        (Some(_), Some(size), _) => {
            note(format_args!("journal: keeps {}", ByteSize(size as u64)));
        }
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(text: &str, files: u64) -> String {
        notes_with(text, Here { files: Some(files), memory: None })
    }

    fn notes_with(text: &str, here: Here) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("relay.toml");
        std::fs::write(&path, text).unwrap();
        let config = Config::load(Some(&path), [], &[]).unwrap();
        consequences(&config, &here)
    }

    #[test]
    fn a_file_that_is_fine_is_named_with_what_follows() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/relay.toml");
        let report = report(file.as_ref(), []).unwrap();
        assert!(report.starts_with(&format!("{file}: fine\nmemory: at most 4.1 GiB")), "{report}");
    }

    #[test]
    fn a_file_that_is_not_fine_is_refused() {
        let faults = report("/nowhere/relay.toml".as_ref(), []).unwrap_err();
        assert!(faults.in_one_line().contains("no such file"));
    }

    #[test]
    fn too_few_open_files_are_noted() {
        let limits = "limits.sessions = 1000";
        assert!(notes(limits, 1024).contains("only 1024 here: raise it with `ulimit -n 1416`"));
        assert!(!notes(limits, 1416).contains("ulimit"));
    }

    #[test]
    fn too_little_memory_is_noted_with_whose_limit_it_is() {
        let notes = |bytes| {
            let memory = Some(MemoryLimit { bytes, file: Some("/memory.max".into()) });
            notes_with("limits.sessions = 1000", Here { files: None, memory })
        };
        let tight = notes(64 << 20);
        let expected = "but its control group allows 64.0 MiB (/memory.max): lower limits.sessions";
        assert!(tight.contains(expected) || tight.contains("lower limits.answer"), "{tight}");
        assert!(!notes(1 << 50).contains("control group"));
    }

    #[test]
    fn a_journal_that_cannot_be_or_will_not_last_is_noted() {
        assert!(notes("journal.dir = '/dev/shm'", 100_000).contains("not survive a reboot"));
        assert!(notes("journal.dir = '/dev/null/x'", 100_000).contains("cannot be written here"));
    }

    #[test]
    fn what_a_power_cut_may_take_is_noted() {
        let says = |sync: &str| notes(&format!("journal.sync = '{sync}'"), 100_000);
        assert!(says("interval").contains("may take the last 100ms"));
        assert!(says("os").contains("may take the last ticks"));
        assert!(!says("tick").contains("power cut"));
    }
}
