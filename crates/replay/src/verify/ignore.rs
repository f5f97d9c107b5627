//! Places in JSON bodies, and which of them may differ.

use std::fmt;
use std::str::FromStr;

/// Something that may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignore {
    /// The state's hash: `state_hash`.
    StateHash,
    /// The sessions to close: `close`.
    Close,
    /// What is at these places of JSON bodies, and all within.
    Place(Vec<Step>),
}

/// One step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// The item with this index.
    Index(usize),
    /// Any key's value: `.*`.
    AnyKey,
    /// Any item: `[*]`.
    AnyIndex,
}

/// A place in a JSON body, written `players[3].x`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a>(pub(crate) &'a [Step]);

impl Ignore {
    /// Whether what is at a place may differ.
    pub(crate) fn covers(&self, place: &[Step]) -> bool {
        let Self::Place(pattern) = self else { return false };
        let fits = |(pattern, step): (&Step, &Step)| match pattern {
            Step::AnyKey => matches!(step, Step::Key(_)),
            Step::AnyIndex => matches!(step, Step::Index(_)),
            exact => exact == step,
        };
        pattern.len() == place.len() && pattern.iter().zip(place).all(fits)
    }
}

impl fmt::Display for Ignore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateHash => f.write_str("state_hash"),
            Self::Close => f.write_str("close"),
            Self::Place(steps) => Place(steps).fmt(f),
        }
    }
}

impl FromStr for Ignore {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "state_hash" => Ok(Self::StateHash),
            "close" => Ok(Self::Close),
            _ => steps(text).map(Self::Place).ok_or_else(|| {
                "expected a place such as players[3].x, players[*].x, *.time or [\"a key\"], \
                 or state_hash, or close"
                    .to_owned()
            }),
        }
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let step;
        (step, rest) = match rest.strip_prefix('[') {
            Some(inside) => bracket(inside)?,
            None if steps.is_empty() => name(rest)?,
            None => name(rest.strip_prefix('.')?)?,
        };
        steps.push(step);
    }
    Some(steps).filter(|steps| !steps.is_empty())
}

/// `3]`, `*]` or `"a key"]`.
fn bracket(text: &str) -> Option<(Step, &str)> {
    if text.starts_with('"') {
        let mut keys = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let key = keys.next()?.ok()?;
        let rest = text[keys.byte_offset()..].strip_prefix(']')?;
        return Some((Step::Key(key), rest));
    }
    let (index, rest) = text.split_once(']')?;
    let step = if index == "*" { Step::AnyIndex } else { Step::Index(index.parse().ok()?) };
    Some((step, rest))
}

fn name(text: &str) -> Option<(Step, &str)> {
    let (name, rest) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
    let step = if name == "*" { Step::AnyKey } else { Step::Key(name.to_owned()) };
    let good = name == "*" || (!name.is_empty() && !name.contains(['*', ']', '"', ' ']));
    good.then_some((step, rest))
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if name(key).is_some_and(|(_, rest)| rest.is_empty()) => {
                    write!(f, "{}{key}", if depth > 0 { "." } else { "" })?;
                }
                Step::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_str()))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::AnyKey => f.write_str(if depth > 0 { ".*" } else { "*" })?,
                Step::AnyIndex => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Vec<Step> {
        match text.parse() {
            Ok(Ignore::Place(steps)) => steps,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in ["x", "players[3].x", "players[*].x", "*.time", "[0][1]", r#"a["b.c"].d"#] {
            assert_eq!(Place(&place(text)).to_string(), text);
        }
        assert_eq!("state_hash".parse(), Ok(Ignore::StateHash));
        assert_eq!("close".parse(), Ok(Ignore::Close));
        assert_eq!(place(r#"["close"]"#), [Step::Key("close".into())]);
    }

    #[test]
    fn what_is_no_place_is_refused_with_an_example() {
        for text in
            ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "a]", "a b", "$.a*", "[\"a]"]
        {
            let refused = text.parse::<Ignore>().unwrap_err();
            assert!(refused.contains("players[*].x"), "{text}: {refused}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_names() {
        for (pattern, yes, no) in [
            ("players[*].x", "players[3].x", "players[3].y"),
            ("players[1]", "players[1]", "players[2]"),
            ("*.time", "a.time", "[0].time"),
            ("a", "a", "a.b"),
        ] {
            let pattern: Ignore = pattern.parse().unwrap();
            assert!(pattern.covers(&place(yes)), "{pattern:?} {yes}");
            assert!(!pattern.covers(&place(no)), "{pattern:?} {no}");
        }
    }
}
