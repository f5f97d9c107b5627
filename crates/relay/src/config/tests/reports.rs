//! Whole reports, as people see them.

use super::{faults, rendered, report};
use crate::config::given::Given;
use crate::config::{Config, SETTINGS};

/// `report` without what differs from run to run, and without trailing blanks.
fn tidy(report: &str) -> String {
    let lines = report.lines().map(|line| match line.split_once('[') {
        Some((before, place)) if place.contains("/relay.toml:") => {
            let place = place.rsplit('/').next().unwrap_or_default();
            format!("{before}[{place}")
        }
        _ => line.trim_end().to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[track_caller]
fn assert_report(text: &str, expected: &str) {
    let report = tidy(&report(text));
    let (_, report) = report.split_once("one fault").expect("a headline");
    assert_eq!(report.trim(), expected.trim(), "\n{report}");
}

#[test]
fn a_duration_without_its_unit() {
    assert_report(
        "# My game.\n[tick]\nsleep = \"50\"\n",
        r#"
Error:
  x `tick.sleep` is "50", which has no unit
   ,-[relay.toml:3:9]
 2 | [tick]
 3 | sleep = "50"
   :         ^^|^
   :           `-- 1ms to 1h
   `----
  help: did you mean "50ms"?
"#,
    );
}

#[test]
fn a_contradiction_with_a_default() {
    assert_report(
        "[liveness]\nleave_after = '40s'\n",
        r#"
Error:
  x `liveness.leave_after` and `liveness.close_after` contradict each other: a session goes to leave before it is closed
   ,-[relay.toml:2:15]
 1 | [liveness]
 2 | leave_after = '40s'
   :               ^^|^^
   :                 `-- liveness.leave_after
   `----
  help: liveness.close_after = "30s" (default)
"#,
    );
}

#[test]
fn a_contradiction_of_two_lines() {
    assert_report(
        "[liveness]\nleave_after = '40s'\nclose_after = '20s'\n",
        r#"
Error:
  x `liveness.leave_after` and `liveness.close_after` contradict each other: a session goes to leave before it is closed
   ,-[relay.toml:2:15]
 1 | [liveness]
 2 | leave_after = '40s'
   :               ^^|^^
   :                 `-- liveness.leave_after
 3 | close_after = '20s'
   :               ^^|^^
   :                 `-- liveness.close_after
   `----
"#,
    );
}

#[test]
fn text_that_is_not_toml_does_not_hide_other_faults() {
    let faults = faults("[tick]\nsleep = 50ms\nbudgett = 1\n[log]\nlevel = 'loud'\n");
    let lines: Vec<_> = faults.iter().map(|fault| fault.line().unwrap()).collect();
    assert_eq!(lines, [2, 3, 5], "{}", rendered(&faults));
}

#[test]
fn a_secret_beside_a_fault_is_not_shown() {
    let report =
        report("[logic]\nsecret = 'correct horse'\nadress = 'echo'\n[admin]\ntoken = '''x\ny'''");
    assert!(report.contains("secret = '*************'"), "{report}");
    assert!(!report.contains("horse"));
    let report = rendered(&faults("[admin]\nlisten = '0.0.0.0:1'\ntoken = 4711\n"));
    assert!(report.contains("`admin.token` is not text") && !report.contains("4711"), "{report}");
}

#[test]
fn every_secret_is_known_as_one() {
    for setting in SETTINGS {
        let mut config = Config::default();
        let is_taken = (setting.read)(&mut config, &Given::Text("hunter2".into())).is_ok();
        let is_hidden = is_taken && (setting.show)(&config) == "***";
        assert_eq!(is_hidden, setting.is_secret(), "{}", setting.name);
    }
}

#[test]
fn a_section_written_as_something_else_is_explained() {
    for text in ["client = 5", "[[client]]\nlisten = '127.0.0.1:1'"] {
        assert!(report(text).contains("`client` is a section"), "{}", report(text));
    }
    assert!(report("[clients]\n").contains("did you mean [client]?"));
    assert!(report("leave_after = '5s'").contains("it belongs into a section: [liveness]"));
}
