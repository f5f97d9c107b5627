//! A replay for a person at a terminal: a progress bar, then a summary, then an exit code.

mod keys;

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use self::keys::{Keys, Single};
use crate::args::ReplayArgs;
use crate::as_clients;
use crate::audience::{Audience, Key};
use crate::run::{self, Progress, Summary};

/// Plays as the command line says. The bar and errors go to standard error, the summary, and what
/// is shown on the way, to standard output; with `--json` the summary alone. The exit code is
/// [`Error::exit_code`](crate::Error::exit_code), or 0; with `--until-diff` as that of verify.
pub async fn run(args: ReplayArgs) -> ExitCode {
    if let Some(address) = args.as_clients.clone() {
        return as_clients::terminal::run(args, address).await;
    }
    let (json, until_diff) = (args.json, args.until_diff);
    let bar = bar();
    let mut audience = Terminal { bar: bar.clone(), keys: Keys::default(), json };
    let outcome = run::watched(args, &mut audience, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    let summary = match outcome {
        Ok(summary) => summary,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(if until_diff { 2 } else { error.exit_code() });
        }
    };
    if json {
        println!("{}", serde_json::json!(summary));
    } else {
        print!("{summary}");
    }
    ExitCode::from(u8::from(summary.verdict.is_some_and(|verdict| verdict.found.is_some())))
}

pub(crate) fn bar() -> ProgressBar {
    let left = |state: &ProgressState, text: &mut dyn fmt::Write| {
        // A logic server that stands still says nothing of the time to come.
        if state.per_sec() >= 1.0 {
            let _ = write!(text, " · {:#} left", HumanDuration(state.eta()));
        }
    };
    ProgressBar::new(0).with_style(style("{bar:30} {msg} · {per_sec}{left}").with_key("left", left))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants")
}

pub(crate) fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length((progress.last + 1).saturating_sub(progress.first));
    bar.set_position((progress.answered + 1).saturating_sub(progress.first));
    let what = if progress.in_range { "tick" } else { "on the way there: tick" };
    bar.set_message(format!("{what} {} of {}", progress.answered, progress.last));
}

/// Standard input and output, and the line of the bar, which says what is waited for.
struct Terminal {
    bar: ProgressBar,
    keys: Keys,
    json: bool,
}

impl Audience for Terminal {
    fn show(&mut self, text: &str) {
        let write = || match self.json {
            true => io::stderr().write_all(text.as_bytes()),
            false => io::stdout().write_all(text.as_bytes()),
        };
        // Whoever closed it does not read it.
        let _ = self.bar.suspend(write);
    }

    async fn key(&mut self, asked: &str) -> Key {
        // First, so that a key that is pressed as soon as it is asked for is not shown.
        let _single = Single::keys();
        let usual = self.bar.style();
        self.bar.set_style(style("{prefix}"));
        self.bar.set_prefix(asked.to_owned());
        let key = self.keys.next().await;
        self.bar.set_style(usual);
        key
    }

    fn is_a_person(&self) -> bool {
        keys::is_a_terminal()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16}{}", "logic", self.logic)?;
        for note in &self.notes {
            writeln!(f, "{:<16}{note}", "range")?;
        }
        if let Some(opened) = &self.prelude {
            writeln!(f, "{:<16}{opened}", "began with")?;
        }
        writeln!(f, "{:<16}{} played", "ticks", self.played)?;
        let before = self.ticks - self.played - u64::from(self.prelude.is_some());
        if before > 0 {
            writeln!(f, "{:<16}{before} to get there", "")?;
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
