//! Where in a JSON value something is: `players[3].x`, `players[*].name`, `["a key"].x`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A path from a JSON value to those within it. `*` stands for each key or each element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Step>);

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
    Each,
}

const EXPECTED: &str = "expected a path such as players[3].x, players[*].name or [\"a key\"].x";

impl Path {
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The values at the end of the path: at most one, unless it has a `*`.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.0.iter().fold(vec![value], |found, step| {
            found.into_iter().flat_map(|value| step.down(value)).collect()
        })
    }
}

impl Step {
    /// Whether the step goes to a key of an object.
    pub(crate) fn takes_key(&self, key: &str) -> bool {
        matches!(self, Self::Each) || matches!(self, Self::Key(own) if own == key)
    }

    /// Whether the step goes to an element of an array.
    pub(crate) fn takes_index(&self, index: usize) -> bool {
        matches!(self, Self::Each) || *self == Self::Index(index)
    }

    fn down<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Each, Value::Object(object)) => object.values().collect(),
            (Self::Each, Value::Array(array)) => array.iter().collect(),
            (Self::Key(key), Value::Object(object)) => object.get(key).into_iter().collect(),
            (Self::Index(index), Value::Array(array)) => array.get(*index).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(inner) => bracket(inner),
                None if steps.is_empty() => name(rest),
                None => rest.strip_prefix('.').and_then(name),
            }
            .ok_or_else(|| EXPECTED.to_owned())?;
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() { Err(EXPECTED.into()) } else { Ok(Self(steps)) }
    }
}

/// `x.rest`, `*[rest`.
fn name(text: &str) -> Option<(Step, &str)> {
    let end = text.find(['.', '[', ']', '"']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    match name {
        "" => None,
        "*" => Some((Step::Each, rest)),
        name => Some((Step::Key(name.to_owned()), rest)),
    }
}

/// `3]`, `*]`, `"a key"]`.
fn bracket(text: &str) -> Option<(Step, &str)> {
    if text.starts_with('"') {
        let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let key = strings.next()?.ok()?;
        let rest = text[strings.byte_offset()..].strip_prefix(']')?;
        return Some((Step::Key(key), rest));
    }
    let (inner, rest) = text.split_once(']')?;
    let step = if inner == "*" { Step::Each } else { Step::Index(inner.parse().ok()?) };
    Some((step, rest))
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Each => f.write_str("[*]")?,
                Step::Key(key) if name(key) == Some((step.clone(), "")) => {
                    write!(f, "{}{key}", if at == 0 { "" } else { "." })?;
                }
                Step::Key(key) => write!(f, "[{}]", Value::from(key.as_str()))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_values() {
        let value = json!({"players": [{"x": 1, "a key": 2}, {"x": 3}], "n": {"b": 4}});
        for (path, found) in [
            ("players[1].x", json!([3])),
            ("players[*].x", json!([1, 3])),
            ("players[0][\"a key\"]", json!([2])),
            ("*.b", json!([4])),
            ("[\"n\"].b", json!([4])),
            ("players[2].x", json!([])),
            ("n[0]", json!([])),
        ] {
            let parsed: Path = path.parse().unwrap();
            assert_eq!(json!(parsed.find(&value)), found, "{path}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", ".", "a.", ".a", "a..b", "a[", "a[x]", "a]b", "[\"a]", "a b\"", "[-1]"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}
