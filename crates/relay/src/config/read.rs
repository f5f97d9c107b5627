//! File, environment and command line into values.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use miette::NamedSource;
use rustix::fs::OFlags;

use super::document::Document;
use super::fault::{COMMAND_LINE, ENVIRONMENT, Fault, Faults, Origin, nearest};
use super::given::Given;
use super::setting::Setting;
use super::settings::SETTINGS;
use super::{Config, Override, VARIABLE_PREFIX, relations};

/// No configuration is longer; whatever is, is something else.
const MAX_FILE: u64 = 1024 * 1024;

/// A configuration that is being read: what is known, from where, and what is wrong so far.
#[derive(Default)]
pub(super) struct Reading {
    config: Config,
    known: relations::Known,
    faults: Vec<Fault>,
    whose: Option<String>,
}

impl Reading {
    pub(super) fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        self.whose = Some(name.clone());
        match text_of(path) {
            Ok(text) => Document::new(&name, &text).read(self),
            Err(why) => self.faults.push(Fault::nowhere(
                format!("{name}: {why}"),
                "`pulsegate config default` prints a file to begin with",
            )),
        }
    }

    pub(super) fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let ours = variables.into_iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX));
        // Sorted, so that the same environment gives the same report.
        for (name, value) in ours.collect::<BTreeMap<_, _>>() {
            match SETTINGS.iter().find(|setting| setting.variable() == name) {
                Some(setting) => self.outside(setting, ENVIRONMENT, &format!("{name}="), &value),
                None => self.faults.extend(unknown_variable(&name)),
            }
        }
    }

    pub(super) fn overrides(&mut self, overrides: &[Override]) {
        for Override { key, value, origin } in overrides {
            match SETTINGS.iter().find(|setting| setting.name == *key) {
                Some(setting) => self.outside(setting, COMMAND_LINE, &format!("{origin} "), value),
                None => self.faults.push(Fault::nowhere(
                    format!("{origin} sets `{key}`, which is no setting"),
                    "this is a fault of the program",
                )),
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<Config, Faults> {
        self.faults.extend(relations::contradictions(&self.config, &self.known));
        if self.faults.is_empty() {
            return Ok(self.config);
        }
        Err(Faults::new(self.whose.as_deref().unwrap_or("the configuration"), self.faults))
    }

    /// A value from outside the file, shown in an error as `before` and the value.
    fn outside(&mut self, setting: &'static Setting, source: &str, before: &str, value: &str) {
        let shown = if setting.is_secret() { "***" } else { value };
        let origin = Origin {
            source: NamedSource::new(source, format!("{before}{shown}").into()),
            span: before.len()..before.len() + shown.len(),
        };
        self.set(setting, &Given::outside(value), origin);
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn set(&mut self, setting: &'static Setting, given: &Given, origin: Origin) {
        if let Err(refusal) = (setting.read)(&mut self.config, given) {
            let what = format!("`{}` {}", setting.name, refusal.what);
            self.faults.push(Fault::at(&origin, what, setting.allowed()).help(refusal.hint));
            self.known.refused.insert(setting.name);
        }
        self.known.origins.insert(setting.name, origin);
    }
}

/// Bounded, and only from a file: a configuration that never ends must not stop a start.
fn text_of(path: &Path) -> Result<String, String> {
    // To open a pipe that nobody writes to would wait for ever.
    let without_waiting = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(without_waiting).open(path);
    let file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        _ => format!("cannot be opened: {error}"),
    })?;
    let about = file.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !about.is_file() {
        return Err("is not an ordinary file".into());
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("is longer than 1MiB, so it is no configuration".into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("is not UTF-8 text: see line {line}")
    })
}

/// `None` for a variable that may be somebody else's: only one with `__`, or one that is a setting
/// but for its underscores, is meant for us.
fn unknown_variable(name: &str) -> Option<Fault> {
    let written = name.strip_prefix(VARIABLE_PREFIX)?.to_lowercase();
    let single = SETTINGS.iter().find(|setting| setting.name.replace('.', "_") == written);
    if single.is_none() && !written.contains("__") {
        return None;
    }
    let near = || nearest(&written.replacen("__", ".", 1), SETTINGS.iter().map(|each| each.name));
    let meant = single
        .or_else(|| near().and_then(|name| SETTINGS.iter().find(|setting| setting.name == name)));
    let source = NamedSource::new(ENVIRONMENT, name.to_owned().into());
    let origin = Origin { source, span: 0..name.len() };
    let help = meant.map(|setting| format!("did you mean {}?", setting.variable()));
    Some(Fault::at(&origin, format!("unknown variable {name}"), "names no setting").help(help))
}
