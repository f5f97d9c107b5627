//! What people get wrong in a configuration, and what they are told.

mod contradictions;
mod fields;
mod files;
mod outside;
mod reload;
mod reports;

use std::path::Path;

use super::{Config, Faults};

/// Reads `text` as a file, with nothing beside it.
fn read(text: &str) -> Result<Config, Faults> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.toml");
    std::fs::write(&path, text).unwrap();
    read_file(&path)
}

fn read_file(path: &Path) -> Result<Config, Faults> {
    Config::load(Some(path), [], &[])
}

fn faults(text: &str) -> Faults {
    read(text).map(|_| panic!("this was taken: {text}")).unwrap_err()
}

/// The only fault of `text`, as people see it: message, lines, help.
fn report(text: &str) -> String {
    let faults = faults(text);
    assert_eq!(faults.iter().count(), 1, "{}", faults.in_one_line());
    rendered(&faults)
}

fn rendered(faults: &Faults) -> String {
    let mut text = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    handler.with_width(200).render_report(&mut text, faults).unwrap();
    text
}
