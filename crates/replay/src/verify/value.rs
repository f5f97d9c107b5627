//! The first place in which two JSON values differ.

use serde_json::Value;

use super::ignore::Ignore;
use crate::place::{Place, Step};

/// Where two values differ, and what is there; nothing, if one of them has nothing there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Differs {
    pub(crate) place: Place,
    pub(crate) recorded: Option<Value>,
    pub(crate) now: Option<Value>,
}

/// Walks through both, in the recorded order. Numbers are compared by what they are worth: 1 and
/// 1.0 are the same.
pub(crate) fn first_difference(
    recorded: &Value,
    now: &Value,
    ignored: &[Ignore],
) -> Option<Differs> {
    Walk { place: Vec::new(), ignored }.values(Some(recorded), Some(now))
}

struct Walk<'a> {
    place: Vec<Step>,
    ignored: &'a [Ignore],
}

impl Walk<'_> {
    fn values(&mut self, recorded: Option<&Value>, now: Option<&Value>) -> Option<Differs> {
        if self.ignored.iter().any(|ignored| ignored.covers(&self.place)) {
            return None;
        }
        match (recorded, now) {
            (Some(Value::Object(recorded)), Some(Value::Object(now))) => {
                let additional = now.keys().filter(|key| !recorded.contains_key(*key));
                let mut keys = recorded.keys().chain(additional);
                keys.find_map(|key| {
                    self.within(Step::Key(key.clone()), recorded.get(key), now.get(key))
                })
            }
            (Some(Value::Array(recorded)), Some(Value::Array(now))) => {
                let mut indices = 0..recorded.len().max(now.len());
                indices.find_map(|index| {
                    self.within(Step::Index(index), recorded.get(index), now.get(index))
                })
            }
            (Some(recorded), Some(now)) if same(recorded, now) => None,
            _ => Some(Differs {
                place: Place::new(&self.place),
                recorded: recorded.cloned(),
                now: now.cloned(),
            }),
        }
    }

    fn within(
        &mut self,
        step: Step,
        recorded: Option<&Value>,
        now: Option<&Value>,
    ) -> Option<Differs> {
        self.place.push(step);
        let differs = self.values(recorded, now);
        self.place.pop();
        differs
    }
}

fn same(recorded: &Value, now: &Value) -> bool {
    match (recorded, now) {
        (Value::Number(recorded), Value::Number(now)) if recorded.is_f64() || now.is_f64() => {
            recorded.as_f64() == now.as_f64()
        }
        _ => recorded == now,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn differs(recorded: &Value, now: &Value, ignored: &[&str]) -> Option<String> {
        let ignored: Vec<Ignore> = ignored.iter().map(|text| text.parse().unwrap()).collect();
        first_difference(recorded, now, &ignored).map(|differs| {
            let show = |value: Option<Value>| value.map_or("-".into(), |value| value.to_string());
            let (recorded, now) = (show(differs.recorded), show(differs.now));
            format!("{} {recorded} {now}", differs.place)
        })
    }

    #[test]
    fn values_differ_where_they_do() {
        let recorded = json!({"tick": 7, "players": [{"x": 1, "y": 4.5}, {"x": 2}]});
        for (now, expected) in [
            (json!({"players": [{"y": 4.5, "x": 1.0}, {"x": 2}], "tick": 7}), None),
            (
                json!({"tick": 7, "players": [{"x": 1, "y": 4.75}, {"x": 3}]}),
                Some("players[0].y 4.5 4.75"),
            ),
            (json!({"tick": 7, "players": [{"x": 1, "y": 4.5}]}), Some(r#"players[1] {"x":2} -"#)),
            (
                json!({"tick": 7, "players": [{"x": 1, "y": 4.5}, {"x": 2, "z": null}]}),
                Some("players[1].z - null"),
            ),
            (json!({"tick": "7", "players": []}), Some(r#"tick 7 "7""#)),
            (json!([7]), Some(&*format!(" {recorded} [7]"))),
        ] {
            assert_eq!(differs(&recorded, &now, &[]).as_deref(), expected, "{now}");
        }
        let large = (json!(u64::MAX), json!(u64::MAX - 1));
        assert!(differs(&large.0, &large.1, &[]).is_some());
    }

    #[test]
    fn what_is_ignored_may_differ_be_missing_and_be_new() {
        let recorded = json!({"t": 1, "players": [{"x": 1, "y": 1}, {"y": 2}]});
        let now = json!({"players": [{"x": 2, "y": 1}, {"y": 3, "x": 9}]});
        let found = differs(&recorded, &now, &["t", "players[*].x"]);
        assert_eq!(found.as_deref(), Some("players[1].y 2 3"));
        assert_eq!(differs(&recorded, &now, &["t", "players"]), None);
    }
}
