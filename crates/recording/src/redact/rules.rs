//! What is to be replaced, as a file says it.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use pulsegate_replay::Place;

/// What is to be replaced.
///
/// ```
/// use pulsegate_recording::redact::Rules;
///
/// let rules = r#"
/// key = "the same for recordings whose pseudonyms are to be compared"
/// peers = "pseudonym"
/// raw = "zeros"
///
/// [[value]]
/// path = "players[*].name"
/// pseudonym = true
///
/// [[value]]
/// path = "chat.text"
/// set = "…"
///
/// [[value]]
/// path = "token"
/// remove = true
/// "#;
/// assert!(rules.parse::<Rules>().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    pub(super) key: Option<String>,
    pub(super) keep_peers: bool,
    pub(super) zero_raw: bool,
    pub(super) values: Vec<Rule>,
}

/// What becomes of the values at a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) place: Place,
    pub(super) action: Action,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Set(Value),
    Pseudonym,
    Remove,
}

impl Rules {
    /// Reads them from a TOML file.
    ///
    /// # Errors
    /// [`Error::Rules`].
    pub fn read(file: &Path) -> Result<Self, Error> {
        let failed = |what| Error::Rules { file: file.to_owned(), what };
        let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        text.parse().map_err(failed)
    }
}

impl std::str::FromStr for Rules {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let File { key, peers, raw, value } =
            toml::from_str(text).map_err(|error| error.to_string())?;
        let values = value.into_iter().map(Rule::new).collect::<Result<_, _>>()?;
        let (keep_peers, zero_raw) = (peers == Peers::Keep, raw == Raw::Zeros);
        Ok(Self { key, keep_peers, zero_raw, values })
    }
}

impl Rule {
    fn new(given: Given) -> Result<Self, String> {
        let place = given.path.parse().map_err(|what| format!("{:?}: {what}", given.path))?;
        let action = match (given.set, given.pseudonym, given.remove) {
            (Some(value), false, false) => Action::Set(value),
            (None, true, false) => Action::Pseudonym,
            (None, false, true) => Action::Remove,
            _ => {
                return Err(format!(
                    "{:?}: needs one of set = …, pseudonym = true and remove = true",
                    given.path
                ));
            }
        };
        Ok(Self { place, action })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Option<String>,
    #[serde(default)]
    peers: Peers,
    #[serde(default)]
    raw: Raw,
    #[serde(default)]
    value: Vec<Given>,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Peers {
    #[default]
    Pseudonym,
    Keep,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Raw {
    #[default]
    Keep,
    Zeros,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    path: String,
    set: Option<Value>,
    #[serde(default)]
    pseudonym: bool,
    #[serde(default)]
    remove: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_say_nothing_or_too_much_are_refused() {
        for text in [
            "[[value]]\npath = \"a\"",
            "[[value]]\npath = \"a\"\nset = 1\nremove = true",
            "[[value]]\npath = \"a.\"\nremove = true",
            "[[values]]\npath = \"a\"\nremove = true",
            "peers = \"hide\"",
        ] {
            assert!(text.parse::<Rules>().is_err(), "{text}");
        }
        let empty: Rules = "".parse().unwrap();
        assert!(!empty.keep_peers && !empty.zero_raw);
    }
}
