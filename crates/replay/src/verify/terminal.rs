//! A comparison for a person at a terminal, and for CI.

use std::fs;
use std::process::ExitCode;

use super::args::VerifyArgs;
use super::run::{self};
use super::verdict::Verdict;
use super::{formats, page};
use crate::error::Error;
use crate::terminal::{bar, show};

/// Compares as the command line says. The bar and errors go to standard error, the verdict to
/// standard output. The exit code is 0 if nothing differs, 1 if something does, and 2 if that could
/// not be found out.
pub async fn run(args: VerifyArgs) -> ExitCode {
    let bar = bar();
    let outcome = run::run(&args, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    let outcome = outcome.and_then(|verdict| write_page(&args, verdict));
    print!("{}", formats::print(&args, &outcome));
    match outcome {
        Ok(verdict) => ExitCode::from(u8::from(verdict.found.is_some())),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn write_page(args: &VerifyArgs, verdict: Verdict) -> Result<Verdict, Error> {
    if let Some(path) = &args.html {
        let written = fs::write(path, page::page(&verdict));
        written.map_err(|source| Error::Page { path: path.clone(), source })?;
    }
    Ok(verdict)
}
