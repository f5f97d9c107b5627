//! Text that claims to be a configuration.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, SourceSpan};
use pulsegate::config::{Config, Fault, Faults};
use tempfile::TempDir;

use crate::scratch;

thread_local! {
    static SCRATCH: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// A text is a configuration, or is refused with a place for each fault that is in it.
pub fn hold(bytes: &[u8]) {
    SCRATCH.with_borrow_mut(|scratch| {
        let path = scratch.get_or_insert_with(scratch::directory).path().join("relay.toml");
        fs::write(&path, bytes).unwrap();
        check(&path, bytes);
    });
}

fn check(path: &Path, bytes: &[u8]) {
    match Config::load(Some(path), [], &[]) {
        Ok(config) => can_run(&config),
        Err(faults) => {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            faults.iter().for_each(|fault| has_its_place(fault, text));
            assert!(!faults.in_one_line().is_empty());
            // To draw a report takes ten times as long as all the rest.
            if bytes.len().is_multiple_of(8) {
                can_be_read(&faults);
            }
        }
    }
}

/// What was taken is shown, and stays what it is.
fn can_run(config: &Config) {
    serde_json::to_value(config).unwrap();
    assert!(config.changes(config).is_empty());
    config.with_live_from(config).unwrap();
    let strategy = config.tick.strategy();
    assert!(!strategy.shortest_beat().is_zero());
}

fn has_its_place(fault: &Fault, text: &str) {
    let label = fault.labels().and_then(|mut labels| labels.next());
    let Some(label) = label else { return };
    let span: SourceSpan = *label.inner();
    let (from, to) = (span.offset(), span.offset() + span.len());
    assert!(to <= text.len(), "{fault}: {from} to {to} of {}", text.len());
    assert!(text.is_char_boundary(from) && text.is_char_boundary(to), "{fault}: {from} to {to}");
    let lines = text.matches('\n').count() + 1;
    assert!(fault.line().is_some_and(|line| line <= lines), "{fault}: line {:?}", fault.line());
}

fn can_be_read(faults: &Faults) {
    let mut report = String::new();
    let plain = GraphicalReportHandler::new_themed(GraphicalTheme::none());
    plain.render_report(&mut report, faults).unwrap();
    assert!(!report.contains("Failed to read contents"), "{report}");
}
