//! A TOML text, and what of it are settings.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::fault::{Fault, Origin, Source, nearest};
use super::given::Given;
use super::read::Reading;
use super::setting::Setting;
use super::settings::{SECTIONS, SETTINGS};

type Key<'a> = Spanned<DeString<'a>>;

/// A file's text and what TOML makes of it.
pub(super) struct Document<'a> {
    source: Source,
    text: &'a str,
    table: DeTable<'a>,
    syntax: Vec<toml::de::Error>,
    line_ends: Vec<usize>,
}

impl<'a> Document<'a> {
    pub(super) fn new(name: &str, text: &'a str) -> Self {
        let (table, syntax) = DeTable::parse_recoverable(text);
        let table = table.into_inner();
        let shown: Arc<str> = without_secrets(text, &table).into();
        let line_ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { source: NamedSource::new(name, shown), text, table, syntax, line_ends }
    }

    /// Hands over every setting, and every fault of the text itself.
    pub(super) fn read(&self, reading: &mut Reading) {
        // One fault a line: whatever else is wrong on it is a consequence.
        let mut spoilt = HashSet::new();
        for error in &self.syntax {
            let span = error.span().unwrap_or(0..0);
            if spoilt.insert(self.line(&span)) {
                reading.fault(self.syntax_fault(error.message(), span));
            }
        }
        for (name, value) in &self.table {
            let section = SECTIONS.iter().find(|section| section.name == name.get_ref());
            match (section, value.get_ref()) {
                (Some(section), DeValue::Table(keys)) => {
                    let is_whole = |key: &Key<'_>| !spoilt.contains(&self.line(&key.span()));
                    for (key, value) in keys.iter().filter(|(key, _)| is_whole(key)) {
                        self.setting(section.name, key, value, reading);
                    }
                }
                _ if spoilt.contains(&self.line(&name.span())) => {}
                (Some(_), _) => reading.fault(self.no_table(name)),
                (None, value) => {
                    let origin = self.origin(name.span());
                    reading.fault(unknown_section(&origin, name.get_ref(), value.is_table()));
                }
            }
        }
    }

    fn setting(
        &self,
        section: &str,
        key: &Key<'_>,
        value: &Spanned<DeValue<'_>>,
        reading: &mut Reading,
    ) {
        match find(section, key.get_ref()) {
            Some(setting) => {
                let given = Given::from(value.get_ref());
                reading.set(setting, &given, self.origin(value.span()));
            }
            None => reading.fault(unknown_key(&self.origin(key.span()), section, key.get_ref())),
        }
    }

    fn no_table(&self, name: &Key<'_>) -> Fault {
        let what = format!("`{}` is a section", name.get_ref());
        Fault::at(&self.origin(name.span()), what, format!("write [{}]", name.get_ref()))
    }

    fn syntax_fault(&self, message: &str, span: Range<usize>) -> Fault {
        let written = self.text.get(span.clone()).unwrap_or_default();
        let origin = self.origin(span);
        if message == "duplicate key" {
            let fault = Fault::at(&origin, format!("`{written}` stands twice"), "the second time");
            return match self.first_place(written, origin.span.start) {
                Some(first) => fault.and(&self.origin(first), "the first"),
                None => fault,
            };
        }
        Fault::at(&origin, format!("this is not TOML: {message}"), "here")
    }

    /// Where `key` stands last before `offset`.
    fn first_place(&self, key: &str, offset: usize) -> Option<Range<usize>> {
        let sections = self.table.values().filter_map(|section| section.get_ref().as_table());
        let keys = sections.chain([&self.table]).flat_map(|table| table.keys());
        keys.filter(|each| each.get_ref() == key && each.span().start < offset)
            .map(|each| each.span())
            .max_by_key(|span| span.start)
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        Origin { source: self.source.clone(), span }
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.line_ends.partition_point(|end| *end < span.start)
    }
}

/// The text as errors may show it: a line beside a fault can hold a secret.
fn without_secrets(text: &str, table: &DeTable<'_>) -> String {
    let mut shown = text.to_owned();
    for setting in SETTINGS.iter().filter(|setting| setting.is_secret()) {
        let section = table.get(setting.section).and_then(|section| section.get_ref().as_table());
        let Some(value) = section.and_then(|section| section.get(setting.key)) else { continue };
        let Some(secret) = text.get(value.span()) else { continue };
        // The same number of bytes, so that every other place stays where it is.
        let hidden: String = secret
            .bytes()
            .map(|byte| if matches!(byte, b'\n' | b'"' | b'\'') { char::from(byte) } else { '*' })
            .collect();
        shown.replace_range(value.span(), &hidden);
    }
    shown
}

fn find(section: &str, key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.section == section && setting.key == key)
}

fn keys_of(section: &str) -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().filter(move |setting| setting.section == section).map(|setting| setting.key)
}

fn unknown_section(origin: &Origin, name: &str, is_table: bool) -> Fault {
    let names = || SECTIONS.iter().map(|section| section.name);
    let homes: Vec<_> = SETTINGS.iter().filter(|setting| setting.key == name).collect();
    let help = match (nearest(name, names()), homes.first()) {
        (Some(meant), _) if is_table => format!("did you mean [{meant}]?"),
        (_, Some(home)) => format!("it belongs into a section: [{}]", home.section),
        _ => format!("the sections are: {}", names().collect::<Vec<_>>().join(", ")),
    };
    let what = if is_table { "section" } else { "key" };
    Fault::at(origin, format!("unknown {what} `{name}`"), "unknown").help(Some(help))
}

fn unknown_key(origin: &Origin, section: &str, key: &str) -> Fault {
    let elsewhere = || SETTINGS.iter().find(|setting| setting.key == key);
    let help = match (nearest(key, keys_of(section)), elsewhere()) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some(setting)) => format!("`{key}` belongs into [{}]", setting.section),
        (None, None) => {
            format!("[{section}] has {}", keys_of(section).collect::<Vec<_>>().join(", "))
        }
    };
    Fault::at(origin, format!("unknown key `{key}` in [{section}]"), "unknown").help(Some(help))
}
