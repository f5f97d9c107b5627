//! Where in a JSON value something is: `players[3].x`, `players[*].name`, `*.time`, `["a key"].x`.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A place in a JSON value, or several: `*` stands for each key, and `[*]` for each item.
///
/// ```
/// use pulsegate_replay::Place;
/// use serde_json::json;
///
/// let place: Place = "players[*].x".parse().unwrap();
/// let body = json!({ "players": [{ "x": 1 }, { "x": 3 }] });
/// assert_eq!(place.find(&body), [&json!(1), &json!(3)]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Vec<Step>);

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

const EXPECTED: &str =
    "expected a place such as players[3].x, players[*].x, *.time or [\"a key\"].x";

impl Place {
    /// The place to which these steps lead.
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self(steps.to_vec())
    }

    /// The steps that lead there, one at least.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The values that are there. To miss none, `*` and `[*]` are both for keys and for items.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        self.0.iter().fold(vec![value], |found, step| {
            found.into_iter().flat_map(|value| step.down(value)).collect()
        })
    }

    /// Whether this names the place to which exact steps lead. To name none too many, `*` is for
    /// keys alone, and `[*]` for items.
    pub(crate) fn covers(&self, place: &[Step]) -> bool {
        let fits = |(pattern, step): (&Step, &Step)| match pattern {
            Step::AnyKey => matches!(step, Step::Key(_)),
            Step::AnyIndex => matches!(step, Step::Index(_)),
            exact => exact == step,
        };
        self.0.len() == place.len() && self.0.iter().zip(place).all(fits)
    }
}

impl Step {
    /// Whether the step goes to a key of an object, `*` and `[*]` to each.
    pub fn takes_key(&self, key: &str) -> bool {
        self.is_any() || matches!(self, Self::Key(own) if own == key)
    }

    /// Whether the step goes to an item of an array, `*` and `[*]` to each.
    pub fn takes_index(&self, index: usize) -> bool {
        self.is_any() || *self == Self::Index(index)
    }

    const fn is_any(&self) -> bool {
        matches!(self, Self::AnyKey | Self::AnyIndex)
    }

    fn down<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::AnyKey | Self::AnyIndex, Value::Object(object)) => object.values().collect(),
            (Self::AnyKey | Self::AnyIndex, Value::Array(array)) => array.iter().collect(),
            (Self::Key(key), Value::Object(object)) => object.get(key).into_iter().collect(),
            (Self::Index(index), Value::Array(array)) => array.get(*index).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        steps(text).map(Self).ok_or_else(|| EXPECTED.to_owned())
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

/// `x.rest`, `*[rest`.
fn name(text: &str) -> Option<(Step, &str)> {
    let (name, rest) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
    let step = if name == "*" { Step::AnyKey } else { Step::Key(name.to_owned()) };
    let good = name == "*" || (!name.is_empty() && !name.contains(['*', ']', '"', ' ']));
    good.then_some((step, rest))
}

/// `3]`, `*]`, `"a key"]`.
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if name(key) == Some((step.clone(), "")) => {
                    write!(f, "{}{key}", if depth > 0 { "." } else { "" })?;
                }
                Step::Key(key) => write!(f, "[{}]", Value::from(key.as_str()))?,
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
    use serde_json::json;

    use super::*;

    fn place(text: &str) -> Place {
        text.parse().unwrap()
    }

    #[test]
    fn a_place_is_written_as_it_is_read() {
        for text in ["x", "players[3].x", "players[*].x", "*.time", "[0][1]", r#"a["b.c"].d"#] {
            assert_eq!(place(text).to_string(), text);
        }
        let star = place(r#"["*"].x"#);
        assert_eq!(star.to_string().parse(), Ok(star));
    }

    #[test]
    fn a_place_leads_to_values() {
        let value = json!({"players": [{"x": 1, "a key": 2}, {"x": 3}], "n": {"b": 4}});
        for (path, found) in [
            ("players[1].x", json!([3])),
            ("players[*].x", json!([1, 3])),
            ("players.*.x", json!([1, 3])),
            ("players[0][\"a key\"]", json!([2])),
            ("*.b", json!([4])),
            ("[\"n\"].b", json!([4])),
            ("players[2].x", json!([])),
            ("n[0]", json!([])),
        ] {
            assert_eq!(json!(place(path).find(&value)), found, "{path}");
        }
    }

    #[test]
    fn what_is_no_place_is_refused_with_an_example() {
        for text in [
            "", ".", "a.", ".a", "a..b", "a[", "a[x]", "a[-1]", "[-1]", "a]", "a]b", "a b",
            "a b\"", "$.a*", "[\"a]",
        ] {
            let refused = text.parse::<Place>().unwrap_err();
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
            let pattern = place(pattern);
            assert!(pattern.covers(place(yes).steps()), "{pattern} {yes}");
            assert!(!pattern.covers(place(no).steps()), "{pattern} {no}");
        }
    }
}
