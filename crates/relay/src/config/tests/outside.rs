//! What the environment and the command line say.

use std::path::PathBuf;
use std::time::Duration;

use super::rendered;
use crate::config::{Config, Faults, LogicAddress, Override, SETTINGS};

fn with(variables: &[(&str, &str)]) -> Result<Config, Faults> {
    let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Config::load(None, variables, &[])
}

#[test]
fn every_setting_has_a_variable() {
    for setting in SETTINGS {
        let taken = with(&[(&setting.variable(), "{}")]);
        if setting.is_secret() || setting.name == "journal.dir" {
            let config = taken.unwrap();
            assert!(!(setting.same)(&config, &Config::default()), "{}", setting.name);
        } else {
            let report = rendered(&taken.unwrap_err());
            assert!(report.contains(&format!("{}={{}}", setting.variable())), "{report}");
            assert!(report.contains(&format!("`{}` ", setting.name)), "{report}");
        }
    }
}

#[test]
fn values_need_no_quotes() {
    let config = with(&[
        ("PULSEGATE_TICK__SLEEP", "20ms"),
        ("PULSEGATE_TICK__BUDGET", "\"5ms\""),
        ("PULSEGATE_LIMITS__SESSIONS", "12"),
        ("PULSEGATE_LIMITS__OUTBOX", "65536"),
        ("PULSEGATE_CLIENT__NOTICES", "false"),
        ("PULSEGATE_CLIENT__LENGTH_BYTES", "4"),
        ("PULSEGATE_HEARTBEAT__MATCH", "json, empty"),
        ("PULSEGATE_LOGIC__ADDRESS", "logic:14001"),
        ("PULSEGATE_LOGIC__SECRET", "12345"),
        ("PULSEGATE_JOURNAL__DIR", "/var/lib/pulsegate"),
        ("PULSEGATE_JOURNAL__KEEP_SIZE", "off"),
    ])
    .unwrap();
    assert_eq!(config.tick.sleep, Duration::from_millis(20));
    assert_eq!(config.tick.budget, Duration::from_millis(5));
    assert_eq!(config.limits.sessions, 12);
    assert_eq!(config.limits.outbox, 65536);
    assert!(!config.client.notices);
    assert!(config.heartbeat.matches.json && config.heartbeat.matches.empty);
    assert_eq!(config.logic.address, LogicAddress::Tcp("logic:14001".into()));
    assert_eq!(config.logic.secret.expose(), "12345");
    assert_eq!(config.journal.dir, Some(PathBuf::from("/var/lib/pulsegate")));
    assert_eq!(config.journal.keep_size, None);
}

#[test]
fn lists_may_be_empty_or_in_brackets() {
    for (value, empty, json) in [
        ("", false, false),
        ("[]", false, false),
        ("[\"json\"]", false, true),
        ("empty", true, false),
    ] {
        let kinds = with(&[("PULSEGATE_HEARTBEAT__MATCH", value)]).unwrap().heartbeat.kinds();
        assert_eq!((kinds.empty, kinds.json), (empty, json), "{value}");
    }
}

#[test]
fn a_variable_that_names_no_setting_is_refused_with_the_nearest() {
    for (name, meant) in [
        ("PULSEGATE_TICK__SLEEEP", "PULSEGATE_TICK__SLEEP"),
        ("PULSEGATE_TICKS__SLEEP", "PULSEGATE_TICK__SLEEP"),
        ("PULSEGATE_LIVENESS_LEAVE_AFTER", "PULSEGATE_LIVENESS__LEAVE_AFTER"),
    ] {
        let report = rendered(&with(&[(name, "50ms")]).unwrap_err());
        assert!(report.contains(&format!("unknown variable {name}")), "{report}");
        assert!(report.contains(&format!("did you mean {meant}?")), "{report}");
    }
    assert!(with(&[("PULSEGATE_NOTHING__LIKE_IT", "1")]).is_err());
}

#[test]
fn variables_of_others_are_left_alone() {
    let kubernetes = ("PULSEGATE_PORT_14000_TCP_ADDR", "10.0.0.1");
    let config = with(&[kubernetes, ("PULSEGATE_CONFIG", "x"), ("TICK__SLEEP", "?"), ("PATH", "")]);
    assert_eq!(config.unwrap(), Config::default());
}

#[test]
fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.toml");
    std::fs::write(&path, "[tick]\nsleep = '1s'\nbudget = '1s'\nspin = '1us'").unwrap();
    let environment = [("PULSEGATE_TICK__SLEEP", "2s"), ("PULSEGATE_TICK__BUDGET", "1500ms")]
        .map(|(n, v)| (n.into(), v.into()));
    let sleep = Override { key: "tick.sleep", value: "3s".into(), origin: "--sleep" };
    let tick = Config::load(Some(&path), environment, &[sleep]).unwrap().tick;
    assert_eq!([tick.sleep, tick.budget].map(|time| time.as_millis()), [3000, 1500]);
    assert_eq!(tick.spin.as_micros(), 1);
}

#[test]
fn a_fault_of_the_command_line_names_the_option() {
    let listen = Override { key: "client.listen", value: "here".into(), origin: "--listen" };
    let report = rendered(&Config::load(None, [], &[listen]).unwrap_err());
    assert!(report.contains("--listen here") && report.contains("command line:1:10"), "{report}");
}
