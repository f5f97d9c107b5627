//! Bots for a person at a terminal: a progress bar, then a table or JSON, then an exit code.

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{BotsArgs, Options};
use crate::run::{self, Progress};
use crate::summary::Summary;

/// Plays as the command line says. The bar goes to standard error, the summary to standard output.
///
/// Ctrl-C ends the playing early. The exit code is 2 if no bot could be started, 1 if none could
/// connect or, with `--strict`, if anything was amiss.
pub async fn run(args: BotsArgs) -> ExitCode {
    let options = Options::from(&args);
    let stop = options.stop.clone();
    let interrupt = tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let bar = bar();
    let outcome = run::run(options, |progress| show(&bar, progress)).await;
    bar.finish_and_clear();
    interrupt.abort();
    match outcome {
        Ok(summary) => conclude(&summary, &args),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn conclude(summary: &Summary, args: &BotsArgs) -> ExitCode {
    if args.json {
        println!("{}", serde_json::json!(summary));
    } else {
        print!("{summary}");
    }
    let failed = summary.traffic.joined == 0 || args.strict && !summary.is_flawless();
    ExitCode::from(u8::from(failed))
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {msg}").expect("the template is a constant");
    ProgressBar::new(0).with_style(style)
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.total.as_millis() as u64);
    bar.set_position(progress.elapsed.min(progress.total).as_millis() as u64);
    bar.set_message(format!(
        "{:.0} of {:.0} s · {} bots joined, {} gone · {} packets sent, {} came back",
        progress.elapsed.as_secs_f64(),
        progress.total.as_secs_f64(),
        progress.joined,
        progress.parted,
        progress.sent,
        progress.echoed,
    ));
}
