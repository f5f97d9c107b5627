//! What is wrong with a configuration, and where.

use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource};
use thiserror::Error;

/// Whoever has more faults than this reads no more of them.
const MAX_SHOWN: usize = 100;

/// The name of the source of what the environment says.
pub(super) const ENVIRONMENT: &str = "environment";
/// The name of the source of what the command line says.
pub(super) const COMMAND_LINE: &str = "command line";

/// Text that settings were read from, with its name: a file's path, or one of the above.
pub(super) type Source = NamedSource<Arc<str>>;

/// Where a value stands.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) source: Source,
    pub(super) span: Range<usize>,
}

impl Origin {
    /// Whether both are in one text, so that one picture shows them.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.source.inner(), other.source.inner())
    }
}

/// One thing that is wrong.
#[derive(Debug, Error, Diagnostic)]
#[error("{what}")]
pub struct Fault {
    what: String,
    #[source_code]
    text: Option<Source>,
    #[label(collection)]
    labels: Vec<LabeledSpan>,
    #[help]
    help: Option<String>,
}

impl Fault {
    /// A fault that no place in a text can be blamed for.
    pub(super) fn nowhere(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { what: what.into(), text: None, labels: Vec::new(), help: Some(help.into()) }
    }

    pub(super) fn at(origin: &Origin, what: impl Into<String>, label: impl Into<String>) -> Self {
        let text = Some(origin.source.clone());
        Self { what: what.into(), text, labels: Vec::new(), help: None }.and(origin, label)
    }

    /// Another place that has to do with it, in the same text.
    pub(super) fn and(mut self, origin: &Origin, label: impl Into<String>) -> Self {
        self.labels.push(LabeledSpan::new_with_span(Some(label.into()), origin.span.clone()));
        self
    }

    pub(super) fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// The line of the first label, counted from 1.
    pub fn line(&self) -> Option<usize> {
        let text = self.text.as_ref()?.inner();
        let before = text.get(..self.labels.first()?.offset())?;
        Some(before.matches('\n').count() + 1)
    }

    fn in_one_line(&self) -> String {
        let place = match (&self.text, self.line()) {
            (Some(text), Some(line)) => format!("{}:{line}: ", text.name()),
            _ => String::new(),
        };
        let label = self.labels.first().and_then(LabeledSpan::label);
        let hint = label.map_or(String::new(), |label| format!(" ({label})"));
        format!("{place}{self}{hint}")
    }

    /// Where it is among others: the file first, then what overrides it.
    fn place(&self) -> (u8, usize) {
        let source = match self.text.as_ref().map(NamedSource::name) {
            None => 0,
            Some(ENVIRONMENT) => 2,
            Some(COMMAND_LINE) => 3,
            Some(_) => 1,
        };
        (source, self.labels.first().map_or(0, LabeledSpan::offset))
    }
}

/// All that is wrong with a configuration.
///
/// As a [`Diagnostic`] it shows each fault under its lines; [`Faults::in_one_line`] is for a log.
#[derive(Debug, Error, Diagnostic)]
#[error("{whose} cannot be used: {}", count(.list))]
pub struct Faults {
    whose: String,
    #[related]
    list: Vec<Fault>,
}

impl Faults {
    /// `list` in the order of the texts; `whose` names the file.
    pub(super) fn new(whose: impl Into<String>, mut list: Vec<Fault>) -> Self {
        list.sort_by_key(Fault::place);
        let more = list.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            list.truncate(MAX_SHOWN);
            list.push(Fault::nowhere(format!("and {more} more"), "is this the right file?"));
        }
        Self { whose: whose.into(), list }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// `relay.toml:3: …; relay.toml:9: …`.
    pub fn in_one_line(&self) -> String {
        let lines: Vec<_> = self.list.iter().map(Fault::in_one_line).collect();
        lines.join("; ")
    }
}

fn count(list: &[Fault]) -> String {
    match list.len() {
        1 => "one fault".into(),
        many => format!("{many} faults"),
    }
}

/// The word that `written` was perhaps meant to be.
pub(super) fn nearest<'a>(
    written: &str,
    words: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_lowercase().replace('-', "_");
    let near = |word: &&str| strsim::damerau_levenshtein(&written, word);
    let limit = (written.chars().count() / 3).max(1);
    words.into_iter().min_by_key(near).filter(|word| near(word) <= limit)
}
