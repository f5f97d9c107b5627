//! What a JSON body must say: `players[3].x=5`.

use std::cmp::Ordering;
use std::str::FromStr;

use serde_json::Value;

use pulsegate_replay::Place;

/// A comparison of the values at a path with another one. One that holds is enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    place: Place,
    /// Nothing: it is enough that there is a value.
    test: Option<(Operator, Value)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer ones first: `<=` begins with `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl Condition {
    /// Whether it holds for a body.
    pub fn holds(&self, body: &Value) -> bool {
        let found = self.place.find(body);
        match &self.test {
            None => !found.is_empty(),
            Some((operator, other)) => found.iter().any(|value| operator.holds(value, other)),
        }
    }
}

impl Operator {
    fn holds(self, value: &Value, other: &Value) -> bool {
        let order = compare(value, other);
        match self {
            Self::Equal => order == Some(Ordering::Equal) || value == other,
            Self::NotEqual => !Self::Equal.holds(value, other),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

/// Numbers by their value, texts by their letters; others have no order.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i128(), b.as_i128()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        _ => None,
    }
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, operator) = split(text);
        let place = place.parse()?;
        if operator.is_empty() {
            return Ok(Self { place, test: None });
        }
        let test = OPERATORS.iter().find_map(|(sign, meant)| {
            let value = operator.strip_prefix(sign)?;
            // What is no JSON is a text without its quotes.
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            Some((*meant, value))
        });
        let test = test.ok_or("expected =, !=, <, <=, > or >= behind the path")?;
        Ok(Self { place, test: Some(test) })
    }
}

/// Splits before the operator. A sign within quotes belongs to the path.
fn split(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, char)| {
        quoted ^= *char == '"';
        !quoted && matches!(char, '=' | '!' | '<' | '>')
    });
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_compares_by_value() {
        let body =
            json!({"move": "north", "x": 5, "players": [{"hp": 3}, {"hp": 9.5}], "a=b": null});
        for (text, holds) in [
            ("x=5", true),
            ("x=5.0", true),
            ("x=\"5\"", false),
            ("x!=5", false),
            ("x!=six", true),
            ("x<6", true),
            ("x>=5", true),
            ("x>5", false),
            ("move=north", true),
            ("move=\"north\"", true),
            ("move>m", true),
            ("players[*].hp>9", true),
            ("players[0].hp>9", false),
            ("players[7].hp!=9", false),
            ("[\"a=b\"]=null", true),
            ("move", true),
            ("speed", false),
        ] {
            let condition: Condition = text.parse().unwrap();
            assert_eq!(condition.holds(&body), holds, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "=5", "a[=5", "a!5"] {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }
}
