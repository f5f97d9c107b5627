//! A replay for a person at a terminal: a progress bar, then a summary, then an exit code.

use std::fmt;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::ReplayArgs;
use crate::as_clients;
use crate::run::{self, Progress, Summary};

/// Plays as the command line says. The bar and errors go to standard error, the summary to
/// standard output. The exit code is [`Error::exit_code`](crate::Error::exit_code), or 0.
pub async fn run(args: ReplayArgs) -> ExitCode {
    if let Some(address) = args.as_clients.clone() {
        return as_clients::terminal::run(args, address).await;
    }
    let json = args.json;
    let bar = bar();
    let outcome = run::run(args, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    match outcome {
        Ok(summary) if json => println!("{}", serde_json::json!(summary)),
        Ok(summary) => print!("{summary}"),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(error.exit_code());
        }
    }
    ExitCode::SUCCESS
}

pub(crate) fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {msg} · {per_sec} · {eta} left")
        .expect("the template is a constant");
    ProgressBar::new(0).with_style(style)
}

pub(crate) fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length((progress.last + 1).saturating_sub(progress.first));
    bar.set_position((progress.answered + 1).saturating_sub(progress.first));
    let what = if progress.in_range { "tick" } else { "on the way there: tick" };
    bar.set_message(format!("{what} {} of {}", progress.answered, progress.last));
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16}{}", "logic", self.logic)?;
        for note in &self.notes {
            writeln!(f, "{:<16}{note}", "range")?;
        }
        writeln!(f, "{:<16}{} played", "ticks", self.played)?;
        if self.ticks > self.played {
            writeln!(f, "{:<16}{} to get there", "", self.ticks - self.played)?;
        }
        writeln!(f, "{:<16}{}", "last tick", self.last_tick)?;
        writeln!(f, "{:<16}{}", "replies", self.replies)?;
        if let Some(hash) = &self.state_hash {
            writeln!(f, "{:<16}{hash}", "state hash")?;
        }
        let (seconds, per_second) = (self.seconds, self.ticks_per_second);
        writeln!(f, "{:<16}{seconds:.2} s, {per_second:.0} ticks a second", "took")?;
        writeln!(f, "{:<16}{:.1} times real time", "speed", self.real_time_factor)
    }
}
