//! What may differ.

use std::fmt;
use std::str::FromStr;

use crate::place::{Place, Step};

/// Something that may differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignore {
    /// The state's hash: `state_hash`.
    StateHash,
    /// The sessions to close: `close`.
    Close,
    /// What is at these places of JSON bodies, and all within.
    Place(Place),
}

impl Ignore {
    /// Whether what is at a place may differ.
    pub(crate) fn covers(&self, place: &[Step]) -> bool {
        matches!(self, Self::Place(pattern) if pattern.covers(place))
    }
}

impl fmt::Display for Ignore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateHash => f.write_str("state_hash"),
            Self::Close => f.write_str("close"),
            Self::Place(place) => place.fmt(f),
        }
    }
}

impl FromStr for Ignore {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "state_hash" => Ok(Self::StateHash),
            "close" => Ok(Self::Close),
            text => match text.parse() {
                Ok(place) => Ok(Self::Place(place)),
                Err(expected) => Err(format!("{expected}, or state_hash, or close")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_parts_of_an_answer_and_all_else_is_a_place() {
        assert_eq!("state_hash".parse(), Ok(Ignore::StateHash));
        assert_eq!("close".parse(), Ok(Ignore::Close));
        let ignored: Ignore = r#"["close"]"#.parse().unwrap();
        assert!(ignored.covers(&[Step::Key("close".into())]));
        let refused = "a[".parse::<Ignore>().unwrap_err();
        assert!(refused.contains("players[*].x") && refused.contains("state_hash"), "{refused}");
    }
}
