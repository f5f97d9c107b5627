//! A value as it was written, before anyone knows what it should be.

use std::fmt;

use toml::de::{DeInteger, DeValue};

/// What stands behind a key.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    /// Quoted text.
    Text(String),
    /// Text without quotes, from the environment or a command line: whoever reads it decides.
    Bare(String),
    Number(i64),
    Switch(bool),
    List(Vec<Given>),
    /// Something that no setting takes.
    Other(&'static str),
}

impl Given {
    /// A value of the environment or the command line. TOML's quotes and brackets are understood,
    /// but not needed.
    pub(super) fn outside(text: &str) -> Self {
        if text.starts_with(['"', '\'', '['])
            && let Ok(value) = DeValue::parse(text)
        {
            return Self::from(value.get_ref());
        }
        Self::Bare(text.to_owned())
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Bare(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn switch(&self) -> Option<bool> {
        match self {
            Self::Switch(on) => Some(*on),
            Self::Bare(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// A list; bare text is one with commas.
    pub(super) fn list(&self) -> Option<Vec<Given>> {
        match self {
            Self::List(list) => Some(list.clone()),
            Self::Bare(text) if text.trim().is_empty() => Some(Vec::new()),
            Self::Bare(text) => {
                Some(text.split(',').map(|part| Self::Bare(part.trim().to_owned())).collect())
            }
            _ => None,
        }
    }
}

impl From<&DeValue<'_>> for Given {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => whole(number).map_or(Self::Other("too long"), Self::Number),
            DeValue::Boolean(on) => Self::Switch(*on),
            DeValue::Array(list) => {
                Self::List(list.iter().map(|item| Self::from(item.get_ref())).collect())
            }
            DeValue::Float(_) => Self::Other("a fraction"),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }
}

fn whole(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// As it reads in a sentence: `"50"`, `50`, `a table`.
impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Bare(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::List(_) => f.write_str("a list"),
            Self::Other(what) => f.write_str(what),
        }
    }
}
