//! Every setting, wrong in every way that it can be.

use std::collections::BTreeSet;

use super::{faults, report};
use crate::config::{SETTINGS, Setting};

/// Values of the right type that are not allowed, and what the report says of them beside the
/// setting's name and its allowed range.
const BAD: &[(&str, &[&str], &str)] = &[
    (
        "client.listen",
        &[r#""localhost""#, r#""127.0.0.1""#, r#""127.0.0.1:99999""#],
        "not an IP address",
    ),
    ("client.framing", &[r#""lenght""#], r#"did you mean "length"?"#),
    ("client.length_bytes", &["3", r#""four""#], "not one of its words"),
    ("client.byte_order", &[r#""bigg""#], r#"did you mean "big"?"#),
    ("client.length_includes_header", &[r#""no""#, "0"], "not true or false"),
    ("client.max_frame", &["0", r#""17MiB""#], "too"),
    ("client.first_frame_within", &[r#""1ms""#, r#""2days""#], "too"),
    ("client.frame_within", &[r#""1ms""#, r#""2h""#], "too"),
    ("client.write_within", &[r#""1ms""#, r#""2h""#], "too"),
    ("client.keepalive_idle", &[r#""1500ms""#], "not in whole seconds"),
    ("client.keepalive_interval", &[r#""10h""#, r#""0s""#], "too"),
    ("client.keepalive_probes", &["0", "128"], "too"),
    ("client.user_timeout", &[r#""1ms""#, r#""2days""#], "too"),
    ("client.send_buffer", &[r#""1KiB""#, r#""1GiB""#], "too"),
    ("client.receive_buffer", &[r#""1KiB""#, r#""1GiB""#], "too"),
    ("client.notices", &[r#""yes""#], "did you mean true?"),
    ("client.outage_notices", &[r#""no""#], "did you mean false?"),
    ("heartbeat.match", &[r#"["jsn"]"#], r#"did you mean "json"?"#),
    ("heartbeat.ack", &["1"], "not true or false"),
    ("heartbeat.forward", &[r#""false""#], "did you mean false?"),
    ("liveness.policy", &[r#""timout""#], r#"did you mean "timeout"?"#),
    ("liveness.leave_after", &["15", r#""15""#], r#"did you mean "15ms"?"#),
    ("liveness.close_after", &[r#""30 sek""#], "not a duration"),
    ("liveness.interval", &[r#""2h""#, r#""1ms""#], "too"),
    ("liveness.threshold", &["0", "1001"], "too"),
    ("liveness.strikes", &["0", "1001"], "too"),
    ("liveness.recover", &["0", "1001"], "too"),
    ("liveness.leave_hold", &[r#""31days""#], "too much"),
    ("liveness.leave_sync", &[r#""2h""#], "too much"),
    ("liveness.idle_after", &["false"], r#"did you mean "off"?"#),
    ("liveness.departed", &["100001"], "too much"),
    ("tick.strategy", &[r#""adaptiv""#], r#"did you mean "adaptive"?"#),
    ("tick.sleep", &["50", r#""50""#], r#"did you mean "50ms"?"#),
    ("tick.budget", &[r#""2h""#], "too much"),
    ("tick.overruns", &["0", "10001"], "too"),
    ("tick.calm", &["0", "10001"], "too"),
    ("tick.period", &[r#""0ms""#, r#""2h""#], "too"),
    ("tick.overrun", &[r#""catch-up""#], r#"did you mean "catch_up"?"#),
    ("tick.catch_up", &["0", "1001"], "too"),
    ("tick.stall_after", &[r#""1ms""#, r#""2h""#], "too"),
    ("tick.spin", &[r#""11ms""#], "too much"),
    ("logic.address", &[r#""ecko""#, r#""unix:""#, r#""host:0""#, r#"":14001""#], "not an address"),
    ("logic.secret", &["12345"], "not text"),
    ("logic.timeout", &[r#""1ms""#, r#""2h""#], "too"),
    ("logic.max_outage", &[r#""1ms""#, r#""31days""#], "too"),
    ("logic.snapshot_every", &["0"], "too little"),
    ("journal.dir", &[r#""""#], "not a directory"),
    ("journal.sync", &[r#""ticks""#], r#"did you mean "tick"?"#),
    ("journal.sync_every", &[r#""2h""#], "too much"),
    ("journal.segment_size", &[r#""1KiB""#, r#""5GiB""#], "too"),
    ("journal.segment_age", &[r#""1ms""#, r#""8days""#], "too"),
    ("journal.keep_size", &["0", r#""1KiB""#], "too little"),
    ("journal.keep_age", &[r#""11years""#], "too much"),
    ("journal.heartbeats", &[r#""on""#], "did you mean true?"),
    ("journal.on_error", &[r#""go""#, r#""halt""#], "not one of its words"),
    ("admin.listen", &[r#""14080""#, "14080"], "not an IP address"),
    ("admin.token", &["12345"], "not text"),
    ("limits.sessions", &["0", "-1", "1000001"], ""),
    ("limits.sessions_per_address", &["0"], "too little"),
    ("limits.sessions_per_prefix", &["0"], "too little"),
    ("limits.newcomers", &["0", "1000001"], "too"),
    ("limits.bytes_per_second", &[r#""64 parsecs""#, "-1"], ""),
    ("limits.frames_per_second", &["0", r#""many""#], ""),
    ("limits.outbox", &["1", r#""1GiB""#], "too"),
    ("limits.batch", &["1", r#""1GiB""#], "too"),
    ("limits.answer", &[r#""1KiB""#, r#""65MiB""#], "too"),
    ("limits.memory", &["1", r#""2TiB""#], "too"),
    ("log.level", &[r#""inof""#], r#"did you mean "info"?"#),
    ("log.lines_per_minute", &["0"], "too little"),
    ("log.format", &[r#""jsn""#], r#"did you mean "json"?"#),
];

/// A file in which the key is `key` and its value `value`; the key stands in line 3.
fn file(setting: &Setting, key: &str, value: &str) -> String {
    format!("# A comment.\n[{}]\n{key} = {value}\n", setting.section)
}

#[test]
fn the_table_of_bad_values_has_every_setting() {
    let tested: BTreeSet<_> = BAD.iter().map(|(name, ..)| *name).collect();
    let all: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    assert_eq!(tested, all);
    assert!(all.len() > 50);
}

#[test]
fn a_value_that_is_not_allowed_is_refused_with_its_line_and_what_is_allowed() {
    for (name, values, says) in BAD {
        let setting = SETTINGS.iter().find(|setting| setting.name == *name).unwrap();
        for value in *values {
            let report = report(&file(setting, setting.key, value));
            for part in [&format!("`{name}` "), *says, &setting.allowed(), "relay.toml:3:"] {
                assert!(report.contains(part), "{part:?} is missing:\n{report}");
            }
        }
    }
}

#[test]
fn a_value_of_another_type_is_refused() {
    for setting in SETTINGS {
        for value in ["{ x = 1 }", "1.5", "2026-01-01", "[[1]]"] {
            let report = report(&file(setting, setting.key, value));
            assert!(report.contains(&format!("`{}` ", setting.name)), "{report}");
            assert!(report.contains(&setting.allowed()), "{report}");
        }
    }
}

#[test]
fn a_mistyped_key_is_answered_with_the_nearest_one() {
    for setting in SETTINGS {
        let typo = format!("{}{}", &setting.key[..1], setting.key);
        let report = report(&file(setting, &typo, "1"));
        assert!(report.contains(&format!("unknown key `{typo}` in [{}]", setting.section)));
        assert!(report.contains(&format!("did you mean `{}`?", setting.key)), "{report}");
        assert!(report.contains("relay.toml:3:1"), "{report}");
    }
}

#[test]
fn a_key_in_a_section_that_is_not_its_own_is_sent_home() {
    for setting in SETTINGS {
        let homes: BTreeSet<_> = SETTINGS
            .iter()
            .filter(|each| each.key == setting.key)
            .map(|each| each.section)
            .collect();
        // `log` has two keys only, and neither is near any other.
        if !homes.contains("log") {
            let report = report(&format!("[log]\n{} = 1\n", setting.key));
            assert!(homes.iter().any(|home| report.contains(&format!("[{home}]"))), "{report}");
        }
    }
}

#[test]
fn a_key_that_stands_twice_is_refused_with_both_places() {
    for setting in SETTINGS {
        let value = super::super::print::toml(&(setting.show)(&Default::default()));
        let text = file(setting, setting.key, &value) + &format!("{} = {value}\n", setting.key);
        let report = report(&text);
        assert!(report.contains(&format!("`{}` stands twice", setting.key)), "{report}");
        assert!(report.contains("the first") && report.contains("the second time"), "{report}");
    }
}

#[test]
fn every_fault_is_reported_at_once_and_in_order() {
    let text: String = SETTINGS.iter().fold(String::new(), |text, setting| {
        let header = format!("[{}]\n", setting.section);
        let header = if text.contains(&header) { String::new() } else { header };
        format!("{text}{header}{} = {{ x = 1 }}\n", setting.key)
    });
    let faults = faults(&text);
    assert_eq!(faults.iter().count(), SETTINGS.len(), "{}", faults.in_one_line());
    let lines: Vec<_> = faults.iter().map(|fault| fault.line().unwrap()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}
