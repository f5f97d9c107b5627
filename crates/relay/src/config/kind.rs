//! Kinds of values: how each is read, shown and described.
//!
//! A kind is a small value in the table of settings (`span(SECOND..=HOUR)`), and all that is said
//! of a setting in errors, in `config/relay.toml` and in the schema comes from it.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::{Value as Json, json};

use super::fault::nearest;
use super::given::Given;

/// A value that a kind does not take.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it is: `is 50, which has no unit`.
    pub(super) what: String,
    /// What was perhaps meant.
    pub(super) hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    fn but(mut self, meant: impl std::fmt::Display) -> Self {
        self.hint = Some(format!("did you mean {meant}?"));
        self
    }

    pub(super) fn expected(what: &str, given: &Given) -> Self {
        Self::new(format!("is {given}, not {what}"))
    }
}

/// How one setting's value is read, shown and described.
pub(super) trait Kind {
    /// What it becomes.
    type Value;

    fn read(&self, given: &Given) -> Result<Self::Value, Refusal>;
    fn show(&self, value: &Self::Value) -> Json;
    /// What is allowed, for people: `1ms to 1h`.
    fn allowed(&self) -> String;
    /// What is allowed, as a JSON schema.
    fn schema(&self) -> Json;
}

/// A length of time with its unit.
pub(super) struct Span {
    range: RangeInclusive<Duration>,
    in_whole_seconds: bool,
}

pub(super) const fn span(range: RangeInclusive<Duration>) -> Span {
    Span { range, in_whole_seconds: false }
}

/// For what the kernel counts in seconds.
pub(super) const fn whole_seconds(range: RangeInclusive<Duration>) -> Span {
    Span { range, in_whole_seconds: true }
}

impl Kind for Span {
    type Value = Duration;

    fn read(&self, given: &Given) -> Result<Duration, Refusal> {
        let text = match given {
            Given::Number(number) => return Err(no_unit(given, *number as f64)),
            given => given.text().ok_or_else(|| Refusal::expected("a duration", given))?,
        };
        if let Ok(number) = text.trim().parse() {
            return Err(no_unit(given, number));
        }
        let value = humantime::parse_duration(text)
            .map_err(|error| Refusal::new(format!("is {given}, not a duration: {error}")))?;
        if self.in_whole_seconds && value.subsec_nanos() > 0 {
            return Err(Refusal::new(format!("is {given}, not in whole seconds")));
        }
        within(&self.range, value, given)
    }

    fn show(&self, value: &Duration) -> Json {
        humantime::format_duration(*value).to_string().into()
    }

    fn allowed(&self) -> String {
        let ends = [self.range.start(), self.range.end()];
        let [least, most] = ends.map(|end| humantime::format_duration(*end));
        let seconds = if self.in_whole_seconds { " in whole seconds" } else { "" };
        format!("{least} to {most}{seconds}")
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[a-zµ].*$"})
    }
}

fn no_unit(given: &Given, number: f64) -> Refusal {
    Refusal::new(format!("is {given}, which has no unit")).but(format!("\"{number}ms\""))
}

fn within<T: PartialOrd>(range: &RangeInclusive<T>, value: T, given: &Given) -> Result<T, Refusal> {
    if range.contains(&value) {
        Ok(value)
    } else {
        let side = if value < *range.start() { "too little" } else { "too much" };
        Err(Refusal::new(format!("is {given}, {side}")))
    }
}

/// A number of bytes, with or without a unit.
pub(super) struct Size(RangeInclusive<usize>);

pub(super) const fn size(range: RangeInclusive<usize>) -> Size {
    Size(range)
}

impl Kind for Size {
    type Value = usize;

    fn read(&self, given: &Given) -> Result<usize, Refusal> {
        let not_a_size = || Refusal::expected("a size such as \"64KiB\"", given);
        let bytes = match (given.number(), given.text()) {
            (Some(number), _) if number < 0 => return Err(Refusal::new(format!("is {number}"))),
            (Some(number), _) => number.unsigned_abs(),
            (_, Some(text)) => text.trim().parse::<ByteSize>().map_err(|_| not_a_size())?.as_u64(),
            _ => return Err(not_a_size()),
        };
        within(&self.0, usize::try_from(bytes).unwrap_or(usize::MAX), given)
    }

