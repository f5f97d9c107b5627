//! `pulsegate config`: what a configuration may say.

use std::io::{self, Write};

use crate::config::print;

/// What to print.
#[derive(Debug, Clone, Copy, clap::Subcommand)]
pub enum ConfigCommand {
    /// A file with every setting at its default, each with a sentence of what it is for
    Default,
    /// A JSON schema of the file, for editors
    Schema,
}

impl ConfigCommand {
    /// Prints it to standard output.
    pub fn run(self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Default => write!(out, "{}", print::default_file()),
            Self::Schema => writeln!(out, "{:#}", print::schema()),
        }
    }
}
