//! Values of a JSON text, replaced without a change to the others.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::pseudonym::Pseudonyms;
use super::rules::{Action, Rule};
use pulsegate_replay::Step;

/// A body with its values replaced; byte for byte the same if none is. Nothing if it is no JSON
/// object or array, an error if it is one that cannot be taken apart. Each rule's values are counted.
pub(super) fn redacted(
    body: &[u8],
    rules: &[Rule],
    pseudonyms: &Pseudonyms,
    replaced: &mut [u64],
) -> Option<serde_json::Result<Vec<u8>>> {
    let text = std::str::from_utf8(body).ok()?;
    let value: &RawValue = serde_json::from_str(text).ok()?;
    if !value.get().starts_with(['{', '[']) {
        return None;
    }
    let due = (0..).zip(rules).map(|(index, rule)| (rule.place.steps(), index)).collect();
    let edited = Edit { rules, pseudonyms, replaced }.value(value, due);
    Some(edited.map(|edited| match edited {
        Edited::Same => body.to_vec(),
        Edited::New(text) => text.into_bytes(),
        Edited::Removed => Vec::new(),
    }))
}

/// The rules for a value: what is left of their paths, and which they are.
type Due<'a> = Vec<(&'a [Step], usize)>;

enum Edited {
    Same,
    New(String),
    Removed,
}

struct Edit<'a> {
    rules: &'a [Rule],
    pseudonyms: &'a Pseudonyms,
    replaced: &'a mut [u64],
}

impl Edit<'_> {
    fn value(&mut self, value: &RawValue, due: Due<'_>) -> serde_json::Result<Edited> {
        if due.is_empty() {
            return Ok(Edited::Same);
        }
        if let Some((_, rule)) = due.iter().find(|(steps, _)| steps.is_empty()) {
            self.replaced[*rule] += 1;
            return Ok(match &self.rules[*rule].action {
                Action::Set(value) => Edited::New(value.to_string()),
                Action::Pseudonym => Edited::New(self.pseudonyms.value(value.get()).to_string()),
                Action::Remove => Edited::Removed,
            });
        }
        let next = |takes: &dyn Fn(&Step) -> bool| -> Due<'_> {
            let taken = due.iter().filter(|(steps, _)| takes(&steps[0]));
            taken.map(|(steps, rule)| (&steps[1..], *rule)).collect()
        };
        let text = value.get();
        if text.starts_with('{') {
            let Members(members) = serde_json::from_str(text)?;
            let edited = members.iter().map(|(key, member)| {
                let edited = self.value(member, next(&|step| step.takes_key(key)))?;
                let name = serde_json::to_string(key)?;
                Ok((edited, format!("{name}:"), *member))
            });
            return Ok(join('{', '}', &edited.collect::<serde_json::Result<Vec<_>>>()?));
        }
        if text.starts_with('[') {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            let edited = elements.iter().enumerate().map(|(index, element)| {
                let edited = self.value(element, next(&|step| step.takes_index(index)))?;
                Ok((edited, String::new(), *element))
            });
            return Ok(join('[', ']', &edited.collect::<serde_json::Result<Vec<_>>>()?));
        }
        Ok(Edited::Same)
    }
}

/// Puts parts together again: how each was edited, what stands before it, and what it was.
fn join(begin: char, end: char, parts: &[(Edited, String, &RawValue)]) -> Edited {
    if parts.iter().all(|(edited, ..)| matches!(edited, Edited::Same)) {
        return Edited::Same;
    }
    let kept = parts.iter().filter_map(|(edited, before, was)| match edited {
        Edited::Same => Some(format!("{before}{}", was.get())),
        Edited::New(text) => Some(format!("{before}{text}")),
        Edited::Removed => None,
    });
    Edited::New(format!("{begin}{}{end}", kept.collect::<Vec<_>>().join(",")))
}

/// An object's members in their order. A key may be there twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Rules;
    use super::*;

    fn edited(body: &str, rules: &str) -> String {
        let rules: Rules = rules.parse().unwrap();
        let pseudonyms = Pseudonyms::new(Some("k")).unwrap();
        let mut replaced = vec![0; rules.values.len()];
        let body = redacted(body.as_bytes(), &rules.values, &pseudonyms, &mut replaced);
        let body = body.unwrap().unwrap();
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn only_what_is_meant_is_replaced() {
        let set = "[[value]]\npath = \"a[*].x\"\nset = \"…\"";
        for (body, now) in [
            (
                r#"{"a": [{"x": 1, "y": 1.10}, {"x": "s"}], "n": 1e400}"#,
                r#"{"a":[{"x":"…","y":1.10},{"x":"…"}],"n":1e400}"#,
            ),
            (r#"{"a" : [ {"y": 2} ] }"#, r#"{"a" : [ {"y": 2} ] }"#),
            (r#"{"a": {"x": 5}}"#, r#"{"a": {"x": 5}}"#),
            (r#"{"a":{"k":{"x":5}}}"#, r#"{"a":{"k":{"x":"…"}}}"#),
            (
                r#"{"\u0061":[{"x":5}],"a":[{"x":6,"x":7}]}"#,
                r#"{"a":[{"x":"…"}],"a":[{"x":"…","x":"…"}]}"#,
            ),
        ] {
            assert_eq!(edited(body, set), now);
        }
    }

    #[test]
    fn values_are_removed_with_their_keys() {
        let remove =
            "[[value]]\npath = \"a\"\nremove = true\n[[value]]\npath = \"b[1]\"\nremove = true";
        assert_eq!(edited(r#"{"a":1,"b":[1,2,3],"c":4}"#, remove), r#"{"b":[1,3],"c":4}"#);
        assert_eq!(edited(r#"{"a":1}"#, remove), "{}");
    }

    #[test]
    fn what_each_rule_replaced_is_counted() {
        let rules = "[[value]]\npath = \"a[*]\"\nset = 1\n[[value]]\npath = \"b\"\nremove = true";
        let (rules, mut replaced) = (rules.parse::<Rules>().unwrap(), [0; 2]);
        let pseudonyms = Pseudonyms::new(Some("k")).unwrap();
        for body in [r#"{"a":[1,2,3]}"#, r#"{"a":[4],"c":{"b":5}}"#] {
            redacted(body.as_bytes(), &rules.values, &pseudonyms, &mut replaced).unwrap().unwrap();
        }
        assert_eq!(replaced, [4, 0]);
    }

    #[test]
    fn what_is_no_object_or_array_is_left_to_others() {
        let pseudonyms = Pseudonyms::new(Some("k")).unwrap();
        for body in ["", "a", "1", "\"{}\"", "{} x", "{"] {
            assert!(redacted(body.as_bytes(), &[], &pseudonyms, &mut []).is_none(), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_taken_apart_is_an_error() {
        let rules: Rules = "[[value]]\npath = \"a\"\nremove = true".parse().unwrap();
        let pseudonyms = Pseudonyms::new(Some("k")).unwrap();
        let odd = redacted(br#"{"\ud800":1,"a":2}"#, &rules.values, &pseudonyms, &mut [0]);
        assert!(odd.is_some_and(|odd| odd.is_err()));
    }
}