    fn show(&self, value: &usize) -> Json {
        let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(unit, _)| *value >= *unit && value.is_multiple_of(*unit)) {
            Some((unit, name)) => format!("{}{name}", value / unit).into(),
            None => (*value).into(),
        }
    }

    fn allowed(&self) -> String {
        let [least, most] = [self.0.start(), self.0.end()].map(|end| match self.show(end) {
            Json::String(text) => text,
            number => format!("{number}B"),
        });
        format!("{least} to {most}")
    }

    fn schema(&self) -> Json {
        json!({"anyOf": [
            {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKmMgGtT]?[iI]?[bB]?)$"},
            {"type": "integer", "minimum": self.0.start(), "maximum": self.0.end()},
        ]})
    }
}

/// A whole number.
pub(super) struct Count<T>(RangeInclusive<T>);

pub(super) const fn count<T>(range: RangeInclusive<T>) -> Count<T> {
    Count(range)
}

impl<T> Kind for Count<T>
where
    T: Copy + PartialOrd + TryFrom<i64> + Into<Json> + std::fmt::Display,
{
    type Value = T;

    fn read(&self, given: &Given) -> Result<T, Refusal> {
        let number = given.number().ok_or_else(|| match given.text().map(str::parse::<i64>) {
            Some(Ok(number)) => Refusal::expected("a whole number", given).but(number),
            _ => Refusal::expected("a whole number", given),
        })?;
        let value =
            T::try_from(number).map_err(|_| Refusal::new(format!("is {number}, out of range")))?;
        within(&self.0, value, given)
    }

    fn show(&self, value: &T) -> Json {
        (*value).into()
    }

    fn allowed(&self) -> String {
        format!("{} to {}", self.0.start(), self.0.end())
    }

    fn schema(&self) -> Json {
        let [least, most] = [*self.0.start(), *self.0.end()].map(Into::<Json>::into);
        json!({"type": "integer", "minimum": least, "maximum": most})
    }
}

/// Yes or no.
pub(super) struct Switch;

impl Kind for Switch {
    type Value = bool;

    fn read(&self, given: &Given) -> Result<bool, Refusal> {
        let refused = || Refusal::expected("true or false", given);
        given.switch().ok_or_else(|| match given.text() {
            Some("true" | "yes" | "on" | "1") => refused().but(true),
            Some("false" | "no" | "off" | "0") => refused().but(false),
            _ => refused(),
        })
    }

    fn show(&self, value: &bool) -> Json {
        (*value).into()
    }

    fn allowed(&self) -> String {
        "true or false".into()
    }

    fn schema(&self) -> Json {
        json!({"type": "boolean"})
    }
}

/// One of a few words. A word of digits is written as a number.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T> Choice<T> {
    fn words(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(word, _)| *word)
    }
}

fn literal(word: &str) -> Json {
    word.parse::<u64>().map_or_else(|_| word.into(), Json::from)
}

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn read(&self, given: &Given) -> Result<T, Refusal> {
        let refused = || Refusal::expected("one of its words", given);
        let word = match given {
            Given::Number(number) => number.to_string(),
            given => given.text().ok_or_else(refused)?.to_owned(),
        };
        let found = self.0.iter().find(|(name, _)| *name == word);
        found.map(|(_, value)| *value).ok_or_else(|| match nearest(&word, self.words()) {
            Some(name) => refused().but(literal(name)),
            None => refused(),
        })
    }

    fn show(&self, value: &T) -> Json {
        self.0.iter().find(|(_, each)| each == value).map_or(Json::Null, |(word, _)| literal(word))
    }

    fn allowed(&self) -> String {
        let words: Vec<_> = self.words().map(|word| literal(word).to_string()).collect();
        words.join(" or ")
    }

    fn schema(&self) -> Json {
        json!({"enum": self.words().map(literal).collect::<Vec<_>>()})
    }
}

/// What another kind takes, or `"off"`.
pub(super) struct Off<K>(pub(super) K);

impl<K: Kind> Kind for Off<K> {
    type Value = Option<K::Value>;

    fn read(&self, given: &Given) -> Result<Self::Value, Refusal> {
        match (given, given.text()) {
            (_, Some("off")) => Ok(None),
            (Given::Switch(false), _) => Err(Refusal::new("is false").but("\"off\"")),
            _ => self.0.read(given).map(Some),
        }
    }

    fn show(&self, value: &Self::Value) -> Json {
        value.as_ref().map_or_else(|| "off".into(), |value| self.0.show(value))
    }

    fn allowed(&self) -> String {
        format!("{}, or \"off\"", self.0.allowed())
    }

    fn schema(&self) -> Json {
        json!({"anyOf": [{"const": "off"}, self.0.schema()]})
    }
}
