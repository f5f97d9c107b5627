//! The table of settings as a commented file, and as a JSON schema.

use serde_json::{Map, Value as Json, json};

use super::Config;
use super::setting::{About, Setting};
use super::settings::{SECTIONS, SETTINGS};

/// How wide a comment may get.
const WIDTH: usize = 96;

/// `config/relay.toml`: every setting at its default, each with its sentence and what is allowed.
pub fn default_file() -> String {
    let mut text = String::from(
        "# Pulsegate: every setting at its default. What is left out keeps it, so a file of your\n\
         # own needs only what it changes. `pulsegate check FILE` tells what is wrong with one.\n\
         #\n\
         # Each setting can be overridden: PULSEGATE_TICK__SLEEP=20ms is `sleep` in [tick].\n\
         # (live): a reload (SIGHUP, or saving the file) changes it in a relay that runs.\n\n",
    );
    let defaults = Config::default();
    for section in SECTIONS {
        text.push_str(&format!("{}[{}]\n\n", comment(section.sentence), section.name));
        for setting in section.settings() {
            text.push_str(&comment(setting.sentence));
            text.push_str(&comment(&setting.rule()));
            text.push_str(&format!("{} = {}\n\n", setting.key, toml(&(setting.show)(&defaults))));
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// A JSON schema of the file, for editors.
pub fn schema() -> Json {
    let sections = SECTIONS.iter().map(|section| (section.name.to_owned(), section.schema()));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pulsegate",
        "type": "object",
        "additionalProperties": false,
        "properties": Map::from_iter(sections),
    })
}

impl About {
    fn settings(&self) -> impl Iterator<Item = &'static Setting> {
        let name = self.name;
        SETTINGS.iter().filter(move |setting| setting.section == name)
    }

    fn schema(&self) -> Json {
        let defaults = Config::default();
        let settings = self.settings().map(|setting| {
            let mut schema = (setting.schema)();
            schema["description"] =
                format!("{} {}", setting.sentence.trim(), setting.rule()).into();
            schema["default"] = (setting.show)(&defaults);
            (setting.key.to_owned(), schema)
        });
        json!({
            "type": "object",
            "description": self.sentence.trim(),
            "additionalProperties": false,
            "properties": Map::from_iter(settings),
        })
    }
}

impl Setting {
    /// What is allowed, and whether it is live.
    fn rule(&self) -> String {
        let live = if self.live { " (live)" } else { "" };
        format!("Allowed: {}{live}", self.allowed())
    }
}

/// A setting's value as the file has it.
pub(super) fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<_> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        // Text, numbers and switches look the same in both.
        other => other.to_string(),
    }
}

/// `text` as comment lines that end in time.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}
