//! What a setting is, and the macro that makes sections of them.

use serde_json::Value as Json;

use super::Config;
use super::given::Given;
use super::kind::Refusal;

/// One setting: all that errors, documentation, schema and reload need to know of it.
pub struct Setting {
    /// Its section: `client`.
    pub section: &'static str,
    /// Its key in the section: `listen`.
    pub key: &'static str,
    /// Both: `client.listen`.
    pub name: &'static str,
    /// What it is for.
    pub sentence: &'static str,
    /// Whether a reload changes it in a relay that runs.
    pub live: bool,
    pub(super) allowed: fn() -> String,
    pub(super) schema: fn() -> Json,
    pub(super) read: fn(&mut Config, &Given) -> Result<(), Refusal>,
    pub(super) show: fn(&Config) -> Json,
    pub(super) same: fn(&Config, &Config) -> bool,
    pub(super) copy: fn(from: &Config, to: &mut Config),
}

impl Setting {
    /// What may be written, for people: `1ms to 1h`.
    pub fn allowed(&self) -> String {
        (self.allowed)()
    }

    /// What a configuration has for it, as the file would say it; secrets are not shown.
    pub fn value(&self, config: &Config) -> Json {
        (self.show)(config)
    }

    /// The environment variable that overrides it: `PULSEGATE_CLIENT__LISTEN`.
    pub fn variable(&self) -> String {
        let [section, key] = [self.section, self.key].map(str::to_uppercase);
        format!("{}{section}__{key}", super::VARIABLE_PREFIX)
    }

    /// Whether its value must not be shown.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.name, "logic.secret" | "admin.token")
    }
}

/// A section: its name and what it is about.
pub(super) struct About {
    pub(super) name: &'static str,
    pub(super) sentence: &'static str,
}

/// Makes `Config`, its sections with their defaults, and `SETTINGS`, from one table of
///
/// ```text
/// /// What it is for.
/// key: Type = default, kind, live | restart;
/// ```
macro_rules! settings {
    ($(
        #[doc = $about:literal]
        $section:ident: $Section:ident {$(
            $(#[doc = $sentence:literal])+
            $key:ident: $type:ty = $default:expr, $kind:expr, $reload:ident;
        )+}
    )+) => {
        /// All settings, each with a value that is allowed.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Config {$(
            #[doc = $about]
            pub $section: $Section,
        )+}

        $(
            #[doc = $about]
            #[derive(Debug, Clone, PartialEq)]
            pub struct $Section {$(
                $(#[doc = $sentence])+
                pub $key: $type,
            )+}

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($key: $default),+ }
                }
            }
        )+

        pub(super) static SECTIONS: &[About] = &[$(
            About { name: stringify!($section), sentence: $about },
        )+];

        /// Every setting, in the order of `config/relay.toml`.
        pub static SETTINGS: &[Setting] = &[$($(
            Setting {
                section: stringify!($section),
                key: key!($key),
                name: concat!(stringify!($section), ".", key!($key)),
                sentence: concat!($($sentence),+),
                live: is_live!($reload),
                allowed: || $kind.allowed(),
                schema: || $kind.schema(),
                read: |config, given| {
                    config.$section.$key = $kind.read(given)?;
                    Ok(())
                },
                show: |config| $kind.show(&config.$section.$key),
                same: |one, other| one.$section.$key == other.$section.$key,
                copy: |from, to| to.$section.$key = from.$section.$key.clone(),
            },
        )+)+];
    };
}

/// The key as it is written; `match` is a word of Rust.
macro_rules! key {
    (matches) => {
        "match"
    };
    ($key:ident) => {
        stringify!($key)
    };
}

macro_rules! is_live {
    (live) => {
        true
    };
    (restart) => {
        false
    };
}

pub(super) use {is_live, key, settings};
