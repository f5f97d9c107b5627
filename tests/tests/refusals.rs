//! What a relay does not start with, and whom its admin port refuses.

#![allow(clippy::unwrap_used)]

use pulsegate_tests::{TestRelay, pulsegate};
use serde_json::json;

#[track_caller]
fn assert_refused(settings: &str, parts: &[&str]) {
    let (status, said) = TestRelay::refuses(settings, |_| {});
    assert_eq!(status.code(), Some(1), "{said}");
    // Long lines are wrapped for terminals.
    let said = said.replace("\n  │ ", " ");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}

#[test]
fn a_misspelt_key_is_refused_with_its_line_and_the_right_one() {
    let settings = "# One.\n# Two.\nliveness.leave_afer = '15s'";
    assert_refused(settings, &["relay.toml:3:", "leave_afer", "did you mean", "leave_after"]);
}

#[test]
fn all_faults_of_a_file_are_told_at_once() {
    let settings = "tick.sleep = '50'\nclient.keepalive_probes = 'many'\nlimits.sessions = 0";
    assert_refused(
        settings,
        &["tick.sleep", "has no unit", "keepalive_probes", "limits.sessions", "3 faults"],
    );
}

#[test]
fn settings_that_contradict_each_other_are_refused_by_both_names() {
    let settings = "liveness.leave_after = '30s'\nliveness.close_after = '20s'";
    assert_refused(settings, &["`liveness.leave_after`", "`liveness.close_after`", "contradict"]);
    assert_refused("limits.outbox = '1KiB'", &["`limits.outbox`", "`client.max_frame`"]);
}

#[test]
fn an_admin_port_for_others_needs_a_token() {
    assert_refused(
        "admin.listen = '0.0.0.0:14080'",
        &["`admin.listen`", "`admin.token`", "needs a token"],
    );
}

#[test]
fn an_address_that_is_taken_is_named_with_a_way_out() {
    let relay = TestRelay::start("");
    let address = relay.clients().to_string();
    let output = pulsegate()
        .args(["run", "--journal", "off", "--admin", "off", "--listen", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn with_a_token_looking_is_free_and_changing_is_not() {
    let relay = TestRelay::start("admin.token = 'a long secret'");
    let pace = json!({"sleep": "20ms"});
    let set = |headers: &[(&str, &str)]| relay.post("/api/pace", &pace, headers).0;
    assert_eq!(set(&[]), 401);
    assert_eq!(set(&[("Authorization", "Bearer a wrong secret")]), 401);
    assert_eq!(relay.post("/api/sessions/1/close", &json!(null), &[]).0, 401);
    assert_eq!(relay.admin_json("/api/pace")["sleep"], "50ms");
    assert_eq!(set(&[("Authorization", "Bearer a long secret")]), 200);
    assert!(!relay.admin_json("/api/status").to_string().contains("a long secret"));
}

#[test]
fn without_a_token_a_web_page_may_change_nothing() {
    let relay = TestRelay::start("");
    let pace = json!({"sleep": "20ms"});
    let page = [("Origin", "http://pages.example")];
    assert_eq!(relay.post("/api/pace", &pace, &page).0, 403);
    assert_eq!(relay.post("/api/pace", &pace, &[]).0, 200);
}
