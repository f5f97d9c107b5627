//! The journal as other programs read it: the package `mcap`, in Python.

#![allow(clippy::unwrap_used)]

use std::fs;

use pulsegate_tests::programs::python_example;
use pulsegate_tests::{TestClient, TestRelay, pulsegate};

/// What the script says of a journal, and the picture that it made.
fn lateness(journal: &std::path::Path) -> (String, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let picture = dir.path().join("lateness.png");
    let output = python_example("lateness.py").arg(journal).arg(&picture).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), fs::read(picture).unwrap())
}

#[test]
fn a_script_plots_the_lateness_of_a_journal_that_is_written_and_of_one_that_is_compressed() {
    let mut relay = TestRelay::start("tick.sleep = \"10ms\"");
    let mut client = TestClient::connect(relay.clients());
    (0..50).for_each(|number| client.echo(format!("{number}")));
    let (said, picture) = lateness(&relay.journal());
    assert!(picture.starts_with(b"\x89PNG"), "{said}");
    assert!(relay.terminate().success());

    let timings = relay.journal_cat(&["--kind", "timing"]).len();
    let (said, _) = lateness(&relay.journal());
    assert!(said.starts_with(&format!("{timings} ticks; ")), "{timings}: {said}");
    let cut = relay.config().with_file_name("cut");
    let mut command = pulsegate();
    command.args(["journal", "cut"]).arg(relay.journal()).arg(&cut);
    assert!(command.status().unwrap().success());
    let (of_cut, _) = lateness(&cut);
    assert_eq!(of_cut, said);
}
