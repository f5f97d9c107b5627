//! How much to attack, by which seed, and what it came to.

use std::fmt;

use clap::Args;

/// What all attacks understand.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Attack {
    /// How often, where an attack can be repeated [default: as CI does]
    #[arg(long, global = true)]
    count: Option<u32>,
    /// Which dice to throw [default: others each time]
    #[arg(long, global = true, overrides_with = "seed")]
    seed: Option<u64>,
}

impl Attack {
    /// The same, with a seed in any case.
    pub(crate) fn with_seed(self) -> Self {
        Self { seed: self.seed.or_else(|| Some(fastrand::u64(..1_000_000))), ..self }
    }

    /// The seed.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }

    /// Dice that fall the same way for the same seed.
    pub(crate) fn dice(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed())
    }

    /// How often, where `usual` is enough for CI.
    pub(crate) fn count(&self, usual: u32) -> u32 {
        self.count.unwrap_or(usual)
    }
}

/// What an attack came to: words and numbers, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<(String, String)>);

impl Figures {
    /// Adds a figure, with its unit in its name. It is printed at once too: what comes next may break
    /// a promise, and take the table with it.
    pub(crate) fn add(&mut self, what: &str, value: impl fmt::Display) {
        println!("  {what}: {value}");
        self.0.push((what.to_owned(), value.to_string()));
    }
}

/// A table in Markdown.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        writeln!(f, "| {:width$} | |\n|-{:-<width$}-|---|", "what", "")?;
        self.0.iter().try_for_each(|(what, value)| writeln!(f, "| {what:width$} | {value} |"))
    }
}
