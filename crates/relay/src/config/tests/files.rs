//! The files of `config/`, and what is no file.

use std::path::PathBuf;

use super::read_file;
use crate::config::{Config, SETTINGS, print};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

#[test]
fn relay_toml_is_what_the_table_of_settings_says() {
    let text = std::fs::read_to_string(directory().join("relay.toml")).unwrap();
    assert!(
        text == print::default_file(),
        "config/relay.toml is out of date: run `cargo run -- config default > config/relay.toml`"
    );
}

#[test]
fn relay_toml_is_the_default() {
    let config = read_file(&directory().join("relay.toml")).unwrap();
    assert_eq!(config, Config::default());
}

#[test]
fn every_setting_has_a_sentence() {
    for setting in SETTINGS {
        let sentence = setting.sentence.trim();
        assert!(sentence.ends_with('.') && sentence.len() > 15, "{}: {sentence}", setting.name);
    }
}

#[test]
fn every_file_in_config_loads() {
    let entries = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        read_file(&file).unwrap_or_else(|faults| panic!("{}", faults.in_one_line()));
    }
}

#[test]
fn the_schema_has_every_setting_with_its_default() {
    let schema = print::schema();
    for setting in SETTINGS {
        let entry = &schema["properties"][setting.section]["properties"][setting.key];
        assert_eq!(entry["default"], (setting.show)(&Config::default()), "{}", setting.name);
        assert!(entry["description"].as_str().unwrap().contains(&setting.allowed()));
    }
}

#[test]
fn a_configuration_is_shown_as_the_file_would_say_it() {
    let mut config = Config::default();
    config.admin.token = "not for everyone".to_owned().into();
    let shown = serde_json::to_value(&config).unwrap();
    assert_eq!(shown["tick"]["sleep"], "50ms");
    assert_eq!(shown["liveness"]["idle_after"], "off");
    assert_eq!(shown["heartbeat"]["match"], serde_json::json!(["empty", "json"]));
    assert_eq!(shown["admin"]["token"], "***");
    assert!(!format!("{config:?}").contains("everyone"));
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    std::fs::write(path("endless"), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    std::fs::write(path("latin-1"), b"# one\n# two\n# gr\xfc\xdfe\n").unwrap();
    for (name, says) in [
        ("pipe", "not an ordinary file"),
        ("directory", "not an ordinary file"),
        ("endless", "longer than 1MiB"),
        ("latin-1", "not UTF-8 text: see line 3"),
        ("missing", "no such file"),
        ("/dev/zero", "not an ordinary file"),
    ] {
        let faults = read_file(&path(name)).unwrap_err().in_one_line();
        assert!(faults.contains(says) && faults.contains(name), "{faults}");
    }
}

#[test]
fn a_mark_of_utf_8_and_windows_line_ends_are_taken() {
    let config = super::read("\u{feff}[tick]\r\nsleep = '20ms'\r\n").unwrap();
    assert_eq!(config.tick.sleep.as_millis(), 20);
}

#[test]
fn a_file_of_nothing_but_faults_is_answered_with_some_of_them() {
    for line in ["[x\n", "a = \n", "= 1\n"] {
        let faults = super::faults(&line.repeat(100 * 1024));
        assert!(faults.iter().count() <= 101, "{line}");
    }
    let keys: String = (0..5000).map(|n| format!("tick.key{n} = 1\n")).collect();
    let text = super::faults(&keys).in_one_line();
    assert!(text.ends_with("and 4900 more"), "{}", &text[text.len() - 200..]);
}

#[test]
fn the_longest_file_is_read() {
    let long = format!("#{}\ntick.sleep = '20ms'", "-".repeat(1024 * 1024 - 22));
    assert!(long.len() <= 1024 * 1024 && super::read(&long).is_ok());
}
